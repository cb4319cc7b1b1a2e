"""The way through a model on a GPU, where there is none: what meets there is there."""

from __future__ import annotations

from engine_oracle import ORACLE
from fake_gpu import fake_gpu, fake_to_device, FakeArrival, GPU, on_fake_gpu, why_not
from graphs_on_cpu import RerunPool
from parakeet_ros.engine import (
    decoder,
    features,
    hotwords,
    label_loop,
    model,
    queued_steps,
    transducer,
)
from parakeet_ros.engine.checkpoint import read_checkpoint
from parakeet_ros.engine.confidence import CONFIDENCE_METHODS
from parakeet_ros.engine.decoding import DecodingOptions, DEFAULT_OPTIONS
from parakeet_ros.engine.loading import BUILTIN_MODEL
from parakeet_ros.engine.model import convert_model
import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException

WHY_NOT = why_not()
pytestmark = pytest.mark.skipif(
    bool(WHY_NOT), reason=f'tensors on a GPU that is not there: {WHY_NOT}')

PATHS = {name: ORACLE / f'{name}.nemo' for name in ('tiny', 'tinyb', 'deep', 'rnnt', 'ctc')}
PATHS['builtin'] = BUILTIN_MODEL


class Laps(list):
    """Stands for a stopwatch, which marks times on the GPU."""

    lap = list.append


def recognize(monkeypatch, path, dtype, n=2, options=DEFAULT_OPTIONS, limit=64):
    """Send some utterances through a model thrice; return its graphs' names, without sizes."""
    for module in (decoder, features, hotwords, label_loop, model, transducer):
        monkeypatch.setattr(module, 'to_device', fake_to_device)
    for module in (decoder, queued_steps):
        monkeypatch.setattr(module, 'Arrival', FakeArrival)
    made = convert_model(read_checkpoint(path), GPU, dtype)
    pool = RerunPool(limit)
    pool.device = GPU
    monkeypatch.setattr(made, '_graphs', pool)
    with fake_gpu(monkeypatch):
        on_fake_gpu(made)
        for _ in range(3):
            laps = Laps()
            found = made.recognize([torch.empty(16_000 + i) for i in range(n)], options, laps)
            assert len(found) == n and laps == ['features_ms', 'encoder_ms', 'decoder_ms']
    return {name.split()[0] for name in pool.names}


@pytest.mark.parametrize('n', [1, 3])
@pytest.mark.parametrize('dtype', [torch.float16, torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize('name', PATHS)
def test_all_that_meets_is_on_the_gpu_and_no_value_is_looked_at(monkeypatch, name, dtype, n):
    names = recognize(monkeypatch, PATHS[name], dtype, n)
    assert names == ({'encoding'} if name == 'ctc' else {'encoding', 'decoding'})


@pytest.mark.parametrize('method', CONFIDENCE_METHODS)
@pytest.mark.parametrize('limit', [0, 64])
def test_so_it_is_with_each_measure_of_confidence(monkeypatch, limit, method):
    options = DecodingOptions(confidence=method)
    assert recognize(monkeypatch, BUILTIN_MODEL, torch.float16, 2, options, limit) == (
        {'encoding', 'decoding'} if limit else set())


@pytest.mark.parametrize('n', [1, 3])
def test_so_it_is_with_hotwords(monkeypatch, builtin, n):
    options = DecodingOptions(hotwords=builtin.hotwords(['tool', 'front door']))
    assert recognize(monkeypatch, BUILTIN_MODEL, torch.float16, n, options) == {'encoding'}


def test_the_fakes_refuse_what_a_gpu_would(monkeypatch):
    with fake_gpu(monkeypatch):
        there, here = torch.empty(2, 3, device=GPU), torch.empty(2, 3)
        for mixed in (lambda: there + here, lambda: there.copy_(here), lambda: there[here.long()]):
            with pytest.raises((RuntimeError, AssertionError)):
                mixed()
        for waiting in (lambda: bool(there.any()), lambda: there.sum().item()):
            with pytest.raises(DataDependentOutputException):
                waiting()
        for waiting in (there.tolist, lambda: there[there > 0]):
            with pytest.raises(AssertionError):
                waiting()
