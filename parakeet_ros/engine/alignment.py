"""
Tokens to words with times, as NeMo's ``transcribe(timestamps=True)`` gives them.

Sources: NeMo's ``rnnt_decoding.py`` (``_compute_offsets_tdt``, ``_refine_timestamps_tdt``) and
``timestamp_utils.py`` (``get_words_offsets``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .decoding import Hypothesis
from .tokenizer import Tokenizer, WORD_START
from .transcript import Word


@dataclass(frozen=True)
class TokenSpan:
    """A token and the encoder frames that it covers."""

    token: int
    piece: str
    text: str  # the piece as it reads alone, without its word-start mark
    start_frame: int
    end_frame: int


def token_spans(hypothesis: Hypothesis, tokenizer: Tokenizer) -> list[TokenSpan]:
    """
    Return the span of every token: its frame to its frame plus its duration.

    Punctuation takes no time: it sits where the token before it ends, because models emit it
    late, often after a pause.
    """
    spans: list[TokenSpan] = []
    parallel = zip(hypothesis.tokens, hypothesis.frames, hypothesis.durations, strict=True)
    for token, frame, duration in parallel:
        text = tokenizer.join([token])
        start, end = frame, frame + duration
        if spans and text in tokenizer.punctuation:
            start = end = spans[-1].end_frame
        spans.append(TokenSpan(token, tokenizer.pieces[token], text, start, end))
    return spans


def align_words(
    hypothesis: Hypothesis, tokenizer: Tokenizer, encoder_frame_s: float
) -> tuple[Word, ...]:
    """Return the words with their times in seconds from the utterance's start."""
    return tuple(
        Word(
            text=tokenizer.join(_without_lone_marks(group, tokenizer)),
            start_s=group[0].start_frame * encoder_frame_s,
            end_s=group[-1].end_frame * encoder_frame_s,
        )
        for group in _group_words(token_spans(hypothesis, tokenizer), tokenizer)
    )


def _group_words(spans: Sequence[TokenSpan], tokenizer: Tokenizer) -> Iterator[list[TokenSpan]]:
    """Cut before each token whose piece carries a mark, punctuation apart."""
    group: list[TokenSpan] = []
    for span in spans:
        starts_word = span.piece != span.text and span.text not in tokenizer.punctuation
        if starts_word and group:
            yield group
            group = []
        group.append(span)
    if group:
        yield group


def _without_lone_marks(group: Sequence[TokenSpan], tokenizer: Tokenizer) -> list[int]:
    """Drop a bare word-start piece that stands right before punctuation, as text() does."""
    following = [*group[1:], None]
    return [
        span.token
        for span, after in zip(group, following, strict=True)
        if not (span.piece == WORD_START and after and after.text in tokenizer.punctuation)
    ]
