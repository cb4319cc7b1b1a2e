"""Which number formats a test can run in."""

from __future__ import annotations

from parakeet_ros.engine.linear import packs
import pytest
import torch
from torch.nn import functional


def skip_without(dtype: str) -> None:
    """Skip a test where this torch does not compute in a format on this processor."""
    if dtype == 'int8' and not packs(torch.int8):
        pytest.skip('torch has no int8 products for this processor')
    if dtype == 'float16':
        x = torch.zeros(1, 1, 4, 4, dtype=torch.float16)
        try:
            functional.conv2d(functional.layer_norm(x @ x, (4,)), x)
            functional.scaled_dot_product_attention(x, x, x, attn_mask=x)
        except RuntimeError as error:
            pytest.skip(f'torch does not compute in float16 on this processor: {error}')
