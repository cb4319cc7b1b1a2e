"""
The silence at the edges of a piece.

Models lose first words after long silence, because the features are normalised over the whole
piece and because they were trained on clips cut at the speech: with 0.6-2 s of silence before the
54 short held-out clips the word error rate of commands-v0 went from 6.4 % to 12-18 %; trimmed it
was 6.2-9.0 %.  The packaged model has heard silence in training and loses no more than when a clip
is shifted by less than an encoder frame (`benchmark/bench_wer.py --silence`).
And they lose last words where the recording ends with the speech: silence for one encoder frame
mends that.  Where speech does not stand clear of the background, nothing is touched.
"""

from __future__ import annotations

import numpy as np

from .levels import FRAME_S, levels_db, Waveform

KEPT_S = 0.16  # before and after the speech: enough for a soft first or last sound
_ABOVE_BACKGROUND_DB = 9.0  # what is louder may be speech
_BELOW_LOUDEST_DB = 20.0  # unless this is louder still: then speech is not clear
_BACKGROUND_PERCENTILE = 10.0


def trim_silence(
    waveform: Waveform, grid_samples: int, sample_rate: int
) -> tuple[Waveform, int]:
    """
    Return the part to decode, and how many samples were left out before it.

    :param waveform: float32 ``[n_samples]``.
    :param grid_samples: an encoder frame; only a multiple is left out at the start, so that the
        frames stay on their clock.
    :returns: float32 ``[m_samples]``: from ``KEPT_S`` before the speech, or up to a grid step
        more, to ``KEPT_S`` after it, and at least one grid step, with zeros where the waveform
        has ended.
    """
    frame_samples = round(FRAME_S * sample_rate)
    n_frames = len(waveform) // frame_samples
    if not n_frames:
        return waveform, 0
    levels = levels_db(waveform[:n_frames * frame_samples].reshape(n_frames, frame_samples))
    background_db = float(np.percentile(levels, _BACKGROUND_PERCENTILE))
    threshold_db = background_db + _ABOVE_BACKGROUND_DB
    if threshold_db > float(np.max(levels)) - _BELOW_LOUDEST_DB:
        return waveform, 0
    loud = np.flatnonzero(levels > threshold_db)
    kept = round(KEPT_S * sample_rate)
    begin = max(0, int(loud[0]) * frame_samples - kept) // grid_samples * grid_samples
    speech_end = (int(loud[-1]) + 1) * frame_samples
    missing = max(0, speech_end + grid_samples - len(waveform))
    return np.pad(waveform[begin:speech_end + kept], (0, missing)), begin
