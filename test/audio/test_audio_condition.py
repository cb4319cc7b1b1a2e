"""Faults of the sound are found after their time in audio, and forgotten when they are mended."""
import numpy as np
from parakeet_ros.audio.condition import Fault, SignalCondition
import pytest

RATE = 8_000


def noise(seconds, level_db=-40.0, offset=0.0):
    """Return noise of a level."""
    rng = np.random.default_rng(1)
    samples = offset + 10 ** (level_db / 20) * rng.standard_normal(round(seconds * RATE))
    return samples.astype(np.float32)


def faults(*parts, chunk=160, clipped_share=0.0):
    """Return what is wrong after hearing some waveforms in chunks."""
    condition = SignalCondition(RATE)
    waveform = np.concatenate(parts)
    for begin in range(0, len(waveform), chunk):
        condition.hear(waveform[begin:begin + chunk], clipped_share)
    return condition.faults


@pytest.mark.parametrize('chunk', [1, 160, 12_345, 80_000])
@pytest.mark.parametrize('value', [0.0, 0.25, -1.0])
def test_samples_that_never_change_are_dead_whatever_their_value(chunk, value):
    dead = np.full(10 * RATE, value, np.float32)
    assert Fault.DEAD in faults(dead, chunk=chunk)


def test_a_pause_of_digital_silence_is_not_dead_and_sound_mends_it():
    assert faults(noise(2), np.zeros(4 * RATE, np.float32)) == frozenset()
    assert faults(np.zeros(20 * RATE, np.float32), noise(1)) == frozenset()


def test_ordinary_sound_has_no_fault():
    assert faults(noise(90, -40, 0.01), chunk=1600, clipped_share=0.005) == frozenset()


def test_clipping_is_remembered_for_ten_seconds_of_audio():
    condition = SignalCondition(RATE)
    condition.hear(noise(1), 0.02)
    assert condition.faults == {Fault.CLIPPED}
    for _ in range(9):
        condition.hear(noise(1), 0.0)
        assert condition.faults == {Fault.CLIPPED}
    condition.hear(noise(1), 0.0)
    assert condition.faults == frozenset()


@pytest.mark.parametrize('offset', [0.1, -0.1])
def test_an_offset_is_found_after_five_seconds(offset):
    assert faults(noise(4.9, offset=offset)) == frozenset()
    assert faults(noise(5.1, offset=offset)) == {Fault.OFFSET}
    assert faults(noise(5.1, offset=offset), noise(1.1)) == frozenset()


def test_a_minute_in_which_nobody_could_be_heard_is_faint_until_something_is():
    assert faults(noise(59, -75), chunk=1600) == frozenset()
    assert faults(noise(61, -75), chunk=1600) == {Fault.FAINT}
    assert faults(noise(61, -75), noise(1, -30), chunk=1600) == frozenset()
    assert faults(np.zeros(70 * RATE, np.float32), chunk=1600) == {Fault.DEAD}
