"""The held-out clips and the demonstration's bytes made of them."""

from dataclasses import dataclass
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from parakeet_ros.recording import read_audio

FOLDER = Path(__file__).parents[1] / 'data' / 'heldout'


@dataclass(frozen=True)
class Clip:
    """A recording of one sentence, 16 kHz mono."""

    file: Path
    text: str

    @property
    def waveform(self) -> NDArray[np.float32]:
        """Return float32 `[n_samples]`."""
        samples, sample_rate = read_audio(self.file)
        assert sample_rate == 16_000
        return samples[:, 0]


def all_clips() -> list[Clip]:
    """Return every clip, the long ones too."""
    lines = (FOLDER / 'manifest.jsonl').read_text(encoding='utf-8').splitlines()
    return [Clip(FOLDER / entry['path'], entry['text']) for entry in map(json.loads, lines)]


def find_clip(text: str) -> Clip:
    """Return the first clip in which this is said, and nothing else."""
    return next(clip for clip in all_clips() if clip.text == text)


def spoken(clip: Clip) -> NDArray[np.float32]:
    """Return a clip between pauses of a quiet room, long enough to end the utterance."""
    pause = np.random.default_rng(1).normal(0, 3e-4, 16_000).astype(np.float32)
    return np.concatenate([pause[:9_600], clip.waveform, pause])


def pcm16(waveform: NDArray[np.floating]) -> bytes:
    """Return samples in [-1, 1] as S16LE."""
    return np.round(waveform * 32_767).astype('<i2').tobytes()
