"""
Speak the sentences kept for measuring with the voices kept for measuring.

python training/make_evaluation.py FOLDER

Makes one corpus per domain and voice, each the same at every call, and leaves those that are there
as they are. What a model must not write words for comes last: noise and music.
"""
from __future__ import annotations

import argparse
from collections.abc import Iterator
import logging
from pathlib import Path

import numpy as np
from parakeet_ros.training.backgrounds import make_backgrounds
from parakeet_ros.training.grammar import load_grammar
from parakeet_ros.training.splits import split_of
from parakeet_ros.training.synthesis import speak_all
from parakeet_ros.training.texts import Text
from parakeet_ros.training.voices import open_engines
from parakeet_ros.training.wordnet import general_sentences

HERE = Path(__file__).parent
SENTENCES = {'command': 100, 'sentence': 60}  # of each domain and voice
WATCHED_SENTENCES = 40  # of each domain; measured again and again while training
SHORTEST_GENERAL_WORDS = 5
MAX_WORDS = 12
BACKGROUND_S = 300.0
# No sentence is spoken by two voices of the same split.
TEST_VOICES = ('kokoro:am_michael', 'kokoro:bf_emma', 'flite:slt')
WATCHED_VOICE = 'kokoro:am_fenrir'


def sentences(domain: str, split: str) -> list[str]:
    """Return the sentences of a domain and split, in a random order that never changes."""
    if domain == 'command':
        drawn = load_grammar(HERE / 'grammars' / 'commands.yaml').distinct(40_000, seed=7)
    else:
        drawn = [text for text in general_sentences()
                 if len(text.split()) >= SHORTEST_GENERAL_WORDS]
    kept = sorted(text for text in drawn
                  if split_of(text) == split and len(text.split()) <= MAX_WORDS)
    np.random.default_rng(1).shuffle(kept)
    return kept


def sets() -> Iterator[tuple[str, str, str, list[str], str]]:
    """Yield name, domain, split, sentences and voice of every set; the quickest to make first."""
    for domain in ('command', 'sentence'):
        dev, test = sentences(domain, 'dev'), sentences(domain, 'test')
        yield (f'dev_{domain}_{WATCHED_VOICE}', domain, 'dev', dev[:WATCHED_SENTENCES],
               WATCHED_VOICE)
        for number, voice in enumerate(TEST_VOICES):
            count = SENTENCES[domain]
            texts = test[number * count:(number + 1) * count]
            yield f'test_{domain}_{voice}', domain, 'test', texts, voice


def main() -> None:
    """Make what is missing."""
    logging.basicConfig(level=logging.INFO, format='%(message)s')
    parser = argparse.ArgumentParser(description=(__doc__ or '').strip().split('\n')[0])
    parser.add_argument('folder', type=Path)
    root = parser.parse_args().folder
    engines = {engine.name: engine for engine in open_engines(['flite', 'kokoro'])}
    for name, domain, split, texts, voice in sets():
        engine_name, _, voice_name = voice.partition(':')
        folder = root / name.replace(':', '_')
        if not folder.exists():
            logging.info('%s: %d sentences', folder.name, len(texts))
            speak_all(folder, engines[engine_name], voice_name,
                      [Text(text, domain) for text in texts], split)
    if not (root / 'test_background').exists():
        make_backgrounds(root / 'test_background', np.random.default_rng(20_261_123),
                         audio_s=BACKGROUND_S, split='test')


if __name__ == '__main__':
    main()
