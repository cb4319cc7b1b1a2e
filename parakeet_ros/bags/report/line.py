"""Where the stretches of a bag's audio lie on the time line of its report."""
from __future__ import annotations

from dataclasses import dataclass

from parakeet_ros.audio.timeline import NS_PER_S

LONGEST_PAUSE_S = 60.0  # without audio; a longer one, such as a leap of the clock, is cut to this
RESTART_PAUSE_S = 1.0  # between a stretch and one whose stamps go back
EDGE_NS = 300_000_000  # by so much a stamp may lie outside the stretch that it belongs to


@dataclass(frozen=True)
class Stretch:
    """
    A run of audio without a break in its stamps.

    :param line_s: where it begins on the time line.
    :param follows: nothing is missing before it; only the clock of the samples had drifted.
    """

    start_ns: int
    line_s: float
    seconds: float
    follows: bool = False


class Line:
    """
    Lay stretches out one after the other, each at its time, as far as that can be shown.

    Positions are seconds from the beginning of the first stretch. A stretch that begins before
    the end of the one before, as when a recording was played again, follows it after a second.
    """

    def __init__(self) -> None:
        """Start without a stretch."""
        self.stretches: list[Stretch] = []

    @property
    def end_s(self) -> float:
        """Return where the last stretch ends."""
        last = self.stretches[-1] if self.stretches else None
        return last.line_s + last.seconds if last is not None else 0.0

    def add(self, start_ns: int, seconds: float, follows: bool = False) -> Stretch:
        """Add a stretch after all others, and return it."""
        line_s = self.end_s
        if self.stretches and not follows:
            last = self.stretches[-1]
            pause_s = (start_ns - last.start_ns) / NS_PER_S - last.seconds
            line_s += RESTART_PAUSE_S if pause_s < 0 else min(pause_s, LONGEST_PAUSE_S)
        self.stretches.append(Stretch(start_ns, line_s, seconds, follows))
        return self.stretches[-1]

    def marks(self, origin_ns: int) -> list[tuple[float, float]]:
        """
        Return position and time in seconds at each stretch, as `Report.stretches`.

        :param origin_ns: what times are counted from, on the clock that stamps the audio.
        """
        return [(each.line_s, (each.start_ns - origin_ns) / NS_PER_S) for each in self.stretches]


class Finder:
    """
    Find the positions of stamps that come in the order of the time line.

    Where stamps occur in several stretches, as in a recording that was played again, the order
    decides: nothing begins before what was found before it has ended.
    """

    def __init__(self, line: Line) -> None:
        """Begin at the first stretch."""
        self._line = line
        self._last_s = -float('inf')

    def find(self, stamp_ns: int, end_ns: int | None = None) -> float:
        """
        Return the position of the next stamp; before the first stretch that is negative.

        :param end_ns: end of what begins at the stamp, if it lasts.
        """
        positions = [self._position_s(stretch, stamp_ns) for stretch in self._line.stretches
                     if -EDGE_NS <= stamp_ns - stretch.start_ns
                     <= stretch.seconds * NS_PER_S + EDGE_NS]
        if not positions:
            return self._between(stamp_ns)
        later = [position for position in positions if position > self._last_s]
        found_s = later[0] if later else positions[-1]
        self._last_s = found_s + max(0, (end_ns or stamp_ns) - stamp_ns - EDGE_NS) / NS_PER_S
        return found_s

    def _between(self, stamp_ns: int) -> float:
        """Return the position of a stamp that no stretch holds, by the nearest one before it."""
        before = [each for each in self._line.stretches if each.start_ns <= stamp_ns]
        nearest = (max(before, key=lambda each: each.start_ns) if before
                   else self._line.stretches[0] if self._line.stretches else Stretch(0, 0.0, 0.0))
        return self._position_s(nearest, stamp_ns)

    @staticmethod
    def _position_s(stretch: Stretch, stamp_ns: int) -> float:
        return stretch.line_s + (stamp_ns - stretch.start_ns) / NS_PER_S
