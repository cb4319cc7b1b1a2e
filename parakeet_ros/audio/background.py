"""
What is known of the background: how loud it is at its quietest, and how far it swings.

The *noise floor* is the 3rd percentile of the levels in the latest window. Even fluent speech
comes near the background for about that share of the time (closures, gaps between words), so the
floor stays under speech; a quieter background pulls it down within a thirtieth of the window, a
louder one lifts it when it has filled the rest.

The *swing* is how far the background itself rises above its floor: 3 dB for a fan, 10 dB and more
for music or a crowd. Loudness alone does not tell its rises from speech, but time does: speech
has pauses. Of every stretch of 0.6 s the highest level above the floor is noted; whatever a pause
holds is background, so the 25th percentile of the notes of the last 12 s is one of it as long as
there are pauses for that share of the time.
"""
from bisect import bisect_left, insort
from collections import deque

FLOOR_QUANTILE = 0.03
SWING_QUANTILE = 0.25
SWING_BLOCK_FRAMES = 10  # the swing is found anew ten times a second
SWING_STRETCH_BLOCKS = 6  # longer than the gaps within a phrase, shorter than those between two
SWING_NOTES = 120  # 12 s
SWING_PRIOR_NOTES = 6  # of a steady background, before the stream; 3 s of others outweigh them


class SlidingQuantile:
    """A quantile of the latest values, in O(log n) comparisons a value."""

    def __init__(self, quantile: float, size: int, values: list[float]) -> None:
        """Keep `size` values, and start with `values` as if they had been heard."""
        self._quantile, self._size = quantile, size
        self._history = deque(values)
        self._sorted = sorted(values)

    @property
    def value(self) -> float:
        """Return the quantile."""
        return self._sorted[int(self._quantile * len(self._sorted))]

    @property
    def history(self) -> list[float]:
        """Return the values, the oldest first."""
        return list(self._history)

    def push(self, value: float) -> None:
        """Add a value; the oldest goes when there are too many."""
        if len(self._history) == self._size:
            del self._sorted[bisect_left(self._sorted, self._history.popleft())]
        insort(self._sorted, value)
        self._history.append(value)


class Background:
    """Learn the background from the level of every frame, speech or not."""

    def __init__(self, floor_db: float, window_frames: int) -> None:
        """Start as if a steady background of `floor_db` dBFS had filled the window."""
        self._levels = SlidingQuantile(FLOOR_QUANTILE, window_frames, [floor_db] * window_frames)
        self._rises = SlidingQuantile(SWING_QUANTILE, SWING_NOTES, [0.0] * SWING_PRIOR_NOTES)
        self._peaks = deque([0.0] * SWING_STRETCH_BLOCKS, maxlen=SWING_STRETCH_BLOCKS)
        self._peak_db = 0.0  # above the floor, of the block that has begun
        self._block_frames = 0

    @property
    def floor_db(self) -> float:
        """Return the noise floor in dBFS."""
        return self._levels.value

    @property
    def swing_db(self) -> float:
        """Return how far the background rises above its floor."""
        return self._rises.value

    def resize(self, window_frames: int) -> None:
        """Change the window of the floor; what is known stays."""
        history = self._levels.history[-window_frames:]
        missing = window_frames - len(history)
        self._levels = SlidingQuantile(
            FLOOR_QUANTILE, window_frames, [self.floor_db] * missing + history)

    def learn(self, level_db: float) -> None:
        """Hear the level of one frame in dBFS."""
        self._levels.push(level_db)
        self._peak_db = max(self._peak_db, level_db - self.floor_db)
        self._block_frames += 1
        if self._block_frames == SWING_BLOCK_FRAMES:
            self._peaks.append(self._peak_db)
            self._rises.push(max(self._peaks))
            self._peak_db, self._block_frames = 0.0, 0
