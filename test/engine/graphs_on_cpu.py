"""Graphs where there is no GPU: a replay runs the function again, on the same storage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from parakeet_ros.engine.cuda_graph import Capture, GraphPool
import torch
from torch import Tensor


@dataclass
class Rerun:
    """Stands for a recorded graph."""

    function: Callable[[], Tensor]
    output: Tensor

    def replay(self) -> None:
        """Leave the result where a graph would."""
        self.output.copy_(self.function())


class RerunPool(GraphPool):
    """Records nothing; the scratch memory of a real pool may hold anything between replays."""

    def __init__(self, limit: int = 64) -> None:
        super().__init__(torch.device('cpu'))
        self.n_free = limit
        self.names: list[str] = []

    def capture(self, function: Callable[[], Tensor], name: str) -> Capture | None:
        """Note the name; what is left in the output is not the result."""
        if self.n_free == 0:
            return None
        self.n_free -= 1
        self.names.append(name)
        output = torch.full_like(function(), float('nan'))
        return Capture(Rerun(function, output), output)  # type: ignore[arg-type]
