"""
WAV and RF64 files whose recorder was stopped before it wrote how long they became.

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
_MOST = _UNTOLD = 2**32 - 1  # that a size can tell; RF64 (EBU Tech 3306) tells more in ds64
_DS64 = struct.Struct('<4sI3QI')  # name and length; bytes of file, bytes of sound, 0, 0
_TAG = b'ID3'  # without a chunk round it
_PADDING = 4096  # bytes after the sound that some programs leave; less is not looked at


def finish(path: Path) -> IO[bytes] | None:
    """
    Return a temporary copy whose header tells all of the sound; None of a file that is finished.

    The copy has a name, and is gone once it is closed.
    """
    size = path.stat().st_size
    with path.open('rb') as file:
        found = _find_more(file, size)
        if found is None:
            return None
        first_chunk, start = found
        file.seek(first_chunk)
        chunks = file.read(start - _CHUNK.size - first_chunk)
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
    return _RIFF.pack(b'RF64', _UNTOLD, b'WAVE') + sizes + chunks + _CHUNK.pack(
        b'data', _UNTOLD)


def _find_more(file: IO[bytes], size: int) -> tuple[int, int] | None:
    """Return where chunks and sound begin, if there is more sound than the header tells."""
    header = file.read(_RIFF.size)
    if len(header) < _RIFF.size or header[8:] != b'WAVE' or header[:4] not in (b'RIFF', b'RF64'):
        return None
    first = position = _RIFF.size
    n_sound = None  # what RF64 tells, in ds64
    if header[:4] == b'RF64':
        ds64 = file.read(_DS64.size).ljust(_DS64.size, b'\0')
        n_sound = 0
        if ds64[:4] == b'ds64':
            _, length, _, n_sound, *_ = _DS64.unpack(ds64)
            first = position = _RIFF.size + _CHUNK.size + length
            n_sound = n_sound if n_sound < size else 0
    while (chunk := _chunk_at(file, position, size)) is not None:
        name, length = chunk
        position += _CHUNK.size
        if name == b'data' and length == _UNTOLD and n_sound is not None:
            length = n_sound
        ends = {position + length, position + length + length % 2}  # some leave out the pad byte
        if name == b'data':
            is_all = max(ends) >= size - _PADDING or any(_ends_at(file, at, size) for at in ends)
            return None if is_all else (first, position)
        position = max(ends)
    return None


def _ends_at(file: IO[bytes], position: int, size: int) -> bool:
    """Tell whether a tag or a chunk begins somewhere, and not more sound."""
    file.seek(position)
    return file.read(len(_TAG)) == _TAG or _chunk_at(file, position, size) is not None


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
