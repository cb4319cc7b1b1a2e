"""
What stands in for the worker when a bag is heard: waveforms wait, and are transcribed in order.

No thread and no clock: time is that of the bag. So that timings mean what they mean live, it is
reckoned when an engine as fast as this one, running beside the recording, would have been done.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray
from parakeet_ros.careful import Engine, transcribe_each
from parakeet_ros.worker import Ticket


class Backlog:
    """
    Take waveforms as a `Worker` does, and transcribe them when `run` is called; drop none.

    :param batch_size: how many waveforms the engine gets at once, when so many have come.
    """

    def __init__(self, engine: Engine, batch_size: int = 1) -> None:
        self.time_ns = 0  # of the bag: whoever plays it sets it
        self._engine = engine
        self._batch_size = batch_size
        self._accepted: deque[Ticket] = deque()
        self._free_ns = 0  # when the engine of the reckoning has nothing to do
        self._done_ns: dict[Ticket, int] = {}

    def submit(self, lane: str, waveform: NDArray[Any]) -> Ticket:
        """Accept a waveform."""
        ticket = self.offer(lane, waveform)
        self.confirm(ticket)
        return ticket

    def offer(self, lane: str, waveform: NDArray[Any], is_look: bool = False) -> Ticket:
        """Note when a worker would have begun; it is transcribed if it is confirmed."""
        return Ticket(lane, waveform, started_ns=self.time_ns)

    def confirm(self, ticket: Ticket) -> bool:
        """Accept what was offered."""
        ticket.accepted_ns = self.time_ns
        self._accepted.append(ticket)
        return True

    def withdraw(self, lane: str) -> None:
        """Do nothing: what is not confirmed is not transcribed."""

    def now_ns(self) -> int:
        """Return the time of the bag."""
        return self.time_ns

    def finished_ns(self, tickets: Sequence[Ticket]) -> int:
        """Return when the last of them would have been done beside the recording."""
        return max(self._done_ns.pop(ticket) for ticket in tickets)

    def run(self, all_of_them: bool = False) -> None:
        """Transcribe what waits, in full batches, or all."""
        while len(self._accepted) >= (1 if all_of_them else self._batch_size):
            count = min(self._batch_size, len(self._accepted))
            self._transcribe([self._accepted.popleft() for _ in range(count)])

    def _transcribe(self, tickets: list[Ticket]) -> None:
        outcomes = transcribe_each(self._engine, [ticket.waveform for ticket in tickets])
        for ticket, outcome in zip(tickets, outcomes, strict=True):
            assert ticket.started_ns is not None and ticket.accepted_ns is not None
            ticket.started_ns = max(ticket.started_ns, self._free_ns)
            self._free_ns = ticket.started_ns
            if isinstance(outcome, Exception):
                ticket.error = outcome
            else:
                ticket.transcript = outcome
                self._free_ns += round(outcome.timings.total_ms * 1e6)
            self._done_ns[ticket] = max(self._free_ns, ticket.accepted_ns)
            ticket.done = True
