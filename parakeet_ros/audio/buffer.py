"""Recent samples of a stream, addressed by their position in the stream."""
import numpy as np
import numpy.typing as npt

Waveform = npt.NDArray[np.float32]  # mono, [n_samples]


class SampleBuffer:
    """
    Keep the samples `[start, end)` of an endless stream.

    Appending costs amortised constant time per sample; memory follows what is kept, not what
    was heard.
    """

    def __init__(self, capacity_samples: int = 1 << 15) -> None:
        """Start empty at sample 0, with room for some samples before the first growth."""
        self._data: Waveform = np.zeros(capacity_samples, np.float32)
        self._offset = 0  # index in _data of the sample `start`
        self.start = 0
        self.end = 0

    def append(self, waveform: Waveform) -> None:
        """Add samples `[n]` at the end."""
        used = self._offset + self.end - self.start
        if used + len(waveform) > len(self._data):
            self._make_room(len(waveform))
            used = self.end - self.start
        self._data[used:used + len(waveform)] = waveform
        self.end += len(waveform)

    def view(self, start: int, end: int) -> Waveform:
        """Return the samples `[start, end)` without copying; valid until the next append."""
        assert self.start <= start <= end <= self.end, (self.start, start, end, self.end)
        first = self._offset + start - self.start
        return self._data[first:first + end - start]

    def drop_before(self, start: int) -> None:
        """Forget the samples before `start`."""
        start = min(max(start, self.start), self.end)
        self._offset += start - self.start
        self.start = start

    def _make_room(self, n_samples: int) -> None:
        """Move what is kept to the front of an array with at least as much room again."""
        kept = self.view(self.start, self.end)
        data = np.zeros(2 * (len(kept) + n_samples), np.float32)
        data[:len(kept)] = kept
        self._data, self._offset = data, 0
