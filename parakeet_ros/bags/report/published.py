"""What the node published while a bag was recorded, as far as the bag holds it."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
import json
import math
from typing import Any

from parakeet_ros.audio.timeline import NS_PER_S
from parakeet_ros.bags.reading import Bag
from parakeet_ros.bags.report.content import HeardWord, Passage
from parakeet_ros.bags.report.line import Finder, Line

STRING = 'std_msgs/msg/String'
DIAGNOSTICS = 'diagnostic_msgs/msg/DiagnosticArray'
# A text alone does not say when its speech was: about so long before it came.
TEXT_DELAY_S = 0.6
TEXT_SPEECH_S = 0.3
RECOGNIZER = 'recognizer'  # how the status ends that counts what was dropped


@dataclass
class Published:
    """
    What was recorded of the node's topics.

    :param results: objects of `speech/result`, in order.
    :param texts: receive time in ns and text of `speech/text`.
    :param latencies_ms: of `speech/timing`, by utterance, in order.
    :param drops: receive time in ns, and how many utterances had been dropped since the status
        before.
    :param damaged: how many messages were not what the node publishes.
    """

    results: list[dict[str, Any]] = field(default_factory=list)
    texts: list[tuple[int, str]] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    drops: list[tuple[int, int]] = field(default_factory=list)
    damaged: int = 0

    @property
    def measured_ms(self) -> list[float]:
        """Return the latencies that the node measured, from whichever topic has them."""
        of_results = (_number(result['timings'], 'latency_ms') for result in self.results)
        return self.latencies_ms or [each for each in of_results if each is not None]

    @property
    def is_empty(self) -> bool:
        """Return whether the bag holds nothing that was heard."""
        return not (self.results or self.texts or self.latencies_ms)


def read_published(bag: Bag, audio_topic: str) -> Published:
    """Read the node's topics that belong to an audio topic: the nearest by their names."""
    names = {kind: bag.nearest_topic(audio_topic, f'speech/{kind}', type_name)
             for kind, type_name in (
                 ('result', STRING), ('text', STRING), ('timing', DIAGNOSTICS))}
    names['diagnostics'] = bag.nearest_topic(audio_topic, 'diagnostics', DIAGNOSTICS)
    kinds = {name: kind for kind, name in names.items() if name is not None}
    published, dropped = Published(), 0
    for each in bag.messages(set(kinds)):
        kind, message = kinds[each.topic], each.message
        if kind == 'result':
            _take_result(published, message.data)
        elif kind == 'text':
            published.texts.append((each.receive_ns, str(message.data)))
        elif kind == 'timing':
            for status in message.status:
                latency_ms = _number(_values(status), 'latency_ms')
                if latency_ms is not None:
                    published.latencies_ms.append(latency_ms)
        else:
            for status in message.status:
                count = _number(_values(status), 'dropped')
                if count is None or not status.name.endswith(RECOGNIZER):
                    continue
                if count > dropped:
                    published.drops.append((each.receive_ns, int(count) - dropped))
                dropped = int(count)
    return published


def passages(published: Published, line: Line, ahead_ns: int = 0) -> tuple[Passage, ...]:
    """
    Return what was heard on the time line; without `speech/result` the bare texts.

    :param ahead_ns: of the recorder's clock the one that stamps the audio is so much.
    """
    finder = Finder(line)
    if published.results:
        return tuple(passage for passage in (
            _passage(result, finder) for result in published.results) if passage is not None)
    found = []
    for number, (receive_ns, text) in enumerate(published.texts, start=1):
        end_s = finder.find(receive_ns + ahead_ns) - TEXT_DELAY_S
        span_s = end_s - TEXT_SPEECH_S, end_s
        found.append(Passage(number, *span_s, *span_s, text, None))
    return tuple(found)


def _passage(result: Mapping[str, Any], finder: Finder) -> Passage | None:
    """Return what an object of `speech/result` says, None where it is not one."""
    try:
        start_ns, end_ns = _stamp_ns(result['start']), _stamp_ns(result['end'])
        if end_ns < start_ns:
            return None
        start_s = finder.find(start_ns, end_ns)

        def position(name: str) -> float:
            return start_s + (_stamp_ns(result[name]) - start_ns) / NS_PER_S
        return Passage(
            int(result['id']), start_s, start_s + (end_ns - start_ns) / NS_PER_S,
            position('speech_start'), position('speech_end'), str(result['text']),
            _finite(result['confidence']),
            tuple(HeardWord(str(word['text']), start_s + _finite(word['start_s']),
                            start_s + _finite(word['end_s']), _finite(word['confidence']))
                  for word in result['words']),
            _number(result['timings'], 'latency_ms'), str(result['end_reason']),
            str(result['error']) if result['error'] else None)
    except (KeyError, OverflowError, TypeError, ValueError):
        return None


def _take_result(published: Published, text: str) -> None:
    try:
        result = json.loads(text)
    except (RecursionError, ValueError):
        result = None
    if isinstance(result, dict) and _passage(result, Finder(Line())) is not None:
        published.results.append(result)
    else:
        published.damaged += 1


def _values(status: Any) -> dict[str, str]:
    return {pair.key: pair.value for pair in status.values}


def _number(values: Any, name: str) -> float | None:
    """Return a value as a finite number, None where it is not one."""
    try:
        return _finite(values[name])
    except (KeyError, TypeError, ValueError):
        return None


def _finite(value: Any) -> float:
    """
    Return a number.

    :raises ValueError: it is not one, or not finite; JSON as Python reads it has NaN.
    """
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f'{value} is not finite')
    return number


def _stamp_ns(stamp: Mapping[str, Any]) -> int:
    """
    Return a stamp in ns.

    :raises ValueError: it is none that a ROS message can hold.
    """
    sec, nanosec = int(stamp['sec']), int(stamp['nanosec'])
    if not (-2**31 <= sec < 2**31 and 0 <= nanosec < NS_PER_S):
        raise ValueError(f'{sec} s and {nanosec} ns are no stamp')
    return sec * NS_PER_S + nanosec
