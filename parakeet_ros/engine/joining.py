"""Transcripts of pieces on one clock: moved to where the piece lies, and joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .transcript import Timings, Transcript


def move(transcript: Transcript, offset_s: float, offset_frames: int) -> Transcript:
    """Return the transcript with all times and encoder frames later by an offset."""
    return replace(
        transcript,
        words=tuple(
            replace(word, start_s=offset_s + word.start_s, end_s=offset_s + word.end_s)
            for word in transcript.words
        ),
        tokens=tuple(
            replace(token, frame=offset_frames + token.frame,
                    start_s=offset_s + token.start_s, end_s=offset_s + token.end_s)
            for token in transcript.tokens
        ),
        start_s=offset_s + transcript.start_s,
    )


def join(pieces: Sequence[Transcript]) -> Transcript:
    """Return one transcript for pieces that follow each other on one clock; none give no text."""
    timings = [piece.timings for piece in pieces]
    return Transcript(
        text=' '.join(piece.text for piece in pieces if piece.text),
        words=tuple(word for piece in pieces for word in piece.words),
        tokens=tuple(token for piece in pieces for token in piece.tokens),
        score=sum(piece.score for piece in pieces),
        audio_s=sum(piece.audio_s for piece in pieces),
        timings=Timings(
            features_ms=sum(part.features_ms for part in timings),
            encoder_ms=sum(part.encoder_ms for part in timings),
            decoder_ms=sum(part.decoder_ms for part in timings),
            total_ms=sum(part.total_ms for part in timings),
        ),
        start_s=pieces[0].start_s if pieces else 0.0,
    )
