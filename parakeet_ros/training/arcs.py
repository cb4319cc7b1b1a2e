"""
The arcs of a transducer's lattice: log-probabilities of what may follow each node.

A joint network has an output of hundreds of logits for every pair of a frame and a label, of which
the loss wants a few. They are computed for the pairs that exist, without padding, and neither
their logarithms nor their probabilities are ever kept.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

Nodes = tuple[Tensor, Tensor, Tensor]  # int64 [N] each: utterance, frames passed, labels written

_BLOCK = 1024  # nodes at a time, so that a block stays in the processor's cache


def nodes_of(n_frames: Tensor, n_labels: Tensor) -> Nodes:
    """
    Return the nodes ``(t, u)`` of each utterance's lattice.

    :param n_frames: valid encoder frames int64 ``[B]``, and ``n_labels`` alike.
    :returns: ``t`` is below an utterance's frames, ``u`` up to its labels.
    """
    times = torch.arange(int(n_frames.max()), device=n_frames.device)
    written = torch.arange(int(n_labels.max()) + 1, device=n_frames.device)
    exists = ((times < n_frames[:, None])[:, :, None]
              & (written <= n_labels[:, None])[:, None])
    row, time, label = exists.nonzero(as_tuple=True)
    return row, time, label


def arc_scores(logits: Tensor, followers: Tensor, n_durations: int) -> Tensor:
    """
    Return the log-probabilities of blank and of the following label, with each duration.

    :param logits: raw, of tokens, blank, and durations ``[N, V + 1 + D]``.
    :param followers: the label that follows each node, int64 ``[N]``.
    :returns: ``[N, 2D]``, blanks first, float32, or float64 for such logits.
    """
    scores: Tensor = _ArcScores.apply(  # type: ignore[no-untyped-call]
        logits, followers, n_durations)
    return scores


class _ArcScores(torch.autograd.Function):
    """Log-softmax of which three values are picked, and its gradient, block by block."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, followers: Tensor, n_durations: int) -> Tensor:
        """Compute the scores; only the normalisers are kept for the gradient."""
        dtype = torch.float64 if logits.dtype == torch.float64 else torch.float32
        n_tokens = logits.shape[1] - n_durations
        normalisers = torch.empty(len(logits), dtype=dtype, device=logits.device)
        for start in range(0, len(logits), _BLOCK):
            block = logits[start:start + _BLOCK, :n_tokens].to(dtype)
            normalisers[start:start + _BLOCK] = block.logsumexp(1)
        blank = logits[:, n_tokens - 1].to(dtype) - normalisers
        label = logits.gather(1, followers[:, None])[:, 0].to(dtype) - normalisers
        durations = logits[:, n_tokens:].to(dtype).log_softmax(1)
        ctx.save_for_backward(logits, followers, normalisers, durations)
        return torch.cat((blank[:, None] + durations, label[:, None] + durations), 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient towards the logits, in their dtype."""
        logits, followers, normalisers, durations = ctx.saved_tensors
        n_durations = durations.shape[1]
        n_tokens = logits.shape[1] - n_durations
        of_blank, of_label = gradients[0][:, :n_durations], gradients[0][:, n_durations:]
        blank, label = of_blank.sum(1), of_label.sum(1)
        both = (blank + label)[:, None]
        result = torch.empty_like(logits)
        for start in range(0, len(logits), _BLOCK):
            rows = slice(start, start + _BLOCK)
            block = logits[rows, :n_tokens] - normalisers[rows, None]
            block = block.exp_().mul_(-both[rows])
            block[:, -1] += blank[rows]
            block.scatter_add_(1, followers[rows, None], label[rows, None])
            result[rows, :n_tokens] = block
        result[:, n_tokens:] = of_blank + of_label - durations.exp() * both
        return result, None, None
