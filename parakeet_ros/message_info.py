"""What comes with a message, for rclpy of any age."""

from collections.abc import Callable, Hashable, Mapping
import time
from typing import Any

from parakeet_ros.talker import SILENT_MESSAGES
from rclpy.subscription import Subscription

# Humble's rclpy hands a callback the message alone; Iron's and later ones look at its signature.
IS_TOLD = hasattr(Subscription, 'CallbackType')


def with_info(callback: Callable[[Any, Mapping[str, Any]], None]) -> Callable[..., None]:
    """Return a subscription's callback, of a message and its info, as this rclpy calls it."""
    return callback if IS_TOLD else lambda message: callback(message, {})


def received_at_ns(info: Mapping[str, Any]) -> int:
    """
    Return when the middleware had a message, in ns of its clock, the same for all topics.

    Where it does not tell, as Cyclone DDS and all on Humble, that is now, of the steady clock.
    """
    received_ns: int = info.get('received_timestamp') or time.monotonic_ns()
    return received_ns


class Senders:
    """
    Tell whose a message is from its info.

    rclpy of Kilted and later names the publisher. That of Iron and Jazzy tells only the number
    that a publisher gives a message, one more than that of its last: a message is taken for the
    next of the publisher whose last number it follows most closely.
    """

    def __init__(self) -> None:
        self._last_numbers: dict[int, int] = {}  # of each publisher, the later ones after
        self._latest = -1  # publisher
        self._run = 0  # messages of it without one from another

    def of(self, info: Mapping[str, Any]) -> Hashable:
        """Return something that names the publisher of a message, or None if nothing tells."""
        gid = info.get('publisher_gid')
        if gid is not None:
            return gid['data']
        number = info.get('publication_sequence_number')
        return None if number is None else self._follows(number)

    def _follows(self, number: int) -> int:
        earlier = [(last, sender) for sender, last in self._last_numbers.items() if last < number]
        sender = max(earlier)[1] if earlier else max(self._last_numbers, default=-1) + 1
        self._run = self._run + 1 if sender == self._latest else 1
        self._latest = sender
        self._last_numbers[sender] = number
        if self._run >= SILENT_MESSAGES:  # the others have stopped: nothing follows them any more
            self._last_numbers = {sender: number}
        return sender
