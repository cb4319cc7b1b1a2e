"""Wall time of an utterance's stages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import time

import torch

from .device import synchronize
from .transcript import Timings


class Stopwatch:
    """Milliseconds of the stages, the device drained at both ends of each."""

    def __init__(self, device: torch.device) -> None:
        """Measure on ``device``; no stage has run yet."""
        self._device = device
        self._elapsed_ms: dict[str, float] = {}

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Time the block as one stage."""
        synchronize(self._device)
        started = time.perf_counter()
        yield
        synchronize(self._device)
        self._elapsed_ms[stage] = (time.perf_counter() - started) * 1000.0

    def share(self, fraction: float) -> Timings:
        """Return an utterance's part of the times."""
        return Timings(**{stage: ms * fraction for stage, ms in self._elapsed_ms.items()})
