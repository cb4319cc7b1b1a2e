"""Arithmetic without weights gives the shapes and number formats that torch would give."""

from __future__ import annotations

from collections.abc import Callable

from parakeet_ros.engine.meta import without_weights
import pytest
import torch
from torch import Tensor

CASES: list[Callable[[Tensor, Tensor], Tensor]] = [
    lambda a, b: 0.5 * a, lambda a, b: a * b, lambda a, b: a[:, None] * b, lambda a, b: a + b,
    lambda a, b: a - 1, lambda a, b: 1 - a, lambda a, b: -a, lambda a, b: a / 3,
    lambda a, b: torch.rsqrt(a + 1e-5), lambda a, b: torch.zeros_like(a),
    lambda a, b: torch.cat([a, a, a]), lambda a, b: torch.cat((a, b), 1),
    lambda a, b: torch.cat([a, b], dim=-1), lambda a, b: a.half() * b, lambda a, b: b[:1] * a,
]


@pytest.mark.parametrize('case', CASES)
def test_shape_and_dtype_are_those_of_torch(case: Callable[[Tensor, Tensor], Tensor]) -> None:
    wanted = case(torch.ones(4, 3), torch.ones(4, 3))
    with without_weights():
        found = case(torch.ones(4, 3), torch.ones(4, 3))
    assert found.is_meta
    assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)


def test_tensors_with_memory_are_computed() -> None:
    with without_weights():
        host = torch.full((2,), 3.0, device='cpu')
        assert (2 * host + host).tolist() == [9.0, 9.0]
        assert torch.cat([host, host.zero_()]).tolist() == [0.0] * 4
