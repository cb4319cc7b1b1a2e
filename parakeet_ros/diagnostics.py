"""Diagnostics: what is wrong now, and how it is written into messages."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from rclpy.node import Node

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
AUDIO_INPUT, RECOGNIZER = 'audio input', 'recognizer'  # the two diagnostic tasks


@dataclass(frozen=True)
class Problem:
    """Something wrong that lasts until it is mended."""

    task: str
    level: bytes
    message: str


class Problems:
    """
    What is wrong now: logged once when it appears, in diagnostics until it is mended.

    :param log: logs a message at a diagnostic level.
    """

    def __init__(self, log: Callable[[bytes, str], None]) -> None:
        self._log = log
        self._current: dict[str, Problem] = {}

    def report(self, key: str, task: str, level: bytes, message: str) -> None:
        """Remember a problem under a key; log it unless it is known."""
        problem = Problem(task, level, message)
        if self._current.get(key) != problem:
            self._current[key] = problem
            self._log(level, message)

    def clear(self, *keys: str) -> None:
        """Forget problems that no longer hold."""
        for key in keys:
            if self._current.pop(key, None) is not None:
                self._log(OK, f'Mended: {key}.')

    def worst(self, task: str, fine: str) -> tuple[bytes, str]:
        """Return the highest level of a task's problems and all its messages, or `fine`."""
        mine = [p for p in self._current.values() if p.task == task]
        if not mine:
            return OK, fine
        return max(p.level for p in mine), ' '.join(p.message for p in mine)


def diagnostic_name(node: Node) -> str:
    """Return the node's full name as diagnostics write it: `robot1/asr`."""
    return node.get_fully_qualified_name().lstrip('/')


def status(name: str, level: bytes, message: str, hardware_id: str,
           values: Mapping[str, Any]) -> DiagnosticStatus:
    """Build one diagnostic status; floats are written with three decimals."""
    return DiagnosticStatus(
        level=level, name=name, message=message, hardware_id=hardware_id,
        values=[KeyValue(key=key, value=_text(value)) for key, value in values.items()])


def _text(value: Any) -> str:
    return f'{value:.3f}' if isinstance(value, float) else str(value)
