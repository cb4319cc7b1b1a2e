"""
Weights in oneDNN's own layout, as plain bytes that a file can keep.

To lay out the int8 weights of a 0.6B model takes 4 s, to copy them 0.4.  torch cannot make such a
tensor from bytes, but it copies one, layout and all, into which the bytes can be written.  The
operators that tell where a tensor lies are not documented: where they are missing, weights are
laid out at every start.
"""

from __future__ import annotations

from collections.abc import Callable
import ctypes

import torch
from torch import Tensor


def bytes_of(packed: Tensor) -> Tensor | None:
    """Return the memory of a packed tensor, uint8, for as long as that lives, None if unknown."""
    try:
        start, n_bytes = torch.ops.mkldnn.data_ptr(packed), torch.ops.mkldnn._nbytes(packed)
    except (AttributeError, RuntimeError):
        return None
    return torch.frombuffer((ctypes.c_uint8 * n_bytes).from_address(start), dtype=torch.uint8)


def layout_of(packed: Tensor) -> Tensor | None:
    """Return a description of the layout, uint8, None if unknown."""
    try:
        layout: Tensor = torch.ops.mkldnn._get_mkldnn_serialized_md(packed)
    except (AttributeError, RuntimeError):
        return None
    return layout


class Packer:
    """Makes packed tensors of kept bytes."""

    def __init__(self) -> None:
        """Begin without any of the prototypes, which are worth keeping for one model only."""
        self._prototypes: dict[tuple[object, ...], Tensor] = {}

    def restore(self, content: Tensor, layout: Tensor, pack: Callable[[Tensor], Tensor],
                shape: torch.Size, dtype: torch.dtype) -> Tensor:
        """
        Return a packed tensor with this content.

        :param content: uint8, as ``bytes_of`` gave it; ``layout`` as ``layout_of`` did.
        :param pack: lays plain weights of this shape and dtype out.
        :raises ValueError: this processor, or this version of torch, has another layout.
        """
        prototype = self._prototypes.get((shape, dtype))
        if prototype is None:
            prototype = pack(torch.zeros(shape, dtype=dtype))
            self._prototypes[shape, dtype] = prototype
        own_layout = layout_of(prototype)
        if own_layout is None or not torch.equal(own_layout, layout):
            raise ValueError('they are laid out for another processor')
        packed: Tensor = prototype.clone()
        target = bytes_of(packed)
        if target is None or target.shape != content.shape:
            raise ValueError('they are laid out for another version of torch')
        target.copy_(content)
        return packed
