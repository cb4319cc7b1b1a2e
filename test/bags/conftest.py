"""The packaged model, the held-out clips, and bags made of them."""

from collections.abc import Callable
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from parakeet_ros.engine import load_model
from parakeet_ros.recording import read_audio
from parakeet_ros.steered_engine import SteeredEngine
import pytest

HELDOUT = Path(__file__).parents[1] / 'data' / 'heldout'
Spoken = Callable[..., NDArray[np.float32]]


@pytest.fixture(scope='session')
def engine() -> SteeredEngine:
    """Return the packaged model as the node's worker has it."""
    return SteeredEngine(load_model('builtin', device='cpu'), ())


@pytest.fixture(scope='session')
def spoken() -> Spoken:
    """Return a function that says sentences of the held-out clips, with pauses between them."""
    lines = (HELDOUT / 'manifest.jsonl').read_text(encoding='utf-8').splitlines()
    files = {entry['text']: HELDOUT / entry['path'] for entry in map(json.loads, lines)}

    def say(*texts: str, pause_s: float = 1.0) -> NDArray[np.float32]:
        rng = np.random.default_rng(1)
        room = [rng.normal(0, 3e-4, round(pause_s * 16_000)).astype(np.float32)
                for _ in range(len(texts) + 1)]
        parts = [room[0]]
        for text, pause in zip(texts, room[1:]):
            parts += [read_audio(files[text])[0][:, 0], pause]
        return np.concatenate(parts)

    return say
