"""Training goes on after a break as if there had been none."""
from __future__ import annotations

import os
from pathlib import Path
import platform
import subprocess
import sys
from types import SimpleNamespace

from parakeet_ros.training import loop
from parakeet_ros.training.data import Batch
from parakeet_ros.training.export import export
from parakeet_ros.training.loop import LoopOptions, Trainer
from parakeet_ros.training.start import Start
import pytest
from small_disk import small_disk
import torch


def batch(step: int) -> Batch:
    """Return noise of 0.6 s with labels; the second utterance says nothing."""
    generator = torch.Generator().manual_seed(step)
    waveforms = [torch.randn(n, generator=generator) for n in (9600, 8000)]
    return Batch(waveforms, torch.tensor([[5, 6, 5], [0, 0, 0]]), torch.tensor([3, 0]))


def test_without_a_fused_adamw_there_is_the_plain_one(
        tiny_start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    adamw = torch.optim.AdamW

    def of_torch_2_3(*arguments: object, fused: bool = False, **others: object) -> object:
        if fused:
            raise RuntimeError('fused=True requires supported devices')
        return adamw(*arguments, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(torch.optim, 'AdamW', of_torch_2_3)
    assert isinstance(trainer(tiny_start)._optimizers[0], adamw)


def trainer(start: Start, **options: float) -> Trainer:
    settings = {'n_steps': 8, 'warmup_steps': 2, **options}
    return Trainer(start.network(), LoopOptions(**settings))  # type: ignore[arg-type]


def test_break_and_resume_change_no_bit(tiny_start: Start, tmp_path: Path) -> None:
    whole, first = trainer(tiny_start), trainer(tiny_start)
    for step in range(6):
        whole.train_step(batch(step))
    for step in range(3):
        first.train_step(batch(step))
    first.save(tmp_path / 'run.pt')
    torch.rand(5)  # another process has another random state
    second = trainer(tiny_start)
    second.resume(tmp_path / 'run.pt')
    losses = [second.train_step(batch(step)) for step in range(second.step, 6)]
    assert len(losses) == 3 and second.step == whole.step
    expected, given = whole.network.state_dict(), second.network.state_dict()
    different = [name for name in expected if not torch.equal(expected[name], given[name])]
    assert not different
    moved = tiny_start.network().state_dict()
    assert any(not torch.equal(moved[name], given[name]) for name in moved)


def test_a_resumed_run_stays_in_its_number_format(tiny_start: Start, tmp_path: Path) -> None:
    trainer(tiny_start, half_precision=False).save(tmp_path / 'run.pt')
    resumed = trainer(tiny_start, half_precision=True)
    resumed.resume(tmp_path / 'run.pt')
    assert not resumed.options.half_precision


@pytest.mark.skipif(platform.machine() != 'x86_64', reason='limits an x86 processor')
def test_a_processor_without_bfloat16_trains_in_float32() -> None:
    ended = subprocess.run(
        [sys.executable, '-c', 'import torch; torch.set_num_threads(1); '
         'from parakeet_ros.training.precision import bfloat16_gains; '
         'print(bfloat16_gains(torch.device("cpu")))'],
        env={**os.environ, 'ONEDNN_MAX_CPU_ISA': 'AVX2', 'ATEN_CPU_CAPABILITY': 'avx2'},
        stdout=subprocess.PIPE, text=True, check=True)
    assert ended.stdout == 'False\n'


def test_a_full_disk_is_said_and_what_was_saved_stays(tiny_start: Start, tmp_path: Path) -> None:
    (tmp_path / 'run.pt').write_text('of before')
    with small_disk(), pytest.raises(OSError, match='run.pt cannot be written.*make room'):
        trainer(tiny_start).save(tmp_path / 'run.pt')
    with small_disk(), pytest.raises(OSError):
        export(tmp_path / 'run.nemo', tiny_start, tiny_start.network())
    assert [path.read_text() for path in tmp_path.iterdir()] == ['of before']


@pytest.mark.parametrize('last_before_break', [3, 7])  # before and after the rate begins to fall
def test_a_break_takes_nothing_from_the_time_that_was_given(
    tiny_start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last_before_break: int
) -> None:
    clock = SimpleNamespace(now_s=0.0)
    monkeypatch.setattr(loop, 'time', SimpleNamespace(monotonic=lambda: clock.now_s))

    def slow(step: int) -> Batch:
        clock.now_s += 200  # so that every step is saved
        return batch(step)

    def breaking(step: int) -> Batch:
        if step > last_before_break:
            raise KeyboardInterrupt
        return slow(step)

    with pytest.raises(KeyboardInterrupt):
        trainer(tiny_start).run(breaking, tmp_path / 'run.pt', limit_s=2000)
    rest = trainer(tiny_start)
    rest.resume(tmp_path / 'run.pt')
    assert rest.step == last_before_break + 1
    rest.run(slow, tmp_path / 'run.pt', limit_s=2000)
    assert rest.step == 10 and rest.spent_s == clock.now_s == 2000


def test_loss_falls_on_what_is_repeated(tiny_start: Start) -> None:
    training = trainer(tiny_start, n_steps=30, learning_rate=5e-3, half_precision=False)
    losses = [training.train_step(batch(0)) for _ in range(30)]
    for name in ('ctc', 'tdt'):
        assert losses[-1][name] < 0.6 * losses[0][name]


def test_views_that_differ_cost_more(tiny_start: Start) -> None:
    def ctc(n_views: int, waveforms: list[torch.Tensor]) -> float:
        views = Batch(waveforms, torch.tensor([[5, 6, 5]] * 2), torch.tensor([3, 3]), n_views)
        training = Trainer(tiny_start.network(dropout=0.0), LoopOptions(n_steps=1))
        training.network.prediction_dropout = 0.0
        return training.train_step(views)['ctc']

    one, other = batch(0).waveforms[0], batch(1).waveforms[0]
    assert ctc(2, [one, other]) > ctc(1, [one, other])


def test_tdt_waits_for_ctc_where_asked(tiny_start: Start) -> None:
    training = trainer(tiny_start, ctc_only_steps=1)
    joint = training.network.transducer.joint.output.weight
    before = joint.detach().clone()
    assert training.train_step(batch(0))['tdt'] == 0.0
    assert torch.equal(joint, before)
    assert training.train_step(batch(1))['tdt'] > 0.0
    assert not torch.equal(joint, before)


def test_flat_start_goes_over_into_ctc(tiny_start: Start) -> None:
    flat, plain = (trainer(tiny_start, flat_steps=n) for n in (10, 0))
    joint = flat.network.transducer.joint.output.weight.detach().clone()
    losses = []
    for step in (0, 9, 10):
        flat.step = plain.step = step
        plain.network.load_state_dict(flat.network.state_dict())
        losses.append((flat.train_step(batch(0))['ctc'], plain.train_step(batch(0))['ctc']))
        if step < 10:
            assert torch.equal(flat.network.transducer.joint.output.weight, joint)
    assert losses[0][0] < 0.7 * losses[0][1]  # cross-entropy of one frame, not CTC of a label
    assert losses[1][0] == pytest.approx(losses[1][1], rel=0.3)
    assert losses[2][0] == losses[2][1]
    assert not torch.equal(flat.network.transducer.joint.output.weight, joint)


def test_learning_rate_rises_stays_and_falls(tiny_start: Start) -> None:
    training = trainer(tiny_start, n_steps=100, warmup_steps=10, learning_rate=1.0)
    rates = []
    for training.step in range(101):
        rates.append(training.learning_rate())
    assert rates[:9] == sorted(rates[:9]) and rates[0] == pytest.approx(0.1)
    assert rates[10:50] == [1.0] * 40
    assert rates[50:] == sorted(rates[50:], reverse=True) and rates[-1] == pytest.approx(0.01)
