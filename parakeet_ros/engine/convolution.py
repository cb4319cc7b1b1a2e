"""Depthwise convolutions in the number format of their input, on every device."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def depthwise_conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, *,
                     stride: tuple[int, int] = (1, 1), padding: tuple[int, int]) -> Tensor:
    """
    Convolve each channel with its own kernel.

    cuDNN rounds the factors of float32 convolutions to TF32 unless it is told not to, and torch's
    switch for that holds for the whole process.

    :param x: ``[B, C, H, W]``
    :param weight: ``[C, 1, kernel, kernel]``
    :returns: ``[B, C, H', W']``
    """
    if x.is_cuda and x.dtype == torch.float32:
        return _without_tf32(x, weight, bias, stride, padding)
    return functional.conv2d(x, weight, bias, stride, padding, groups=len(weight))


def _without_tf32(x: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[int, int],
                  padding: tuple[int, int]) -> Tensor:
    """Call what ``conv2d`` calls, with its switches for cuDNN."""
    benchmark, deterministic, cudnn, tf32 = False, False, True, False
    return torch._convolution(
        x, weight, bias, stride, padding, (1, 1), False, (0, 0), len(weight),
        benchmark, deterministic, cudnn, tf32)
