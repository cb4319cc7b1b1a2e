"""An engine that does what a test tells it, for what a real one cannot be made to do."""

from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import Condition, get_ident
from typing import Any

from numpy.typing import NDArray
from parakeet_ros.engine import Timings, Transcript, Word

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


def transcript_of(waveform: NDArray[Any]) -> Transcript:
    """Return a transcript whose text is the number of the samples, so that each can be told."""
    audio_s, text = len(waveform) / 16_000, str(len(waveform))
    return Transcript(
        text=text, words=(Word(text, 0.0, audio_s, 1.0),), tokens=(), score=0.0, audio_s=audio_s,
        timings=Timings(features_ms=0.1, encoder_ms=0.2, decoder_ms=0.3, total_ms=0.6))


class FakeEngine:
    """
    Hold every call until it is released, then return transcripts or raise.

    :param holds: false to release every call at once.
    """

    def __init__(self, holds: bool = True) -> None:
        self.started = Counter()  # calls that have begun
        self.batches: list[list[int]] = []  # lengths of the waveforms, in order of the calls
        self.threads: set[int] = set()  # that have called
        self._holds = holds
        self._verdicts: SimpleQueue[Exception | None] = SimpleQueue()

    def release(self, error: Exception | None = None) -> None:
        """Let one call end; with an error, it is raised."""
        self._verdicts.put(error)

    def let_go(self) -> None:
        """Hold no call any more."""
        self._holds = False
        self.release()

    def transcribe_batch(self, waveforms: Sequence[NDArray[Any]]) -> list[Transcript]:
        """Wait for the release, and obey it."""
        self.threads.add(get_ident())
        self.batches.append([len(waveform) for waveform in waveforms])
        self.started()
        error = self._verdicts.get(timeout=TIMEOUT_S) if self._holds else None
        if error is not None:
            raise error
        return [transcript_of(waveform) for waveform in waveforms]

    def transcribe_in_pieces(self, waveform: NDArray[Any], piece_s: float) -> Transcript:
        """Do as with one waveform."""
        return self.transcribe_batch([waveform])[0]


def ignore() -> None:
    """Do nothing when something is done."""


OnDone = Callable[[], None]
