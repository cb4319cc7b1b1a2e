"""
WAV files whose recorder was stopped before it wrote how long they became.

Their header tells the length of the first write, or none (Python's `wave`, many drivers), and
libsndfile believes it. What follows the sound is then no chunk of RIFF, but more sound.
"""

from __future__ import annotations

from pathlib import Path
import shutil
import struct
import tempfile
from typing import IO

_RIFF, _CHUNK = struct.Struct('<4sI4s'), struct.Struct('<4sI')
_MOST = 2**32 - 1  # that a size can tell, which is then in the chunk ds64 of RF64 (EBU Tech 3306)
_DS64 = struct.Struct('<4sI3QI')  # name and length; bytes of file, bytes of sound, 0, 0
_PADDING = 4096  # bytes after the sound that some programs leave; less is not looked at


def finish(path: Path) -> IO[bytes] | None:
    """
    Return a temporary copy whose header tells all of the sound; None of a file that is finished.

    The copy has a name, and is gone once it is closed.
    """
    size = path.stat().st_size
    with path.open('rb') as file:
        start = _start_of_more(file, size)
        if start is None:
            return None
        file.seek(_RIFF.size)
        chunks = file.read(start - _CHUNK.size - _RIFF.size)
        file.seek(start)
        copy = tempfile.NamedTemporaryFile(suffix='.wav')
        copy.write(_header(chunks, size - start))
        shutil.copyfileobj(file, copy)
    copy.flush()
    return copy


def _header(chunks: bytes, n_bytes: int) -> bytes:
    """Return a header with some chunks for so much sound: RF64 where RIFF cannot tell it."""
    size = _RIFF.size - 8 + len(chunks) + _CHUNK.size + n_bytes
    if size <= _MOST:
        return _RIFF.pack(b'RIFF', size, b'WAVE') + chunks + _CHUNK.pack(b'data', n_bytes)
    sizes = _DS64.pack(b'ds64', _DS64.size - 8, size + _DS64.size, n_bytes, 0, 0)
    return _RIFF.pack(b'RF64', 2**32 - 1, b'WAVE') + sizes + chunks + _CHUNK.pack(
        b'data', 2**32 - 1)


def _start_of_more(file: IO[bytes], size: int) -> int | None:
    """Return where the sound begins, if there is more of it than the header tells."""
    header = file.read(_RIFF.size)
    if len(header) < _RIFF.size or header[:4] != b'RIFF' or header[8:] != b'WAVE':
        return None
    position = _RIFF.size
    while (chunk := _chunk_at(file, position, size)) is not None:
        name, length = chunk
        position += _CHUNK.size
        end = position + length + length % 2
        if name == b'data':
            is_all = end >= size - _PADDING or _chunk_at(file, end, size) is not None
            return None if is_all else position
        position = end
    return None


def _chunk_at(file: IO[bytes], position: int, size: int) -> tuple[bytes, int] | None:
    """Return name and length of the chunk that begins somewhere, None if none does."""
    file.seek(position)
    header = file.read(_CHUNK.size)
    if len(header) < _CHUNK.size:
        return None
    name, length = _CHUNK.unpack(header)
    is_name = name.isascii() and name.decode('ascii', 'replace').isprintable()
    fits = position + _CHUNK.size + length <= size or name == b'data'  # which may be cut off
    return (name, length) if is_name and fits else None
