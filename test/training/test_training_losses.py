"""The TDT loss against the sum over all paths, written out one by one."""
from __future__ import annotations

from collections.abc import Iterator
import math

from hypothesis import given, settings, strategies
from parakeet_ros.training.arcs import arc_scores, nodes_of
from parakeet_ros.training.losses import consistency_loss, flat_start_loss, tdt_loss
import pytest
import torch

SETS = ((0, 1, 2, 3, 4), (0, 1), (1, 2), (0, 2, 5))


def path_scores(
    tokens: torch.Tensor, steps: torch.Tensor, labels: list[int], durations: tuple[int, ...]
) -> Iterator[float]:
    """Yield the log-probability of every path through one utterance."""
    n_frames = tokens.shape[0]

    def onwards(t: int, u: int, score: float) -> Iterator[float]:
        for i, duration in enumerate(durations):
            there = t + duration
            step = score + float(steps[t, u, i])
            if duration and there == n_frames and u == len(labels):
                yield step + float(tokens[t, u, -1])
            if there < n_frames:
                if duration:
                    yield from onwards(there, u, step + float(tokens[t, u, -1]))
                if u < len(labels):
                    yield from onwards(there, u + 1, step + float(tokens[t, u, labels[u]]))

    return onwards(0, 0, 0.0)


def dense_loss(
    tokens: torch.Tensor, steps: torch.Tensor, labels: torch.Tensor, frames: torch.Tensor,
    written: torch.Tensor, durations: tuple[int, ...], sigma: float = 0.0
) -> torch.Tensor:
    """Return the loss of logits that are there for all pairs, padding too."""
    nodes = nodes_of(frames, written)
    logits = torch.cat((tokens, steps), -1)[nodes]
    return tdt_loss(logits, nodes, labels, frames, written, durations, sigma)


@settings(max_examples=30, deadline=None)
@given(
    lengths=strategies.lists(
        strategies.tuples(strategies.integers(1, 6), strategies.integers(0, 3)),
        min_size=1, max_size=3),
    durations=strategies.sampled_from(SETS), seed=strategies.integers(0, 99),
    sigma=strategies.sampled_from([0.0, 0.05]))
def test_loss_is_the_sum_over_all_paths(
    lengths: list[tuple[int, int]], durations: tuple[int, ...], seed: int, sigma: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    n, n_frames, n_labels = len(lengths), 7, 4
    tokens = 2 * torch.randn(n, n_frames, n_labels + 1, 4, generator=generator).double()
    steps = 2 * torch.randn(
        n, n_frames, n_labels + 1, len(durations), generator=generator).double()
    labels = torch.randint(0, 3, (n, n_labels), generator=generator)
    frames, written = (torch.tensor(column) for column in zip(*lengths, strict=True))
    losses = dense_loss(tokens, steps, labels, frames, written, durations, sigma)
    for row, (t, u) in enumerate(lengths):
        scores = list(path_scores(
            tokens[row, :t].log_softmax(-1) - sigma, steps[row, :t].log_softmax(-1),
            labels[row, :u].tolist(), durations))
        total = torch.tensor([-math.inf, *scores], dtype=torch.float64).logsumexp(0).item()
        assert losses[row].item() == pytest.approx(-total, abs=1e-9)


def test_gradient_is_that_of_the_loss() -> None:
    torch.manual_seed(0)
    tokens = torch.randn(2, 5, 4, 5, dtype=torch.float64, requires_grad=True)
    steps = torch.randn(2, 5, 4, 3, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([[1, 2, 0], [3, 3, 9]])
    frames, written = torch.tensor([5, 4]), torch.tensor([3, 2])
    labels[1, 2] = 0

    def loss(tokens: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        return dense_loss(tokens, steps, labels, frames, written, (0, 1, 3), 0.02)

    assert torch.autograd.gradcheck(loss, (tokens, steps))


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_arc_scores_are_those_of_a_plain_softmax_and_so_is_their_gradient(
        dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    logits = (3 * torch.randn(2500, 40)).to(dtype)  # more than two blocks
    followers, weights = torch.randint(0, 36, (2500,)), torch.randn(2500, 6)
    plain = logits.float().clone().requires_grad_()
    fast = logits.clone().requires_grad_()
    tokens, steps = plain[:, :37].log_softmax(1), plain[:, 37:].log_softmax(1)
    expected = torch.cat((tokens[:, -1:] + steps, tokens.gather(1, followers[:, None]) + steps), 1)
    scores = arc_scores(fast, followers, 3)
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, expected)
    for result in (expected, scores):
        (result * weights).sum().backward()
    assert fast.grad is not None and fast.grad.dtype == dtype
    tolerance = 2e-2 if dtype == torch.bfloat16 else 1e-5
    torch.testing.assert_close(fast.grad.float(), plain.grad, atol=tolerance, rtol=tolerance)


def test_what_lies_beyond_an_utterance_has_no_gradient() -> None:
    torch.manual_seed(0)
    tokens = torch.randn(2, 6, 4, 5, requires_grad=True)
    steps = torch.randn(2, 6, 4, 2, requires_grad=True)
    labels, frames = torch.tensor([[1, 2, 3], [2, 1, 1]]), torch.tensor([6, 3])
    dense_loss(tokens, steps, labels, frames, torch.tensor([3, 1]), (0, 1)).sum().backward()
    for gradient in (tokens.grad, steps.grad):
        assert gradient is not None
        assert gradient[0].abs().sum() > 0
        assert not gradient[1, 3:].any() and not gradient[1, :, 2:].any()


def test_an_utterance_without_a_path_does_not_spoil_the_batch() -> None:
    tokens = torch.zeros(2, 3, 4, 5, requires_grad=True)
    steps = torch.zeros(2, 3, 4, 1, requires_grad=True)
    labels, frames = torch.zeros(2, 3, dtype=torch.int64), torch.tensor([3, 2])
    losses = dense_loss(tokens, steps, labels, frames, torch.tensor([2, 3]), (1,))
    assert losses[0].isfinite() and losses[1].isinf()
    losses[0].backward()
    assert tokens.grad is not None and tokens.grad.isfinite().all()
    assert not tokens.grad[1].any()


def test_flat_start_asks_for_labels_in_order_between_blanks() -> None:
    wanted = torch.tensor([
        [9, 4, 4, 5, 5, 6, 6, 9], [9, 7, 7, 7, 9, 0, 0, 0], [9, 9, 9, 0, 0, 0, 0, 0]])
    labels, n_labels = torch.tensor([[4, 5, 6], [7, 0, 0], [0, 0, 0]]), torch.tensor([3, 1, 0])
    n_frames = torch.tensor([8, 5, 3])
    sure = 50.0 * torch.nn.functional.one_hot(wanted, 10)
    assert flat_start_loss(sure, n_frames, labels, n_labels).max() < 1e-6
    for row, frame in ((0, 3), (1, 4), (2, 0)):
        other = sure.clone()
        other[row, frame] = 0.0
        losses = flat_start_loss(other, n_frames, labels, n_labels)
        assert losses[row] == pytest.approx(math.log(10) / n_frames[row].item())
    beyond = sure.clone()
    beyond[2, 5] = 0.0
    assert flat_start_loss(beyond, n_frames, labels, n_labels).max() < 1e-6


def test_views_are_apart_by_the_divergence_of_their_valid_frames() -> None:
    torch.manual_seed(0)
    logits = torch.randn(4, 5, 3).double().requires_grad_()
    n_frames = torch.tensor([5, 2, 5, 2])
    log_probabilities = logits.log_softmax(2)
    apart = consistency_loss(log_probabilities, n_frames)
    p, q = log_probabilities.detach().exp().chunk(2)
    divergence = ((p - q) * (p.log() - q.log())).sum(2) / 2  # KL(p, q) + KL(q, p), halved
    torch.testing.assert_close(
        apart, torch.stack((divergence[0].sum(), divergence[1, :2].sum())))
    apart.sum().backward()
    assert logits.grad is not None and not logits.grad[1, 2:].any()
    # Cross-entropy with the other view as the target: the teacher gets no gradient.
    torch.testing.assert_close(logits.grad[0], (p[0] - q[0]) / 2)
    same = log_probabilities[:2].repeat(2, 1, 1)
    assert consistency_loss(same, n_frames).abs().max() < 1e-12
