"""
Speak the sentences of a grammar, and general ones, with one voice engine.

python training/make_corpus.py ENGINE FOLDER --hours 2 --seed 1

FOLDER appears when it is whole. What is kept for measuring is never spoken: sentences whose hash
says so, the texts of the manifests given, and the withheld voices.
"""
from __future__ import annotations

import argparse
from collections.abc import Iterator
import json
import logging
import os
from pathlib import Path
import random

from parakeet_ros.training.corpus import Corpus
from parakeet_ros.training.grammar import load_grammar
from parakeet_ros.training.synthesis import synthesise
from parakeet_ros.training.texts import TextSource
from parakeet_ros.training.voices import ENGINES, open_engines
from parakeet_ros.training.wordnet import general_sentences

HERE = Path(__file__).parent


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').strip().split('\n')[0])
    parser.add_argument('engine', choices=sorted(ENGINES))
    parser.add_argument('folder', type=Path)
    parser.add_argument('--grammar', type=Path, default=HERE / 'grammars' / 'commands.yaml')
    parser.add_argument('--no-general', action='store_true', help='no sentences of WordNet')
    parser.add_argument('--withhold', type=Path, nargs='*', metavar='MANIFEST',
                        default=[HERE.parent / 'test' / 'data' / 'heldout' / 'manifest.jsonl'])
    parser.add_argument('--hours', type=float, default=1.0, help='of audio to make')
    parser.add_argument('--minutes', type=float, default=float('inf'),
                        help='after which what there is must do')
    parser.add_argument('--seed', type=int, default=1)
    return parser.parse_args()


def texts_of(manifest: Path) -> Iterator[str]:
    """Yield every text of held-out clips, and of the commands in the long ones."""
    for line in manifest.read_text().splitlines():
        entry = json.loads(line)
        yield entry['text']
        yield from (command['text'] for command in entry.get('commands', []))


def main() -> None:
    """Make one corpus."""
    logging.basicConfig(level=logging.INFO, format='%(message)s')
    arguments = parse_arguments()
    withheld = frozenset(text for path in arguments.withhold for text in texts_of(path))
    general = [] if arguments.no_general else general_sentences()
    source = TextSource(load_grammar(arguments.grammar), general, withheld)
    engine, = open_engines([arguments.engine])
    rng = random.Random(arguments.seed)
    start_s = processor_s()
    synthesise(arguments.folder, engine, source.texts(rng), rng,
               audio_s=3600 * arguments.hours, limit_s=60 * arguments.minutes)
    corpus = Corpus(arguments.folder)
    logging.info('%d clips, %.2f h, %.1f s of audio per second of processor time', len(corpus),
                 corpus.duration_s / 3600, corpus.duration_s / (processor_s() - start_s))


def processor_s() -> float:
    """Return the processor time of this program and of those that it has run."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


if __name__ == '__main__':
    main()
