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
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
import sys
from typing import Any
import weakref

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
from torch import nn, Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

DTYPE = torch.float16
# Speech of the checkpoint of make_checkpoint.py: evaluations of the joint in a second.
STEPS_PER_S = 64 / 12
META = torch.device('meta')
# Operators that read rows of their first argument: as many bytes as they write.
GATHERS = {'embedding', 'gather', 'index', 'index_select'}
# Operators that start no kernel, or more than one.
LAUNCHES = {'empty': 0, 'empty_like': 0, 'empty_strided': 0, 'lstm_cell': 3}


@dataclass(frozen=True)
class Gpu:
    """What time depends on."""

    bytes_per_s: float
    flop_per_s: float  # of matrix products in float16, not sparse
    graph_launch_s: float  # from kernel to kernel in a CUDA graph: assumed
    eager_launch_s: float  # from operator to operator launched from Python: assumed


GPUS = {
    'orin': Gpu(204.8e9, 42.5e12, 3e-6, 15e-6),
    'h100': Gpu(3.35e12, 990e12, 1.5e-6, 5e-6),
}


@dataclass
class Stage:
    """What the operators of a stage add up to."""

    name: str
    launches: int = 0
    weight_bytes: float = 0.0
    traffic_bytes: float = 0.0
    flop: float = 0.0
    # Of each operator: bytes of weights, all bytes, flop.
    operators: list[tuple[float, float, float]] = field(default_factory=list)
    peak_bytes: int = 0  # of results that live at once

    def times(self, factor: float) -> 'Stage':
        """Return the stage run several times."""
        return Stage(self.name, round(self.launches * factor), self.weight_bytes * factor,
                     self.traffic_bytes * factor, self.flop * factor,
                     [(weights * factor, n_bytes * factor, flop * factor)
                      for weights, n_bytes, flop in self.operators], self.peak_bytes)

    def row(self, gpu: Gpu) -> dict[str, Any]:
        """Return the figures that are printed."""
        floor_s = sum(max(weights / gpu.bytes_per_s, flop / gpu.flop_per_s)
                      for weights, _, flop in self.operators)
        traffic_s = sum(max(n_bytes / gpu.bytes_per_s, flop / gpu.flop_per_s)
                        for _, n_bytes, flop in self.operators)
        graph_s = traffic_s + self.launches * gpu.graph_launch_s
        return {'stage': self.name, 'launches': self.launches,
                'weights_mb': self.weight_bytes / 1e6, 'traffic_mb': self.traffic_bytes / 1e6,
                'gflop': self.flop / 1e9, 'floor_ms': 1e3 * floor_s,
                'least_ms': 1e3 * traffic_s,
                'graph_ms': 1e3 * graph_s,
                'eager_ms': 1e3 * max(graph_s, self.launches * gpu.eager_launch_s)}


class Counter(TorchDispatchMode):
    """Adds up what runs inside its context."""

    def __init__(self, name: str, weights: Iterable[Tensor]) -> None:
        """Count into a new stage; ``weights`` are known by their storage."""
        super().__init__()
        self.stage = Stage(name)
        self._weights = {_storage(weight) for weight in weights}
        self._live: dict[int, int] = {}  # tensors of each storage
        self._live_bytes = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (),
                           kwargs: Any = None) -> Any:
        """Run an operator and count it."""
        result = function(*args, **(kwargs or {}))
        results = _tensors(result)
        for tensor in results:
            self._follow(tensor)
        name = function.overloadpacket.__name__
        inputs = _tensors((args, kwargs))
        if _is_view(name, inputs, results):
            return result
        written = sum(_n_bytes(tensor) for tensor in results)
        read = (written if name in GATHERS
                else sum(_n_bytes(tensor) for tensor in inputs))
        of_weights = sum(_n_bytes(tensor) for tensor in inputs
                         if _storage(tensor) in self._weights and name not in GATHERS)
        flop = _flop(name, inputs, results)
        self.stage.launches += LAUNCHES.get(name, 1)
        self.stage.weight_bytes += of_weights
        self.stage.traffic_bytes += read + written
        self.stage.flop += flop
        self.stage.operators.append((of_weights, read + written, flop))
        return result

    def _follow(self, tensor: Tensor) -> None:
        """Note the memory of a result for as long as it lives."""
        storage, n_bytes = _storage(tensor), tensor.untyped_storage().nbytes()
        if storage in self._weights:
            return
        if storage not in self._live:
            self._live_bytes += n_bytes
            self.stage.peak_bytes = max(self.stage.peak_bytes, self._live_bytes)
        self._live[storage] = self._live.get(storage, 0) + 1
        weakref.finalize(tensor, self._release, storage, n_bytes)

    def _release(self, storage: int, n_bytes: int) -> None:
        self._live[storage] -= 1
        if not self._live[storage]:
            del self._live[storage]
            self._live_bytes -= n_bytes


def _tensors(tree: Any) -> list[Tensor]:
    """Return the tensors among arguments or results."""
    return [leaf for leaf in tree_flatten(tree)[0] if isinstance(leaf, Tensor)]


def _is_view(name: str, inputs: list[Tensor], results: list[Tensor]) -> bool:
    """Tell whether an operator only looks at memory in another way."""
    known = {_storage(tensor) for tensor in inputs}
    return not name.endswith('_') and bool(results) and all(
        _storage(tensor) in known for tensor in results)


def _flop(name: str, inputs: list[Tensor], results: list[Tensor]) -> int:
    """Return the arithmetic of matrix products, 0 of other operators."""
    if name in ('linear', 'matmul', 'mm', 'bmm'):
        return 2 * results[0].numel() * inputs[0].shape[-1]
    if name == 'addmm':
        return 2 * results[0].numel() * inputs[1].shape[-1]
    if name.startswith('conv'):
        return 2 * results[0].numel() * inputs[1][0].numel()
    if name == 'lstm_cell':  # input, two states, two weights, two biases
        return 2 * inputs[0].shape[0] * (inputs[3].numel() + inputs[4].numel())
    if name == 'scaled_dot_product_attention':
        return 4 * results[0].numel() * inputs[1].shape[-2]
    return 0


def _storage(tensor: Tensor) -> int:
    identity: int = tensor.untyped_storage()._cdata
    return identity


def _n_bytes(tensor: Tensor) -> int:
    """Return the bytes of the elements; an expanded dimension is read once."""
    n = 1
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        n *= size if stride or size == 0 else 1
    return n * tensor.element_size()


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
        return sum(_n_bytes(tensor) for tensor in module.state_dict().values()) / 1e6

    rounds = make_rounds(model)
    buffers = sum(_n_bytes(tensor) for tensor in
                  (rounds.round.frames, *vars(rounds.round.state).values())) / 1e6
    encoder = list(count(model, MAX_FRAMES / 100, 1))[1]
    keys = sum(_n_bytes(tensor) for tensor in model.encoder._kept_keys) / 1e6
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
