"""One voice at a time: two publishers on one audio topic would be heard as one stream. No ROS."""

from collections.abc import Hashable
from enum import Enum

# A publisher that has been silent while the other sent so many messages has stopped.
SILENT_MESSAGES = 50


class Verdict(Enum):
    """What to do with a message."""

    SAME = 'goes on with what came before'
    NEW = 'begins anew, from another publisher'
    REFUSED = 'is one of several that speak at the same time'


class Talker:
    """
    Follow who publishes on a topic.

    One may take over from another, as a driver does that is started again: the old one is often
    still listed for a while, so only what is sent counts. When one that was replaced speaks again,
    both are there, and neither is heard until one is left.
    """

    def __init__(self) -> None:
        self._current: Hashable = None
        self._replaced: set[Hashable] = set()
        self._last: Hashable = None
        self._run = 0  # messages of _last without one from another
        self.is_crowded = False

    def judge(self, publisher: Hashable) -> Verdict:
        """Take the publisher of a message."""
        self._run = self._run + 1 if publisher == self._last else 1
        self._last = publisher
        if self._run == SILENT_MESSAGES:
            was_crowded = self.is_crowded
            self.is_crowded, self._replaced = False, set()
            if was_crowded:
                self._current = publisher
                return Verdict.NEW
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
