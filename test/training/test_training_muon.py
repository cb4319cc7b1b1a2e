"""Muon's updates against singular value decompositions, and a break in a run with it."""
from __future__ import annotations

from pathlib import Path

from parakeet_ros.training.architecture import Sizes
from parakeet_ros.training.data import Batch
from parakeet_ros.training.loop import LoopOptions, Trainer
from parakeet_ros.training.muon import Muon, orthogonal
from parakeet_ros.training.start import fresh_start, Start
from test_training_loop import batch
import torch
from torch import nn, Tensor

LR, DECAY = 0.01, 0.1
SIZES = Sizes(n_layers=2, d_model=64, n_heads=2, subsampling_channels=4, prediction_size=8,
              joint_size=12)


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def polar(matrix: Tensor) -> Tensor:
    """Return what the iteration comes near: the matrix with singular values of 1."""
    u, _, vh = torch.linalg.svd(matrix.flatten(1), full_matrices=False)
    return (u @ vh).view_as(matrix)


def test_singular_values_become_about_one_and_vectors_stay() -> None:
    matrices = draw(3, 20, 50) * torch.tensor([1e-3, 1.0, 1e3]).view(3, 1, 1)
    for matrix, result in zip(matrices, orthogonal(matrices).float(), strict=True):
        values = torch.linalg.svdvals(result)
        assert values.min() > 0.6 and values.max() < 1.3
        assert torch.cosine_similarity(result.flatten(), polar(matrix).flatten(), 0) > 0.97


def test_a_gradient_of_zero_changes_nothing() -> None:
    assert orthogonal(torch.zeros(1, 4, 8)).eq(0).all()


def test_each_matrix_is_moved_by_its_own_orthogonal_momentum() -> None:
    shapes = [(64, 96), (96, 64), (64, 96, 1), (80, 80), (64, 96)]
    matrices = [nn.Parameter(draw(*shape) + i) for i, shape in enumerate(shapes)]
    optimizer = Muon(matrices, LR, momentum=0.9, weight_decay=DECAY)
    momenta = [torch.zeros_like(matrix) for matrix in matrices]
    for step in range(2):
        for i, matrix in enumerate(matrices):
            matrix.grad = torch.roll(draw(*matrix.shape), step + i, 1)
            momenta[i] = 0.9 * momenta[i] + matrix.grad
        before = [matrix.detach().clone() for matrix in matrices]
        expected = [polar(matrix.grad + 0.9 * momentum)  # type: ignore[operator]
                    for matrix, momentum in zip(matrices, momenta, strict=True)]
        optimizer.step()
        for matrix, old, update in zip(matrices, before, expected, strict=True):
            change = (matrix - old * (1 - LR * DECAY)).flatten()
            assert torch.cosine_similarity(change, -update.flatten(), 0) > 0.97
            # The RMS of an update is 0.2, if its singular values are 1.
            rms = change.square().mean().sqrt() / LR
            assert 0.15 < rms < 0.23


def trainer(start: Start) -> Trainer:
    return Trainer(start.network(), LoopOptions(n_steps=6, warmup_steps=2, muon=True))


def test_it_is_for_the_wide_matrices_of_layers(tiny_start: Start) -> None:
    start = fresh_start(SIZES, tiny_start.tokenizer_model)
    network = start.network()
    network.freeze_subsampling()
    names = {id(parameter): name for name, parameter in network.model.encoder.named_parameters()}
    wide = [names[id(parameter)] for parameter in network.wide_matrices()]
    parts = {name.split('.', 2)[2].removesuffix('.weight') for name in wide}
    assert all(name.startswith('layers.') for name in wide)
    assert 'conv.pointwise_conv1' in parts and 'feed_forward2.linear2' in parts
    assert not parts & {'conv.depthwise_conv', 'self_attn.pos_bias_u', 'norm_out'}


def test_break_and_resume_change_no_bit(tiny_start: Start, tmp_path: Path) -> None:
    start = fresh_start(SIZES, tiny_start.tokenizer_model)
    steps: list[Batch] = [batch(step) for step in range(4)]
    whole, first, second = trainer(start), trainer(start), trainer(start)
    for step in steps:
        whole.train_step(step)
    for step in steps[:2]:
        first.train_step(step)
    first.save(tmp_path / 'run.pt')
    second.resume(tmp_path / 'run.pt')
    for step in steps[2:]:
        second.train_step(step)
    given = second.network.state_dict()
    assert not [name for name, value in whole.network.state_dict().items()
                if not torch.equal(value, given[name])]
    begun = start.network()
    assert not torch.equal(begun.wide_matrices()[0], whole.network.wide_matrices()[0])
