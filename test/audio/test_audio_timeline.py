"""A sample's time is its chunk's stamp plus its offset."""
from hypothesis import given
from hypothesis import strategies as st
from parakeet_ros.audio import Timeline
from parakeet_ros.audio.timeline import MAX_ANCHORS


@given(st.lists(st.tuples(st.integers(1, 4_000), st.integers(0, 2**62)), min_size=1, max_size=30),
       st.integers(1, 30))
def test_every_sample_is_timed_by_its_own_chunk(chunks, kept):
    timeline, first = Timeline(16_000), 0
    starts = []
    for n_samples, stamp_ns in chunks:
        timeline.anchor(first, stamp_ns)
        starts.append(first)
        first += n_samples
    oldest = starts[-min(kept, len(starts))]
    timeline.forget_before(oldest)
    for (n_samples, stamp_ns), start in zip(chunks, starts, strict=True):
        if start < oldest:
            continue
        assert timeline.stamp_ns(start) == timeline.chunk_stamp_ns(start) == stamp_ns
        last = start + n_samples - 1
        assert timeline.stamp_ns(last) == stamp_ns + (n_samples - 1) * 62_500
        assert timeline.chunk_stamp_ns(last) == stamp_ns


def test_times_beyond_the_chunks_are_extrapolated():
    timeline = Timeline(8_000)
    timeline.anchor(800, 5_000_000_000)
    assert timeline.stamp_ns(0) == 4_900_000_000
    assert timeline.stamp_ns(8_800) == 6_000_000_000


def test_a_stream_without_stamps_begins_at_zero():
    assert Timeline(16_000).stamp_ns(16_000) == 1_000_000_000
    assert Timeline(16_000).chunk_stamp_ns(16_000) == 0


def test_an_empty_chunk_gives_way_to_the_next():
    timeline = Timeline(16_000)
    timeline.anchor(0, 1)
    timeline.anchor(0, 2)
    assert timeline.stamp_ns(0) == 2


def test_memory_is_bounded_and_the_newest_chunks_stay():
    timeline = Timeline(16_000)
    for sample in range(3 * MAX_ANCHORS):
        timeline.anchor(sample, 7 * sample)
    assert len(timeline._samples) <= MAX_ANCHORS
    assert timeline.stamp_ns(3 * MAX_ANCHORS - 100) == 7 * (3 * MAX_ANCHORS - 100)
