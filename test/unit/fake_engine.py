"""An engine that does what a test tells it, for what a real one cannot be made to do."""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Condition, get_ident
from typing import Any

from numpy.typing import NDArray
from parakeet_ros.engine import Timings, Transcript

TIMEOUT_S = 30.0  # of anything that another thread does at once


class Counter:
    """A number that threads count up and a test waits for."""

    def __init__(self) -> None:
        self._changed = Condition()
        self.value = 0

    def __call__(self) -> None:
        """Count one more."""
        with self._changed:
            self.value += 1
            self._changed.notify_all()

    def until(self, value: int) -> None:
        """Wait until it has come so far."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.value >= value, TIMEOUT_S), (
                f'{self.value} instead of {value} after {TIMEOUT_S} s')


class FakeEngine:
    """
    Hold every call until it is released, then return a transcript or raise.

    The text of a transcript is the number of the samples, so that each can be told from others.
    """

    def __init__(self) -> None:
        self.started = Counter()  # calls that have begun
        self.lengths: list[int] = []  # of the waveforms, in order of the calls
        self.threads: set[int] = set()  # that have called
        self._verdicts: SimpleQueue[Exception | None] = SimpleQueue()

    def release(self, error: Exception | None = None) -> None:
        """Let one call end; with an error, it is raised."""
        self._verdicts.put(error)

    def transcribe(self, waveform: NDArray[Any]) -> Transcript:
        """Wait for the release, and obey it."""
        self.threads.add(get_ident())
        self.lengths.append(len(waveform))
        self.started()
        error = self._verdicts.get(timeout=TIMEOUT_S)
        if error is not None:
            raise error
        return Transcript(
            text=str(len(waveform)), words=(), tokens=(), score=0.0,
            audio_s=len(waveform) / 16_000,
            timings=Timings(features_ms=0.1, encoder_ms=0.2, decoder_ms=0.3, total_ms=0.6))


def ignore() -> None:
    """Do nothing when an outcome is ready."""


OnDone = Callable[[], None]
