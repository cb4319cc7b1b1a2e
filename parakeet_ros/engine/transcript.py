"""What a transcription gives back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Word:
    """A word and when it was said, in seconds from the start of the waveform."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Token:
    """One token as it was decoded."""

    token_id: int
    piece: str
    frame: int  # encoder frame on which it was emitted
    duration: int  # predicted duration, in encoder frames


@dataclass(frozen=True)
class Timings:
    """Wall time of each stage; in a batch, the utterance's share by its length."""

    features_ms: float = 0.0
    encoder_ms: float = 0.0
    decoder_ms: float = 0.0
    total_ms: float = 0.0  # also validation, transfers, and text


@dataclass(frozen=True)
class Transcript:
    """The result for one utterance; ``str()`` of it is the text."""

    text: str
    words: tuple[Word, ...]
    tokens: tuple[Token, ...]
    score: float  # sum of the tokens' log-probabilities
    audio_s: float
    timings: Timings

    def __str__(self) -> str:
        return self.text

    @property
    def rtfx(self) -> float:
        """Return audio seconds per second of processing, higher is better; 0 if none ran."""
        total_s = self.timings.total_ms / 1000.0
        return self.audio_s / total_s if total_s > 0.0 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, and rtfx, as dictionaries and lists that JSON can hold."""
        fields = asdict(self)
        for name in ('words', 'tokens'):
            fields[name] = list(fields[name])
        return {**fields, 'rtfx': self.rtfx}
