"""Audio files, for whoever plays or transcribes recordings."""
from pathlib import Path

import numpy as np
from parakeet_ros.audio.buffer import Waveform
from parakeet_ros.audio.pcm import AudioFormatError
import soundfile


def read_audio(path: str | Path) -> tuple[Waveform, int]:
    """
    Read a whole file in any format that libsndfile knows (WAV, FLAC, OGG, MP3, ...).

    :return: float32 `[n_samples, channels]` in -1..1, and the sample rate in Hz.
    :raises FileNotFoundError: when there is no such file.
    :raises AudioFormatError: when the file is not readable audio.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'no audio file at {path}')
    try:
        samples, sample_rate = soundfile.read(str(path), dtype='float32', always_2d=True)
    except soundfile.LibsndfileError as error:
        raise AudioFormatError(
            f'{path} is not audio that libsndfile can read ({error.error_string}): '
            f'convert it to WAV or FLAC, e.g. ffmpeg -i {path.name} {path.stem}.wav') from error
    return np.ascontiguousarray(samples, np.float32), int(sample_rate)
