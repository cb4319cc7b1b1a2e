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
from threading import RLock

import torch
from torch import nn, Tensor
from torch.nn import functional

from .int8 import MIDDLE, quantize_activations, quantize_weights, ZERO_OF_SILU
from .packed import bytes_of, layout_of, Packer
from .stopwatch import shortest_s

# Smaller layers stay in the processor's caches: to pack float32 weights or to round them gains
# nothing there.
LARGE = 2**18
_ROUNDED = (torch.bfloat16, torch.int8)  # formats for large layers only
MEASURING = RLock()  # one at a time: measurements disturb each other, and all take one's result
_MOST_ERROR = 1.0  # bfloat16 rounds before SiLU or after
_MOST_TIMES = 5.0  # as long as without packing
_POST_OPS = {'none': 'none', 'relu': 'relu', 'silu': 'swish'}  # their names in oneDNN


class PreparedLinear(nn.Module):
    """
    ``activation(x W^T + b)``.

    Its state are the buffers ``weight``, ``scale``, ``shift`` and ``bias``, for any processor.
    ``pack`` hands the weights over in this processor's own layout; from then on ``weight`` is
    empty.  Of int8, for which that takes longest, ``content`` and ``layout`` are what it takes to
    have them back.
    """

    weight: Tensor  # [N, K] in the number format
    scale: Tensor | None  # float32 [N], what one step of an int8 weight stands for
    shift: Tensor | None  # float32 [N], what the place of 0 adds to every product of int8
    bias: Tensor | None  # [N] in the number format, for int8 float32
    content: Tensor | None  # uint8, the packed weights
    layout: Tensor | None  # uint8, which layout that is

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        number_format: torch.dtype,
        activation: str = 'none',
        after_silu: bool = False,
        seldom: bool = False,
    ) -> None:
        """
        Convert the weights.

        :param weight: floating ``[N, K]`` on any device, meta too; kept where it has the format.
        :param bias: floating ``[N]``, or None.
        :param number_format: float32, float16, bfloat16 or int8.
        :param activation: none, relu or silu.
        :param after_silu: the inputs went through SiLU.
        :param seldom: it is not called for every utterance, so that the memory of packed weights,
            unlike that of plain ones in a file, would be wasted.
        """
        super().__init__()
        self.number_format = number_format
        self.seldom = seldom
        self.activation = activation
        self.zero = ZERO_OF_SILU if after_silu else MIDDLE
        is_int8 = number_format == torch.int8
        scale = shift = None
        if is_int8 and weight.is_meta:  # where arithmetic would load half of torch's compiler
            scale = shift = weight.new_empty(len(weight), dtype=torch.float32)
            weight = weight.new_empty(weight.shape, dtype=torch.int8)
        elif is_int8:
            weight, scale = quantize_weights(weight.detach().float())
            scale = scale[:, 0]
            # Sums of integers below 2**24 are exact, and ten times as fast as those of int8.
            shift = weight.float().sum(1) * scale * -self.zero
        if bias is not None:
            bias = bias.detach().to(torch.float32 if is_int8 else number_format)
        self.register_buffer('weight', weight.detach().to(number_format))
        self.register_buffer('scale', scale)
        self.register_buffer('shift', shift)
        self.register_buffer('bias', bias)
        self.register_buffer('content', None)
        self.register_buffer('layout', None)
        self._packed: Tensor | None = None
        self._shape = weight.shape
        # Where oneDNN has 0 in int8 weights.
        self._weight_zeros = torch.zeros(len(weight) if is_int8 else 0, dtype=torch.int64,
                                         device='cpu')

    def pack(self, packer: Packer | None = None) -> None:
        """
        Lay the weights out for this processor, where it gains by that.

        :param packer: one for all layers of a model.
        :raises ValueError: they were laid out already, for another one.
        """
        if self._packed is not None or self.weight.device.type != 'cpu':
            return
        if self.content is not None and self.layout is not None:
            self._take((packer or Packer()).restore(
                self.content, self.layout, self._laid_out, self._shape, self.number_format))
        elif packs(self.number_format) and self._gains:
            self._take(self._laid_out(self.weight))

    @property
    def wants_packing(self) -> bool:
        """Tell whether the weights are hardly of use before they are packed."""
        return self.number_format == torch.int8

    @property
    def _gains(self) -> bool:
        """Tell whether it is worth while to pack the weights."""
        if self.number_format == torch.float32 and self.weight.numel() < LARGE:
            return False
        return self.wants_packing or not self.seldom

    def expect(self, content: Tensor, layout: Tensor) -> None:
        """Make room for packed weights, which take the place of the plain ones."""
        self.weight = self.weight.new_empty(0)
        self.content, self.layout = (each.to(self.weight.device) for each in (content, layout))

    def _laid_out(self, weight: Tensor) -> Tensor:
        packed: Tensor = (
            torch.ops.onednn.qlinear_prepack(weight, None) if weight.dtype == torch.int8
            else torch.ops.mkldnn._reorder_linear_weight(weight))
        return packed

    def _take(self, packed: Tensor) -> None:
        self._packed = packed
        if self.number_format == torch.int8:
            self.content, self.layout = bytes_of(packed), layout_of(packed)
            if self.content is None or self.layout is None:
                return  # who keeps the state then needs the plain weights
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
        steps, step = quantize_activations(x.float(), self.zero)
        if self._packed is None:  # the same but for rounding
            y = functional.linear(steps.float() - self.zero, self.weight.float()) * self.scale
        else:
            y = torch.ops.onednn.qlinear_pointwise.default(
                steps, 1.0, 0, self._packed, self.scale, self._weight_zeros, self.shift, 1.0, 0,
                torch.float32, 'none', [], '')
        y = y.mul_(step)
        if self.bias is not None:
            y = y.add_(self.bias)
        return _activate(y, self.activation)


def format_for(weight: Tensor, number_format: torch.dtype) -> torch.dtype:
    """Return the format of a layer: the one asked for, but float32 where that gains nothing."""
    is_small = weight.numel() < LARGE
    return torch.float32 if is_small and number_format in _ROUNDED else number_format


def prepare(
    weight: Tensor, bias: Tensor | None, number_format: torch.dtype, activation: str = 'none',
    after_silu: bool = False, seldom: bool = False,
) -> PreparedLinear:
    """Make a ``PreparedLinear``, in the number format that ``format_for`` gives."""
    return PreparedLinear(
        weight, bias, format_for(weight, number_format), activation, after_silu, seldom)


def pack(module: nn.Module, release: Callable[[], None] = lambda: None,
         all_layers: bool = True) -> None:
    """
    Pack the prepared layers in a module.

    :param release: called after each, when its plain weights are not looked at any more.
    :param all_layers: else only those that want it before they are used.
    :raises ValueError: weights were laid out already, for another processor.
    """
    packer = Packer()
    for layer in module.modules():
        if isinstance(layer, PreparedLinear) and (all_layers or layer.wants_packing):
            layer.pack(packer)
            release()


def packs(number_format: torch.dtype) -> bool:
    """Try whether this torch on this processor computes well with packed weights; once."""
    with MEASURING:
        return _packs(number_format)


@cache
def _packs(number_format: torch.dtype) -> bool:
    if number_format == torch.float16:  # a GPU's; few processors compute with it
        return False
    try:
        with torch.device('cpu'):  # networks are laid out on the meta device
            # Without VNNI, int8 beyond 127 is too much for oneDNN's sums.
            return all(_packs_well(number_format, after_silu) for after_silu in (True, False))
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        return False


@torch.inference_mode()
def _packs_well(number_format: torch.dtype, after_silu: bool) -> bool:
    """
    Compare a packed layer with one that is not.

    Where oneDNN has no kernel for a processor it takes its plainest code, which may be a thousand
    times as slow.
    """
    generator = torch.Generator().manual_seed(0)
    weight, bias, x = (torch.randn(shape, generator=generator)
                       for shape in ((512, 512), (512,), (1, 5, 512)))
    plain, packed = (PreparedLinear(weight, bias, number_format, 'silu', after_silu)
                     for _ in range(2))
    packed._take(packed._laid_out(packed.weight))
    error = (packed(x).float() - plain(x).float()).abs().max()  # of outputs of up to 90
    if error > _MOST_ERROR:
        return False
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several wait for each other where other work has a core
    try:
        return shortest_s(lambda: packed(x)) < _MOST_TIMES * shortest_s(lambda: plain(x))
    finally:
        torch.set_num_threads(n_threads)


def _activate(x: Tensor, activation: str) -> Tensor:
    """Apply an activation in place."""
    if activation == 'relu':
        return torch.relu_(x)
    return functional.silu(x, inplace=True) if activation == 'silu' else x
