"""
Muon, an optimiser for matrices: every update is as large in one direction as in any other.

The momentum is made orthogonal before it is applied (Jordan et al., Muon, 2024), and scaled to
the size of AdamW's updates, so that one learning rate serves both (Liu et al., Muon is Scalable
for LLM Training, 2025).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby
import math
from typing import Any

import torch
from torch import nn, Tensor

# Of Newton and Schulz's iteration: few steps take all singular values to between 0.7 and 1.2.
_STEPS, _COEFFICIENTS = 5, (3.4445, -4.7750, 2.0315)
_ADAMW_RMS = 0.2  # of an update of AdamW, relative to the learning rate
_SMALLEST_NORM = 1e-7


class Muon(torch.optim.Optimizer):
    """
    Muon with Nesterov's momentum and decoupled weight decay.

    :param matrices: parameters of two dimensions or more; those after the first count as one.
    """

    def __init__(self, matrices: Iterable[nn.Parameter], lr: float, momentum: float = 0.95,
                 weight_decay: float = 0.01) -> None:
        """Group the matrices by size, to be worked on together."""
        # A stable sort: matrices of one size stay in their order, whatever comes between.
        sized = sorted(matrices, key=_size)
        super().__init__([{'params': list(alike)} for _, alike in groupby(sized, _size)],
                         {'lr': lr, 'momentum': momentum, 'weight_decay': weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Take one step; every matrix must have a gradient."""
        assert closure is None, 'as in our loop'
        for group in self.param_groups:
            params, rate = group['params'], group['lr']
            gradient = torch.stack([_lying(p.grad) for p in params])
            state = self.state[params[0]]
            if not state:
                state['momentum'] = torch.zeros_like(gradient)
            momentum: Tensor = state['momentum']
            momentum.mul_(group['momentum']).add_(gradient)
            update = orthogonal(gradient.add_(momentum, alpha=group['momentum']))
            scale = _ADAMW_RMS * math.sqrt(update.shape[-1])
            for parameter, matrix in zip(params, update, strict=True):
                upright = matrix if len(parameter) == len(matrix) else matrix.T
                parameter.mul_(1 - rate * group['weight_decay'])
                parameter.add_(upright.reshape(parameter.shape), alpha=-rate * scale)


def orthogonal(matrices: Tensor) -> Tensor:
    """
    Return about ``U V^T`` for matrices ``U S V^T``: bfloat16 ``[n, rows, columns]``.

    :param matrices: ``[n, rows, columns]``, no more rows than columns.
    """
    a, b, c = _COEFFICIENTS
    norm = matrices.norm(dim=(1, 2), keepdim=True).clamp(min=_SMALLEST_NORM)
    x: Tensor = (matrices / norm).bfloat16()
    for _ in range(_STEPS):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x


def _size(matrix: Tensor) -> tuple[int, ...]:
    return tuple(sorted(matrix.flatten(1).shape))


def _lying(matrix: Tensor) -> Tensor:
    """Return a matrix with no more rows than columns."""
    flat = matrix.flatten(1)
    return flat if flat.shape[0] <= flat.shape[1] else flat.T
