"""The mean of models, and the command that makes it."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
import subprocess
import sys

from parakeet_ros.training.architecture import Sizes
from parakeet_ros.training.averaging import averaged
from parakeet_ros.training.export import export
from parakeet_ros.training.start import fresh_start, read_start, Start
from parakeet_ros.training.vocabulary import train_tokenizer
import pytest
from tiny import TINY
import torch

SCRIPT = Path(__file__).parents[2] / 'training' / 'average.py'


def other(start: Start) -> Start:
    """Return a model of the same size with other random weights."""
    return replace(start, state=replace(start, state={}).network(seed=2).nemo_state())


def average(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *map(str, arguments)],
                          capture_output=True, text=True)


def test_weights_are_shares_of_their_sum(tiny_start: Start) -> None:
    second = other(tiny_start)
    mean = averaged([tiny_start, second], [1, 3])
    name = 'encoder.layers.0.feed_forward1.linear1.weight'
    one, two = tiny_start.state[name], second.state[name]
    assert not torch.equal(one, two)
    torch.testing.assert_close(mean.state[name], (one + 3 * two) / 4)
    assert mean.state.keys() == tiny_start.state.keys()
    assert all(tensor.dtype == tiny_start.state[key].dtype for key, tensor in mean.state.items())
    torch.testing.assert_close(averaged([second], [0.2]).state, second.state)
    assert torch.equal(tiny_start.state[name], one), 'the models stay as they were'


def test_models_that_do_not_match_are_refused(tiny_start: Start) -> None:
    deeper = fresh_start(replace(TINY, n_layers=2), tiny_start.tokenizer_model)
    deeper = replace(deeper, state=deeper.network().nemo_state())
    with pytest.raises(ValueError, match=r'different sizes: encoder\.layers\.1\.'):
        averaged([tiny_start, deeper], [1, 1])
    foreign = replace(tiny_start, tokenizer_model=train_tokenizer(['abc de'] * 30, 10))
    with pytest.raises(ValueError, match='different vocabularies'):
        averaged([tiny_start, foreign], [1, 1])
    for weights in ([1], [1, 0], [2, -1], [1, float('nan')], [1, float('inf')]):
        with pytest.raises(ValueError, match='weight above 0'):
            averaged([tiny_start, tiny_start], weights)


def test_the_command_averages_files(tmp_path: Path, tiny_start: Start) -> None:
    second = other(tiny_start)
    for name, start in (('a', tiny_start), ('b', second)):
        export(tmp_path / f'{name}.nemo', start, start.network())
    done = average(tmp_path / 'mean.nemo', '--model', 0.5, tmp_path / 'a.nemo',
                   '--model', 0.5, tmp_path / 'b.nemo')
    assert done.returncode == 0, done.stderr
    mean = read_start(tmp_path / 'mean.nemo').state
    wanted = averaged([tiny_start, second], [1, 1]).state
    for name, tensor in mean.items():
        torch.testing.assert_close(tensor, wanted[name], atol=2e-3, rtol=2e-3)


def test_the_command_names_what_is_wrong(tmp_path: Path, tiny_start: Start) -> None:
    export(tmp_path / 'a.nemo', tiny_start, tiny_start.network())
    for source, reason in ((tmp_path / 'none.nemo', 'none.nemo'), ('builtin', 'another size')):
        done = average(tmp_path / 'mean.nemo', '--model', 1, tmp_path / 'a.nemo',
                       '--model', 1, source)
        assert done.returncode and reason in done.stderr and 'Traceback' not in done.stderr
    done = average(tmp_path / 'mean.nemo', '--model', 'half', tmp_path / 'a.nemo')
    assert 'half' in done.stderr and 'Traceback' not in done.stderr
    assert not (tmp_path / 'mean.nemo').exists()


def test_the_command_lets_smaller_models_grow(tmp_path: Path, tokenizer_model: bytes) -> None:
    for n_layers in (1, 2):
        start = fresh_start(Sizes(n_layers=n_layers), tokenizer_model)
        export(tmp_path / f'{n_layers}.nemo', start, start.network())
    done = average(tmp_path / 'mean.nemo', '--model', 0.4, tmp_path / '1.nemo',
                   '--model', 0.6, tmp_path / '2.nemo')
    assert done.returncode == 0, done.stderr
    shallow, deep, mean = (read_start(tmp_path / f'{name}.nemo') for name in ('1', '2', 'mean'))
    assert mean.config.encoder.n_layers == 2
    name = 'feed_forward1.linear2.weight'  # with zeros, an added module says nothing
    torch.testing.assert_close(
        mean.state[f'encoder.layers.1.{name}'], 0.6 * deep.state[f'encoder.layers.1.{name}'],
        atol=1e-4, rtol=2e-3)
    assert shallow.state[f'encoder.layers.0.{name}'].any()
