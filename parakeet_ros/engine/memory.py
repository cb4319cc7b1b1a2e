"""Mapping files into memory, and giving memory back to the system."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
import io
import mmap
from pathlib import Path
from typing import Any

_PAGE_BYTES = mmap.PAGESIZE


@dataclass(frozen=True)
class Region:
    """
    A range of bytes in memory or of a file mapped there, for many readers.

    Of a mapped file only the pages that are looked at take memory, and the system may take them
    back.  Whoever changes such bytes changes its own copy.
    """

    buffer: mmap.mmap | bytearray | memoryview
    start: int
    size: int

    @classmethod
    def of_file(cls, path: Path) -> Region:
        """
        Map a whole file, which may be replaced or deleted meanwhile but not overwritten.

        :raises OSError: it cannot be opened.
        :raises ValueError: it is empty.
        """
        with path.open('rb') as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        return cls(mapped, 0, len(mapped))

    def part(self, start: int, size: int) -> Region:
        """
        Return a range within this one.

        :raises ValueError: it is not within.
        """
        if start < 0 or size < 0 or start + size > self.size:
            raise ValueError(f'bytes {start} to {start + size} of {self.size}')
        return Region(self.buffer, self.start + start, size)

    def view(self) -> memoryview:
        """Return the bytes without a copy."""
        return memoryview(self.buffer)[self.start:self.start + self.size]

    def as_file(self) -> io.RawIOBase:
        """Return the bytes as a file."""
        return _RegionFile(self)

    def release(self) -> None:
        """Forget the pages of a mapped file; they are read again when they are looked at."""
        if isinstance(self.buffer, mmap.mmap) and hasattr(mmap, 'MADV_DONTNEED'):
            first = self.start // _PAGE_BYTES * _PAGE_BYTES
            self.buffer.madvise(mmap.MADV_DONTNEED, first, self.start + self.size - first)


class _RegionFile(io.RawIOBase):
    """A region to read and seek in."""

    def __init__(self, region: Region) -> None:
        self._view = region.view()
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: len(self._view)}
        if origin[whence] + offset < 0:
            raise ValueError(f'position {origin[whence] + offset} before the first byte')
        self._position = origin[whence] + offset
        return self._position

    def readinto(self, target: Any) -> int:
        into = memoryview(target).cast('B')
        block = self._view[self._position:][:len(into)]
        into[:len(block)] = block
        self._position += len(block)
        return len(block)


def release_freed() -> None:
    """
    Let glibc return what has been freed; elsewhere nothing happens.

    A long recording is cut into pieces of many lengths, and oneDNN caches kernels for each.  They
    lie scattered among the tensors, so that without this the heap grew by 10 MB a minute.
    """
    trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)
    if trim is not None:
        trim(0)


class FreedMemory:
    """Gives it back once in a while, for calls with inputs of ever other lengths."""

    EVERY = 16  # calls; it takes 1 to 5 ms

    def __init__(self) -> None:
        """Start counting."""
        self._n_calls = 0

    def note_call(self) -> None:
        """Count a call that has ended, and let go of what it and those before it have freed."""
        self._n_calls += 1
        if self._n_calls % self.EVERY == 0:
            release_freed()
