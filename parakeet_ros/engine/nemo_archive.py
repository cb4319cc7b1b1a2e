"""
The tar that a ``.nemo`` file is, plain or gzipped, read in place and never unpacked to disk.

It is untrusted: what a header claims is held against the size of the file before any of it is
read, so that neither time nor memory can grow far beyond what a sound file of that size takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import gzip
import hashlib
import io
from pathlib import Path
import tarfile
from typing import IO
import zlib

from .errors import CheckpointError
from .memory import Region

REMEDY = 'download or copy it again'
# NeMo's archives have about six members; each costs memory to list.
_MAX_MEMBERS = 1000
# Weights compress by a tenth and a vocabulary by a factor of five; gzip bombs by 1000.
_MAX_GZIP_RATIO = 50
_GZIP_ALLOWANCE_BYTES = 16 * 2**20
_DIGEST_LIMIT_BYTES = 64 * 2**20


class NemoArchive:
    """The members of an open tar, looked up by exact base name."""

    def __init__(self, path: Path, tar: tarfile.TarFile, limit_bytes: int) -> None:
        """List the members of ``tar``, which may not reach beyond ``limit_bytes``."""
        self._path = path
        self._tar = tar
        self._members: dict[str, tarfile.TarInfo] = {}
        for index, member in enumerate(tar):
            if index == _MAX_MEMBERS:
                raise CheckpointError(f'{path}: more than {_MAX_MEMBERS} members, which is no '
                                      f'.nemo file; {REMEDY}')
            name = member.name.rsplit('/', 1)[-1]
            if not member.isfile():
                continue
            if member.issparse():
                raise CheckpointError(f'{path}: {name}: a sparse member; pack it without holes')
            if member.offset_data + member.size > limit_bytes:
                raise CheckpointError(f'{path}: {name}: {member.size} bytes are more than the '
                                      f'file can hold; it is truncated or damaged: {REMEDY}')
            if name in self._members:
                raise CheckpointError(f'{path}: two members are called {name}; {REMEDY}')
            self._members[name] = member

    @property
    def is_plain(self) -> bool:
        """Tell whether members can be read without unpacking all of the file before them."""
        return isinstance(self._tar.fileobj, io.BufferedReader)

    def read_small(self, name: str, limit_bytes: int) -> bytes:
        """Return the whole content of a member that has to be small."""
        size = self._member(name).size
        if size > limit_bytes:
            raise CheckpointError(f'{self._path}: {name}: {size} bytes, where a sound file has '
                                  f'at most {limit_bytes}; {REMEDY}')
        return self._whole(name)

    def region(self, name: str) -> Region:
        """Return a member's bytes: of a plain tar in place, of a gzipped one unpacked."""
        member = self._member(name)
        if self.is_plain:
            return Region.of_file(self._path).part(member.offset_data, member.size)
        return Region(bytearray(self._whole(name)), 0, member.size)

    def digest(self, without: str) -> bytes:
        """
        Return what tells the content of all small members from any other.

        :param without: name of a member that is left out.
        """
        digest = hashlib.sha256()
        for name, member in self._members.items():
            small = member.size <= _DIGEST_LIMIT_BYTES and name != without
            digest.update(repr((name, member.size)).encode())
            digest.update(hashlib.sha256(self._whole(name) if small else b'').digest())
        return digest.digest()

    def _whole(self, name: str) -> bytes:
        member = self._member(name)
        view = self._tar.extractfile(member)
        assert view is not None
        content = view.read()
        if len(content) != member.size:
            raise CheckpointError(f'{self._path}: {name}: {len(content)} of {member.size} bytes; '
                                  f'the file is truncated: {REMEDY}')
        return content

    def _member(self, name: str) -> tarfile.TarInfo:
        if name not in self._members:
            found = ', '.join(sorted(self._members)[:20]) or 'nothing'
            raise CheckpointError(f'{self._path}: has no member {name} (found: {found}); it is '
                                  f'not a complete .nemo file: {REMEDY}')
        return self._members[name]


@contextmanager
def open_archive(path: Path) -> Iterator[NemoArchive]:
    """
    Open a ``.nemo`` file.

    :raises CheckpointError: it is missing or no such archive; also while the block runs, for
        what the tar layer finds then.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; give the path of a .nemo file, or 'builtin' "
                              'for the packaged model')
    try:
        with path.open('rb') as file, _open_tar(path, file) as archive:
            yield archive
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise CheckpointError(f'{path}: cannot be read as a .nemo archive, a plain or gzipped '
                              f'tar ({error}); it is truncated or of another kind: {REMEDY}'
                              ) from error


@contextmanager
def _open_tar(path: Path, file: IO[bytes]) -> Iterator[NemoArchive]:
    """Open a plain tar or, failing that, a gzipped one."""
    size = path.stat().st_size
    try:
        with tarfile.open(fileobj=file, mode='r:') as tar:
            yield NemoArchive(path, tar, size)
        return
    except tarfile.ReadError:
        if not _is_gzip(file):
            raise
    limit = _GZIP_ALLOWANCE_BYTES + _MAX_GZIP_RATIO * size
    with _BoundedGzip(file, limit) as unpacked:
        with tarfile.open(fileobj=unpacked, mode='r:') as tar:
            yield NemoArchive(path, tar, limit)


def _is_gzip(file: IO[bytes]) -> bool:
    """Tell a gzip by its first bytes, and return to them."""
    file.seek(0)
    magic = file.read(2)
    file.seek(0)
    return magic == b'\x1f\x8b'


class _BoundedGzip(gzip.GzipFile):
    """A gzip stream that refuses to unpack more than a limit: headers too have a length."""

    def __init__(self, file: IO[bytes], limit_bytes: int) -> None:
        super().__init__(fileobj=file, mode='rb')
        self._limit_bytes = limit_bytes

    def read(self, size: int | None = -1) -> bytes:
        wanted = self._limit_bytes if size is None or size < 0 else size
        self._check(self.tell() + wanted)
        return super().read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_SET:
            self._check(offset)
        return super().seek(offset, whence)

    def _check(self, position: int) -> None:
        if position > self._limit_bytes:
            raise tarfile.ReadError(f'more than {_MAX_GZIP_RATIO} times its size when unpacked')
