"""A bag as a robot brings it home: what was said, what was published, what went wrong."""

from collections.abc import Callable, Sequence
import json
from pathlib import Path
from typing import Any

import numpy as np
from recorder import audio, Entry, START_NS, typestore, write_bag

S = 1_000_000_000
TEXTS = ('please close the window', 'close the garage', 'can you see the phone')
HOSTILE = '<script>document.title="harmed"</script>'
BREAK_S = 5.0  # without audio, after all of the sentences
AGAIN = 'close the garage'  # said after the break
LOST_CHUNKS = 10  # of 20 ms, in the pause after the first sentence
STRING, DIAGNOSTICS = 'std_msgs/msg/String', 'diagnostic_msgs/msg/DiagnosticArray'


def result(number: int, start_s: float, end_s: float, text: str, **changes: Any) -> str:
    """Return an object of `speech/result`, times in seconds of the audio."""
    words, stamps = text.split(), {}
    for name, at_s in ('start', start_s - 0.2), ('end', end_s + 0.2), (
            'speech_start', start_s), ('speech_end', end_s):
        sec, nanosec = divmod(START_NS + round(at_s * S), S)
        stamps[name] = {'sec': sec, 'nanosec': nanosec}
    return json.dumps({
        'schema': 1, 'id': number, **stamps, 'end_reason': 'pause', 'text': text,
        'confidence': 0.9, 'error': None, 'model': 'builtin',
        'words': [{'text': word, 'start_s': 0.2 + 0.1 * k, 'end_s': 0.3 + 0.1 * k,
                   'confidence': 0.9} for k, word in enumerate(words)],
        'timings': {'latency_ms': 640.0 + number}, **changes})


def string(topic: str, at_s: float, text: str) -> Entry:
    """Return a message of std_msgs/String."""
    return Entry(topic, STRING, START_NS + round(at_s * S), typestore().types[STRING](text))


def dropped(at_s: float, count: int) -> Entry:
    """Return a message of /diagnostics that says how many utterances were dropped."""
    types = {name.rpartition('/')[2]: each for name, each in typestore().types.items()}
    return Entry('/diagnostics', DIAGNOSTICS, START_NS + round(at_s * S), types['DiagnosticArray'](
        types['Header'](types['Time'](0, 0), ''), [types['DiagnosticStatus'](
            0, 'asr: recognizer', '', '', [types['KeyValue']('dropped', str(count))])]))


def write_robot_bag(path: Path, spoken: Callable[..., Any], more: Sequence[Entry] = (),
                    topic: str = '/audio') -> Path:
    """Write the sentences, a gap, a break, and one sentence more."""
    first = spoken(*TEXTS)
    entries = list(audio(first, topic))
    del entries[20:20 + LOST_CHUNKS]
    later_ns = START_NS + round((len(first) / 16_000 + BREAK_S) * S)
    entries += audio(spoken(AGAIN), topic, start_ns=later_ns, info=False)
    return write_bag(path, [*entries, *more])


def published() -> list[Entry]:
    """Return what the node published: one text right, one wrong, the third is missing."""
    return [string('/speech/result', 3.2, result(1, 1.0, 2.3, TEXTS[0])),
            string('/speech/result', 6.0, result(2, 3.5, 4.7, f'close {HOSTILE} garage')),
            string('/speech/result', 6.1, 'no JSON'), dropped(2.0, 0), dropped(9.0, 2)]


def silence(seconds: float) -> Any:
    """Return the noise of a quiet room."""
    return np.random.default_rng(3).normal(0, 3e-4, round(seconds * 16_000)).astype(np.float32)
