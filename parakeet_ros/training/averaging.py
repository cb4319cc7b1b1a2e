"""
The mean of trained models: often better than each, where one was trained on from another.

Wortsman et al., Model soups: averaging weights of multiple fine-tuned models, 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
import math

import torch
from torch import Tensor

from .start import Start


def averaged(starts: Sequence[Start], weights: Sequence[float]) -> Start:
    """
    Average models of one vocabulary and size.

    Batch norms' running statistics are averaged like weights; whole numbers, which count, are the
    first model's.

    :param starts: one or more; the first one's configuration is the result's.
    :param weights: of each, above 0; divided by their sum.
    :raises ValueError: vocabularies or sizes differ, or a weight is not above 0.
    """
    if not starts or len(starts) != len(weights) or not all(
            0 < weight < math.inf for weight in weights):
        raise ValueError('each model needs a weight above 0')
    first = starts[0]
    for other in starts[1:]:
        if other.tokenizer_model != first.tokenizer_model:
            raise ValueError('the models have different vocabularies')
        _check_alike(first.state, other.state)
    shares = [weight / sum(weights) for weight in weights]
    state = dict(first.state)
    for name, tensor in state.items():
        if tensor.is_floating_point():
            total = torch.zeros_like(tensor, dtype=torch.float64)
            for share, start in zip(shares, starts, strict=True):
                total += share * start.state[name].double()
            state[name] = total.to(tensor.dtype)
    return Start(first.raw_config, first.tokenizer_model, state)


def _check_alike(state: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    """Find out whether each tensor of one model is in the other."""
    for name in sorted(state.keys() | other.keys()):
        if name not in state or name not in other or state[name].shape != other[name].shape:
            raise ValueError(f'the models have different sizes: {name} differs')
