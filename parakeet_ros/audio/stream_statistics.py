"""What a stream counts of itself."""
from collections import deque
from dataclasses import dataclass

from parakeet_ros.audio.condition import Fault

RECENT_S = 60.0  # of audio; what a stream is like now is judged by so much


@dataclass(frozen=True)
class StreamStatistics:
    """Count what a stream has brought since it was made; resets do not clear it."""

    chunks: int
    seconds: float  # of audio
    utterances: int
    bad_samples: int  # not finite, taken as 0
    clipped_samples: int
    backward_stamps: int
    still_stamps: int  # how many of the latest are the same as the one before
    gaps: int  # in the stamps, longer than jitter
    seconds_since_gap: float  # of audio; infinite if there was none
    inserted_seconds: float  # of silence, in gaps up to `max_gap_s`
    overrun_seconds: float  # by which the samples have run ahead of the stamps
    overrun_share: float  # of the latest RECENT_S, by which they have done so
    level_db: float  # of the latest frame, dBFS
    noise_floor_db: float  # dBFS
    faults: frozenset[Fault]  # what is wrong with the sound now


class RecentShare:
    """Tell which share of the latest RECENT_S of audio something was, from its total in s."""

    def __init__(self) -> None:
        """Start where there is no audio yet."""
        self.share = 0.0
        self._totals = deque([(0.0, 0.0)])  # of audio and of the other, about a second apart

    def update(self, seconds: float, total: float) -> None:
        """Take the total of the audio, and that of what is a share of it."""
        while len(self._totals) > 1 and seconds - self._totals[1][0] >= RECENT_S:
            self._totals.popleft()
        from_s, from_total = self._totals[0]
        if seconds > from_s:
            self.share = (total - from_total) / (seconds - from_s)
        if seconds - self._totals[-1][0] >= 1:
            self._totals.append((seconds, total))
