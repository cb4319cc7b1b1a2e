"""
Tokens and words with times, as NeMo's ``transcribe(timestamps=True)`` gives them.

Sources: NeMo's ``rnnt_decoding.py`` and ``ctc_decoding.py`` (``_compute_offsets``,
``_compute_offsets_tdt``, ``_refine_timestamps``, ``_refine_timestamps_tdt``) and
``timestamp_utils.py`` (``get_words_offsets``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .decoding import Hypothesis
from .tokenizer import Tokenizer, WORD_START
from .transcript import Token, Word

Span = tuple[int, int]  # first encoder frame and the one after the last


def align_tokens(
    hypothesis: Hypothesis, tokenizer: Tokenizer, kind: str, encoder_frame_s: float
) -> tuple[Token, ...]:
    """
    Return the tokens with their times in seconds from the utterance's start.

    :param kind: of head: ``tdt``, ``rnnt`` or ``ctc``.
    """
    texts = [tokenizer.join([token]) for token in hypothesis.tokens]
    spans = _spans(hypothesis, texts, tokenizer.punctuation, kind)
    parallel = zip(hypothesis.tokens, texts, hypothesis.frames, hypothesis.durations, spans,
                   hypothesis.confidences, strict=True)
    return tuple(
        Token(
            token_id=token,
            piece=tokenizer.pieces[token],
            text=text,
            frame=frame,
            duration=duration,
            start_s=start * encoder_frame_s,
            end_s=end * encoder_frame_s,
            confidence=confidence,
        )
        for token, text, frame, duration, (start, end), confidence in parallel
    )


def _spans(
    hypothesis: Hypothesis, texts: Sequence[str], punctuation: frozenset[str], kind: str
) -> list[Span]:
    """
    Return the encoder frames of every token.

    - TDT: its frame to its frame plus its duration.  Punctuation takes no time: it sits where
      the token before it ends, because models emit it late, often after a pause.
    - RNN-T: the one frame on which it was emitted.
    - CTC: from where the token before it began to where it began itself; punctuation ends where
      it starts.  So NeMo has it, early by one token; ``Token.frame`` is the frame itself.
    """
    frames = hypothesis.frames
    if kind == 'rnnt':
        return [(frame, frame + 1) for frame in frames]
    spans: list[Span] = []
    for i, (text, frame, duration) in enumerate(
        zip(texts, frames, hypothesis.durations, strict=True)
    ):
        if kind == 'ctc':
            start = frames[i - 1] if i else max(0, frame - 1)
            takes_no_time = i > 0 and text[:1] in punctuation
            spans.append((start, start if takes_no_time else frame))
        elif i > 0 and text in punctuation:
            spans.append((spans[-1][1], spans[-1][1]))
        else:
            spans.append((frame, frame + duration))
    return spans


def group_words(tokens: Sequence[Token], tokenizer: Tokenizer) -> tuple[Word, ...]:
    """Return the words; each is as sure as the least sure of its tokens, as in NeMo."""
    return tuple(
        Word(
            text=tokenizer.join(_without_lone_marks(group, tokenizer)),
            start_s=group[0].start_s,
            end_s=group[-1].end_s,
            confidence=min(token.confidence for token in group),
        )
        for group in _word_tokens(tokens, tokenizer)
    )


def _word_tokens(tokens: Sequence[Token], tokenizer: Tokenizer) -> Iterator[list[Token]]:
    """Cut before each token whose piece carries a mark, punctuation apart."""
    group: list[Token] = []
    for token in tokens:
        starts_word = token.piece != token.text and token.text not in tokenizer.punctuation
        if starts_word and group:
            yield group
            group = []
        group.append(token)
    if group:
        yield group


def _without_lone_marks(group: Sequence[Token], tokenizer: Tokenizer) -> list[int]:
    """Drop a bare word-start piece that stands right before punctuation, as text() does."""
    following = [*group[1:], None]
    return [
        token.token_id
        for token, after in zip(group, following, strict=True)
        if not (token.piece == WORD_START and after and after.text in tokenizer.punctuation)
    ]
