"""What operators cost: launches, bytes and arithmetic, noted as they run on meta tensors."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
import weakref

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

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
        written = sum(n_bytes_of(tensor) for tensor in results)
        read = (written if name in GATHERS
                else sum(n_bytes_of(tensor) for tensor in inputs))
        of_weights = sum(n_bytes_of(tensor) for tensor in inputs
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


def n_bytes_of(tensor: Tensor) -> int:
    """Return the bytes of the elements; an expanded dimension is read once."""
    n = 1
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        n *= size if stride or size == 0 else 1
    return n * tensor.element_size()
