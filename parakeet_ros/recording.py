"""
Recordings: any sound file, or standard input, as float32 mono blocks at the wanted rate.

libsndfile reads what it knows (WAV, FLAC, OGG, MP3, ...), ffmpeg, where it is installed, the rest
(M4A, MP4, WebM, ...).  Memory is bounded, however long the recording.  Numpy and soxr; no torch,
no ROS.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
import logging
import os
from pathlib import Path
import shutil
import sys
import tempfile
from typing import IO

import numpy as np
from numpy.typing import NDArray
from parakeet_ros import unfinished_wav
from parakeet_ros.ffmpeg import FfmpegError, FfmpegFile
from parakeet_ros.ffmpeg import is_installed as ffmpeg_is_installed
from parakeet_ros.joined_files import is_joined, is_length_guessed
import soundfile
import soxr

Waveform = NDArray[np.float32]  # mono, [n_samples]

STDIN = '-'  # as a path
MAX_SAMPLE = 1e9  # full scale is 1; sums and powers of what is beyond would overflow
_STDIN_NAME = 'standard input'
_BLOCK_SAMPLES = 1 << 16  # of the file, at its own rate
_RATE_RANGE_HZ = (1_000, 1_000_000)  # a header that says otherwise is damaged
_MAY_BE_UNFINISHED = ('AIFF', 'AU', 'CAF', 'FLAC', 'W64')  # unfinished_wav sees to the others
_HEADER_BYTES = 1 << 14  # more than that is sound, whatever the header tells
_UNKNOWN_LENGTH = 1 << 48  # libsndfile gives lengths beyond this for a stream without one
_TRUNCATED_S = 0.1  # a file that lacks more is reported

# soundfile 0.10, that of Ubuntu 22.04, has no error of its own
SoundError: type[Exception] = getattr(soundfile, 'LibsndfileError', RuntimeError)
UNREADABLE = (SoundError, TypeError)  # TypeError: a headerless .raw

_UNFINISHED = ('%s was not finished by its recorder: taking all that it holds, not what its '
               'header tells')
_FIRST_ALONE = '%s was joined from several files, of which only the first is heard; %s'
_END_UNSURE = '%s does not tell its length, so that its end may not be heard; %s'

_logger = logging.getLogger(__name__)


class RecordingError(ValueError):
    """A file that cannot be read as sound; the message names it and the remedy."""


def read_blocks(source: str | os.PathLike[str], sample_rate: int = 16_000) -> Iterator[Waveform]:
    """
    Open a recording of any format, rate and channel count, and return its blocks.

    Channels are mixed down by their mean; samples that are not finite, or beyond ``MAX_SAMPLE``,
    count as 0.  Output sample ``k`` is the recording at the time ``k / sample_rate``.

    :param source: the path of a file, or ``-`` for standard input, which goes through a temporary
        file first.
    :returns: float32 mono ``[n_samples]`` each, a few seconds at most.
    :raises FileNotFoundError: when there is no such file.
    :raises RecordingError: when it is not readable sound, at once or while it is read.
    """
    return _resampled(_Recording(source), sample_rate)


def read_audio(path: str | os.PathLike[str]) -> tuple[NDArray[np.float32], int]:
    """
    Read a whole file of any format, as it is.

    :returns: float32 ``[n_samples, channels]`` in -1..1, and the sample rate in Hz.
    :raises FileNotFoundError: when there is no such file.
    :raises RecordingError: when it is not readable sound.
    """
    recording = _Recording(path)
    samples = np.concatenate(list(recording.blocks()))
    return samples, int(recording.file.samplerate)


def duration_s(path: str | os.PathLike[str]) -> float | None:
    """Return the length that the file's header gives; None where it gives none."""
    if not os.path.isfile(path):  # who opens a pipe waits for its writer
        return None
    try:
        info = soundfile.info(os.fsencode(path))  # soundfile takes no names that are not UTF-8
    except UNREADABLE:
        return None
    if info.frames >= _UNKNOWN_LENGTH or is_length_guessed(Path(path)):
        return None
    return float(info.frames / info.samplerate)


def existing(path: str | os.PathLike[str]) -> Path:
    """
    Return the path of a file that is there.

    :raises RecordingError: it is no file.
    :raises OSError: there is none, or it cannot be looked at.
    """
    path = Path(path)
    if path.is_file():
        return path
    if path.is_dir():
        os.scandir(path).close()  # its error says why who searched the folder could not
    elif path.exists():  # readers go back and forth
        raise RecordingError(f'{path} is not a file; pipe it in and give {STDIN}')
    raise FileNotFoundError(f'no audio file at {path}')


def _open(path: Path, name: str) -> _SoundFile | FfmpegFile:
    """Choose who reads the file."""
    try:
        file = _SoundFile(os.fsencode(path))
    except UNREADABLE as error:
        if ffmpeg_is_installed():
            return FfmpegFile(path)
        raise RecordingError(
            f'{_unreadable(name, error)}, or install ffmpeg (apt install ffmpeg), which reads '
            'most other formats') from error
    low, high = _RATE_RANGE_HZ
    if not low <= file.samplerate <= high:
        raise RecordingError(f'{name} has a sample rate of {file.samplerate} Hz, which no '
                             f'recording has; convert it to one of {low} to {high} Hz')
    is_unfinished = file.format in _MAY_BE_UNFINISHED and path.stat().st_size > _HEADER_BYTES
    if file.frames == 0 and is_unfinished:
        file.close()
        return _open_unfinished(path, name, f'-ar {file.samplerate} -ac {file.channels}')
    joined = is_joined(path)
    if joined or is_length_guessed(path):
        if ffmpeg_is_installed():
            file.close()
            return FfmpegFile(path, joined)
        _logger.warning(_FIRST_ALONE if joined else _END_UNSURE, name,
                        'install ffmpeg (apt install ffmpeg), which reads it all')
    return file


def _open_unfinished(path: Path, name: str, form: str) -> FfmpegFile:
    """Let ffmpeg look for sound in a file whose header tells of none."""
    if not ffmpeg_is_installed():
        raise RecordingError(f'{name} was not finished by its recorder, its header tells of no '
                             'sound; install ffmpeg (apt install ffmpeg), which may find some')
    try:
        with FfmpegFile(path) as file:
            has_sound = len(file.read(1, dtype='float32', always_2d=True)) > 0
    except FfmpegError:
        has_sound = False
    if not has_sound:
        raise RecordingError(
            f'{name} was not finished by its recorder, its header tells of no sound; import it '
            f'as raw samples, e.g. ffmpeg -f s16be {form} -i {Path(name).name} whole.wav')
    _logger.warning(_UNFINISHED, name)
    return FfmpegFile(path)


class _SoundFile(soundfile.SoundFile):
    """A file of libsndfile, which may be a FLAC stream that does not tell its length."""

    def seekable(self) -> bool:
        """Tell whether soundfile may go back after a read; at the end of a stream it fails."""
        return bool(self.frames < _UNKNOWN_LENGTH and super().seekable())


class _Recording:
    """An open file under the name that messages give it; a pipe's content is kept in another."""

    def __init__(self, source: str | os.PathLike[str]) -> None:
        self.name, self._spool = os.fspath(source), None
        if self.name == STDIN:
            self.name, self._spool = _STDIN_NAME, _spool(sys.stdin.buffer)
        self._path = Path(self._spool.name) if self._spool else existing(source)
        finished = unfinished_wav.finish(self._path)
        if finished is not None:
            _logger.warning(_UNFINISHED, self.name)
            self._path, self._spool = Path(finished.name), finished
        self.file = _open(self._path, self.name)

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield float32 ``[n, channels]`` at the file's rate; the last, alone, is a short one."""
        n_read = 0
        last = False
        with self._spool or nullcontext():
            try:
                with self.file as file:
                    while not last:
                        samples = file.read(_BLOCK_SAMPLES, dtype='float32', always_2d=True)
                        n_read += len(samples)
                        last = len(samples) < _BLOCK_SAMPLES
                        yield samples
                    missing_s = (file.frames - n_read) / file.samplerate
                    is_truncated = (missing_s > _TRUNCATED_S and file.frames < _UNKNOWN_LENGTH
                                    and not is_length_guessed(self._path))
                    complaint = file.complaint() if isinstance(file, FfmpegFile) else ''
            except (SoundError, FfmpegError) as error:
                position_s = n_read / max(1, self.file.samplerate)
                raise RecordingError(_damaged(self.name, position_s, error)) from error
        if is_truncated:
            _logger.warning('%s is truncated: its last %.1f s are missing', self.name, missing_s)
        if complaint:
            _logger.warning('some of %s may be missing (ffmpeg: %s); check the file', self.name,
                            complaint)


def _resampled(recording: _Recording, sample_rate: int) -> Iterator[Waveform]:
    """Read, mix down and resample."""
    n_bad = 0
    resample = None
    for samples in recording.blocks():
        resample = resample or _Resampler(recording.file.samplerate, sample_rate)
        bad = ~(np.abs(samples) <= MAX_SAMPLE)  # NaN too
        n_bad += int(np.count_nonzero(bad))
        samples[bad] = 0.0
        waveform = resample(
            samples.mean(axis=1, dtype=np.float32), last=len(samples) < _BLOCK_SAMPLES)
        if len(waveform):
            yield waveform
    if n_bad:
        _logger.warning('%s has %d samples that are not finite, or beyond %g, taken as 0',
                        recording.name, n_bad, MAX_SAMPLE)


class _Resampler:
    """Mono blocks to another rate; equal rates pass through untouched."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._stream = None if from_hz == to_hz else soxr.ResampleStream(
            from_hz, to_hz, num_channels=1, dtype='float32', quality='HQ')

    def __call__(self, waveform: Waveform, last: bool) -> Waveform:
        if self._stream is None:
            return waveform
        resampled: Waveform = self._stream.resample_chunk(waveform, last=last)
        return resampled


def _spool(stream: IO[bytes]) -> IO[bytes]:
    """Copy a pipe to a temporary file: libsndfile and ffmpeg go back and forth in some formats."""
    spool = tempfile.NamedTemporaryFile(prefix='parakeet_ros_', suffix='.audio')
    shutil.copyfileobj(stream, spool, 1 << 20)
    spool.flush()
    return spool


def _unreadable(name: str, error: Exception) -> str:
    reason = 'headerless samples' if isinstance(error, TypeError) else _reason(error)
    stem = Path(name).stem
    return (f'{name} is not audio that libsndfile can read ({reason}): convert it to WAV or FLAC, '
            f'e.g. ffmpeg -i {Path(name).name} {stem}.wav')


def _damaged(name: str, position_s: float, error: Exception) -> str:
    where = f'breaks off after {position_s:.1f} s' if position_s else 'is not readable sound'
    reader = 'ffmpeg' if isinstance(error, FfmpegError) else 'libsndfile'
    return f'{name} {where} ({reader}: {_reason(error)}); check the file, or cut or convert it'


def _reason(error: Exception) -> str:
    return str(getattr(error, 'error_string', error)).rstrip('.')
