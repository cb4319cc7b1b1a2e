"""What goes out on the topics `speech/*`, as plain values. No ROS."""

from dataclasses import dataclass
import json
from typing import Any

from parakeet_ros.audio.timeline import NS_PER_S
from parakeet_ros.results import Partial, Result

STAMP_SECONDS = -2**31, 2**31 - 1  # what builtin_interfaces/Time can hold
RESULT_SCHEMA = 1


@dataclass(frozen=True)
class TimingStatus:
    """What `speech/timing` says of an utterance, in one diagnostic status."""

    failed: bool
    message: str
    values: dict[str, Any]


def stamp_fields(ns: int) -> tuple[int, int]:
    """Return `sec` and `nanosec` of the stamp that is nearest to a time in nanoseconds."""
    sec, nanosec = divmod(ns, NS_PER_S)
    low, high = STAMP_SECONDS
    return min(max(sec, low), high), nanosec


def error_text(error: Exception) -> str:
    """Name an error and what it says; some say nothing."""
    return f'{type(error).__name__}: {error}'


def result_json(result: Result, model: str) -> str:
    """
    Write the JSON object that goes out on `speech/result`; the README has its schema.

    Word times are seconds from the object's `start`; stamps are in audio time.
    """
    first, last, transcript = result.parts[0], result.parts[-1], result.transcript
    return json.dumps({
        'schema': RESULT_SCHEMA,
        'id': result.utterance_id,
        'start': _stamp(first.start_ns),
        'end': _stamp(last.end_ns),
        'speech_start': _stamp(first.speech_start_ns),
        'speech_end': _stamp(last.speech_end_ns),
        'end_reason': last.utterance.end_reason,
        'text': result.text,
        'confidence': round(transcript.confidence, 3) if transcript else 0.0,
        'words': [
            {'text': w.text, 'start_s': round(w.start_s, 3), 'end_s': round(w.end_s, 3),
             'confidence': round(w.confidence, 3)}
            for w in (transcript.words if transcript else ())],
        'timings': {key: round(value, 3) for key, value in result.timings.items()},
        'error': error_text(result.error) if result.error is not None else None,
        'model': model,
    }, ensure_ascii=False)


def timing_status(result: Result) -> TimingStatus:
    """Return what goes out on `speech/timing`."""
    failed = result.error is not None
    message = error_text(result.error) if result.error is not None else result.text
    return TimingStatus(failed, message, {'id': result.utterance_id, **result.timings})


def value_text(value: Any) -> str:
    """Return a value as diagnostics write it: floats with three decimals."""
    return f'{value:.3f}' if isinstance(value, float) else str(value)


def partial_json(partial: Partial) -> str:
    """Write the JSON object that goes out on `speech/partial`."""
    words = partial.text.split()
    return json.dumps({
        'schema': RESULT_SCHEMA,
        'id': partial.utterance_id,
        'start': _stamp(partial.start_ns),
        'end': _stamp(partial.end_ns),
        'text': partial.text,
        'stable': ' '.join(words[:partial.stable_words]),
    }, ensure_ascii=False)


def _stamp(ns: int) -> dict[str, int]:
    return {'sec': ns // NS_PER_S, 'nanosec': ns % NS_PER_S}
