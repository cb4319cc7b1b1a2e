"""The gate: what the robot must not hear."""

from hypothesis import given
from hypothesis import strategies as st
from parakeet_ros.gate import Gate
import pytest


def test_everything_is_heard_at_first() -> None:
    gate = Gate(tail_s=0.5)
    assert gate.passes(0.02) and gate.closed_by == '' and gate.ignored_s == 0


def test_nothing_is_heard_while_it_is_switched_off() -> None:
    gate = Gate(tail_s=0.5)
    gate.enabled = False
    assert not gate.passes(0.02) and gate.closed_by == 'disabled'
    gate.enabled = True
    assert gate.passes(0.02), 'there is no tail after that'


@given(chunk_s=st.sampled_from([0.01, 0.02, 0.1, 0.4, 1.0]),
       tail_s=st.sampled_from([0.0, 0.5, 2.0]), speech_chunks=st.integers(1, 20))
def test_the_tail_is_counted_in_audio_after_the_chunk_in_which_the_robot_has_stopped(
        chunk_s: float, tail_s: float, speech_chunks: int) -> None:
    gate = Gate(tail_s)
    gate.set_robot_speaks(True)
    assert gate.closed_by == 'robot speaks'
    assert not any(gate.passes(chunk_s) for _ in range(speech_chunks))
    gate.set_robot_speaks(False)
    assert gate.closed_by == 'tail of robot speech'
    unheard = 0
    while not gate.passes(chunk_s):
        unheard += 1
    assert tail_s <= (unheard - 1) * chunk_s + 1e-9 < tail_s + chunk_s + 1e-6
    assert gate.ignored_s == pytest.approx((speech_chunks + unheard) * chunk_s)
    assert gate.passes(chunk_s)


def test_a_robot_that_goes_on_speaking_in_the_tail_is_not_heard() -> None:
    gate = Gate(tail_s=0.1)
    for speaks in (True, False, True, True, False, False):
        gate.set_robot_speaks(speaks)
    assert not gate.passes(0.06) and gate.closed_by == 'tail of robot speech'
    gate.set_robot_speaks(True)
    assert not gate.passes(10.0)
    gate.set_robot_speaks(False)
    assert not gate.passes(0.06), 'it stopped in this one'
    assert not gate.passes(0.06) and not gate.passes(0.06) and gate.passes(0.06)


def test_false_without_speech_before_it_closes_nothing() -> None:
    gate = Gate(tail_s=0.5)
    gate.set_robot_speaks(False)
    assert gate.passes(0.02)
