"""Jitter and drift are followed; what is missing is measured."""
from hypothesis import given
from hypothesis import strategies as st
from parakeet_ros.audio.stamps import JITTER_NS, StampLine
import pytest

CHUNK, CHUNK_NS = 320, 20_000_000  # 20 ms at 16 kHz
BASE_NS = 1_700_000_000_000_000_000


def late_ns(stamps_ns, chunk=CHUNK):
    """Return how late each stamp is found to be."""
    line = StampLine(16_000)
    return [line.follow(index * chunk, stamp_ns) for index, stamp_ns in enumerate(stamps_ns)]


@given(st.lists(st.integers(-20_000_000, 20_000_000), max_size=200))
def test_jitter_of_20_ms_either_way_is_no_gap(jitter_ns):
    assert not any(late_ns([
        BASE_NS + index * CHUNK_NS + jitter for index, jitter in enumerate(jitter_ns)]))


@pytest.mark.parametrize('ppm', [-800, 200, 800])
def test_the_drift_of_a_sound_card_is_no_gap_in_an_hour(ppm):
    stamps_ns = [index * CHUNK_NS * (1_000_000 + ppm) // 1_000_000 for index in range(180_000)]
    assert abs(stamps_ns[-1] - 179_999 * CHUNK_NS) > JITTER_NS  # it would be, without following
    assert not any(late_ns(stamps_ns))


def test_chunks_of_one_burst_with_one_stamp_are_no_gap_when_the_next_comes_in_time():
    assert not any(late_ns([0, 40_000_000, 40_000_000, 80_000_000, 100_000_000]))


@pytest.mark.parametrize('missing_ns', [50_000_000, 123_456_789, 3_600_000_000_000])
def test_what_is_missing_is_measured_once(missing_ns):
    stamps_ns = [index * CHUNK_NS + (index >= 50) * missing_ns for index in range(100)]
    found = late_ns(stamps_ns)
    assert found[50] == missing_ns
    assert sum(found) == missing_ns


def test_short_losses_are_measured_when_they_add_up():
    stamps_ns = [index * CHUNK_NS + index // 10 * CHUNK_NS for index in range(300)]
    assert sum(late_ns(stamps_ns)) == pytest.approx(29 * CHUNK_NS, abs=3 * CHUNK_NS)


def test_stamps_that_fall_behind_the_samples_are_followed_and_measured():
    found = late_ns([index * CHUNK_NS // 3 for index in range(500)])  # a third of the true rate
    assert max(found) == 0
    assert sum(found) == pytest.approx(-2 / 3 * 500 * CHUNK_NS, rel=0.02)


def test_the_line_counts_samples_on_between_stamps():
    line = StampLine(44_100)
    assert line.expected_ns(5) is None
    line.restart(100, BASE_NS)
    assert line.expected_ns(100 + 44_100) == BASE_NS + 1_000_000_000
