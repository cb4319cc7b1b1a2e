"""Networks without weights: their names, shapes and number formats, at no cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_ELEMENTWISE = frozenset({
    'mul', '__mul__', '__rmul__', 'add', '__add__', '__radd__', 'sub', '__sub__', '__rsub__',
    'div', '__truediv__', 'neg', '__neg__', 'rsqrt', 'sqrt', 'zeros_like'})
_INITIAL_VALUES = frozenset({'uniform_', 'kaiming_uniform_', 'fill_', 'zero_'})


@contextmanager
def without_weights() -> Iterator[None]:
    """Let everything that the block makes be on the meta device, which has no memory."""
    with torch.device('meta'), _ShapesOnly():
        yield


class _ShapesOnly(TorchFunctionMode):
    """
    Answers arithmetic on meta tensors with nothing but shape and dtype.

    torch does it in Python, for which it loads half of its compiler first: 1 s at every start.
    What is not listed above is left to torch; initial values there are none.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name = getattr(func, '__name__', '')
        first = args[0] if args else (kwargs or {}).get('tensor')
        if name in _INITIAL_VALUES and isinstance(first, Tensor) and first.is_meta:
            return first
        if name == 'cat' and isinstance(first, (list, tuple)) and first[0].is_meta:
            return _joined(*args, **(kwargs or {}))
        operands = [each for each in args if isinstance(each, Tensor)]
        if (name not in _ELEMENTWISE or kwargs or not operands
                or not all(each.is_meta for each in operands)):
            return func(*args, **(kwargs or {}))
        shape = np.broadcast_shapes(*(each.shape for each in operands))
        dtype = operands[0].dtype
        for each in operands[1:]:
            dtype = torch.promote_types(dtype, each.dtype)
        return torch.empty(shape, dtype=dtype, device='meta')


def _joined(parts: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Return the shape of ``torch.cat``."""
    shape = list(parts[0].shape)
    shape[dim] = sum(part.shape[dim] for part in parts)
    return parts[0].new_empty(shape)
