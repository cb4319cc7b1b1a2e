"""What a recognizer has counted since it was made."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

RECENT_UTTERANCES = 100  # latency percentiles are taken over these


@dataclass
class Counters:
    """Every utterance is in exactly one of waiting, transcribed, failed and dropped."""

    utterances: int = 0  # segmented, whether or not the queue took them
    transcribed: int = 0
    empty: int = 0  # transcribed, but no word was found
    failed: int = 0  # the engine raised
    dropped: int = 0  # refused by a full queue
    last_drop_ns: int | None = None  # steady clock
    audio_s: float = 0.0  # transcribed
    engine_s: float = 0.0  # spent on it
    latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT_UTTERANCES))

    def count(self, has_text: bool, timings: Mapping[str, float], engine_ms: float) -> None:
        """Count a transcribed utterance."""
        self.transcribed += 1
        self.empty += not has_text
        self.audio_s += timings['audio_s']
        self.engine_s += engine_ms / 1e3
        self.latencies_ms.append(timings['latency_ms'])

    @property
    def rtfx(self) -> float:
        """Audio seconds per second of engine time; higher is better."""
        return self.audio_s / self.engine_s if self.engine_s else 0.0

    def latency_ms(self, percent: float) -> float:
        """Return a percentile of the recent latencies, end of speech to text."""
        return float(np.percentile(self.latencies_ms, percent)) if self.latencies_ms else 0.0
