"""
Word error rates of a model on the evaluation sets, and what it writes for noise and music.

python training/evaluate.py SETS [--model builtin] [--snr-db 10 [--noise motor]] [--write FOLDER]

SETS is a folder of corpora, such as `training/make_evaluation.py` makes. Each clip is decoded
alone and whole. WER: substituted, lost and inserted words in percent of those that were said.
Insertions: words written beyond those said, per minute of audio. The figures that the node has,
with its segmenter before the engine, are those of `benchmark/bench_wer.py`: `--write` makes the
folders of recordings that it reads. Prints a table and, last, one JSON object.
"""
from __future__ import annotations

import argparse
from datetime import datetime, timezone
import json
from pathlib import Path

from parakeet_ros.engine import load_model
from parakeet_ros.training.augment import BACKGROUNDS
from parakeet_ros.training.corpus import corpora
from parakeet_ros.training.evaluation import measure, NOISE_SEED, write_recordings
import torch


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').strip().split('\n')[0])
    parser.add_argument('sets', type=Path)
    parser.add_argument('--model', default='builtin')
    parser.add_argument('--snr-db', type=float, help='add noise of this ratio to all clips')
    parser.add_argument('--noise-seed', type=int, default=NOISE_SEED,
                        help='for another draw of the noise')
    parser.add_argument('--noise', choices=BACKGROUNDS, default='',
                        help='one kind instead of all')
    parser.add_argument('--only', default='', help='sets whose names contain this')
    parser.add_argument('--write', type=Path, metavar='FOLDER',
                        help='write the clips for benchmark/bench_wer.py, and measure nothing')
    arguments = parser.parse_args()
    if arguments.noise and arguments.snr_db is None:
        parser.error('--noise wants --snr-db, how loud it is to be')
    return arguments


def main() -> None:
    """Measure, and print."""
    arguments = parse_arguments()
    sets = [corpus for corpus in corpora(arguments.sets) if arguments.only in corpus.name]
    if not sets:
        raise SystemExit(f'no sets in {arguments.sets}; make them with '
                         'training/make_evaluation.py')
    noise = arguments.snr_db, arguments.noise_seed, arguments.noise
    if arguments.write:
        for corpus in sets:
            write_recordings(corpus, arguments.write / corpus.name, *noise)
        return
    engine = load_model(arguments.model)
    record: dict[str, object] = {
        'model': engine.name, 'torch': torch.__version__, 'snr_db': arguments.snr_db,
        'noise_seed': arguments.noise_seed, 'noise': arguments.noise or 'all',
        'date': datetime.now(timezone.utc).strftime('%Y-%m-%d')}
    print(f'{"set":<40}{"clips":>6}{"words":>7}{"WER %":>8}{"right %":>9}{"inserted/min":>14}')
    for corpus in sets:
        score = measure(engine, corpus, *noise)
        print(f'{corpus.name:<40}{score.clips:>6}{score.words:>7}{score.wer_percent:>8.1f}'
              f'{score.right_percent:>9.0f}{score.inserted_per_minute:>14.1f}', flush=True)
        record[corpus.name] = vars(score)
    print(json.dumps(record))


if __name__ == '__main__':
    main()
