"""
The rows of an sqlite3 file, taken from its pages one by one, without the tree that orders them.

A file that was cut off often lacks the pages that lead to the others. Source of the format:
https://www.sqlite.org/fileformat2.html, sections 1.6 (pages, cells, overflow) and 2.1 (records).
"""

from __future__ import annotations

from collections.abc import Iterator
import mmap
from pathlib import Path

MAGIC = b'SQLite format 3\x00'
LEAF, LEAF_HEADER, FILE_HEADER = 0x0D, 8, 100  # kind of a page of rows; lengths in bytes
INT_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}  # by serial type
Row = tuple[int, list['int | bytes | None']]  # its number, and what its columns hold


def scan_rows(path: Path) -> Iterator[Row]:
    """
    Yield every whole row of every table, in the order of the pages.

    Columns that are neither whole numbers nor bytes are None.

    :raises ValueError: it is no sqlite3 file.
    """
    with path.open('rb') as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise ValueError('it is no sqlite3 file, or its beginning is damaged')
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if len(data) >= FILE_HEADER:
                yield from _Pages(data).rows()


def file_bytes(path: Path) -> int:
    """Return the bytes that the whole file had, by its header."""
    with path.open('rb') as file:
        header = file.read(FILE_HEADER)
    return _number(header, 28, 4) * _page_bytes(header)


def _page_bytes(header: bytes | mmap.mmap) -> int:
    size = _number(header, 16, 2)
    return 65536 if size == 1 else max(512, size)


class _Pages:
    """The pages of a file."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._size = _page_bytes(data)
        self._usable = self._size - data[20]

    def rows(self) -> Iterator[Row]:
        for page in range(len(self._data) // self._size):
            start = page * self._size
            header = start + (FILE_HEADER if page == 0 else 0)
            if self._data[header] != LEAF:
                continue
            for cell in range(_number(self._data, header + 3, 2)):
                try:
                    at = _number(self._data, header + LEAF_HEADER + 2 * cell, 2)
                    row = self._row(start + at)
                except IndexError:  # damaged, or the rest of it is beyond the end
                    continue
                yield row

    def _row(self, at: int) -> Row:
        length, at = _varint(self._data, at)
        number, at = _varint(self._data, at)
        return number, _columns(self._payload(at, length))

    def _payload(self, at: int, length: int) -> bytes:
        """Return the content of a cell, the rest of it from its overflow pages."""
        most, least = self._usable - 35, (self._usable - 12) * 32 // 255 - 23
        local = length
        if length > most:
            local = least + (length - least) % (self._usable - 4)
            local = local if local <= most else least
        payload = self._data[at:at + local]
        following = _number(self._data, at + local, 4) if local < length else 0
        while following and len(payload) < length:
            start = (following - 1) * self._size
            content = self._data[start + 4:start + min(self._usable, length - len(payload) + 4)]
            if not content:
                break
            payload += content
            following = _number(self._data, start, 4)
        if len(payload) < length:
            raise IndexError('its overflow pages are missing')
        return payload


def _columns(payload: bytes) -> list[int | bytes | None]:
    """Return what a record holds."""
    end, at = _varint(payload, 0)
    position, columns = end, []
    while at < end:
        kind, at = _varint(payload, at)
        value: int | bytes | None = None
        size = INT_BYTES.get(kind, 8 if kind == 7 else max(0, kind - 12) // 2)
        if kind in INT_BYTES:
            value = int.from_bytes(payload[position:position + size], 'big', signed=True)
        elif kind in (8, 9):
            value = kind - 8
        elif kind >= 12 and kind % 2 == 0:
            value = payload[position:position + size]
        position += size
        columns.append(value)
    return columns


def _varint(data: bytes | mmap.mmap, at: int) -> tuple[int, int]:
    """Return the number that begins at a position, and the position after it."""
    value = 0
    for offset in range(9):
        byte = data[at + offset]
        if offset == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + offset + 1
    raise AssertionError('nine bytes were read')


def _number(data: bytes | mmap.mmap, at: int, size: int) -> int:
    """Return a big-endian number without a sign; IndexError if it lies beyond the end."""
    found = data[at:at + size]
    if len(found) < size:
        raise IndexError('beyond the end')
    return int.from_bytes(found, 'big')
