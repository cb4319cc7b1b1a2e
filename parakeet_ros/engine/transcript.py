"""What a transcription gives back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
import json
from typing import Any

_SENTENCE_ENDS = ('.', '?', '!')  # NeMo's default `segment_seperators`


@dataclass(frozen=True)
class Word:
    """A word and when it was said, in seconds from the start of the waveform or recording."""

    text: str
    start_s: float
    end_s: float
    confidence: float  # 0 .. 1, of its least sure token


@dataclass(frozen=True)
class Segment:
    """A sentence: words up to one that ends in ``.``, ``?`` or ``!``, or to the end."""

    text: str
    start_s: float
    end_s: float
    confidence: float  # 0 .. 1, the mean of its words


@dataclass(frozen=True)
class Token:
    """One token as it was decoded; NeMo calls its times those of a ``char``."""

    token_id: int
    piece: str
    text: str  # the piece as it reads alone, without its word-start mark
    frame: int  # encoder frame on which it was emitted
    duration: int  # encoder frames: predicted by TDT, seen by CTC, 1 for RNN-T
    start_s: float
    end_s: float
    confidence: float  # 0 .. 1


@dataclass(frozen=True)
class Timings:
    """Wall time of each stage; in a batch, the utterance's share by its length."""

    features_ms: float = 0.0
    encoder_ms: float = 0.0
    decoder_ms: float = 0.0
    total_ms: float = 0.0  # also validation, transfers, and text

    def share(self, fraction: float) -> Timings:
        """Return the part of an utterance in the times of its batch."""
        return Timings(**{stage: ms * fraction for stage, ms in asdict(self).items()})


@dataclass(frozen=True)
class Transcript:
    """
    The result for one utterance, or for one piece of a long recording.

    ``str()`` of it is the text.  ``Transcript.from_dict(json.loads(t.to_json())) == t``.
    """

    text: str
    words: tuple[Word, ...]
    tokens: tuple[Token, ...]
    score: float  # sum of the tokens' log-probabilities; for CTC, of their frames
    audio_s: float
    timings: Timings
    start_s: float = 0.0  # where the audio begins on the recording's clock, as do all times

    def __str__(self) -> str:
        return self.text

    @property
    def rtfx(self) -> float:
        """Return audio seconds per second of processing, higher is better; 0 if none ran."""
        total_s = self.timings.total_ms / 1000.0
        return self.audio_s / total_s if total_s > 0.0 else 0.0

    @property
    def confidence(self) -> float:
        """Return the mean of the words' confidence, 0 .. 1; 0 without words."""
        return _mean_confidence(self.words)

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Return the sentences, as NeMo's ``get_segment_offsets`` cuts them."""
        return tuple(
            Segment(' '.join(word.text for word in words), words[0].start_s, words[-1].end_s,
                    _mean_confidence(words))
            for words in _sentences(self.words)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and properties as dictionaries and lists that JSON can hold."""
        fields = asdict(self)
        for name in ('words', 'tokens'):
            fields[name] = list(fields[name])
        return {
            **fields,
            'segments': [asdict(segment) for segment in self.segments],
            'confidence': self.confidence,
            'rtfx': self.rtfx,
        }

    def to_json(self) -> str:
        """Return ``to_dict`` as one line of JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Transcript:
        """
        Return the transcript that ``to_dict`` was called on; what follows from others is ignored.

        :raises KeyError: a field is missing.
        """
        return cls(
            text=fields['text'],
            words=tuple(Word(**word) for word in fields['words']),
            tokens=tuple(Token(**token) for token in fields['tokens']),
            score=fields['score'],
            audio_s=fields['audio_s'],
            timings=Timings(**fields['timings']),
            start_s=fields['start_s'],
        )


def _sentences(words: Sequence[Word]) -> Iterator[list[Word]]:
    """Cut after each word that ends a sentence."""
    sentence: list[Word] = []
    for word in words:
        sentence.append(word)
        if word.text.endswith(_SENTENCE_ENDS):
            yield sentence
            sentence = []
    if sentence:
        yield sentence


def _mean_confidence(words: Sequence[Word]) -> float:
    """Return the mean confidence, 0 without words."""
    return sum(word.confidence for word in words) / len(words) if words else 0.0
