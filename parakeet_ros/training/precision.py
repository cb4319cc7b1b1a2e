"""In which number format a model is trained."""

from __future__ import annotations

from functools import cache

from parakeet_ros.engine.stopwatch import shortest_s
import torch
from torch.nn import functional

_SHAPE = (1024, 1024)
_N_FRAMES = 256


@cache
def bfloat16_gains(device: torch.device) -> bool:
    """
    Tell whether products are faster in bfloat16 than in float32; takes some 0.1 s.

    On a processor without instructions for it they take up to eight times as long.
    """
    if device.type != 'cpu':
        return bool(torch.cuda.is_bf16_supported())
    return _time_s(torch.bfloat16) < _time_s(torch.float32)


def _time_s(number_format: torch.dtype) -> float:
    """Return how long a product takes."""
    weight = torch.full(_SHAPE, 0.01, dtype=number_format)
    x = torch.full((_N_FRAMES, _SHAPE[1]), 0.1, dtype=number_format)
    return shortest_s(lambda: functional.linear(x, weight))
