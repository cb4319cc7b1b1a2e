"""
FastConformer encoder (arXiv:2305.05084): log-mel features to encoder frames.

Parameter names are NeMo's.  Padded frames are zeroed wherever a convolution could carry them
into valid ones and masked in attention, so that no utterance hears its neighbours' padding.
"""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from torch import nn, Tensor
from torch.nn import functional

from .attention import relative_positions, RelativeAttention
from .config import EncoderConfig

_Length = TypeVar('_Length', int, Tensor)


def halved(length: _Length) -> _Length:
    """Return the output length of one stride-2 convolution of kernel 3 and padding 1."""
    return (length - 1) // 2 + 1


def n_encoder_frames(n_frames: int, config: EncoderConfig) -> int:
    """Return how many encoder frames that many feature frames make."""
    for _ in range(config.subsampling_factor.bit_length() - 1):
        n_frames = halved(n_frames)
    return n_frames


class ConvSubsampling(nn.Module):
    """Three stride-2 convolutions: features at 10 ms to frames at 80 ms."""

    def __init__(self, config: EncoderConfig) -> None:
        """Lay out the convolutions at the indices that NeMo gives them."""
        super().__init__()
        channels = config.subsampling_channels
        layers: list[nn.Module] = [nn.Conv2d(1, channels, 3, stride=2, padding=1), nn.ReLU()]
        n_bands = halved(config.n_mels)
        for _ in range(config.subsampling_factor.bit_length() - 2):
            layers += [
                nn.Conv2d(channels, channels, 3, stride=2, padding=1, groups=channels),
                nn.Conv2d(channels, channels, 1),
                nn.ReLU(),
            ]
            n_bands = halved(n_bands)
        self.conv = nn.Sequential(*layers)
        self.out = nn.Linear(channels * n_bands, config.d_model)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """
        Subsample in time and mix the mel bands into one vector.

        :param features: ``[B, n_mels, T]``.
        :param lengths: valid frames int64 ``[B]``.
        :returns: ``[B, T', D]`` and the valid encoder frames int64 ``[B]``.
        """
        x = features.transpose(1, 2)[:, None]  # [B, 1, T, n_mels]
        for layer in self.conv:
            # Only a strided layer looks at neighbours, so only its input needs the mask.
            if isinstance(layer, nn.Conv2d) and layer.stride[0] == 2:
                x = x.masked_fill(padding_of(lengths, x.shape[2])[:, None, :, None], 0.0)
                lengths = halved(lengths)
            x = layer(x)
        return self.out(x.transpose(1, 2).flatten(2)), lengths  # [B, T', D]


class FeedForward(nn.Module):
    """Two linear layers with SiLU between them."""

    def __init__(self, d_model: int, hidden: int, bias: bool) -> None:
        """Lay out the layers."""
        super().__init__()
        self.linear1 = nn.Linear(d_model, hidden, bias=bias)
        self.linear2 = nn.Linear(hidden, d_model, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, T, D]`` to ``[B, T, D]``."""
        return self.linear2(functional.silu(self.linear1(x)))  # type: ignore[no-any-return]


class ConvModule(nn.Module):
    """Gated pointwise, depthwise, and pointwise convolution over time."""

    def __init__(self, d_model: int, kernel: int, bias: bool) -> None:
        """Lay out the convolutions."""
        super().__init__()
        self.pointwise_conv1 = nn.Conv1d(d_model, 2 * d_model, 1, bias=bias)
        self.depthwise_conv = nn.Conv1d(
            d_model, d_model, kernel, padding=(kernel - 1) // 2, groups=d_model, bias=bias
        )
        self.batch_norm = nn.BatchNorm1d(d_model)
        self.pointwise_conv2 = nn.Conv1d(d_model, d_model, 1, bias=bias)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        """Map ``[B, T, D]`` to ``[B, T, D]``; ``padding`` is bool ``[B, T]``."""
        x = functional.glu(self.pointwise_conv1(x.transpose(1, 2)), dim=1)  # [B, D, T]
        x = x.masked_fill(padding[:, None, :], 0.0)
        x = functional.silu(self.batch_norm(self.depthwise_conv(x)))
        return self.pointwise_conv2(x).transpose(1, 2)  # type: ignore[no-any-return]


class ConformerLayer(nn.Module):
    """Half feed-forward, attention, convolution, half feed-forward, each around a residual."""

    def __init__(self, config: EncoderConfig) -> None:
        """Lay out the four modules and their norms."""
        super().__init__()
        d_model, bias = config.d_model, config.use_bias
        hidden = d_model * config.feed_forward_factor
        self.norm_feed_forward1 = nn.LayerNorm(d_model)
        self.feed_forward1 = FeedForward(d_model, hidden, bias)
        self.norm_self_att = nn.LayerNorm(d_model)
        self.self_attn = RelativeAttention(d_model, config.n_heads, bias)
        self.norm_conv = nn.LayerNorm(d_model)
        self.conv = ConvModule(d_model, config.conv_kernel, bias)
        self.norm_feed_forward2 = nn.LayerNorm(d_model)
        self.feed_forward2 = FeedForward(d_model, hidden, bias)
        self.norm_out = nn.LayerNorm(d_model)

    def forward(self, x: Tensor, positions: Tensor, padding: Tensor) -> Tensor:
        """
        Map ``[B, T, D]`` to ``[B, T, D]``.

        ``x`` and the norms may be float32 while the modules run in half precision: then
        ``positions`` carries the modules' dtype and the sums below promote back to float32.
        """
        dtype = positions.dtype
        x = x + 0.5 * self.feed_forward1(self.norm_feed_forward1(x).to(dtype))
        x = x + self.self_attn(self.norm_self_att(x).to(dtype), positions, padding)
        x = x + self.conv(self.norm_conv(x).to(dtype), padding)
        x = x + 0.5 * self.feed_forward2(self.norm_feed_forward2(x).to(dtype))
        return self.norm_out(x)  # type: ignore[no-any-return]


class FastConformerEncoder(nn.Module):
    """Subsampling followed by conformer layers."""

    def __init__(self, config: EncoderConfig) -> None:
        """Lay out the layers of ``config``."""
        super().__init__()
        self.config = config
        self.pre_encode = ConvSubsampling(config)
        self.layers = nn.ModuleList(ConformerLayer(config) for _ in range(config.n_layers))
        self.dtype = torch.float32
        self.stream_dtype = torch.float32

    def set_dtype(self, dtype: torch.dtype) -> None:
        """Move the weights to ``dtype``, but for what ``stream_dtype_of`` keeps in float32."""
        xscaling = self.config.xscaling
        self.dtype = dtype
        self.stream_dtype = stream_dtype_of(self.config, dtype)
        for module in self.layers.modules():
            target = self.stream_dtype if isinstance(module, nn.LayerNorm) else dtype
            for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
                if tensor.is_floating_point():
                    tensor.data = tensor.data.to(target)
        if not xscaling:
            self.pre_encode.to(dtype)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """
        Encode a padded batch.

        :param features: float32 ``[B, n_mels, T]``.
        :param lengths: valid frames int64 ``[B]``.
        :returns: ``[B, T', D]`` with arbitrary values after the valid frames, in the dtype of
            the residual stream, and the valid encoder frames int64 ``[B]``.
        """
        x, lengths = self.pre_encode(features.to(self.pre_encode.out.weight.dtype), lengths)
        x = x.to(self.stream_dtype)
        if self.config.xscaling:
            x = x * math.sqrt(self.config.d_model)
        positions = relative_positions(x.shape[1], x.shape[2], x.device).to(self.dtype)
        padding = padding_of(lengths, x.shape[1])
        for layer in self.layers:
            x = layer(x, positions, padding)
        return x, lengths


def stream_dtype_of(config: EncoderConfig, dtype: torch.dtype) -> torch.dtype:
    """
    Return the format of the residual stream and its norms beside layers in ``dtype``.

    It stays float32 in two cases:

    - With xscaling the subsampled features, O(1e3), times sqrt(d_model) near float16's limit of
      65504; there the subsampling stays float32, too.
    - bfloat16 has 8 significant bits, too few to add up many layers: with such a stream 3 of
      commands-v0's 54 held-out clips change their text, with this one none.
    """
    return dtype if dtype == torch.float16 and not config.xscaling else torch.float32


def padding_of(lengths: Tensor, n_frames: int) -> Tensor:
    """Return bool ``[B, n_frames]``, true after each utterance's own frames."""
    return torch.arange(n_frames, device=lengths.device) >= lengths[:, None]
