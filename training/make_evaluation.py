"""
Speak the sentences kept for measuring with the voices kept for measuring.

python training/make_evaluation.py FOLDER

Makes one corpus per domain and voice, each the same at every call, and leaves those that are there
as they are; and one of noise and music, which a model must not write words for.
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
SENTENCES = {'command': 100, 'sentence': 30}  # of each domain and voice
WATCHED_SENTENCES = {'command': 40, 'sentence': 20}  # measured again and again while training
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
    """Yield name, domain, split, sentences and voice of every set."""
    for domain, count in SENTENCES.items():
        test = sentences(domain, 'test')
        for number, voice in enumerate(TEST_VOICES):
            texts = test[number * count:(number + 1) * count]
            yield f'test_{domain}_{voice}', domain, 'test', texts, voice
    for domain, count in WATCHED_SENTENCES.items():
        texts = sentences(domain, 'dev')[:count]
        yield f'dev_{domain}_{WATCHED_VOICE}', domain, 'dev', texts, WATCHED_VOICE


def main() -> None:
    """Make what is missing."""
    logging.basicConfig(level=logging.INFO, format='%(message)s')
    parser = argparse.ArgumentParser(description=(__doc__ or '').strip().split('\n')[0])
    parser.add_argument('folder', type=Path)
    root = parser.parse_args().folder
    engines = {engine.name: engine for engine in open_engines(['flite', 'kokoro'])}
    if not (root / 'test_background').exists():
        make_backgrounds(root / 'test_background', np.random.default_rng(20_261_123),
                         audio_s=BACKGROUND_S, split='test')
    for name, domain, split, texts, voice in sets():
        engine_name, _, voice_name = voice.partition(':')
        folder = root / name.replace(':', '_')
        if not folder.exists():
            logging.info('%s: %d sentences', folder.name, len(texts))
            speak_all(folder, engines[engine_name], voice_name,
                      [Text(text, domain) for text in texts], split)


if __name__ == '__main__':
    main()
