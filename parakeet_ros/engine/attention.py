"""Self-attention with relative positions (Transformer-XL, arXiv:1901.02860, section 3.3)."""

from __future__ import annotations

import math

import torch
from torch import nn, Tensor
from torch.nn import functional

# NeMo's fill for masked scores; exp(-10000) is exactly 0 in every number format.
MASKED_SCORE = -10_000.0


def relative_positions(n_frames: int, d_model: int, device: torch.device) -> Tensor:
    """
    Return the sinusoids of the distances ``n_frames - 1`` down to ``-(n_frames - 1)``.

    Sine and cosine interleave, as in "Attention is all you need" (arXiv:1706.03762, 3.5).

    :returns: float32 ``[2 * n_frames - 1, d_model]``.
    """
    distances = torch.arange(n_frames - 1, -n_frames, -1.0, device=device)
    exponents = torch.arange(0, d_model, 2.0, device=device) / d_model
    angles = distances[:, None] * torch.exp(exponents * -math.log(10_000.0))
    return torch.stack((angles.sin(), angles.cos()), 2).flatten(1)


class RelativeAttention(nn.Module):
    """Multi-head attention whose scores see content and distance."""

    def __init__(self, d_model: int, n_heads: int, bias: bool) -> None:
        """Lay out the projections; ``bias`` is for all but the positional one."""
        super().__init__()
        self.n_heads = n_heads
        head_size = d_model // n_heads
        self.linear_q = nn.Linear(d_model, d_model, bias=bias)
        self.linear_k = nn.Linear(d_model, d_model, bias=bias)
        self.linear_v = nn.Linear(d_model, d_model, bias=bias)
        self.linear_out = nn.Linear(d_model, d_model, bias=bias)
        self.linear_pos = nn.Linear(d_model, d_model, bias=False)
        self.pos_bias_u = nn.Parameter(torch.empty(n_heads, head_size))
        self.pos_bias_v = nn.Parameter(torch.empty(n_heads, head_size))

    def forward(self, x: Tensor, positions: Tensor, padding: Tensor) -> Tensor:
        """
        Attend over each utterance's own frames.

        The softmax inside runs in float32 for half-precision input, on CPU and CUDA.

        :param x: ``[B, T, D]``.
        :param positions: ``relative_positions(T, D)`` in the dtype of ``x``.
        :param padding: bool ``[B, T]``, true where there is no frame.
        :returns: ``[B, T, D]``.
        """
        query, key, value = (
            self._heads(layer(x)) for layer in (self.linear_q, self.linear_k, self.linear_v)
        )  # [B, H, T, d]
        position_keys = self._heads(self.linear_pos(positions)[None])  # [1, H, 2T-1, d]
        scale = 1.0 / math.sqrt(query.shape[-1])
        by_distance = (query + self.pos_bias_v[:, None]) * scale @ position_keys.transpose(2, 3)
        bias = _distances_to_keys(by_distance)  # [B, H, T, T]
        bias = bias.masked_fill(padding[:, None, None, :], MASKED_SCORE)
        attended = functional.scaled_dot_product_attention(
            query + self.pos_bias_u[:, None], key, value, attn_mask=bias, scale=scale
        )
        return self.linear_out(attended.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]

    def _heads(self, x: Tensor) -> Tensor:
        """Split ``[B, T, D]`` into ``[B, H, T, d]``."""
        return x.view(x.shape[0], x.shape[1], self.n_heads, -1).transpose(1, 2)


def _distances_to_keys(scores: Tensor) -> Tensor:
    """
    Turn scores by distance into scores by key ("relative shift").

    Row ``i`` holds the distances ``T-1 .. -(T-1)``; key ``j`` is at distance ``i - j``, which is
    column ``T - 1 - i + j``: row ``i`` moves left by ``T - 1 - i``.  One column of padding and a
    reshape do that for all rows without a gather.

    :param scores: ``[B, H, T, 2T - 1]``.
    :returns: ``[B, H, T, T]``.
    """
    n, n_heads, n_frames, n_distances = scores.shape
    shifted = functional.pad(scores, (1, 0)).flatten(2)[..., n_frames:]
    return shifted.view(n, n_heads, n_frames, n_distances)[..., :n_frames]
