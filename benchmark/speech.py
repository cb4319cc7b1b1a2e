"""Speech of any length, from one recording of the tests."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from parakeet_ros.recording import read_blocks

SPEECH = Path(__file__).parents[1] / 'test' / 'data' / 'oracle' / 'audio' / 'speech12.wav'
SAMPLE_RATE = 16_000


def read_speech(path: Path = SPEECH) -> NDArray[np.float32]:
    """
    Return a recording as float32 mono ``[n_samples]`` at 16 kHz.

    :raises FileNotFoundError: there is no such file.
    :raises RecordingError: it is not readable sound.
    """
    return np.concatenate(list(read_blocks(path, SAMPLE_RATE)))


def clip(speech: NDArray[np.float32], seconds: float) -> NDArray[np.float32]:
    """Return that much speech from the beginning, repeated where the recording is shorter."""
    return np.resize(speech, round(seconds * SAMPLE_RATE))
