"""
What a report shows: plain values, whatever they were read from.

Positions are seconds on the report's time line. It begins with the first audio and runs in audio
time; where there is no audio for long, or the stamps go back, it goes on a little later: `Line`.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from parakeet_ros.bags.report.track import Track


@dataclass(frozen=True)
class HeardWord:
    """A word, and when it was said."""

    text: str
    start_s: float
    end_s: float
    confidence: float  # 0 .. 1


@dataclass(frozen=True)
class Passage:
    """
    An utterance as one run heard it.

    :param start_s: of the audio that was decoded; `speech_start_s` is where the detector heard
        speech begin. The same holds for the ends.
    :param confidence: 0 to 1, None where it is not known.
    :param latency_ms: from the end of speech to the text, None where that is not known.
    :param error: what the engine failed with.
    """

    utterance_id: int
    start_s: float
    end_s: float
    speech_start_s: float
    speech_end_s: float
    text: str
    confidence: float | None
    words: tuple[HeardWord, ...] = ()
    latency_ms: float | None = None
    end_reason: str = 'pause'
    error: str | None = None


@dataclass(frozen=True)
class Run:
    """
    What was heard of the bag with one model and one group of settings.

    :param name: short, for the heads of columns; `note` says what was run.
    """

    name: str
    note: str
    utterances: tuple[Passage, ...]


@dataclass(frozen=True)
class Event:
    """
    A stretch of time that is marked on the time line.

    :param kind: `gap` (no audio), `drop` (an utterance was dropped) or `restart` (the stamps went
        back).
    :param seconds: how long it really was; on the time line a long gap is cut short.
    """

    kind: str
    start_s: float
    end_s: float
    text: str
    seconds: float = 0.0


@dataclass(frozen=True)
class Latencies:
    """Latencies in ms, from the end of speech to the text, and whose they are."""

    source: str
    values_ms: tuple[float, ...]


@dataclass(frozen=True)
class Report:
    """
    Everything on the page.

    :param facts: names and values for the head of the page, in order.
    :param problems: what the reader should know first, such as what of the bag was lost.
    :param compared: places of the two runs that are compared word by word; None with one.
    :param settings: of each setting that differs between two runs its name and their values.
    :param stretches: position on the time line and time since the bag's beginning, in seconds,
        where they part.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    problems: Sequence[str]
    runs: Sequence[Run]
    latencies: Latencies
    track: Track
    events: Sequence[Event] = ()
    settings: Sequence[tuple[str, Sequence[str]]] = ()
    stretches: Sequence[tuple[float, float]] = field(default=((0.0, 0.0),))
    compared: tuple[int, int] | None = None
