"""
Rounding to 8-bit integers: weights by output channel, activations by frame.

An integer product of such weights and activations is near 1 % off.
"""

from __future__ import annotations

import torch
from torch import Tensor

_LOWEST, _HIGHEST = -128, 127
_SMALLEST_STEP = 1e-12  # so that a row of zeros is not divided by zero
# Where 0 lies for what comes out of SiLU, which is never below -0.28.  With 0 in the middle the
# encoder of commands-v0 was off by 13 parts in a thousand instead of 9.
ZERO_OF_SILU = -96


def quantize_rows(x: Tensor, zero: int = 0) -> tuple[Tensor, Tensor]:
    """
    Round each row to equal steps, as fine as its largest and smallest values allow.

    :param x: float32 ``[..., K]``.
    :param zero: the integer that stands for 0.
    :returns: int8 ``[..., K]`` and what a step of each row stands for, float32 ``[..., 1]``:
        ``x`` is near ``(integers - zero) * step``.
    """
    # Ten times as fast as torch.linalg.vector_norm or torch.aminmax.
    above = x.amax(-1, keepdim=True).mul_(1.0 / (_HIGHEST - zero))
    below = x.amin(-1, keepdim=True).mul_(1.0 / (_LOWEST - zero if zero else -_HIGHEST))
    step = torch.maximum(above, below).clamp_(min=_SMALLEST_STEP)
    steps = torch.div(x, step).round_()
    if zero:
        steps = steps.add_(zero)
    return steps.to(torch.int8), step
