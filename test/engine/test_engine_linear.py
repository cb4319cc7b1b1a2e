"""Prepared linear layers: each number format computes the product, packed or not."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time

from hypothesis import given, settings
from hypothesis import strategies as st
from parakeet_ros.engine.int8 import MIDDLE, quantize_activations, quantize_weights, ZERO_OF_SILU
from parakeet_ros.engine.linear import _packs, packs, PreparedLinear
import pytest
import torch
from torch.nn import functional

FORMATS = {'float32': 1e-6, 'bfloat16': 1e-2, 'int8': 2e-2}  # error allowed, of the output's norm
ACTIVATIONS = {'none': lambda x: x, 'relu': torch.relu, 'silu': functional.silu}


def difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found.float() - expected).norm() / expected.norm())


@pytest.fixture(params=[False, True], ids=['plain', 'packed'])
def packed(request) -> bool:
    return request.param


@pytest.mark.parametrize('number_format', FORMATS)
@pytest.mark.parametrize('activation', ACTIVATIONS)
@pytest.mark.parametrize('shape', [(64, 48), (8, 1000), (1030, 256), (256, 1040)])
@torch.inference_mode()
def test_a_prepared_layer_computes_what_a_linear_layer_does(
    number_format, activation, shape, packed
):
    torch.manual_seed(1)
    n_out, n_in = shape
    weight, bias = torch.randn(n_out, n_in) / n_in**0.5, torch.randn(n_out)
    for given_bias in (bias, None):
        layer = PreparedLinear(weight, given_bias, getattr(torch, number_format), activation)
        if packed:
            layer.pack()
        for rows in ((1,), (2, 7), (1, 40)):
            x = torch.randn(*rows, n_in)
            expected = ACTIVATIONS[activation](functional.linear(x, weight, given_bias))
            found = layer(x)
            assert found.shape == expected.shape
            assert difference(found, expected) < FORMATS[number_format]


@pytest.mark.parametrize('number_format', ['bfloat16', 'int8'])
@torch.inference_mode()
def test_packing_empties_the_weight_and_changes_little(number_format):
    torch.manual_seed(2)
    layer = PreparedLinear(torch.randn(600, 512), None, getattr(torch, number_format))
    x = torch.randn(3, 512)
    before = layer(x).float()
    layer.pack()
    layer.pack()
    if not packs(getattr(torch, number_format)):
        pytest.skip('this processor or torch does not pack the format')
    assert layer.weight.numel() == 0
    assert difference(layer(x), before) < (1e-6 if number_format == 'int8' else 1e-2)


@pytest.mark.parametrize('number_format', FORMATS)
def test_a_layer_that_is_seldom_called_is_packed_only_in_int8(number_format):
    torch.manual_seed(6)
    layer = PreparedLinear(torch.randn(600, 512), None, getattr(torch, number_format), seldom=True)
    layer.pack()
    is_packed = layer.weight.numel() == 0
    assert is_packed == (number_format == 'int8' and packs(torch.int8))


@torch.inference_mode()
def test_int8_is_finer_where_it_knows_that_silu_came_before():
    torch.manual_seed(3)
    weight, x = torch.randn(512, 512), functional.silu(2 * torch.randn(20, 512))
    expected = functional.linear(x, weight)
    errors = [difference(PreparedLinear(weight, None, torch.int8, after_silu=after)(x), expected)
              for after in (True, False)]
    assert errors[0] < 0.8 * errors[1]


ROWS = st.lists(st.lists(st.floats(-1e6, 1e6, width=32), min_size=5, max_size=5),
                min_size=1, max_size=4)


@given(rows=ROWS, zero=st.sampled_from([MIDDLE, ZERO_OF_SILU]))
@settings(deadline=None, max_examples=200)
def test_quantized_activations_are_within_half_a_step(rows, zero):
    x = torch.tensor(rows)
    integers, step = quantize_activations(x, zero)
    assert integers.dtype == torch.uint8 and step.shape == (len(rows), 1)
    assert ((integers.float() - zero) * step - x).abs().le(0.501 * step + 1e-9).all()


@given(rows=ROWS)
@settings(deadline=None, max_examples=200)
def test_quantized_weights_are_within_half_a_step(rows):
    weight = torch.tensor(rows)
    integers, step = quantize_weights(weight)
    assert integers.dtype == torch.int8 and step.shape == (len(rows), 1)
    assert (integers.float() * step - weight).abs().le(0.501 * step + 1e-9).all()


@torch.inference_mode()
def test_a_frame_of_int8_does_not_depend_on_its_neighbours():
    torch.manual_seed(4)
    layer = PreparedLinear(torch.randn(512, 600), torch.randn(512), torch.int8)
    layer.pack()
    x = torch.randn(5, 600)
    louder = torch.cat((x, 1000 * torch.randn(3, 600)))
    assert torch.equal(layer(louder)[:5], layer(x))


@torch.inference_mode()
def test_silence_stays_silent_in_int8():
    layer = PreparedLinear(torch.randn(512, 512), None, torch.int8, after_silu=True)
    layer.pack()
    assert layer(torch.zeros(2, 512)).abs().max() < 1e-9


def test_what_a_processor_packs_does_not_depend_on_where_it_is_asked():
    for number_format in (torch.float32, torch.bfloat16, torch.int8):
        _packs.cache_clear()
        with torch.device('meta'):
            found = packs(number_format)
        _packs.cache_clear()
        assert packs(number_format) == found


@pytest.mark.parametrize('error', [AttributeError, RuntimeError, NotImplementedError, TypeError])
@torch.inference_mode()
def test_where_torch_cannot_pack_a_layer_computes_without(monkeypatch, error):
    def fail(self, weight):
        raise error('no such operator')

    monkeypatch.setattr(PreparedLinear, '_laid_out', fail)
    _packs.cache_clear()
    try:
        weight, x = torch.randn(600, 512), torch.randn(2, 512)
        for number_format, most in FORMATS.items():
            layer = PreparedLinear(weight, None, getattr(torch, number_format))
            layer.pack()
            assert layer.weight.numel() == weight.numel()
            assert difference(layer(x), functional.linear(x, weight)) < most
    finally:
        _packs.cache_clear()


@torch.inference_mode()
def test_a_kernel_that_is_much_slower_than_none_is_not_used(monkeypatch):
    """As oneDNN's for two signed integers on a processor with VNNI and without AMX."""
    forward = PreparedLinear.forward

    def slow(self, x):
        if self._packed is not None:
            time.sleep(0.1)
        return forward(self, x)

    monkeypatch.setattr(PreparedLinear, 'forward', slow)
    _packs.cache_clear()
    try:
        assert not any(packs(getattr(torch, number_format)) for number_format in FORMATS)
    finally:
        _packs.cache_clear()


def run_limited(isa: str, code: str, **environment: str) -> str:
    """Run Python on a processor that oneDNN takes for a lesser one; return what it prints."""
    ended = subprocess.run(
        [sys.executable, '-c', code], stdout=subprocess.PIPE, text=True, check=True,
        env={**os.environ, 'ONEDNN_MAX_CPU_ISA': isa, **environment})
    return ended.stdout


@pytest.mark.skipif(platform.machine() != 'x86_64', reason='limits an x86 processor')
@pytest.mark.parametrize('isa', ['AVX2_VNNI', 'AVX512_CORE_VNNI', 'ALL'])
def test_integer_products_have_a_kernel_wherever_there_is_vnni(isa):
    verbose = run_limited(isa, """
import torch
from parakeet_ros.engine.linear import PreparedLinear
for after_silu in (True, False):
    layer = PreparedLinear(torch.randn(600, 512), None, torch.int8, after_silu=after_silu)
    layer._take(layer._laid_out(layer.weight))
    layer(torch.randn(5, 512))
""", ONEDNN_VERBOSE='1')
    products = [line for line in verbose.splitlines() if ',exec,' in line and ',matmul,' in line]
    assert len(products) == 2
    if not any(name in verbose for name in ('VNNI', 'Intel DL Boost', 'AMX')):
        pytest.skip('this processor has no VNNI')
    assert not [line for line in products if ',ref' in line]


@pytest.mark.skipif(platform.machine() != 'x86_64', reason='limits an x86 processor')
def test_integer_products_that_saturate_are_not_used():
    """Without VNNI oneDNN adds pairs of products in 16 bits."""
    found = run_limited('AVX2', 'import torch; from parakeet_ros.engine.linear import packs; '
                        'print(packs(torch.int8))')
    assert found == 'False\n'
