"""In which number format a model is trained."""

from __future__ import annotations

from functools import cache
import time

import torch
from torch.nn import functional

_SHAPE = (1024, 1024)
_N_FRAMES = 256
_REPEATS = 5


@cache
def bfloat16_gains(device: torch.device) -> bool:
    """
    Tell whether products are faster in bfloat16 than in float32; takes some 0.1 s.

    On a processor without instructions for it they take up to eight times as long.
    """
    if device.type != 'cpu':
        return bool(torch.cuda.is_bf16_supported())
    return _time_s(torch.bfloat16) < _time_s(torch.float32)


@torch.no_grad()
def _time_s(number_format: torch.dtype) -> float:
    """Return the shortest of some times for a product."""
    weight = torch.full(_SHAPE, 0.01, dtype=number_format)
    x = torch.full((_N_FRAMES, _SHAPE[1]), 0.1, dtype=number_format)
    times_s = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        functional.linear(x, weight)
        times_s.append(time.perf_counter() - started)
    return min(times_s)
