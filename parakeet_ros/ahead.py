"""
What is transcribed before an utterance has ended: guesses and looks. No ROS.

A guess is the utterance that a pause may end: it is begun with the pause, so that its text is
there when the pause has lasted; it is thrown away, and counted, if speech goes on. A look is the
utterance so far, for a partial result. Both are offers: the engine takes them when it has nothing
else to do.
"""

from dataclasses import dataclass

from parakeet_ros.audio import AudioStream, StreamUtterance
from parakeet_ros.counters import Counters
from parakeet_ros.worker import Ticket, Transcribing


@dataclass(frozen=True)
class Offer:
    """Audio that was offered to the engine."""

    utterance: StreamUtterance
    ticket: Ticket


@dataclass(frozen=True)
class Look:
    """The words of an utterance so far; the look before found the first of them too."""

    utterance: StreamUtterance
    words: list[str]
    stable_words: int


class Ahead:
    """
    Make the offers of one stream.

    :param partial_interval_s: seconds of audio between two looks at an utterance; 0 for none.
    """

    def __init__(self, worker: Transcribing, lane: str, counters: Counters,
                 partial_interval_s: float) -> None:
        self.partial_interval_s = partial_interval_s
        self._worker = worker
        self._lane = lane
        self._counters = counters
        self._guess: Offer | None = None
        self._look: Offer | None = None
        self._unlooked_s = 0.0  # audio of the utterance since the last look
        self._seen_words: list[str] = []  # by the last look

    def follow(self, stream: AudioStream, duration_s: float) -> None:
        """Guess or look, after so much more audio of the stream."""
        pending = stream.pending()
        if self._guess is not None and (
                pending is None or pending.utterance is not self._guess.utterance.utterance):
            self._discard()  # speech went on
        if pending is not None and self._guess is None:
            self._guess = self._offer(pending)
            self._look = None  # the guess has its place
            self._counters.guessed += 1
        if stream.is_speaking:
            self._unlooked_s += duration_s
        else:
            self._forget_look()  # nobody spoke, or an utterance has ended, and claimed its guess
        if pending is None and 0 < self.partial_interval_s <= self._unlooked_s:
            self._take_a_look(stream)

    def claim(self, utterance: StreamUtterance) -> Ticket | None:
        """Return the guess that turned out to be this utterance, None if there is none."""
        self._look = None
        self._seen_words = []
        if self._guess is not None and self._guess.utterance.utterance is utterance.utterance:
            ticket, self._guess = self._guess.ticket, None
            return ticket
        self._discard()
        return None

    def forget(self) -> None:
        """Drop what was offered: the stream has ended."""
        self._discard()
        self._forget_look()
        self._worker.withdraw(self._lane)

    def take_look(self) -> Look | None:
        """Return the latest look if it is done, once."""
        if self._look is None or not self._look.ticket.done:
            return None
        look, self._look = self._look, None
        if look.ticket.transcript is None:
            return None
        words, stable = look.ticket.transcript.text.split(), 0
        for word, seen in zip(words, self._seen_words):
            if word != seen:
                break
            stable += 1
        self._seen_words = words
        return Look(look.utterance, words, stable)

    def _take_a_look(self, stream: AudioStream) -> None:
        """Offer the utterance so far; a look that the engine is at is awaited first."""
        if self._look is not None and self._look.ticket.started_ns is not None:
            return
        partial = stream.partial()
        if partial is not None:
            self._look = self._offer(partial, is_look=True)
            self._unlooked_s = 0.0

    def _forget_look(self) -> None:
        """Give up the look, if there is one, and the words of those before."""
        if self._look is not None:
            self._look = None
            self._worker.withdraw(self._lane)
        self._seen_words = []
        self._unlooked_s = 0.0

    def _discard(self) -> None:
        """Give up the guess, if there is one."""
        if self._guess is not None:
            self._guess = None
            self._worker.withdraw(self._lane)
            self._counters.discarded += 1

    def _offer(self, utterance: StreamUtterance, is_look: bool = False) -> Offer:
        return Offer(utterance, self._worker.offer(self._lane, utterance.waveform, is_look))
