"""
Tensors that say that they are on a GPU, where there is none.

They have shapes and devices but no values: what mixes devices, or needs to know a value, raises.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from parakeet_ros.engine.model import Model
import pytest
import torch
from torch import nn, Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.overrides import TorchFunctionMode

GPU = torch.device('cuda', 0)
_aten: Any = torch.ops.aten


class FakeArrival:
    """Stands for ``Arrival``: all has been decoded, and nothing found."""

    def __init__(self, tensor: Tensor) -> None:
        assert tensor.device == GPU
        self._shape, self._dtype = tuple(tensor.shape), tensor.dtype

    def wait(self):
        values = np.zeros(self._shape, np.float32)
        if self._dtype == torch.float32:  # a report; its fourth part is how far it has come
            values[3] = 1e9
        return values


def fake_to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Stand for ``to_device``, whose copy from pinned memory has no fake."""
    assert device == GPU
    return torch.empty(tensor.shape, dtype=tensor.dtype, device=device)


@contextmanager
def fake_gpu(monkeypatch: Any) -> Iterator[None]:
    """Make tensors fakes in this block; the host knows the values that it has listed itself."""
    monkeypatch.setattr(FakeTensor, 'tolist', _listed)
    monkeypatch.setattr(torch.cuda, '_lazy_init', lambda: None)
    with FakeTensorMode(), torch.inference_mode(), _WithoutGuards():
        yield


def why_not() -> str:
    """Return why there can be no fakes, or need not be; nothing if there can."""
    if torch.cuda.is_available():
        return 'a GPU is there, and test_engine_gpu.py runs on it'
    try:
        with pytest.MonkeyPatch.context() as monkeypatch, fake_gpu(monkeypatch):
            torch.stft(torch.empty(2048, device=GPU), 512, return_complex=True,
                       window=torch.empty(512, device=GPU))
    except (AssertionError, RuntimeError) as error:
        return f'this torch looks for a GPU even then: {error}'.partition('\n')[0]
    return ''


def _listed(tensor: Tensor) -> list[Any]:
    assert tensor.device.type == 'cpu', 'the host waits'
    return getattr(tensor, 'listed', [])


def on_fake_gpu(model: Model) -> Model:
    """Put fakes in the place of a model's weights."""
    for module in model.modules():
        for name, weight in module.named_parameters(recurse=False):
            setattr(module, name, nn.Parameter(_fake(weight), requires_grad=False))
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, _fake(buffer))
    return model.eval()


def _fake(tensor: Tensor) -> Tensor:
    return torch.empty(tensor.shape, dtype=tensor.dtype, device=GPU)


class _WithoutGuards(TorchFunctionMode):
    """Does by other means what torch begins by choosing the current GPU, fake or not."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is Tensor.__getitem__:
            return _item(*args)
        if function is Tensor.__setitem__:
            return _change(_item(*args[:2]), args[2])
        if function in (Tensor.copy_, Tensor.zero_):
            return _change(*args)
        if function is Tensor.__invert__:
            return _aten.bitwise_not(*args)
        if function is Tensor.log_softmax:
            return args[0] - args[0].logsumexp(args[1], keepdim=True)
        result = function(*args, **(kwargs or {}))
        if function is torch.tensor:
            result.listed = args[0]  # type: ignore[attr-defined]
        return result


def _change(target: Tensor, value: Tensor | float = 0.0) -> Tensor:
    if isinstance(value, Tensor):
        assert value.device == target.device and value.expand(target.shape) is not None
    return target


def _item(tensor: Tensor, index: Any) -> Tensor:
    """Return ``tensor[index]``."""
    indices = index if isinstance(index, tuple) else (index,)
    if any(isinstance(i, Tensor) for i in indices):
        tensors = [None if i == slice(None) else i for i in indices]
        assert all(i is None or i.device == tensor.device and i.dtype != torch.bool
                   for i in tensors), 'a mask is counted on the host'
        return _aten.index(tensor, tensors)
    axis = 0
    for n_done, i in enumerate(indices, start=1):
        if i is ...:
            axis = tensor.dim() - sum(each is not None for each in indices[n_done:])
        elif isinstance(i, int):
            tensor = tensor.select(axis, i)
        else:
            tensor = (tensor.unsqueeze(axis) if i is None
                      else _aten.slice(tensor, axis, i.start, i.stop))
            axis += 1
    return tensor
