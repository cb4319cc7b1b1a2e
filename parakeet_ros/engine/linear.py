"""
Linear layers prepared for inference, in one number format each.

On every call of ``functional.linear`` torch lays the weights out anew for the processor's matrix
kernels; for the few frames of an utterance that takes longer than the arithmetic.  oneDNN keeps
weights that were laid out once, and torch reaches it through the operators that its compiler
calls, ``torch.ops.mkldnn`` and ``torch.ops.onednn``.  They are not documented: each is tried on a
small layer before it is used, and where it is absent or fails, only speed is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import nn, Tensor
from torch.nn import functional

from .int8 import quantize_rows, ZERO_OF_SILU

# Smaller layers stay in the processor's caches: packing float32 weights and rounding to int8 gain
# nothing there.
LARGE = 2**18
_POST_OPS = {'none': 'none', 'relu': 'relu', 'silu': 'swish'}  # their names in oneDNN


class PreparedLinear(nn.Module):
    """
    ``activation(x W^T + b)``.

    Its state are the buffers ``weight``, ``scale`` and ``bias``, for any processor.  ``pack``
    hands the weights over in this processor's own layout; ``weight`` is empty from then on.
    """

    weight: Tensor  # [N, K] in the number format
    scale: Tensor | None  # float32 [N], what one step of an int8 weight stands for
    bias: Tensor | None  # [N] in the number format, for int8 float32

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        number_format: torch.dtype,
        activation: str = 'none',
        after_silu: bool = False,
    ) -> None:
        """
        Convert the weights.

        :param weight: floating ``[N, K]`` on any device, meta too; kept where it has the format.
        :param bias: floating ``[N]``, or None.
        :param number_format: float32, float16, bfloat16, or int8 for ``LARGE`` layers.
        :param activation: none, relu or silu.
        :param after_silu: the inputs went through SiLU.
        """
        super().__init__()
        if number_format == torch.int8 and weight.numel() < LARGE:
            number_format = torch.float32
        self.number_format = number_format
        self.activation = activation
        self.zero = ZERO_OF_SILU if after_silu else 0
        is_int8 = number_format == torch.int8
        scale = None
        if is_int8:
            weight, scale = quantize_rows(weight.detach().float())
            scale = scale[:, 0]
        if bias is not None:
            bias = bias.detach().to(torch.float32 if is_int8 else number_format)
        self.register_buffer('weight', weight.detach().to(number_format))
        self.register_buffer('scale', scale)
        self.register_buffer('bias', bias)
        self._packed: Tensor | None = None
        # For int8: what the place of 0 adds to every product, and where oneDNN has 0 in weights.
        self._shift = self._weight_zeros = torch.empty(0)

    def pack(self) -> None:
        """Lay the weights out for this processor, where it gains by that."""
        n_weights = self.weight.numel()
        if self.weight.device.type != 'cpu' or not n_weights or not packs(self.number_format):
            return
        if n_weights >= LARGE or self.number_format != torch.float32:
            self._pack()

    def _pack(self) -> None:
        if self.number_format == torch.int8:
            assert self.scale is not None
            self._shift = self.weight.sum(1) * self.scale * -self.zero
            self._weight_zeros = torch.zeros(len(self.weight), dtype=torch.int64)
            self._packed = torch.ops.onednn.qlinear_prepack(self.weight, None)
        else:
            self._packed = torch.ops.mkldnn._reorder_linear_weight(self.weight)
        self.weight = self.weight.new_empty(0)

    def forward(self, x: Tensor) -> Tensor:
        """
        Map ``[..., K]`` to ``[..., N]``.

        :param x: of any floating dtype.
        :returns: in the number format, for int8 float32.
        """
        if self.number_format == torch.int8:
            return self._int8(x)
        x = x.to(self.number_format)
        if self._packed is None:
            return _activate(functional.linear(x, self.weight, self.bias), self.activation)
        y: Tensor = torch.ops.mkldnn._linear_pointwise.default(
            x, self._packed, self.bias, _POST_OPS[self.activation], [], '')
        return y

    def _int8(self, x: Tensor) -> Tensor:
        """Multiply integers, and scale the sums."""
        assert self.scale is not None
        steps, step = quantize_rows(x.float(), self.zero)
        if self._packed is None:  # the same but for rounding
            y = functional.linear(steps.float() - self.zero, self.weight.float()) * self.scale
        else:
            y = torch.ops.onednn.qlinear_pointwise.default(
                steps, 1.0, 0, self._packed, self.scale, self._weight_zeros, self._shift, 1.0, 0,
                torch.float32, 'none', [], '')
        y = y.mul_(step)
        if self.bias is not None:
            y = y.add_(self.bias)
        return _activate(y, self.activation)


def pack(module: nn.Module, release: Callable[[], None] = lambda: None) -> None:
    """Pack every prepared layer in a module, and call ``release`` after each."""
    for layer in module.modules():
        if isinstance(layer, PreparedLinear):
            layer.pack()
            release()


@cache
def packs(number_format: torch.dtype) -> bool:
    """Try whether this torch on this processor computes rightly with packed weights."""
    if number_format == torch.float16:  # a GPU's; few processors compute with it
        return False
    try:
        with torch.device('cpu'):  # networks are laid out on the meta device
            return _packed_error(number_format) < 1.0  # bfloat16 rounds before SiLU or after
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        return False


def _packed_error(number_format: torch.dtype) -> float:
    """Return how far a packed layer is from one that is not, with outputs of up to 90."""
    generator = torch.Generator().manual_seed(0)
    weight, bias, x = (torch.randn(shape, generator=generator)
                       for shape in ((512, 512), (512,), (1, 5, 512)))
    plain, packed = (PreparedLinear(weight, bias, number_format, 'silu', after_silu=True)
                     for _ in range(2))
    packed._pack()
    return float((packed(x).float() - plain(x).float()).abs().max())


def _activate(x: Tensor, activation: str) -> Tensor:
    """Apply an activation in place."""
    if activation == 'relu':
        return torch.relu_(x)
    return functional.silu(x, inplace=True) if activation == 'silu' else x
