"""
Losses: token-and-duration transducer (TDT, arXiv:2304.06795), and a flat start for CTC.

The paths through an utterance live on a lattice of nodes ``(t, u)``: ``t`` encoder frames passed,
``u`` labels written.  From a node a blank leads to ``(t + d, u)`` with a duration ``d`` of 1 or
more, a label to ``(t + d, u + 1)`` with 0 or more.  A path begins at ``(0, 0)``, stays inside the
utterance, and ends with a blank at ``(T, U)``.  Its probability is the product of its arcs'.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from .arcs import arc_scores, Nodes

_IMPOSSIBLE = -torch.inf


def tdt_loss(
    logits: Tensor,
    nodes: Nodes,
    labels: Tensor,
    n_frames: Tensor,
    n_labels: Tensor,
    duration_set: Sequence[int],
    sigma: float = 0.0,
) -> Tensor:
    """
    Return the negative log-probability of each utterance's labels over all paths.

    :param logits: raw, of tokens, blank, and durations ``[N, V + 1 + D]``, one row for each node.
    :param nodes: all of the batch, as ``arcs.nodes_of`` returns them.
    :param labels: int64 ``[B, U]``, anything after each utterance's own.
    :param n_frames: valid encoder frames int64 ``[B]``, at least 1, and ``n_labels`` alike.
    :param duration_set: the ``D`` durations in encoder frames.
    :param sigma: is subtracted from every token's log-probability, so that paths of few, long
        steps are preferred (section 3.3 of the paper).
    :returns: ``[B]``, infinite where no path is long enough; the gradient is zero there.
    """
    row, time, written = nodes
    followers = functional.pad(labels, (0, 1))[row, written]
    scores = arc_scores(logits, followers, len(duration_set)) - sigma
    shape = torch.Size((len(labels), int(time.max()) + 1, int(written.max()) + 1,
                        scores.shape[1]))
    arcs = scores.new_full(shape, _IMPOSSIBLE).index_put(nodes, scores)
    allowed = _allowed_arcs(shape, n_frames, n_labels, duration_set)
    score: Tensor = _PathScore.apply(  # type: ignore[no-untyped-call]
        _by_diagonal(arcs.masked_fill(~allowed, _IMPOSSIBLE)), n_frames, n_labels,
        tuple(duration_set))
    return -score


def flat_start_loss(
    logits: Tensor, n_frames: Tensor, labels: Tensor, n_labels: Tensor
) -> Tensor:
    """
    Return the cross-entropy against labels spread evenly over each utterance.

    CTC from random weights writes blanks only, and stays there for long; a few hundred steps of
    this wrong but clear target take it past that point.

    :param logits: of the CTC head ``[B, T, V + 1]``, blank last.
    :param n_frames: valid encoder frames int64 ``[B]``.
    :param labels: int64 ``[B, U]``, and their numbers int64 ``[B]``.
    :returns: ``[B]``, the mean over the frames; the first and the last are blank.
    """
    frames = torch.arange(logits.shape[1], device=logits.device)
    inner = (n_frames - 2).clamp(min=1)[:, None]
    position = (frames - 1) * n_labels[:, None] // inner  # [B, T]
    silent = (frames == 0) | (frames >= n_frames[:, None] - 1) | (n_labels == 0)[:, None]
    blank = logits.shape[2] - 1
    padded = functional.pad(labels, (0, 1))  # a batch without any label has something to gather
    targets = padded.gather(1, position.clamp(0, labels.shape[1])).masked_fill(silent, blank)
    losses = functional.cross_entropy(logits.transpose(1, 2), targets, reduction='none')
    return (losses * (frames < n_frames[:, None])).sum(1) / n_frames


def consistency_loss(log_probabilities: Tensor, n_frames: Tensor) -> Tensor:
    """
    Return how far two views of the same utterances are apart, frame by frame.

    Each view learns from what the other one made of the same words: the symmetric divergence of
    CR-CTC (Yao et al., arXiv:2410.05101, section 3.2), without a gradient through the teacher.

    :param log_probabilities: of the CTC head ``[2 * B, T, V + 1]``, all first views first.
    :param n_frames: valid encoder frames int64 ``[2 * B]``, of both views the same.
    :returns: ``[B]``, the sum over the frames, 0 where the views agree.
    """
    one, other = log_probabilities.chunk(2)
    apart = torch.stack([
        functional.kl_div(student, teacher.detach(), reduction='none', log_target=True)
        for student, teacher in ((one, other), (other, one))])
    frames = torch.arange(one.shape[1], device=one.device)
    valid = frames < n_frames[:len(one), None]
    return 0.5 * (apart.sum((0, 3)) * valid).sum(1)


def _allowed_arcs(
    shape: torch.Size, n_frames: Tensor, n_labels: Tensor, durations: Sequence[int]
) -> Tensor:
    """Return bool ``[B, T, U + 1, 2D]``: which arcs move on and stay inside the utterance."""
    device = n_frames.device
    steps = torch.tensor(durations, device=device)
    times = torch.arange(shape[1], device=device)[:, None, None] + steps  # [T, 1, D] where to
    written = torch.arange(shape[2], device=device)[:, None]  # [U + 1, 1]
    frames, labels = n_frames[:, None, None, None], n_labels[:, None, None, None]
    blanks = (times <= frames) & (steps > 0) & (written <= labels)
    # The last step is a blank, so a label may not reach the end.
    words = (times < frames) & (written < labels)
    inside = (times - steps) < frames
    return torch.cat((blanks & inside, words & inside), -1)


def _by_diagonal(arcs: Tensor) -> Tensor:
    """
    Sort arcs by the diagonal ``t + u`` of the node that they leave, as arcs only lead onwards.

    :param arcs: ``[B, T, U + 1, 2D]``.
    :returns: ``[T + U + 1, 2D, B, U + 1]``, impossible where there is no such node.
    """
    n_times, n_columns = arcs.shape[1:3]
    columns = torch.arange(n_columns, device=arcs.device)
    times = torch.arange(n_times + n_columns, device=arcs.device)[:, None] - columns
    outside = (times < 0) | (times >= n_times)
    picked = arcs[:, times.clamp(0, n_times - 1), columns]  # [B, N, U + 1, 2D]
    picked = picked.masked_fill(outside[..., None], _IMPOSSIBLE)
    return picked.permute(1, 3, 0, 2)


class _PathScore(torch.autograd.Function):
    """
    Log-sum over paths by the forward-backward algorithm, all nodes of a diagonal at once.

    The gradient towards an arc is the probability that a path takes it.  Written out, it costs
    one sweep; autograd would keep and revisit each operation of the forward sweep.
    """

    @staticmethod
    def forward(
        ctx: Any, arcs: Tensor, n_frames: Tensor, n_labels: Tensor, durations: tuple[int, ...]
    ) -> Tensor:
        """
        Sweep from the first node to the last.

        :param arcs: log-probabilities ``[N, 2D, B, U + 1]`` by the diagonal that they leave.
        :returns: ``[B]``.
        """
        strides = _strides(durations)
        arriving = torch.stack([
            _moved(arcs[:, i], stride, column)
            for i, (stride, column) in enumerate(strides)], 1)
        n_diagonals, _, n, n_columns = arcs.shape
        reached = arcs.new_full((2, n_diagonals, n, n_columns), _IMPOSSIBLE)
        reached[0, 0, :, 0] = 0.0  # the second half holds the same one column to the right
        reached[1, 0, :, 1:] = reached[0, 0, :, :-1]
        column = torch.tensor([column for _, column in strides], device=arcs.device)
        stride = torch.tensor([stride for stride, _ in strides], device=arcs.device)
        for diagonal in range(1, n_diagonals):
            before = reached[column, (diagonal - stride).clamp(min=0)]  # [2D, B, U + 1]
            reached[0, diagonal] = (before + arriving[diagonal]).logsumexp(0)
            reached[1, diagonal, :, 1:] = reached[0, diagonal, :, :-1]
        score = reached[0, n_frames + n_labels, torch.arange(n, device=arcs.device), n_labels]
        ctx.save_for_backward(arcs, reached[0], score, n_frames, n_labels, column, stride)
        return score

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Sweep from the last node to the first, and join both sweeps."""
        arcs, reached, score, n_frames, n_labels, column, stride = ctx.saved_tensors
        n_diagonals, _, n, n_columns = arcs.shape
        rows = torch.arange(n, device=arcs.device)
        left = arcs.new_full((2, n_diagonals + int(stride.max()), n, n_columns), _IMPOSSIBLE)
        left[0, n_frames + n_labels, rows, n_labels] = 0.0  # [1] one column to the left
        left[1, ..., :-1] = left[0, ..., 1:]
        through = torch.empty_like(arcs)
        for diagonal in range(n_diagonals - 1, -1, -1):
            through[diagonal] = left[column, diagonal + stride] + arcs[diagonal]
            here = through[diagonal].logsumexp(0)
            left[0, diagonal] = torch.maximum(left[0, diagonal], here)  # the last node keeps 0
            left[1, diagonal, :, :-1] = left[0, diagonal, :, 1:]
        possible = score.isfinite()
        total = torch.where(possible, score, 0.0)[:, None]
        share = (reached[:, None] + through - total).exp() * possible[:, None]
        return gradients[0][:, None] * share, None, None, None


def _strides(durations: Sequence[int]) -> list[tuple[int, int]]:
    """Return how many diagonals and columns each arc moves on, blanks first."""
    return [(step, 0) for step in durations] + [(step + 1, 1) for step in durations]


def _moved(arcs: Tensor, diagonals: int, columns: int) -> Tensor:
    """Move ``[N, B, U + 1]`` from the nodes that the arcs leave to those where they arrive."""
    diagonals = min(diagonals, len(arcs))
    kept = arcs[:len(arcs) - diagonals, :, :arcs.shape[2] - columns]
    return functional.pad(kept, (columns, 0, 0, 0, diagonals, 0), value=_IMPOSSIBLE)
