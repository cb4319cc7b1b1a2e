"""Wall time: of an utterance's stages, and of a function that is tried."""

from __future__ import annotations

from collections.abc import Callable
import time

import torch

from .transcript import Timings

_TRIES = 4


@torch.inference_mode()
def shortest_s(function: Callable[[], object]) -> float:
    """Return the shortest of some times on the CPU; a first call, which makes kernels, is none."""
    function()
    times_s = []
    for _ in range(_TRIES):
        started_s = time.perf_counter()
        function()
        times_s.append(time.perf_counter() - started_s)
    return min(times_s)


class Stopwatch:
    """
    Milliseconds of the stages, in their order, without ever waiting for the device.

    On a GPU the host runs ahead of it: the end of a stage is marked there and read when all is
    over.  The last stage ends when the host has its results.
    """

    def __init__(self, device: torch.device) -> None:
        """Begin with the first stage."""
        self._device = device
        self._started_s = time.perf_counter()
        self._laps: list[tuple[str, float]] = []
        self._marks = [self._mark()]

    def lap(self, stage: str) -> None:
        """End a stage; the next one begins."""
        self._laps.append((stage, time.perf_counter() - self._started_s))
        self._marks.append(self._mark())

    def stop(self) -> Timings:
        """Return the times; the host has the results of the last stage."""
        total_ms = 1000.0 * (time.perf_counter() - self._started_s)
        ends_ms = [1000.0 * end_s for _, end_s in self._laps]
        for i, mark in enumerate(self._marks[1:-1]):
            first = self._marks[0]
            if first is not None and mark is not None:
                ends_ms[i] = first.elapsed_time(mark)
        starts_ms = [0.0, *ends_ms[:-1]]
        stages = {stage: end_ms - start_ms for (stage, _), start_ms, end_ms in
                  zip(self._laps, starts_ms, ends_ms, strict=False)}
        return Timings(**stages, total_ms=total_ms)

    def _mark(self) -> torch.cuda.Event | None:
        """Mark the current point of the device's queue."""
        if self._device.type != 'cuda':
            return None
        mark = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        mark.record(torch.cuda.current_stream(self._device))
        return mark
