"""The convolution for GPUs, which is told not to round, is torch's."""

from __future__ import annotations

from parakeet_ros.engine.convolution import _without_tf32, depthwise_conv2d
import pytest
import torch
from torch.nn import functional


@pytest.mark.parametrize('convolve', [depthwise_conv2d, lambda x, weight, bias, stride, padding: (
    _without_tf32(x, weight, bias, stride, padding))])
@pytest.mark.parametrize('has_bias', [True, False])
@pytest.mark.parametrize(('kernel', 'stride', 'padding'), [
    ((3, 3), (2, 2), (1, 1)), ((1, 9), (1, 1), (0, 4))])
@torch.inference_mode()
def test_each_channel_has_its_own_kernel(convolve, has_bias, kernel, stride, padding):
    torch.manual_seed(1)
    x, weight = torch.randn(2, 6, 12, 15), torch.randn(6, 1, *kernel)
    bias = torch.randn(6) if has_bias else None
    expected = torch.cat([functional.conv2d(
        x[:, [c]], weight[[c]], bias[[c]] if has_bias else None, stride, padding)
        for c in range(6)], 1)
    found = convolve(x, weight, bias, stride=stride, padding=padding)
    torch.testing.assert_close(found, expected)
