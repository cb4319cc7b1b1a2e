"""Resampling neither moves the audio nor depends on how it arrives."""
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from parakeet_ros.audio import AudioFormatError, Resampler
import pytest

RATES = [8_000, 11_025, 22_050, 44_100, 48_000, 192_000]


@settings(max_examples=30, deadline=None)
@given(rate=st.sampled_from(RATES), seed=st.integers(0, 2**32 - 1),
       cuts=st.lists(st.integers(0, 5_000), max_size=12))
def test_any_chunking_gives_the_same_samples(rate, seed, cuts):
    waveform = np.random.default_rng(seed).standard_normal(5_000, dtype=np.float32)
    whole = Resampler(rate).process(waveform, last=True)
    resampler, bounds = Resampler(rate), [0, *sorted(cuts), len(waveform)]
    pieces = [resampler.process(waveform[a:b]) for a, b in pairwise(bounds)]
    pieces.append(resampler.process(waveform[:0], last=True))
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


@pytest.mark.parametrize('rate', RATES)
def test_a_tone_keeps_its_place_in_time(rate):
    tone = np.sin(2 * np.pi * 440 * np.arange(rate) / rate).astype(np.float32)
    resampled = Resampler(rate).process(tone, last=True)
    expected = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    assert abs(len(resampled) - 16_000) <= 1
    np.testing.assert_allclose(resampled[500:15_500], expected[500:15_500], atol=1e-3)


def test_equal_rates_pass_through_without_a_copy():
    waveform = np.ones(10, np.float32)
    assert Resampler(16_000).process(waveform) is waveform


@pytest.mark.parametrize('end', ['last', 'reset'])
def test_a_new_stream_owes_nothing_to_the_one_before(end):
    waveform = np.random.default_rng(1).standard_normal(4_000, dtype=np.float32)
    resampler = Resampler(48_000)
    first = resampler.process(waveform, last=end == 'last')
    if end == 'reset':
        resampler.reset()
    again = resampler.process(waveform, last=True)
    np.testing.assert_array_equal(again, Resampler(48_000).process(waveform, last=True))
    assert len(first) > 0


@pytest.mark.parametrize('rates', [(7_000, 16_000), (16_000, 200_000), (0, 16_000)])
def test_an_absurd_rate_is_refused(rates):
    with pytest.raises(AudioFormatError, match='8000 to 192000 Hz'):
        Resampler(*rates)
