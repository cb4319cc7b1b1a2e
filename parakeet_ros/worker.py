"""
The one thread that owns the engine, behind a bounded queue.

It knows no ROS: it calls `on_done` from its own thread when an outcome is ready, and the owner
takes the outcomes in whatever thread it likes.
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Full, Queue
from threading import Condition, Thread
import time
from typing import Any, Protocol

from numpy.typing import NDArray


class Engine(Protocol):
    """What the worker needs of an engine."""

    def transcribe(self, waveform: NDArray[Any]) -> Any:
        """Turn a waveform `[n_samples]` into a transcript."""


@dataclass(frozen=True)
class Job:
    """An utterance on its way to the engine, with whatever its owner wants back."""

    waveform: NDArray[Any]  # float32 [n_samples], 16 kHz mono
    context: Any
    submitted_ns: int  # steady clock


@dataclass(frozen=True)
class Outcome:
    """What became of a job: a transcript or the error that the engine raised."""

    job: Job
    transcript: Any | None
    error: Exception | None
    queue_ms: float


class Worker:
    """
    Run an engine in a thread of its own.

    :param engine: transcribes one waveform at a time; only this thread calls it.
    :param capacity: jobs that may wait; `submit` refuses more.
    :param on_done: called in the worker thread after each outcome.
    """

    def __init__(self, engine: Engine, capacity: int, on_done: Callable[[], None]) -> None:
        self._engine = engine
        self._on_done = on_done
        self._queue: Queue[Job | None] = Queue(capacity)
        self._outcomes: deque[Outcome] = deque()
        self._idle = Condition()
        self._unfinished = 0
        self._stopping = False
        self._thread = Thread(target=self._run, name='parakeet_engine', daemon=True)
        self._thread.start()

    @property
    def depth(self) -> int:
        """Return how many jobs wait or run."""
        return self._unfinished

    def submit(self, waveform: NDArray[Any], context: Any) -> bool:
        """Queue an utterance; false if the queue is full and it was not taken."""
        with self._idle:
            try:
                self._queue.put_nowait(Job(waveform, context, time.monotonic_ns()))
            except Full:
                return False
            self._unfinished += 1
        return True

    def take_outcomes(self) -> list[Outcome]:
        """Return what was finished since the last call, in order of submission."""
        taken = []
        while self._outcomes:
            taken.append(self._outcomes.popleft())
        return taken

    def drain(self, timeout_s: float) -> bool:
        """Wait until every accepted job has an outcome; false if the time ran out."""
        with self._idle:
            return self._idle.wait_for(lambda: self._unfinished == 0, timeout_s)

    def stop(self, timeout_s: float = 5.0) -> bool:
        """End the thread after the job that it is at; false if it did not end in time."""
        self._stopping = True
        with suppress(Full):  # then the thread sees _stopping after the job that it is at
            self._queue.put_nowait(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping:
            job = self._queue.get()
            if job is None or self._stopping:
                return
            queue_ms = (time.monotonic_ns() - job.submitted_ns) / 1e6
            transcript, error = None, None
            try:
                transcript = self._engine.transcribe(job.waveform)
            except Exception as raised:  # one bad utterance must not end the thread
                error = raised
            self._outcomes.append(Outcome(job, transcript, error, queue_ms))
            with self._idle:
                self._unfinished -= 1
                self._idle.notify_all()
            self._on_done()
