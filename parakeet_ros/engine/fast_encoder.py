"""
The encoder for inference: what ``encoder.py`` computes, rearranged for speed.

``FastEncoder`` is made from a ``FastConformerEncoder`` and gives its frames up to rounding:

- Every linear layer is a ``PreparedLinear``; query, key and value are one.  Small ones stay
  float32 where other formats would gain nothing.
- Factors are folded into weights where that costs no rounding or none that matters: the halves of
  the feed-forward modules, the batch norm, the bias of the content scores, the scale of the
  scores by distance.
- Frames stay rows ``[B, T, D]`` in memory; the depthwise convolution reads them as channels-last.
- The keys of the distances do not depend on the audio: they are computed once and kept for
  utterances of up to ``KEPT_FRAMES``.
- Where no frame is padding, nothing is masked.

``other_dtype`` says what runs in which number format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
import math

import torch
from torch import nn, Tensor
from torch.nn import functional

from .attention import MASKED_SCORE, relative_positions, RelativeAttention
from .convolution import depthwise_conv2d
from .encoder import (
    ConformerLayer,
    ConvModule,
    FastConformerEncoder,
    FeedForward,
    padding_of,
    stream_dtype_of,
)
from .fast_subsampling import FastSubsampling
from .linear import format_for, prepare

# 41 s, more than a piece of a long recording; for the 0.6B model in float32 they take 100 MB.
KEPT_FRAMES = 512
_STEP = 64  # frames by which they grow on a CPU


class FastFeedForward(nn.Module):
    """Half of what a ``FeedForward`` gives."""

    def __init__(self, module: FeedForward, dtype: torch.dtype) -> None:
        """Convert the layers."""
        super().__init__()
        first, second = module.linear1, module.linear2
        self.linear1 = prepare(first.weight, first.bias, dtype, 'silu')
        self.linear2 = prepare(
            0.5 * second.weight, None if second.bias is None else 0.5 * second.bias, dtype,
            after_silu=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, T, D]`` to ``[B, T, D]``."""
        return self.linear2(self.linear1(x))  # type: ignore[no-any-return]


class FastAttention(nn.Module):
    """``RelativeAttention`` with one projection of its input."""

    def __init__(self, module: RelativeAttention, dtype: torch.dtype) -> None:
        """Convert the projections."""
        super().__init__()
        self.n_heads = module.n_heads
        layers = (module.linear_q, module.linear_k, module.linear_v)
        by_content = module.pos_bias_u.flatten()
        none = torch.zeros_like(by_content)
        bias = torch.cat([
            (none if layer.bias is None else layer.bias) + extra
            for layer, extra in zip(layers, (by_content, none, none), strict=True)])
        self.linear_qkv = prepare(
            torch.cat([layer.weight for layer in layers]), bias, dtype)
        self.linear_out = prepare(module.linear_out.weight, module.linear_out.bias, dtype)
        self.scale = 1.0 / math.sqrt(module.pos_bias_u.shape[1])
        self.linear_pos = prepare(self.scale * module.linear_pos.weight, None, dtype, seldom=True)
        # Added to the queries that already hold the bias of the content scores.
        self.register_buffer('query_shift', (
            module.pos_bias_v - module.pos_bias_u)[:, None].to(other_dtype(dtype)))

    def distance_keys(self, positions: Tensor) -> Tensor:
        """Map ``relative_positions(T, D)`` to ``[H, 2T - 1, d]``."""
        keys: Tensor = self.linear_pos(positions)
        return keys.view(len(keys), self.n_heads, -1).transpose(0, 1)

    def forward(self, x: Tensor, distance_keys: Tensor, padding: Tensor | None) -> Tensor:
        """Map ``[B, T, D]`` to ``[B, T, D]``; ``padding`` is bool ``[B, T]``, None for none."""
        n, n_frames, _ = x.shape
        heads = self.linear_qkv(x).to(self.query_shift.dtype)
        heads = heads.view(n, n_frames, 3, self.n_heads, -1)
        query, key, value = heads.permute(2, 0, 3, 1, 4).unbind()  # [B, H, T, d]
        shifted = (query + self.query_shift).transpose(0, 1).flatten(1, 2)  # [H, B T, d]
        by_distance = shifted @ distance_keys.to(query.dtype).transpose(1, 2)
        n_distances = 2 * n_frames - 1
        bias = by_distance.as_strided(  # row i is moved left by T - 1 - i: see attention.py
            (n, self.n_heads, n_frames, n_frames),
            (n_frames * n_distances, n * n_frames * n_distances, n_distances - 1, 1),
            n_frames - 1)
        if padding is not None:
            bias = bias.masked_fill(padding[:, None, None, :], MASKED_SCORE)
        attended = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=bias, scale=self.scale)
        return self.linear_out(attended.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class FastConvModule(nn.Module):
    """``ConvModule`` on rows, its batch norm folded."""

    weight: Tensor  # [D, 1, 1, kernel]
    bias: Tensor  # [D]

    def __init__(self, module: ConvModule, dtype: torch.dtype) -> None:
        """Convert the layers."""
        super().__init__()
        first, second = module.pointwise_conv1, module.pointwise_conv2
        self.pointwise_conv1 = prepare(first.weight[..., 0], first.bias, dtype)
        self.pointwise_conv2 = prepare(
            second.weight[..., 0], second.bias, dtype, after_silu=True)
        norm, depthwise = module.batch_norm, module.depthwise_conv
        assert norm.running_mean is not None and norm.running_var is not None
        gain = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        shift = norm.bias - norm.running_mean * gain
        if depthwise.bias is not None:
            shift = shift + depthwise.bias * gain
        other = other_dtype(dtype)
        self.register_buffer(
            'weight', (depthwise.weight * gain[:, None, None])[:, :, None].to(other))
        self.register_buffer('bias', shift.to(other))

    def forward(self, x: Tensor, padding: Tensor | None) -> Tensor:
        """Map ``[B, T, D]`` to ``[B, T, D]``; ``padding`` is bool ``[B, T]``, None for none."""
        x = functional.glu(self.pointwise_conv1(x).to(self.weight.dtype), dim=2)
        if padding is not None:
            x = x.masked_fill(padding[:, :, None], 0.0)
        x = depthwise_conv2d(
            x.transpose(1, 2)[:, :, None], self.weight, self.bias,
            padding=(0, (self.weight.shape[3] - 1) // 2))  # [B, D, 1, T]
        return self.pointwise_conv2(  # type: ignore[no-any-return]
            functional.silu(x[:, :, 0].transpose(1, 2)))


class FastLayer(nn.Module):
    """``ConformerLayer`` of fast modules."""

    def __init__(
        self, layer: ConformerLayer, dtype: torch.dtype, stream_dtype: torch.dtype
    ) -> None:
        """Convert the modules, and the norms to ``stream_dtype``."""
        super().__init__()
        self.norm_feed_forward1 = layer.norm_feed_forward1.to(stream_dtype)
        self.feed_forward1 = FastFeedForward(layer.feed_forward1, dtype)
        self.norm_self_att = layer.norm_self_att.to(stream_dtype)
        self.self_attn = FastAttention(layer.self_attn, dtype)
        self.norm_conv = layer.norm_conv.to(stream_dtype)
        self.conv = FastConvModule(layer.conv, dtype)
        self.norm_feed_forward2 = layer.norm_feed_forward2.to(stream_dtype)
        self.feed_forward2 = FastFeedForward(layer.feed_forward2, dtype)
        self.norm_out = layer.norm_out.to(stream_dtype)

    def forward(self, x: Tensor, distance_keys: Tensor, padding: Tensor | None) -> Tensor:
        """Map ``[B, T, D]`` in the dtype of the residual stream to the same."""
        x = x + self.feed_forward1(self.norm_feed_forward1(x))
        x = x + self.self_attn(self.norm_self_att(x), distance_keys, padding)
        x = x + self.conv(self.norm_conv(x), padding)
        x = x + self.feed_forward2(self.norm_feed_forward2(x))
        return self.norm_out(x)  # type: ignore[no-any-return]


class FastEncoder(nn.Module):
    """``FastConformerEncoder`` for inference."""

    @torch.no_grad()
    def __init__(
        self,
        encoder: FastConformerEncoder,
        dtype: torch.dtype,
        release: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Convert an encoder in float32, which is taken apart: it has no layers afterwards.

        :param dtype: float32, float16, bfloat16, or int8 for the weights of the linear layers.
        :param release: called after each layer, when its weights are not looked at any more,
            here and where keys are made.
        """
        super().__init__()
        self.release = release
        self.config = encoder.config
        self.dtype = dtype
        self.stream_dtype = stream_dtype_of(encoder.config, dtype)
        keeps_range = encoder.config.xscaling or dtype == torch.int8
        self.pre_encode = FastSubsampling(  # in one format, by its largest layer
            encoder.pre_encode,
            torch.float32 if keeps_range else format_for(encoder.pre_encode.out.weight, dtype))
        self.layers = nn.ModuleList()
        while len(encoder.layers):
            layer = encoder.layers[0]
            assert isinstance(layer, ConformerLayer)
            del encoder.layers[0]
            self.layers.append(FastLayer(layer, dtype, self.stream_dtype))
            release()
        self._kept_keys: list[Tensor] = []

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode a padded batch, as ``FastConformerEncoder`` does."""
        # To ask a GPU whether there is padding would be to wait for it.
        padded = lengths.device.type != 'cpu' or bool((lengths < features.shape[2]).any())
        x, lengths = self.pre_encode(features, lengths, padded)
        x = x.to(self.stream_dtype)
        if self.config.xscaling:
            x = x * math.sqrt(self.config.d_model)
        padding = padding_of(lengths, x.shape[1]) if padded else None
        keys = self._distance_keys(x.shape[1], x.device)
        for layer, distance_keys in zip(self.layers, keys, strict=True):
            x = layer(x, distance_keys, padding)
        return x, lengths

    def _distance_keys(self, n_frames: int, device: torch.device) -> list[Tensor]:
        """Return for each layer the keys of the distances, ``[H, 2 * n_frames - 1, d]``."""
        if n_frames > KEPT_FRAMES:
            return list(self._make_keys(n_frames, device))
        n_kept = (self._kept_keys[0].shape[1] + 1) // 2 if self._kept_keys else 0
        if n_kept < n_frames:
            # A graph captured on a GPU goes on reading what it saw, so there it never changes.
            n_kept = KEPT_FRAMES if device.type != 'cpu' else -(-n_frames // _STEP) * _STEP
            self._kept_keys = []  # room for the next
            longer = []
            for keys in self._make_keys(n_kept, device):
                longer.append(keys)
                self.release()
            self._kept_keys = longer
        first = n_kept - n_frames
        return [keys[:, first:first + 2 * n_frames - 1] for keys in self._kept_keys]

    def _make_keys(self, n_frames: int, device: torch.device) -> Iterator[Tensor]:
        """Compute what ``_distance_keys`` returns."""
        positions = relative_positions(n_frames, self.config.d_model, device)
        for module in self.modules():
            if isinstance(module, FastAttention):
                yield module.distance_keys(positions)


def other_dtype(dtype: torch.dtype) -> torch.dtype:
    """
    Return the format of all in a layer but the products with weights.

    A CPU computes it in float32 in little more time.  With attention, convolutions and all in
    bfloat16 the encoder of commands-v0 would be off by 4.5 instead of 3.3 parts in a thousand,
    both with small layers rounded, too.
    """
    return dtype if dtype == torch.float16 else torch.float32
