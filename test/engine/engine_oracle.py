"""The oracle's cases, and the engine run on them stage by stage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from parakeet_ros.engine import Transcriber
from parakeet_ros.engine.decoding import Hypothesis
import soundfile
import torch

DATA = Path(__file__).parents[1] / 'data'
ORACLE = DATA / 'oracle'
# Folder of results -> checkpoint and head.
MODELS = {
    'tiny': ('tiny', 'transducer'),
    'tinyb': ('tinyb', 'transducer'),
    'deep': ('deep', 'transducer'),
    'hybrid': ('hybrid', 'transducer'),
    'hybrid_ctc': ('hybrid', 'ctc'),
    'rnnt': ('rnnt', 'transducer'),
    'ctc': ('ctc', 'ctc'),
}
INPUTS = tuple(sorted(path.stem for path in (ORACLE / 'audio').glob('*.wav')))
assert len(INPUTS) == 9
# The cases for which NeMo's features and encoder output are kept.
TENSOR_CASES = tuple(sorted(
    (path.parent.name, path.stem) for path in ORACLE.glob('*/*.npz') if path.parent.name in MODELS
))
assert len(TENSOR_CASES) == 2 * 9 + 4 * 3


@dataclass(frozen=True)
class OracleModel:
    """One head of one of the oracle's checkpoints, and what NeMo computed with it."""

    name: str
    transcriber: Transcriber
    results: dict[str, dict[str, Any]]  # by input

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """Return NeMo's arrays for one input."""
        with np.load(ORACLE / self.name / f'{name}.npz') as arrays:
            return dict(arrays)


@dataclass(frozen=True)
class OracleCase:
    """One input of one of the oracle's models."""

    model: OracleModel
    name: str

    @property
    def waveform(self) -> np.ndarray:
        """Return the input's samples."""
        return read_audio(ORACLE / 'audio' / f'{self.name}.wav')

    def stages(self) -> Stages:
        """Return what each stage of the engine makes of the input."""
        return run_stages(self.model.transcriber, [self.waveform])

    @property
    def result(self) -> dict[str, Any]:
        """Return NeMo's entry for the input."""
        return self.model.results[self.name]


@dataclass(frozen=True)
class Stages:
    """The engine's intermediate results for a batch."""

    features: torch.Tensor  # [B, n_mels, T]
    n_frames: torch.Tensor  # [B]
    encoded: torch.Tensor  # [B, T', D]
    n_encoded: torch.Tensor  # [B]
    hypotheses: list[Hypothesis]


@torch.inference_mode()
def run_stages(transcriber: Transcriber, waveforms: list[np.ndarray]) -> Stages:
    """Run features, encoder and decoding one by one on a padded batch."""
    model = transcriber.model
    features, n_frames = model.features([torch.from_numpy(w) for w in waveforms])
    encoded, n_encoded = model.encoder(features, n_frames)
    hypotheses = model.decode(encoded, n_encoded)
    return Stages(features, n_frames, encoded, n_encoded, hypotheses)


def read_audio(path: Path) -> np.ndarray:
    """Return a 16 kHz mono file as float32."""
    samples, sample_rate = soundfile.read(path, dtype='float32')
    assert sample_rate == 16_000 and samples.ndim == 1
    return samples
