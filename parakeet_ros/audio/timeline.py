"""Samples of a stream to the times of the chunks that brought them."""
from bisect import bisect_right

NS_PER_S = 1_000_000_000
MAX_ANCHORS = 32_768  # 30 s in chunks of 1 ms; the older half goes when it is reached


class Timeline:
    """
    Remember when each chunk of a stream began, in nanoseconds of any clock.

    A sample's time is that of its chunk plus its offset in it. Before the first chunk known and
    after the last, times are extrapolated. Without any chunk the stream begins at 0 ns.
    """

    def __init__(self, sample_rate: int) -> None:
        """Start without any anchor; the rate is in Hz."""
        self._sample_rate = sample_rate
        self._samples: list[int] = []
        self._stamps_ns: list[int] = []

    def anchor(self, sample: int, stamp_ns: int) -> None:
        """Say that the chunk beginning with `sample` has the time `stamp_ns`."""
        assert not self._samples or sample >= self._samples[-1], 'anchors come in order'
        if self._samples and sample == self._samples[-1]:  # the chunk before was empty
            self._stamps_ns[-1] = stamp_ns
            return
        if len(self._samples) == MAX_ANCHORS:
            self.forget_before(self._samples[MAX_ANCHORS // 2])
        self._samples.append(sample)
        self._stamps_ns.append(stamp_ns)

    def stamp_ns(self, sample: int) -> int:
        """Return the time of a sample, rounded down to 1 ns."""
        if not self._samples:
            return sample * NS_PER_S // self._sample_rate
        index = self._index(sample)
        offset = sample - self._samples[index]
        return self._stamps_ns[index] + offset * NS_PER_S // self._sample_rate

    def chunk_stamp_ns(self, sample: int) -> int:
        """Return the time of the chunk that holds a sample, without the offset in it."""
        return self._stamps_ns[self._index(sample)] if self._stamps_ns else 0

    def forget_before(self, sample: int) -> None:
        """Forget the chunks that ended before `sample`."""
        index = self._index(sample)
        del self._samples[:index]
        del self._stamps_ns[:index]

    def _index(self, sample: int) -> int:
        """Return the index of the chunk that holds a sample, or of the nearest."""
        return max(0, bisect_right(self._samples, sample) - 1)
