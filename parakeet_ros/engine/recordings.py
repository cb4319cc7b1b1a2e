"""Recordings of any length: cut at pauses, and transcribed piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from .edges import trim_silence
from .joining import move
from .levels import Waveform
from .long_form import cut_at_pauses, PieceLength
from .memory import release_freed
from .transcript import Transcript


def transcribe_pieces(
    transcribe: Callable[[Waveform], Transcript], blocks: Iterable[Waveform],
    length: PieceLength, sample_rate: int, keep_silence: bool,
) -> Iterator[Transcript]:
    """
    Transcribe the pieces of a recording as they come, each on the recording's clock.

    :param transcribe: what makes text of one piece.
    :param blocks: the recording, mono at ``sample_rate`` Hz, each block after the one before.
    :param keep_silence: else the silence at the edges of a piece is left out.
    """
    grid = length.grid_samples
    for piece in cut_at_pauses(blocks, length):
        waveform, n_left_out = piece.waveform, 0
        if not keep_silence:
            waveform, n_left_out = trim_silence(waveform, grid, sample_rate)
        transcript = transcribe(waveform)
        start = piece.start_sample + n_left_out
        yield replace(move(transcript, start / sample_rate, start // grid),
                      start_s=piece.start_sample / sample_rate,
                      audio_s=len(piece.waveform) / sample_rate)
        release_freed()
