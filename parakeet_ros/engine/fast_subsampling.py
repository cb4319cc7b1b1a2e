"""
The subsampling for inference: what ``ConvSubsampling`` computes, rearranged for speed.

Frames stay rows ``[B, T, bands, C]`` in memory, so that full convolutions are products.  The first
one makes 256 numbers of nine, 39 MB for 12 s: a CPU computes it and what halves it block by block,
so that they never leave its cache.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn, Tensor
from torch.nn import functional

from .convolution import depthwise_conv2d
from .encoder import ConvSubsampling, halved, padding_of
from .linear import PreparedLinear

BLOCK = 32  # frames that come of a block; 4 MB go into them with 64 bands, 256 channels, float32


class FastSubsampling(nn.Module):
    """``ConvSubsampling`` on rows."""

    def __init__(self, module: ConvSubsampling, dtype: torch.dtype) -> None:
        """Convert the layers."""
        super().__init__()
        first, *others = (layer for layer in module.conv if isinstance(layer, nn.Conv2d))
        self.first = PreparedLinear(first.weight.flatten(1), first.bias, dtype, 'relu')
        self.depthwise = nn.ModuleList(layer.to(dtype) for layer in others[::2])
        self.pointwise = nn.ModuleList(
            PreparedLinear(layer.weight[:, :, 0, 0], layer.bias, dtype, 'relu')
            for layer in others[1::2])
        weight = module.out.weight
        by_channel = weight.view(len(weight), first.out_channels, -1)  # [D, C, bands]
        self.out = PreparedLinear(by_channel.transpose(1, 2).flatten(1), module.out.bias, dtype)

    def forward(self, features: Tensor, lengths: Tensor, padded: bool) -> tuple[Tensor, Tensor]:
        """Map ``[B, n_mels, T]`` to ``[B, T', D]``, and the lengths as ``ConvSubsampling``."""
        def zero_padding(x: Tensor, start: int = 0) -> Tensor:
            if not padded:
                return x
            padding = padding_of(lengths - start if start else lengths, x.shape[1])
            return x.masked_fill(padding[:, :, None, None], 0.0)

        def halve(x: Tensor, stage: int) -> Tensor:
            layer = self.depthwise[stage]
            assert isinstance(layer, nn.Conv2d)
            x = depthwise_conv2d(x.permute(0, 3, 1, 2),  # channels-last in memory
                                 layer.weight, layer.bias, stride=(2, 2), padding=(1, 1))
            return self.pointwise[stage](x.permute(0, 2, 3, 1))  # type: ignore[no-any-return]

        x = zero_padding(features.transpose(1, 2)[..., None])[..., 0]
        windows = functional.pad(x, (1, 1, 1, 1)).unfold(1, 3, 2).unfold(2, 3, 2)
        lengths = halved(lengths)
        n_frames = windows.shape[1]
        size = 2 * BLOCK if features.device.type == 'cpu' else n_frames
        blocks: list[Tensor] = []
        for rows in _blocks(n_frames, size):
            x = zero_padding(self.first(windows[:, rows].flatten(3)), rows.start)
            blocks.append(halve(x, 0)[:, 1 if blocks else 0:])
        x = torch.cat(blocks, 1) if len(blocks) > 1 else blocks[0]
        lengths = halved(lengths)
        x = halve(zero_padding(x), 1)
        return self.out(x.flatten(2)), halved(lengths)


def _blocks(n_frames: int, size: int) -> Iterator[slice]:
    """
    Cut frames that will be halved into blocks of an even size.

    All but the first block begin two frames early: what comes of those is seen as if nothing were
    before it, and is to be left out.
    """
    for start in range(0, n_frames, size):
        yield slice(max(0, start - 2), min(start + size, n_frames))
