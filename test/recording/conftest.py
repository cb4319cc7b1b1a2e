"""The real ffmpeg, from its wheel where the machine has none."""

from __future__ import annotations

from pathlib import Path
import shutil
from typing import Any

import pytest


@pytest.fixture
def ffmpeg(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put an ffmpeg on the PATH and return its path."""
    found = shutil.which('ffmpeg')
    if found is None:
        wheel: Any = pytest.importorskip('imageio_ffmpeg', reason='neither ffmpeg nor its wheel')
        folder = tmp_path_factory.mktemp('bin')
        (folder / 'ffmpeg').symlink_to(wheel.get_ffmpeg_exe())
        monkeypatch.setenv('PATH', str(folder), prepend=':')
        found = str(folder / 'ffmpeg')
    return found


@pytest.fixture
def no_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave no ffmpeg on the PATH."""
    monkeypatch.setenv('PATH', str(tmp_path))
