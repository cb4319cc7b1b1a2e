"""Counts of several microphones, and what is said of late."""

from parakeet_ros.counters import Counters, RECENT_UTTERANCES
import pytest


def counters(number: int, audio_s: float, engine_ms: float, latency_ms: float) -> Counters:
    """Return what is counted after so many utterances, each the same."""
    result = Counters()
    for _ in range(number):
        result.count(True, {'audio_s': audio_s, 'latency_ms': latency_ms}, engine_ms)
    return result


def test_a_total_has_every_microphone_in_it() -> None:
    total = Counters.total(counters(RECENT_UTTERANCES, 2.0, 1_000.0, latency_ms)
                           for latency_ms in (100.0, 300.0))
    assert total.transcribed == 2 * RECENT_UTTERANCES
    assert total.latency_ms(50) == pytest.approx(200.0)
    assert total.rtfx == pytest.approx(2.0)


def test_an_engine_that_was_slow_is_forgiven_when_it_has_been_fast_for_a_while() -> None:
    slow = counters(10 * RECENT_UTTERANCES, 1.0, 4_000.0, 100.0)
    assert slow.rtfx == pytest.approx(0.25)
    for _ in range(RECENT_UTTERANCES):
        slow.count(True, {'audio_s': 1.0, 'latency_ms': 10.0}, 100.0)
    assert slow.rtfx == pytest.approx(10.0)


def test_without_utterances_there_is_no_speed() -> None:
    assert Counters.total([]).rtfx == Counters().latency_ms(95) == 0.0
