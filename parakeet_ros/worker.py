"""
The one thread that owns the engine, between bounded queues. It knows no ROS.

Waveforms come in two kinds. What is *accepted* is transcribed whatever happens. What is only
*offered*, a guess that a pause is the end or a look at an open utterance, begins while nothing
accepted waits, guesses before looks. It can be confirmed later; if it is not, it has cost idle
time, and whoever comes while it runs waits for it.

Several lanes, one per microphone, share the engine: each has a queue of its own, and the engine
takes one from each in turn. What is accepted goes in batches, which take less time in all. What
is offered goes alone, so that whoever comes waits for one only; where the engine falls behind,
guesses are confirmed before they have begun, and go in batches, too.
"""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition, Thread
import time
from typing import Any, Protocol

from numpy.typing import NDArray
from parakeet_ros.careful import Engine, transcribe_each


@dataclass(eq=False)
class Ticket:
    """A waveform on its way; `transcript` or `error` is there once `done` is true."""

    lane: str
    waveform: NDArray[Any]  # float32 [n_samples], 16 kHz mono
    is_look: bool = False
    accepted_ns: int | None = None  # steady clock; None while only offered
    started_ns: int | None = None
    done: bool = False
    transcript: Any | None = None
    error: Exception | None = None

    @property
    def queue_ms(self) -> float:
        """Return how long it waited after it was accepted."""
        if self.accepted_ns is None or self.started_ns is None:
            return 0.0
        return max(0.0, (self.started_ns - self.accepted_ns) / 1e6)


class Transcribing(Protocol):
    """Who has waveforms transcribed: a `Worker`, or for bags a `Backlog`."""

    def submit(self, lane: str, waveform: NDArray[Any]) -> Ticket | None:
        """Accept a waveform; None if the lane is full and it was not taken."""

    def offer(self, lane: str, waveform: NDArray[Any], is_look: bool = False) -> Ticket:
        """Transcribe a waveform if there is time; it takes the place of the lane's last offer."""

    def confirm(self, ticket: Ticket) -> bool:
        """Accept what was offered, wherever it is by now; false if the lane is full."""

    def withdraw(self, lane: str) -> None:
        """Forget the lane's offer."""

    def now_ns(self) -> int:
        """Return the time on the clock by which chunks arrive."""

    def finished_ns(self, tickets: Sequence[Ticket]) -> int:
        """Return when the result of tickets that are done could go out, on that clock."""


@dataclass
class _Lane:
    """What waits in one lane."""

    accepted: deque[Ticket] = field(default_factory=deque)
    offered: Ticket | None = None  # the latest; an older one is worth nothing any more


class Worker:
    """
    Run an engine in a thread of its own.

    :param engine: only this thread calls it.
    :param capacity: accepted waveforms that may wait in a lane; more are refused.
    :param on_done: called in the worker's thread after accepted tickets are done.
    :param batch_size: the most accepted waveforms that the engine gets at once.
    :param prepare: called in that thread before anything else, and waited for: what it raises is
        raised here.
    """

    def __init__(self, engine: Engine, capacity: int, on_done: Callable[[], None],
                 batch_size: int = 1, prepare: Callable[[], None] = lambda: None) -> None:
        self._engine = engine
        self._capacity = capacity
        self._on_done = on_done
        self._batch_size = batch_size
        self._lanes: dict[str, _Lane] = {}
        self._changed = Condition()
        self._running: list[Ticket] = []
        self._stopping = False
        prepared: Future[None] = Future()
        self._thread = Thread(target=self._run, args=(prepare, prepared), name='parakeet_engine',
                              daemon=True)
        self._thread.start()
        prepared.result()

    @property
    def depth(self) -> int:
        """Return how many accepted waveforms wait or are in the engine."""
        with self._changed:
            return self._unfinished()

    @property
    def is_idle(self) -> bool:
        """Return whether the engine has nothing to do, not even what is only offered."""
        with self._changed:
            return not self._running and not self._waiting()

    def submit(self, lane: str, waveform: NDArray[Any]) -> Ticket | None:
        """Accept a waveform; None if the lane is full and it was not taken."""
        ticket = Ticket(lane, waveform)
        return ticket if self._accept(ticket) else None

    def offer(self, lane: str, waveform: NDArray[Any], is_look: bool = False) -> Ticket:
        """
        Transcribe a waveform if there is time; it takes the place of the lane's last offer.

        :param is_look: nobody waits for it; every lane's guess goes first.
        """
        ticket = Ticket(lane, waveform, is_look)
        with self._changed:
            self._lane(lane).offered = ticket
            self._changed.notify_all()
        return ticket

    def confirm(self, ticket: Ticket) -> bool:
        """Accept what was offered, wherever it is by now; false if the lane is full."""
        with self._changed:
            if not ticket.done and ticket not in self._running:
                return self._accept(ticket)
            ticket.accepted_ns = time.monotonic_ns()
            done = ticket.done
        if done:
            self._on_done()
        return True

    def now_ns(self) -> int:
        """Return the time on the steady clock."""
        return time.monotonic_ns()

    def finished_ns(self, tickets: Sequence[Ticket]) -> int:
        """Return the time on the steady clock: a result goes out as soon as it is asked for."""
        return time.monotonic_ns()

    def withdraw(self, lane: str) -> None:
        """Forget the lane's offer; if the engine is at it already, nobody will ask for it."""
        with self._changed:
            self._lane(lane).offered = None

    def drain(self, timeout_s: float) -> bool:
        """Wait until everything accepted is done; false if the time ran out."""
        with self._changed:
            return self._changed.wait_for(lambda: self._unfinished() == 0, timeout_s)

    def stop(self, timeout_s: float = 5.0) -> bool:
        """End the thread after the batch that it is at; false if it did not end in time."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _lane(self, name: str) -> _Lane:
        return self._lanes.setdefault(name, _Lane())

    def _unfinished(self) -> int:
        return (sum(len(lane.accepted) for lane in self._lanes.values())
                + sum(ticket.accepted_ns is not None for ticket in self._running))

    def _accept(self, ticket: Ticket) -> bool:
        with self._changed:
            lane = self._lane(ticket.lane)
            if lane.offered is ticket:
                lane.offered = None
            if len(lane.accepted) >= self._capacity:
                return False
            ticket.accepted_ns = time.monotonic_ns()
            lane.accepted.append(ticket)
            self._changed.notify_all()
        return True

    def _run(self, prepare: Callable[[], None], prepared: Future[None]) -> None:
        try:
            prepare()
        except Exception as error:
            prepared.set_exception(error)
            return
        prepared.set_result(None)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or self._waiting())
                if self._stopping:
                    return
                self._running = self._take()
                started_ns = time.monotonic_ns()
                for ticket in self._running:
                    ticket.started_ns = started_ns
            self._transcribe(self._running)
            with self._changed:
                accepted = any(ticket.accepted_ns is not None for ticket in self._running)
                for ticket in self._running:
                    ticket.done = True
                self._running = []
                self._changed.notify_all()
            if accepted:
                self._on_done()

    def _waiting(self) -> bool:
        return any(lane.accepted or lane.offered for lane in self._lanes.values())

    def _take(self) -> list[Ticket]:
        """Take a batch of what is accepted, or else one guess, or else one look."""
        return (self._take_in_turn(_next_accepted, self._batch_size)
                or self._take_in_turn(_next_guess, 1) or self._take_in_turn(_next_offered, 1))

    def _take_in_turn(self, next_of: Callable[[_Lane], Ticket | None],
                      most: int) -> list[Ticket]:
        """Take until there are so many; a lane that gave goes to the end of the line."""
        batch: list[Ticket] = []
        skipped = 0
        names = deque(self._lanes)
        while skipped < len(names) and len(batch) < most:
            name = names.popleft()
            names.append(name)
            ticket = next_of(self._lanes[name])
            if ticket is None:
                skipped += 1
                continue
            skipped = 0
            batch.append(ticket)
            self._lanes[name] = self._lanes.pop(name)
        return batch

    def _transcribe(self, tickets: list[Ticket]) -> None:
        outcomes = transcribe_each(self._engine, [ticket.waveform for ticket in tickets])
        for ticket, outcome in zip(tickets, outcomes, strict=True):
            if isinstance(outcome, Exception):
                ticket.error = outcome
            else:
                ticket.transcript = outcome


def _next_accepted(lane: _Lane) -> Ticket | None:
    return lane.accepted.popleft() if lane.accepted else None


def _next_guess(lane: _Lane) -> Ticket | None:
    return _next_offered(lane) if lane.offered is not None and not lane.offered.is_look else None


def _next_offered(lane: _Lane) -> Ticket | None:
    ticket, lane.offered = lane.offered, None
    return ticket
