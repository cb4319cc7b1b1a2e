"""Sound out of any file that the ``ffmpeg`` command reads, through a pipe."""

from __future__ import annotations

from contextlib import ExitStack
import os
import shutil
import struct
import subprocess
import tempfile
from typing import IO

import numpy as np
from numpy.typing import NDArray

# Sun's .au, because its header can be written before the length is known and is this short:
# magic, offset of the samples, their bytes or -1, encoding, Hz, channels.
_AU_HEADER = struct.Struct('>4s5I')


class FfmpegError(ValueError):
    """What ffmpeg wrote when it gave up."""


def is_installed() -> bool:
    """Tell whether there is an ``ffmpeg`` on the PATH."""
    return shutil.which('ffmpeg') is not None


class FfmpegFile:
    """
    The first sound track of a file, decoded as it is read.

    A context manager with the members of ``soundfile.SoundFile`` that a reader needs.  ffmpeg
    starts on entering and ends on leaving, however much was read.
    """

    frames = 0  # not known before the end

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Choose the file; nothing happens yet."""
        self._path = os.path.abspath(path)
        self._resources = ExitStack()
        self.samplerate = 0
        self.channels = 0

    def __enter__(self) -> FfmpegFile:
        """
        Start ffmpeg and wait for the format.

        :raises FfmpegError: it cannot read the file.
        """
        # A file for the messages, because a pipe that nobody reads could fill up and stop ffmpeg.
        self._messages: IO[bytes] = self._resources.enter_context(tempfile.TemporaryFile())
        self._process = self._resources.enter_context(subprocess.Popen(
            ['ffmpeg', '-nostdin', '-loglevel', 'error',
             '-protocol_whitelist', 'file,pipe',  # a playlist must not reach the network
             '-i', f'file:{self._path}',
             '-map', '0:a:0', '-c:a', 'pcm_f32be', '-f', 'au', 'pipe:1'],
            stdout=subprocess.PIPE, stderr=self._messages))
        self._resources.callback(self._process.kill)  # no effect if it has ended
        try:
            header = self._read(_AU_HEADER.size)
            if len(header) < _AU_HEADER.size:
                raise FfmpegError('it gives no sound')
            _, offset, _, _, self.samplerate, self.channels = _AU_HEADER.unpack(header)
            self._read(offset - len(header))
        except BaseException:
            self._resources.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        """End ffmpeg."""
        self._resources.close()

    def read(self, frames: int, dtype: str, always_2d: bool) -> NDArray[np.float32]:
        """
        Return the next samples, float32 ``[n, channels]``; fewer than ``frames`` at the end.

        :raises FfmpegError: ffmpeg gave up.
        """
        assert dtype == 'float32' and always_2d
        frame_bytes = 4 * self.channels
        data = self._read(frames * frame_bytes)
        samples = np.frombuffer(data[:len(data) // frame_bytes * frame_bytes], '>f4')
        return samples.astype(np.float32).reshape(-1, self.channels)

    def _read(self, n_bytes: int) -> bytes:
        """Return that many bytes, fewer at the end of what ffmpeg writes."""
        assert self._process.stdout is not None
        data = self._process.stdout.read(n_bytes)
        if len(data) < n_bytes and self._process.wait() != 0:
            self._messages.seek(0)
            raise FfmpegError(_summary(self._messages.read().decode(errors='replace')))
        return data


def _summary(messages: str) -> str:
    """Return the first of ffmpeg's lines, which has the cause; the later ones follow from it."""
    lines = [line.strip() for line in messages.splitlines() if line.strip()]
    return lines[0].rstrip('.') if lines else 'it says nothing'
