"""What recognizers have counted since they were made."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

RECENT_UTTERANCES = 100  # of each recognizer; speed and latency are theirs


def _recent() -> deque[Any]:
    return deque(maxlen=RECENT_UTTERANCES)


@dataclass
class Counters:
    """Every utterance is in exactly one of waiting, transcribed, failed and dropped."""

    utterances: int = 0  # segmented, whether or not the queue took them
    transcribed: int = 0
    empty: int = 0  # transcribed, but no word was found
    failed: int = 0  # the engine raised
    dropped: int = 0  # refused by a full queue
    dropped_parts: int = 0  # of utterances over the limit of length: the rest is in the result
    guessed: int = 0  # pauses at which the engine began before they had ended an utterance
    discarded: int = 0  # guesses that came to nothing, since speech went on
    faults: int = 0  # errors of this program while it listened, each a break in the stream
    last_drop_ns: int | None = None  # steady clock
    loads_s: deque[tuple[float, float]] = field(default_factory=_recent)  # audio, time for it
    latencies_ms: deque[float] = field(default_factory=_recent)

    def count(self, has_text: bool, timings: Mapping[str, float], engine_ms: float) -> None:
        """Count a transcribed utterance."""
        self.transcribed += 1
        self.empty += not has_text
        self.loads_s.append((timings['audio_s'], engine_ms / 1e3))
        self.latencies_ms.append(timings['latency_ms'])

    @classmethod
    def total(cls, parts: Iterable['Counters']) -> 'Counters':
        """Return the sums over several recognizers."""
        total = cls(loads_s=deque(), latencies_ms=deque())
        for part in parts:
            for name in ('utterances', 'transcribed', 'empty', 'failed', 'dropped',
                         'dropped_parts', 'guessed', 'discarded', 'faults'):
                setattr(total, name, getattr(total, name) + getattr(part, name))
            total.loads_s.extend(part.loads_s)
            total.latencies_ms.extend(part.latencies_ms)
            if part.last_drop_ns is not None:
                total.last_drop_ns = max(part.last_drop_ns, total.last_drop_ns or 0)
        return total

    def values(self) -> dict[str, Any]:
        """Return what diagnostics say."""
        return {
            'utterances': self.utterances,
            'transcribed': self.transcribed,
            'empty': self.empty,
            'failed': self.failed,
            'dropped': self.dropped,
            'dropped parts': self.dropped_parts,
            'guessed': self.guessed,
            'discarded guesses': self.discarded,
            'faults': self.faults,
            'RTFx': self.rtfx,
            'latency p50 ms': self.latency_ms(50),
            'latency p95 ms': self.latency_ms(95),
        }

    @property
    def rtfx(self) -> float:
        """Return audio seconds per second of engine time, of late; higher is better."""
        engine_s = sum(engine for _, engine in self.loads_s)
        return sum(audio for audio, _ in self.loads_s) / engine_s if engine_s else 0.0

    def latency_ms(self, percent: float) -> float:
        """Return a percentile of the recent latencies, end of speech to text."""
        return float(np.percentile(self.latencies_ms, percent)) if self.latencies_ms else 0.0
