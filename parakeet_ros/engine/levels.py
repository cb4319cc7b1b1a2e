"""Loudness of short frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Waveform = NDArray[np.float32]

FRAME_S = 0.01
_SILENCE_DB = -80.0  # below it everything is equally silent


def levels_db(frames: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the level of frames around their mean in dBFS: ``[..., n_samples]`` -> ``[...]``."""
    powers = frames.var(axis=-1, dtype=np.float64)
    levels: NDArray[np.float64] = 10.0 * np.log10(np.maximum(powers, 10.0 ** (_SILENCE_DB / 10.0)))
    return levels
