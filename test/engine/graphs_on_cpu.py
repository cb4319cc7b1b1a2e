"""Graphs where there is no GPU: a replay runs the function again, on the same storage."""

from __future__ import annotations

from collections.abc import Callable

from parakeet_ros.engine.cuda_graph import GraphPool
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

# What needs to know a value.
LOOKS = ('_local_scalar_dense', 'equal', 'is_nonzero', 'item', 'masked_select', 'nonzero')


class Rerun:
    """Stands for a capture and for its graph; as with a real one, recording runs nothing."""

    def __init__(self, function: Callable[[], Tensor]) -> None:
        self.output: Tensor | None = None
        self._function = function

    @property
    def graph(self) -> Rerun:
        """Return what replays."""
        return self

    def replay(self) -> None:
        """Leave the result where the last one was."""
        result = self._function()
        if self.output is None:
            self.output = result.clone()
        self.output.copy_(result)


class RerunPool(GraphPool):
    """A pool on the CPU that behaves as one on a GPU."""

    def __init__(self, limit: int = 64) -> None:
        super().__init__(torch.device('cpu'))
        self.n_free = limit
        self.host_runs_ahead = True
        self.names: list[str] = []

    def capture(self, function: Callable[[], Tensor], name: str) -> Rerun | None:
        """Note the name of what is recorded."""
        if self.n_free == 0:
            return None
        self.n_free -= 1
        self.names.append(name)
        return Rerun(function)


class Recorder(TorchDispatchMode):
    """Notes the names of the operators that run."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.append(function.overloadpacket.__name__)
        return function(*args, **(kwargs or {}))
