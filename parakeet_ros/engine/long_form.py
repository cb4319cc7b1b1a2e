"""
Cutting a long recording into pieces that the encoder can hold.

A cut falls in the quietest place near the end of a piece, that is in a pause where there is one
(Earnings-22: 6.4-6.8 % WER when cut at pauses near 30 s, 8.0 % when cut every 30 s, 10.4 % whole;
the source is m87-labs/kestrel).  The pieces make up the recording: nothing is lost or doubled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from .levels import FRAME_S, levels_db, Waveform

PIECE_S = 30.0  # what the models were made for
MIN_PIECE_S = 4.0
MAX_PIECE_S = 600.0
_SEARCH_FRACTION = 1 / 3  # of a piece, at its end, is searched for the cut
_MIN_REST_S = 1.0  # so that the rest after the last cut is never a snippet
_PAUSE_S = 0.4  # around a cut is listened to; its middle counts most


@dataclass(frozen=True)
class PieceLength:
    """
    How long pieces may be, in samples.

    :param limit_samples: the longest piece.
    :param grid_samples: cuts lie on multiples of it: with an encoder frame, the frames of all
        pieces make one clock.
    """

    limit_samples: int
    grid_samples: int
    sample_rate: int

    @classmethod
    def of(cls, piece_s: float, grid_samples: int, sample_rate: int) -> PieceLength:
        """
        Turn seconds into samples.

        :raises ValueError: when ``piece_s`` is out of range.
        """
        if not MIN_PIECE_S <= piece_s <= MAX_PIECE_S:  # also true of NaN
            raise ValueError(f'piece_s is {piece_s}; give {MIN_PIECE_S:g} to {MAX_PIECE_S:g} '
                             'seconds, 30 is what the models were made for')
        limit_samples = int(piece_s * sample_rate) // grid_samples * grid_samples
        return cls(limit_samples, grid_samples, sample_rate)


@dataclass(frozen=True)
class Piece:
    """A part of the recording: float32 ``[n_samples]``, and the position of its first sample."""

    waveform: Waveform
    start_sample: int


def cut_at_pauses(blocks: Iterable[Waveform], length: PieceLength) -> Iterator[Piece]:
    """
    Yield the pieces of a recording that arrives in blocks of any size.

    Each is at most ``length.limit_samples`` long and comes as soon as one sample more has
    arrived; which, depends on the samples alone, not on the blocks.
    """
    start = 0
    kept: list[Waveform] = []
    n_kept = 0
    for part in _parts(blocks, length.limit_samples):
        kept.append(part)
        n_kept += len(part)
        while n_kept > length.limit_samples:
            waveform = np.concatenate(kept)
            cut = _quietest(waveform[:length.limit_samples], length)
            yield Piece(waveform[:cut], start)
            start, n_kept = start + cut, n_kept - cut
            kept = [waveform[cut:]]
    if n_kept:
        yield Piece(np.concatenate(kept), start)


def _parts(blocks: Iterable[Waveform], n_samples: int) -> Iterator[Waveform]:
    """Yield copies of the blocks, the long ones in parts, so that no more is kept than needed."""
    for block in blocks:
        for begin in range(0, len(block), n_samples):
            yield block[begin:begin + n_samples].copy()


def _quietest(waveform: Waveform, length: PieceLength) -> int:
    """Return the place for a cut near the end of ``[limit_samples]``, on the grid."""
    rest = round(_MIN_REST_S * length.sample_rate)
    first = len(waveform) - round(_SEARCH_FRACTION * len(waveform))
    cuts = np.arange(-(-first // length.grid_samples), (len(waveform) - rest)
                     // length.grid_samples + 1) * length.grid_samples
    frame_samples = round(FRAME_S * length.sample_rate)
    half = round(_PAUSE_S / FRAME_S / 2)
    weights = np.hanning(2 * half + 2)[1:-1]  # [2 * half], the cut between its two middle frames
    offsets = (np.arange(-half, half) * frame_samples)[:, None] + np.arange(frame_samples)
    around = waveform[cuts[:, None, None] + offsets]  # [n_cuts, 2 * half, frame_samples]
    loudness = levels_db(around) @ weights
    latest = len(cuts) - 1 - int(np.argmin(loudness[::-1]))
    return int(cuts[latest])
