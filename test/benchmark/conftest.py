"""The scripts of `benchmark` as modules, and a small checkpoint made by one of them."""

from pathlib import Path
import sys

import pytest
import torch

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / 'benchmark'))


@pytest.fixture(scope='session', autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope='session')
def checkpoint(tmp_path_factory) -> Path:
    """Return a random checkpoint of the shape `tiny`."""
    from make_checkpoint import write_checkpoint
    from shapes import SHAPES
    from speech import read_speech
    path = tmp_path_factory.mktemp('models') / 'tiny.nemo'
    write_checkpoint(path, SHAPES['tiny'], torch.from_numpy(read_speech()), seed=0)
    return path
