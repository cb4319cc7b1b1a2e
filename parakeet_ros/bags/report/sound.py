"""Audio for the page: what every browser plays, and small."""
from __future__ import annotations

import base64
from collections.abc import Iterable
import io
from typing import Any

import numpy as np
import numpy.typing as npt
from parakeet_ros.audio import SAMPLE_RATE_HZ
import soundfile

# MP3 plays everywhere, and speech at 16 kHz takes 5 kB a second. libsndfile before 1.1 (Ubuntu
# 22.04) does not write it; FLAC plays as well and is about four times as large.
MP3 = 'audio/mpeg', 'MP3', 'MPEG_LAYER_III'
FLAC = 'audio/flac', 'FLAC', 'PCM_16'

Samples = npt.NDArray[np.int16]


def choose_format() -> tuple[str, str, str]:
    """Return the MIME type and libsndfile's names of the format for this machine."""
    return MP3 if 'MP3' in soundfile.available_formats() else FLAC


def encode(samples: Samples, audio_format: tuple[str, str, str]) -> bytes:
    """Return 16 kHz mono samples `[n]` as a file."""
    _, container, subtype = audio_format
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE_HZ, format=container, subtype=subtype)
    return file.getvalue()


def payload(clips: Iterable[Samples | None], budget_bytes: int) -> dict[str, Any]:
    """
    Return the clips as the page reads them, null where there is none.

    :param budget_bytes: of base64 in all; clips that do not fit any more are left out.
    """
    audio_format = choose_format()
    encoded: list[str | None] = []
    for clip in clips:
        text = None
        if clip is not None and len(clip) and budget_bytes > 0:
            text = base64.b64encode(encode(clip, audio_format)).decode('ascii')
            budget_bytes -= len(text)
            text = text if budget_bytes >= 0 else None
        encoded.append(text)
    return {'mime': audio_format[0], 'clips': encoded}
