"""
What an utterance costs on a GPU that is not here: bytes, launches and the time they must take.

The engine's own modules run on meta tensors, which have shapes and no values, in the shape of a
public model, and every operator is noted. From that, for each stage:

- *launches*: operators that start a kernel; views start none. A library may start more than one
  kernel for an operator.
- *weights, traffic*: bytes of parameters read, and of everything read and written; each operator
  reads its inputs and writes its result once.
- *GFLOP*: of matrix products and convolutions, two for each multiplication.
- *floor*: each operator takes the longer of its weights' bytes at the memory's speed and its
  arithmetic at the processor's; all else stays in caches. What cannot be beaten.
- *traffic*: the same with all its bytes, no cache helping.
- *graph*: traffic, and an assumed time between the kernels of a CUDA graph. *eager*: that or, if
  it is longer, an assumed time for each operator to be launched from Python. Kernels reach neither
  the memory's nor the processor's full speed, so these are optimistic still.

Memory: weights, buffers of the decoder, and the most that lives at once in the encoder, without
the CUDA context and the workspaces of libraries. Nothing of it is measured.

Prints a table for people, or for a page with --markdown, and as its last line one JSON object.
"""

import argparse
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
import sys
from typing import Any

from operators import Counter, Gpu, n_bytes_of, Stage
from parakeet_ros.engine.buckets import frame_bucket, MAX_ENCODER_FRAMES, MAX_FRAMES
from parakeet_ros.engine.config import parse_config
from parakeet_ros.engine.cuda_graph import GraphPool
from parakeet_ros.engine.decoder import RoundLoop, STEPS
from parakeet_ros.engine.encoder import n_encoder_frames
from parakeet_ros.engine.label_loop import LabelLoop
from parakeet_ros.engine.model import Model
from report import finish, print_table
from shapes import nemo_config, SAMPLE_RATE, Shape, SHAPES
import torch
from torch import nn

DTYPE = torch.float16
# Speech of the checkpoint of make_checkpoint.py: evaluations of the joint in a second.
STEPS_PER_S = 64 / 12
META = torch.device('meta')
GPUS = {
    'orin': Gpu(204.8e9, 42.5e12, 3e-6, 15e-6),
    'h100': Gpu(3.35e12, 990e12, 1.5e-6, 5e-6),
}


def build(shape: Shape) -> Model:
    """Return a model of some shape with weights that have no values, as on a GPU."""
    pieces = [f'{number}' for number in range(shape.vocab_size)]
    files = {'model_path': 'm', 'vocab_path': 'v', 'spe_tokenizer_vocab': 's'}
    config = parse_config(nemo_config(shape, pieces, files), 'the shape')
    with META:
        model = Model(config, next(iter(config.heads)))
        model.convert(torch.device('cuda'), DTYPE)
    return model.eval().requires_grad_(False)


@torch.inference_mode()
def count(model: Model, seconds: float, n_steps: int) -> Iterator[Stage]:
    """
    Count one utterance.

    :param n_steps: evaluations of the joint; rounds, and one in vain, are rounded up.
    """
    n_frames = model.features.n_frames(round(seconds * SAMPLE_RATE))
    weights = list(model.state_dict().values())
    with Counter('features', weights) as features:
        model.features._log_mel(torch.empty(n_frames * 160, device=META))
    yield features.stage
    n_padded = min(MAX_FRAMES, frame_bucket(n_frames))
    padded = torch.empty(1, model.config.features.n_mels, n_padded, device=META)
    lengths = torch.empty(1, dtype=torch.int64, device=META)
    model.encoder(padded, lengths)  # makes what it keeps for all utterances
    weights += model.encoder._kept_keys
    with Counter('encoder', weights) as encoder:
        encoded, _ = model.encoder(padded, lengths)
    yield encoder.stage
    rounds = make_rounds(model)
    with Counter('decoder, begin', weights) as begin:
        rounds.begin(encoded, [0], [encoded.shape[1]])
    yield begin.stage
    with Counter('decoder, rounds', weights) as one_round:
        rounds.round.advance()
    yield one_round.stage.times(-(-n_steps // STEPS))


def make_rounds(model: Model) -> RoundLoop:
    """Return the buffers for one utterance."""
    head = model.head
    loop = LabelLoop(head, head.config.max_symbols, 'max_prob')
    return RoundLoop(loop, 1, MAX_ENCODER_FRAMES, GraphPool(META))


def memory_mb(model: Model) -> dict[str, float]:
    """Return what is held on the device in MB, and the peak with the longest bucket."""
    def of(module: nn.Module) -> float:
        return sum(n_bytes_of(tensor) for tensor in module.state_dict().values()) / 1e6

    rounds = make_rounds(model)
    buffers = sum(n_bytes_of(tensor) for tensor in
                  (rounds.round.frames, *vars(rounds.round.state).values())) / 1e6
    encoder = list(count(model, MAX_FRAMES / 100, 1))[1]
    keys = sum(n_bytes_of(tensor) for tensor in model.encoder._kept_keys) / 1e6
    parts = {'encoder weights': of(model.encoder), 'encoder, keys of distances': keys,
             'head weights': of(model.head),
             'decoder buffers': buffers, 'encoder, 30.7 s': encoder.peak_bytes / 1e6}
    return {**parts, 'sum': sum(parts.values())}


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog='roofline', description='Bytes, launches and least time of an utterance on a GPU.')
    shapes = [name for name, shape in SHAPES.items() if shape.has_transducer]
    parser.add_argument('--shape', choices=shapes, default='0.6b-v3',
                        help='of the model (default: %(default)s)')
    parser.add_argument('--gpu', choices=GPUS, default='orin', help='(default: %(default)s)')
    parser.add_argument('--seconds', type=float, default=12.0, metavar='S',
                        help='length of the utterance, 0.1 to 30 (default: 12)')
    parser.add_argument('--markdown', action='store_true', help='print tables for a page')
    parser.add_argument('--output', type=Path, metavar='FILE', help='append the JSON line to it')
    options = parser.parse_args(arguments)
    if not 0.1 <= options.seconds <= 30.0:
        parser.error(f'--seconds is {options.seconds:g}; give 0.1 to 30')
    return options


COLUMNS = {'stage': 'stage', 'launches': 'launches', 'weights_mb': 'weights MB',
           'traffic_mb': 'traffic MB', 'gflop': 'GFLOP', 'floor_ms': 'floor ms',
           'least_ms': 'traffic ms', 'graph_ms': 'graph ms', 'eager_ms': 'eager ms'}


def main(arguments: list[str] | None = None) -> int:
    """Count, and print what came out."""
    options = parse_arguments(arguments)
    gpu, model = GPUS[options.gpu], build(SHAPES[options.shape])
    n_steps = max(1, round(STEPS_PER_S * options.seconds))
    rows = [stage.row(gpu) for stage in count(model, options.seconds, n_steps)]
    rows.append({'stage': 'all', **{key: sum(row[key] for row in rows)
                                    for key in COLUMNS if key != 'stage'}})
    memory = [{'part': part, 'mb': mb} for part, mb in memory_mb(model).items()]
    for table, columns in ((rows, COLUMNS), (memory, {'part': 'memory', 'mb': 'MB'})):
        if options.markdown:
            print_markdown(table, columns)
        else:
            print_table(table, columns)
        print()
    n_frames = model.features.n_frames(round(options.seconds * SAMPLE_RATE))
    finish({'benchmark': 'roofline', 'shape': options.shape, 'gpu': options.gpu,
            'seconds': options.seconds, 'steps': n_steps,
            'encoder_frames': n_encoder_frames(n_frames, model.config.encoder),
            'encoder_frames_padded': frame_bucket(n_frames) // 8,
            'torch': torch.__version__, 'date': datetime.now(timezone.utc).strftime('%Y-%m-%d'),
            'stages': rows, 'memory_mb': memory}, options.output)
    return 0


def print_markdown(rows: list[dict[str, Any]], columns: dict[str, str]) -> None:
    """Print a table as a page holds it."""
    print('| ' + ' | '.join(columns.values()) + ' |')
    print('|' + '---|' * len(columns))
    for row in rows:
        cells = [row[key] if isinstance(row[key], (str, int)) else f'{row[key]:.3g}'
                 if row[key] < 1000 else f'{row[key]:.0f}' for key in columns]
        print('| ' + ' | '.join(str(cell) for cell in cells) + ' |')


if __name__ == '__main__':
    sys.exit(main())
