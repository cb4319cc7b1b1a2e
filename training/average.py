"""
Average models, as the built-in one was made: often better than each of them.

python training/average.py OUTPUT.nemo --model 0.5 run_2.nemo --model 0.5 builtin

Each is a model of the same vocabulary, with its weight in the mean; one is trained on from
another. What has fewer layers, or narrower feed-forward parts, grows to the size of the others
first, as `train.py --layers` does.
"""
from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from parakeet_ros.engine.loading import read_model
from parakeet_ros.training.architecture import Sizes
from parakeet_ros.training.averaging import averaged
from parakeet_ros.training.export import export
from parakeet_ros.training.start import grown, read_start, Start


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').strip().split('\n')[0])
    parser.add_argument('output', type=Path)
    parser.add_argument('--model', nargs=2, action='append', required=True, dest='models',
                        metavar=('WEIGHT', 'MODEL'), help='builtin, or a .nemo file; repeat it')
    return parser.parse_args()


def as_large(starts: list[Start]) -> list[Start]:
    """Let the smaller models grow."""
    encoders = [start.config.encoder for start in starts]
    largest = {'n_layers': max(encoder.n_layers for encoder in encoders),
               'feed_forward_factor': max(encoder.feed_forward_factor for encoder in encoders)}
    return [start if largest == {name: getattr(encoder, name) for name in largest}
            else grown(start, replace(Sizes(), **largest))
            for start, encoder in zip(starts, encoders, strict=True)]


def main() -> None:
    """Average."""
    arguments = parse_arguments()
    try:
        weights = [float(weight) for weight, _ in arguments.models]
        starts = [read_start(read_model(source).path) for _, source in arguments.models]
        start = averaged(as_large(starts), weights)
    except ValueError as error:  # CheckpointError, too
        raise SystemExit(f'average: {error}') from None
    export(arguments.output, start, start.network())
    print(f'{arguments.output}: the mean of {len(starts)} models')


if __name__ == '__main__':
    main()
