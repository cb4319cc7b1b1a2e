"""What is known of an utterance: while it goes on, and when the engine is done with it. No ROS."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from parakeet_ros.audio import SAMPLE_RATE_HZ, StreamUtterance
from parakeet_ros.worker import Ticket


@dataclass(frozen=True)
class Part:
    """A stretch of audio that goes to the engine in one piece."""

    utterance: StreamUtterance
    ticket: Ticket
    closed_ns: int  # steady clock


@dataclass(frozen=True)
class Result:
    """
    An utterance that the engine is done with.

    `timings` holds `audio_s`, then in ms `endpoint` (end of speech to end of utterance),
    `queue`, `features`, `encoder`, `decoder`, `total` (end of utterance to result) and
    `latency` (end of speech to result), then `rtfx`; it is empty where the engine failed. The
    first three stages may lie before the end of the utterance, and then not within `total`.

    :param parts: one, or what was cut at the limit of length.
    :param transcript: times from the start of the first part; None where the engine failed on
        every part.
    :param error: of the first part on which the engine failed.
    :param closed_ns: end of the utterance, on the clock by which chunks arrive.
    """

    utterance_id: int
    parts: tuple[StreamUtterance, ...]
    transcript: Any | None
    error: Exception | None
    timings: dict[str, float]
    closed_ns: int = 0

    @property
    def text(self) -> str:
        """Return the text, empty where there is none."""
        return self.transcript.text if self.transcript is not None else ''


@dataclass(frozen=True)
class Partial:
    """
    What the engine makes of an utterance that is still going on.

    :param start_ns: of the utterance, in audio time; `end_ns` is how far it has been heard.
    :param stable_words: how many words at the beginning the look before found too.
    """

    utterance_id: int
    start_ns: int
    end_ns: int
    text: str
    stable_words: int


def result_of(utterance_id: int, parts: Sequence[Part], finished_ns: int) -> Result:
    """
    Put together what the engine has made of the parts of an utterance.

    :param finished_ns: when that was done, on the clock of the parts.
    """
    error = next((p.ticket.error for p in parts if p.ticket.error is not None), None)
    transcript = _joined([part for part in parts if part.ticket.error is None], parts[0])
    finished_ns = max(finished_ns, parts[-1].closed_ns)  # a cut part may be done before the end
    timings = {} if error is not None else _timings(parts, transcript, finished_ns)
    return Result(utterance_id, tuple(part.utterance for part in parts), transcript, error,
                  timings, parts[-1].closed_ns)


def _joined(parts: Sequence[Part], first: Part) -> Any | None:
    """Return one transcript of the parts, its times from the start of the first."""
    if not parts:
        return None
    if len(parts) == 1 and parts[0] is first:
        return first.ticket.transcript
    from parakeet_ros.engine.joining import join, move  # not at the top: it loads torch

    start = first.utterance.utterance.start_sample
    return join([
        move(part.ticket.transcript,
             (part.utterance.utterance.start_sample - start) / SAMPLE_RATE_HZ, 0)
        for part in parts])


def _timings(parts: Sequence[Part], transcript: Any, finished_ns: int) -> dict[str, float]:
    """Return the timings of a result; see there."""
    last, engine = parts[-1], transcript.timings
    speech_end_ns = last.utterance.speech_end_arrival_ns
    return {
        'audio_s': transcript.audio_s,
        'endpoint_ms': (last.closed_ns - speech_end_ns) / 1e6,
        'queue_ms': last.ticket.queue_ms,
        'features_ms': engine.features_ms,
        'encoder_ms': engine.encoder_ms,
        'decoder_ms': engine.decoder_ms,
        'total_ms': (finished_ns - last.closed_ns) / 1e6,
        'latency_ms': (finished_ns - speech_end_ns) / 1e6,
        'rtfx': transcript.rtfx,
    }
