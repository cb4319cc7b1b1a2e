"""The curves of a report: the waveform's envelope and the detector's levels, frame by frame."""
from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

# One byte holds a level: 0 for none, then half decibels from here up.
LOWEST_DB = -110.0
STEPS_PER_DB = 2
MAX_FRAMES = 500_000  # 83 minutes in frames of 10 ms; a longer bag has longer ones
CURVES = ('level', 'floor', 'onset', 'offset')

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Track:
    """
    Hold curves over the whole time line, each `[n_frames]`.

    :param frame_s: length of a frame.
    :param low: least sample of each frame, -127 to 127, and `high` the greatest.
    :param curves: `level`, `floor`, `onset` and `offset` in steps of half a decibel, 0 where
        there is no audio; see `level_codes`.
    :param speech: 1 where the detector says speech.
    """

    frame_s: float
    low: npt.NDArray[np.int8]
    high: npt.NDArray[np.int8]
    curves: dict[str, Bytes]
    speech: Bytes

    @property
    def n_frames(self) -> int:
        """Return the number of frames."""
        return len(self.low)

    @property
    def seconds(self) -> float:
        """Return the length of the time line."""
        return self.n_frames * self.frame_s

    def shortened(self, max_frames: int = MAX_FRAMES) -> Track:
        """Return a track of at most so many frames, each of several of these where need be."""
        factor = -(-self.n_frames // max_frames)
        if factor <= 1:
            return self

        def fold(values: npt.NDArray[Any], reduce: np.ufunc) -> npt.NDArray[Any]:
            padding = -len(values) % factor
            folded: npt.NDArray[Any] = reduce.reduce(
                np.pad(values, (0, padding), mode='edge').reshape(-1, factor), axis=1)
            return folded
        return Track(
            self.frame_s * factor, fold(self.low, np.minimum), fold(self.high, np.maximum),
            {name: fold(curve, np.maximum) for name, curve in self.curves.items()},
            fold(self.speech, np.maximum))

    def payload(self) -> dict[str, Any]:
        """Return the track as the page reads it, about 7 bytes of base64 a frame."""
        arrays = {'low': self.low, 'high': self.high, 'speech': self.speech, **self.curves}
        return {
            'frame_s': self.frame_s, 'n_frames': self.n_frames,
            'lowest_db': LOWEST_DB, 'steps_per_db': STEPS_PER_DB,
            **{name: base64.b64encode(array.tobytes()).decode('ascii')
               for name, array in arrays.items()}}


def level_codes(levels_db: npt.ArrayLike) -> Bytes:
    """Return levels in dBFS as bytes, not a number as 0: none."""
    levels = np.asarray(levels_db, np.float64)
    codes = np.clip(np.round((levels - LOWEST_DB) * STEPS_PER_DB), 1, 255)
    return np.where(np.isnan(levels), 0, codes).astype(np.uint8)


def envelope(
    waveform: npt.NDArray[np.int16], frame_samples: int
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int8]]:
    """Return the least and the greatest sample of each whole frame, -127 to 127."""
    frames = waveform[:len(waveform) // frame_samples * frame_samples].reshape(-1, frame_samples)
    low, high = frames.min(axis=1), frames.max(axis=1)
    # the larger size, so that what is not silent is seen
    return ((np.clip(np.floor(low / 256), -127, 127)).astype(np.int8),
            (np.clip(np.ceil(high / 256), -127, 127)).astype(np.int8))
