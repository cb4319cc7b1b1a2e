"""Sound out of any file that the ``ffmpeg`` command reads, through a pipe."""

from __future__ import annotations

from collections.abc import Iterator
import os
import shutil
import subprocess
import tempfile

import numpy as np
from numpy.typing import NDArray

_BLOCK_BYTES = 1 << 18  # 4 s of float32 at 16 kHz


class FfmpegError(ValueError):
    """What ffmpeg wrote when it gave up."""


def is_installed() -> bool:
    """Tell whether there is an ``ffmpeg`` on the PATH."""
    return shutil.which('ffmpeg') is not None


def read_blocks(path: os.PathLike[str], sample_rate: int) -> Iterator[NDArray[np.float32]]:
    """
    Decode the first sound track as it is asked for; memory is bounded, the process ends with us.

    :returns: float32 mono ``[n_samples]`` each, at ``sample_rate`` Hz.
    :raises FfmpegError: when ffmpeg fails, with its own words.
    """
    command = [
        'ffmpeg', '-nostdin', '-loglevel', 'error',
        '-protocol_whitelist', 'file,pipe',  # a playlist must not reach the network
        '-i', f'file:{os.path.abspath(path)}',
        '-map', '0:a:0', '-ac', '1', '-ar', str(sample_rate), '-f', 'f32le', 'pipe:1',
    ]
    with (
        tempfile.TemporaryFile() as messages,  # a pipe could fill up and stop ffmpeg
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=messages) as process,
    ):
        try:
            assert process.stdout is not None
            while data := process.stdout.read(_BLOCK_BYTES):
                yield np.frombuffer(data[:len(data) // 4 * 4], '<f4').astype(np.float32)
            if process.wait() != 0:
                messages.seek(0)
                raise FfmpegError(_summary(messages.read().decode(errors='replace')))
        finally:
            process.kill()  # nothing to do unless the caller stopped reading


def _summary(messages: str) -> str:
    """Return the first of ffmpeg's lines, which has the cause; the later ones follow from it."""
    lines = [line.strip() for line in messages.splitlines() if line.strip()]
    return lines[0].rstrip('.') if lines else 'it says nothing'
