"""The node, the player and the demonstration as processes of their own."""

import os
from pathlib import Path
import signal
import subprocess
import sys

EXIT_TIMEOUT_S = 20.0


class Process:
    """A Python module in a process group of its own, its output in a file."""

    def __init__(self, log: Path, module: str, *arguments: str) -> None:
        self.log = log
        with log.open('wb') as output:
            self._child = subprocess.Popen(
                [sys.executable, '-u', '-m', module, *arguments], stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT, start_new_session=True)

    @property
    def output(self) -> str:
        """Return what it has printed so far."""
        return self.log.read_text(encoding='utf-8', errors='replace')

    def is_alive(self) -> bool:
        """Return whether it still runs."""
        return self._child.poll() is None

    def is_group_alive(self) -> bool:
        """Return whether it or anything that it started still runs."""
        try:
            os.killpg(self._child.pid, 0)
        except ProcessLookupError:
            return False
        return True

    @property
    def memory_mb(self) -> float:
        """Return the resident memory."""
        status = Path(f'/proc/{self._child.pid}/status').read_text(encoding='ascii')
        return int(status.partition('VmRSS:')[2].split()[0]) / 1024

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, as a terminal would, to the whole group."""
        os.killpg(self._child.pid, number)

    def wait(self, timeout_s: float = EXIT_TIMEOUT_S) -> int:
        """Return the exit status; kill it if it takes too long, and say so."""
        try:
            return self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self._child.wait()
            raise AssertionError(
                f'still running after {timeout_s} s:\n{self.output}') from None

    def interrupt(self) -> int:
        """Press Ctrl-C, unless it has ended, and return the exit status."""
        if self.is_alive():
            self.signal(signal.SIGINT)
        return self.wait()


class AsrProcess(Process):
    """The node `asr` with some parameters; the packaged model, unless they name another."""

    def __init__(self, log: Path, parameters: dict[str, object],
                 module: str = 'parakeet_ros.node') -> None:
        arguments = ['--ros-args']
        for name, value in {'model': 'builtin', **parameters}.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            arguments += ['-p', f'{name.replace("__", ".")}:={text}']
        super().__init__(log, module, *arguments)
