"""The buffer is a window on the stream."""
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from parakeet_ros.audio.buffer import SampleBuffer


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 60)), max_size=40))
def test_what_is_kept_equals_the_stream(steps):
    buffer, stream, start = SampleBuffer(8), np.arange(3_000, dtype=np.float32), 0
    for n_new, n_drop in steps:
        end = buffer.end
        buffer.append(stream[end:end + n_new])
        start = min(start + n_drop, buffer.end)
        buffer.drop_before(start)
        np.testing.assert_array_equal(
            buffer.view(buffer.start, buffer.end), stream[start:end + n_new])


def test_memory_follows_what_is_kept():
    buffer = SampleBuffer()
    for _ in range(1_000):
        buffer.append(np.zeros(1_600, np.float32))
        buffer.drop_before(buffer.end - 8_000)
    assert len(buffer._data) < 1 << 16
