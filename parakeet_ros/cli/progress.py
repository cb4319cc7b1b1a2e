"""A line on the terminal: how far, how fast, how long yet."""

from __future__ import annotations

from collections.abc import Sequence
import os
import sys
import time

_BAR_CHARACTERS = 24
_CLEAR = '\r\x1b[2K'


class Progress:
    """
    Show the progress through recordings on standard error, if that is a terminal.

    A context manager: the line is gone when it ends.
    """

    def __init__(self, durations_s: Sequence[float | None]) -> None:
        """
        Begin the clock.

        :param durations_s: of all recordings, None where it is not known before the end: then
            there is no time left to show.
        """
        self._visible = sys.stderr.isatty()
        known = [duration for duration in durations_s if duration is not None]
        self._total_s = sum(known) if len(known) == len(durations_s) else None
        self._n_files = len(durations_s)
        self._file = ''
        self._number = 0
        self._done_s = 0.0
        self._started = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        self.clear()

    def begin_file(self, path: str) -> None:
        """Go on to the next recording."""
        self._number += 1
        self._file = path
        self._draw()

    def add(self, audio_s: float) -> None:
        """Count audio that has been transcribed."""
        self._done_s += audio_s
        self._draw()

    def clear(self) -> None:
        """Take the line away, so that others can write theirs."""
        if self._visible:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()

    def line(self) -> str:
        """Return what is shown; the file's name last, where a narrow terminal cuts it off."""
        rtfx = self._done_s / max(1e-9, time.monotonic() - self._started)
        parts = [_minutes(self._done_s)]
        if self._total_s:
            share = min(1.0, self._done_s / self._total_s)
            bar = '#' * round(share * _BAR_CHARACTERS)
            parts = [f'[{bar:.<{_BAR_CHARACTERS}}] {share:4.0%}',
                     f'{parts[0]} of {_minutes(self._total_s)}']
        if self._done_s:
            parts.append(f'RTFx {rtfx:.0f}')
        if self._total_s and self._done_s:
            parts.append(f'{_minutes(max(0.0, self._total_s - self._done_s) / rtfx)} left')
        name = os.path.basename(self._file)
        return '  '.join([*parts, f'{self._number}/{self._n_files} {name}'])

    def _draw(self) -> None:
        if self._visible:
            width = os.get_terminal_size(sys.stderr.fileno()).columns or 80
            sys.stderr.write(_CLEAR + self.line()[:width - 1])
            sys.stderr.flush()


def _minutes(time_s: float) -> str:
    minutes, seconds = divmod(round(time_s), 60)
    return f'{minutes}:{seconds:02}'
