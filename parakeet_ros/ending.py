"""The end of the process on a signal, soon, whatever keeps the main thread."""

import os
import signal
from threading import Event, Thread
import time

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Ending:
    """
    What SIGINT and SIGTERM do.

    A signal handler that raises leaves half done whatever it interrupts, so it may raise only
    where everything is given up anyway. A KeyboardInterrupt that leaves an `exec` on its way, as
    there are many in the import of torch, would make Python end itself by SIGINT, although it was
    caught; a SystemExit does not.
    """

    def __init__(self, timeout_s: float) -> None:
        self.is_asked_for = False
        self._status = 0
        self._begins = Event()
        Thread(target=self._end_late, args=(timeout_s,), name='ending', daemon=True).start()

    def at_once(self) -> None:
        """From now on a signal raises SystemExit wherever the main thread is."""
        for number in SIGNALS:  # SIGINT, too: a shell's background ignores it
            signal.signal(number, self._raise)

    def when_asked(self) -> None:
        """From now on a signal sets ``is_asked_for``, and the time that is left begins."""
        for number in SIGNALS:
            signal.signal(number, self._ask)

    def begin(self, status: int) -> None:
        """From now on signals wait; when the time is over, the process ends with a status."""
        self._status = status
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        self._begins.set()

    def _raise(self, *_: object) -> None:
        raise SystemExit(0)

    def _ask(self, *_: object) -> None:
        if not self.is_asked_for:  # a second signal must not meet the lock of the event
            self.is_asked_for = True
            self._begins.set()

    def _end_late(self, timeout_s: float) -> None:
        self._begins.wait()
        time.sleep(timeout_s)
        os._exit(self._status)
