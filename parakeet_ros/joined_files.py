"""
Sound files of which libsndfile hears a part only, and says nothing of the rest.

Those that were joined to one: OGG streams in a chain, MP3 files one after another. And MP3 files
that do not tell their length, which it guesses from their first frames.
"""

from __future__ import annotations

from pathlib import Path
import struct
from typing import BinaryIO

_OGG, _MP3_TAG = b'OggS', b'ID3'
# RFC 3533: magic, version, flags, position, serial, number, checksum, segments that follow.
_OGG_PAGE = struct.Struct('<4sBB8s4s4s4sB')
_FIRST_OF_STREAM = 0x02  # a flag of a page
# Xing's tag in the first frame of an MP3 file, after its side information: flags, then, for each
# flag, a number: frames of sound, bytes from the start of this frame.
_XING, _XING_WITHIN = (b'Xing', b'Info'), 64
_HAS_FRAMES, _HAS_BYTES = 0x01, 0x02


def is_joined(path: Path) -> bool:
    """
    Tell whether a file has more sound than the part that libsndfile hears.

    :raises OSError: it cannot be read.
    """
    with path.open('rb') as file:
        magic = file.read(4)
        if magic == _OGG:
            return _has_a_second_chain(file)
        if magic[:3] == _MP3_TAG or _is_mp3_frame(magic):
            return _goes_on_after_its_frames(file)
    return False


def is_length_guessed(path: Path) -> bool:
    """
    Tell whether it is an MP3 file that does not say how many frames it has.

    libsndfile does not know Fraunhofer's tag, VBRI, and guesses in spite of it.

    :raises OSError: it cannot be read.
    """
    with path.open('rb') as file:
        _, frame = _first_frame(file)
    return _is_mp3_frame(frame[:4]) and not _xing(frame)[0] & _HAS_FRAMES


def _has_a_second_chain(file: BinaryIO) -> bool:
    """Tell whether an OGG stream begins after others went on."""
    file.seek(0)
    went_on = False
    while len(header := file.read(_OGG_PAGE.size)) == _OGG_PAGE.size:
        magic, _, flags, *_, n_segments = _OGG_PAGE.unpack(header)
        if magic != _OGG:
            return False
        if not flags & _FIRST_OF_STREAM:
            went_on = True
        elif went_on:
            return True
        file.seek(sum(file.read(n_segments)), 1)
    return False


def _goes_on_after_its_frames(file: BinaryIO) -> bool:
    """Tell whether MP3 frames follow after as many bytes as the file says it has."""
    start, frame = _first_frame(file)
    flags, *numbers = _xing(frame)
    if not _is_mp3_frame(frame[:4]) or not flags & _HAS_BYTES:
        return False
    file.seek(start + numbers[1 if flags & _HAS_FRAMES else 0])
    follows = file.read(4)
    return follows[:3] == _MP3_TAG or _is_mp3_frame(follows)


def _first_frame(file: BinaryIO) -> tuple[int, bytes]:
    """Return where the first MP3 frame of a file should be, and the beginning of what is there."""
    file.seek(0)
    start = 0
    header = file.read(10)
    if header[:3] == _MP3_TAG and len(header) == 10:  # its size has 7 bits a byte
        start = 10 + sum(byte << 7 * (3 - i) for i, byte in enumerate(header[6:]))
    file.seek(start)
    return start, file.read(_XING_WITHIN + 16)


def _xing(frame: bytes) -> tuple[int, int, int]:
    """Return the flags of Xing's tag and the numbers that follow; zeros where there is none."""
    found = max(frame.find(name, 0, _XING_WITHIN) for name in _XING)
    if found < 0:
        return 0, 0, 0
    flags, first, second = struct.unpack_from('>3I', frame.ljust(_XING_WITHIN + 16), found + 4)
    return flags, first, second


def _is_mp3_frame(header: bytes) -> bool:
    """Tell whether a frame of MPEG audio, layer III, begins with these four bytes."""
    if len(header) < 4:
        return False
    word = int.from_bytes(header, 'big')
    bitrate, rate = word >> 12 & 15, word >> 10 & 3
    return word >> 21 == 0x7FF and word >> 17 & 3 == 1 and bitrate not in (0, 15) and rate != 3
