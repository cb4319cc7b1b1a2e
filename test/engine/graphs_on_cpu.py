"""Graphs where there is no GPU: a replay runs the function again, on the same storage."""

from __future__ import annotations

from collections.abc import Callable

from parakeet_ros.engine.cuda_graph import GraphPool
import torch
from torch import Tensor


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
