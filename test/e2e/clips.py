"""The held-out clips."""

from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
import soundfile

FOLDER = Path(__file__).parents[1] / 'data' / 'heldout'


@dataclass(frozen=True)
class Clip:
    """A recording of one sentence."""

    file: Path
    text: str

    @property
    def waveform(self) -> NDArray[np.float32]:
        """Return float32 `[n_samples]` at 16 kHz."""
        samples, sample_rate = soundfile.read(self.file, dtype='float32')
        assert sample_rate == 16_000
        return samples


def _entries() -> list[dict[str, Any]]:
    lines = (FOLDER / 'manifest.jsonl').read_text(encoding='utf-8').splitlines()
    return [json.loads(line) for line in lines]


SHORT_CLIPS = [Clip(FOLDER / e['path'], e['text']) for e in _entries() if 'commands' not in e]
# the model gets these right, whole or segmented
EASY = next(c for c in SHORT_CLIPS if c.text == 'can you see the tray')
OTHER = next(c for c in SHORT_CLIPS if c.text == 'close the garage')


def silence(seconds: float) -> NDArray[np.float32]:
    """Return the faint noise of a quiet room, -70 dBFS."""
    rng = np.random.default_rng(1)
    return rng.normal(0, 3e-4, round(seconds * 16_000)).astype(np.float32)


def spoken(clip: Clip) -> NDArray[np.float32]:
    """Return a clip with a pause on both sides."""
    return np.concatenate([silence(0.6), clip.waveform, silence(1.0)])
