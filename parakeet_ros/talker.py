"""One voice at a time: two publishers on one audio topic would be heard as one stream. No ROS."""

from collections.abc import Hashable
from enum import Enum

# A publisher that has been silent while the other sent so many messages has stopped.
SILENT_MESSAGES = 50
# Where nobody has sent for so long, nobody speaks, and whoever speaks next may do so. A stream has
# then ended for the node, too, unless end_of_stream_s says otherwise.
PAUSE_NS = 1_000_000_000


class Verdict(Enum):
    """What to do with a message."""

    SAME = 'goes on with what came before'
    NEW = 'begins anew, from another publisher'
    REFUSED = 'is one of several that speak at the same time'


class Talker:
    """
    Follow who publishes on a topic.

    One may take over from another, as a driver does that is started again: the old one is often
    still listed for a while, so only what is sent counts. When one that was replaced speaks again
    without a pause, both are there, and neither is heard until one is left or all pause.
    """

    def __init__(self) -> None:
        self._current: Hashable = None
        self._replaced: set[Hashable] = set()
        self._last: Hashable = None
        self._last_ns = 0
        self._run = 0  # messages of _last without one from another
        self.is_crowded = False

    def judge(self, publisher: Hashable, arrival_ns: int) -> Verdict:
        """Take the publisher of a message and when that arrived, on any one clock."""
        self._run = self._run + 1 if publisher == self._last else 1
        has_paused = arrival_ns - self._last_ns >= PAUSE_NS
        self._last, self._last_ns = publisher, arrival_ns
        if has_paused or self._run == SILENT_MESSAGES:
            if self.is_crowded or publisher != self._current:
                self.settle()
            self._replaced.clear()
        if not self.is_crowded and publisher == self._current:
            return Verdict.SAME
        self.is_crowded = self.is_crowded or publisher in self._replaced
        if self.is_crowded:
            return Verdict.REFUSED
        self._replaced.add(self._current)
        self._current = publisher
        return Verdict.NEW

    def settle(self) -> None:
        """Hear whoever is left: the others are gone."""
        self.is_crowded, self._replaced, self._current = False, set(), None
