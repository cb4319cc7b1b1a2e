"""Diagnostics: what is wrong now, and how it is written into messages."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from parakeet_ros.speech_messages import value_text
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

    def report(self, key: str, task: str, level: bytes, message: str) -> bool:
        """Remember a problem under a key; log it if it is new, and return whether it is."""
        problem = Problem(task, level, message)
        is_new = self._current.get(key) != problem
        if is_new:
            self._current[key] = problem
            self._log(level, message)
        return is_new

    def clear(self, *keys: str) -> None:
        """Forget problems that no longer hold."""
        for key in keys:
            if self._current.pop(key, None) is not None:
                self._log(OK, f'Mended: {key}.')

    def of(self, task: str) -> list[Problem]:
        """Return the problems of a task."""
        return [p for p in self._current.values() if p.task == task]


def worst(problems: Iterable[Problems], task: str, fine: str) -> tuple[bytes, str]:
    """Return the highest level of a task's problems and all their messages, or `fine`."""
    found = [problem for each in problems for problem in each.of(task)]
    if not found:
        return OK, fine
    return max(p.level for p in found), ' '.join(p.message for p in found)


def diagnostic_name(node: Node, microphone: str, task: str) -> str:
    """Return the name of a status: `robot1/asr: front: audio input`, without what is empty."""
    parts = (node.get_fully_qualified_name().lstrip('/'), microphone, task)
    return ': '.join(part for part in parts if part)


def status(name: str, level: bytes, message: str, hardware_id: str,
           values: Mapping[str, Any]) -> DiagnosticStatus:
    """Build one diagnostic status; floats are written with three decimals."""
    return DiagnosticStatus(
        level=level, name=name, message=message, hardware_id=hardware_id,
        values=[KeyValue(key=key, value=value_text(value)) for key, value in values.items()])
