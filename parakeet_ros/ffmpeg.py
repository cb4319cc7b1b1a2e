"""Sound out of any file that the ``ffmpeg`` command reads, through a pipe."""

from __future__ import annotations

from contextlib import ExitStack
import os
import re
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
_MESSAGES_BYTES = 1 << 16  # that are looked at
# What ffmpeg says of its own output, where a joined file begins again.
_OF_OUTPUT = 'to muxer in stream'

# Sound stays at its time: silence is put in where times, PTS, leap by 0.1 s or more because a part
# is damaged. Where they go back, as in joined files, or leap so far that they must be wrong (and
# ffmpeg holds that silence in memory), the sound goes on at once. Nothing is ever cut.
# 0: samples so far, 1: how many are missing here, 2: what is added to the times from here on.
_IN_TIME = (
    "asetpts='st(1, PTS - STARTPTS + ld(2) - ld(0));"
    'st(2, ld(2) - if(between(ld(1), -SR/10, 600*SR), 0, ld(1)));'
    'st(0, ld(0) + if(between(ld(1), SR/10, 600*SR), ld(1), 0) + NB_SAMPLES);'
    "STARTPTS + ld(0) - NB_SAMPLES',"
    'aresample=async=1:min_hard_comp=0.05')
_LATE_S = (0.1, 86_400)  # after the beginning of a video; less is a codec's delay, more is wrong
_FIRST_TIME = re.compile(r'^#tb 0: (\d+)/(\d+)$.*^0, *-?\d+, *(\d+),', re.DOTALL | re.MULTILINE)


class FfmpegError(ValueError):
    """What ffmpeg wrote when it gave up."""


def is_installed() -> bool:
    """Tell whether there is an ``ffmpeg`` on the PATH."""
    return shutil.which('ffmpeg') is not None


class FfmpegFile:
    """
    The first sound track of a file, decoded as it is read; silence where it has none.

    A context manager with the members of ``soundfile.SoundFile`` that a reader needs.  ffmpeg
    starts on entering and ends on leaving, however much was read.
    """

    frames = 0  # not known before the end

    def __init__(self, path: str | os.PathLike[str], is_joined: bool = False) -> None:
        """
        Choose the file; nothing happens yet.

        :param is_joined: it is several files in one, whose times mean nothing.
        """
        self._path = os.path.abspath(path)
        self._is_joined = is_joined
        self._resources = ExitStack()
        self.samplerate = 0
        self.channels = 0
        self._n_late = 0  # samples of silence before the rest

    def __enter__(self) -> FfmpegFile:
        """
        Start ffmpeg and wait for the format.

        :raises FfmpegError: it cannot read the file.
        """
        # A file for the messages, because a pipe that nobody reads could fill up and stop ffmpeg.
        self._messages: IO[bytes] = self._resources.enter_context(tempfile.TemporaryFile())
        self._process = self._resources.enter_context(subprocess.Popen(
            self._command('-af', 'anull' if self._is_joined else _IN_TIME,
                          '-c:a', 'pcm_f32be', '-f', 'au'),
            stdout=subprocess.PIPE, stderr=self._messages))
        self._resources.callback(self._process.kill)  # no effect if it has ended
        try:
            header = self._read(_AU_HEADER.size)
            if len(header) < _AU_HEADER.size:
                raise FfmpegError('it gives no sound')
            _, offset, _, _, self.samplerate, self.channels = _AU_HEADER.unpack(header)
            self._read(offset - len(header))
            if not self._is_joined:
                self._n_late = round(self._late_s() * self.samplerate)
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
        n_silent = min(frames, self._n_late)
        self._n_late -= n_silent
        frame_bytes = 4 * self.channels
        data = self._read((frames - n_silent) * frame_bytes)
        n_bytes = len(data) // frame_bytes * frame_bytes
        samples = np.zeros(n_silent * self.channels + n_bytes // 4, np.float32)
        samples[n_silent * self.channels:] = np.frombuffer(data[:n_bytes], '>f4')
        return samples.reshape(-1, self.channels)

    def complaint(self) -> str:
        """Return what ffmpeg has said of a damaged file; nothing of an intact one."""
        # where the next of several begins, most versions find damage
        return '' if self._is_joined else self._first_message()

    def _command(self, *output: str) -> list[str]:
        return ['ffmpeg', '-nostdin', '-loglevel', 'error',
                '-protocol_whitelist', 'file,pipe',  # a playlist must not reach the network
                '-i', f'file:{self._path}', '-map', '0:a:0', *output, 'pipe:1']

    def _late_s(self) -> float:
        """Return how long after the beginning of the file its sound begins."""
        done = subprocess.run(self._command('-frames:a', '1', '-f', 'framecrc'),
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        found = _FIRST_TIME.search(done.stdout.decode(errors='replace'))
        if found is None:
            return 0.0
        numerator, denominator, ticks = map(int, found.groups())
        late_s = ticks * numerator / denominator
        return late_s if _LATE_S[0] <= late_s <= _LATE_S[1] else 0.0

    def _read(self, n_bytes: int) -> bytes:
        """Return that many bytes, fewer at the end of what ffmpeg writes."""
        assert self._process.stdout is not None
        data = self._process.stdout.read(n_bytes)
        if len(data) < n_bytes and self._process.wait() != 0:
            raise FfmpegError(self._first_message() or 'it says nothing')
        return data

    def _first_message(self) -> str:
        self._messages.seek(0)
        return _summary(self._messages.read(_MESSAGES_BYTES).decode(errors='replace'))


def _summary(messages: str) -> str:
    """Return the first of ffmpeg's lines, which has the cause; the later ones follow from it."""
    lines = [line.strip() for line in messages.splitlines()
             if line.strip() and _OF_OUTPUT not in line]
    return lines[0].rstrip('.') if lines else ''
