"""The choice of the number format."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
import time

from parakeet_ros.engine import DeviceError, formats
from parakeet_ros.engine.formats import check_dtype, choose, fastest_format, resolve_dtype
from parakeet_ros.engine.linear import packs
import pytest
import torch

CPU, CUDA = torch.device('cpu'), torch.device('cuda')
FLOAT, BFLOAT, INT8 = torch.float32, torch.bfloat16, torch.int8


@pytest.mark.parametrize(('times_ms', 'chosen'), [
    ((1.0, 0.3, 0.28), BFLOAT),  # hardly faster, and less exact
    ((1.6, 0.7, 0.5), BFLOAT),  # AVX-512's bfloat16, without AMX
    ((1.0, 0.3, 0.1), INT8),
    ((1.0, 2.0, 0.4), INT8),
    ((1.0, 0.8, 0.75), FLOAT),
    ((1.0, 3.0, 2.0), FLOAT)])
def test_a_less_exact_format_must_be_much_faster(times_ms, chosen):
    assert choose(dict(zip((FLOAT, BFLOAT, INT8), times_ms, strict=True))) == chosen


def test_without_other_formats_it_is_float32():
    assert choose({FLOAT: 1.0}) == FLOAT


def test_auto_keeps_a_small_model_exact_and_measures_for_a_large_one(caplog):
    assert resolve_dtype('auto', CPU, 49_000_000) == FLOAT
    formats._fastest_format.cache_clear()
    with caplog.at_level('INFO', formats.__name__):
        found = resolve_dtype('auto', CPU, 2_500_000_000)
    assert found in (FLOAT, BFLOAT, INT8)
    assert found == FLOAT or packs(found)
    assert 'ms in float32' in caplog.text
    assert resolve_dtype('auto', CUDA, 2_500_000_000) == torch.float16


def test_models_that_are_loaded_at_once_measure_once_and_agree(monkeypatch):
    at_once, most, measured = 0, 0, []

    def time_ms(number_format):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        measured.append(number_format)
        time.sleep(0.02)
        at_once -= 1
        return float(len(measured))

    monkeypatch.setattr(formats, '_time_ms', time_ms)
    formats._fastest_format.cache_clear()
    try:
        with ThreadPoolExecutor(4) as pool:
            found = {each.result() for each in [pool.submit(fastest_format) for _ in range(4)]}
    finally:
        formats._fastest_format.cache_clear()
    assert len(found) == 1 and most == 1 and len(measured) == len(set(measured))


@pytest.mark.parametrize('name', ['float32', 'float16', 'bfloat16'])
def test_a_format_can_be_forced(name):
    assert resolve_dtype(name, CPU, 2_500_000_000) == getattr(torch, name)


def test_int8_is_refused_where_it_is_not_to_be_had(monkeypatch):
    with pytest.raises(DeviceError, match='use auto or float16'):
        check_dtype('int8', CUDA)
    monkeypatch.setattr(formats, 'packs', lambda number_format: False)
    with pytest.raises(DeviceError, match='no integer products for this processor; use auto'):
        check_dtype('int8', CPU)
