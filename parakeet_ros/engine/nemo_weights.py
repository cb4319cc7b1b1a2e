"""
``model_weights.ckpt``: a PyTorch zip archive, its tensors left where they are.

torch does not look at the checksums of the archive, so that a flipped bit of a weight would go
unnoticed into the model.  They are compared here, on all cores: 0.45 s per GB and core (Zen 4).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
import hashlib
import math
import struct
from typing import cast, IO, NamedTuple
import zipfile
import zlib

import torch
from torch import Tensor

from .errors import CheckpointError
from .memory import Region
from .nemo_archive import REMEDY
from .state_pickle import read_table, StoredTensor

_ZIP_MAGIC = b'PK\x03\x04'
_LOCAL_HEADER = struct.Struct('<4s5H3L2H')
_BLOCK_BYTES = 8 * 2**20
_MAX_THREADS = 8
_LARGEST_PICKLE = 16 * 2**20  # bytes; 700 tensors take 0.1 MB, and reading takes much more memory
_MOST_TIMES = 2  # the tensors' size of the file's: they may share what is stored, but little


class _Record(NamedTuple):
    name: str
    crc: int
    content: Region


class NemoWeights:
    """An opened weights file."""

    def __init__(self, region: Region, origin: str) -> None:
        """
        Read the directory.

        :param region: the file's bytes, where the tensors stay.
        :param origin: the file and member, for messages.
        :raises CheckpointError: it is no such archive, or its directory is damaged; compressed
            records are refused.
        """
        self.region = region
        self._origin = origin
        if region.view()[:len(_ZIP_MAGIC)] != _ZIP_MAGIC:  # such as torch's format before 1.6
            raise CheckpointError(f'{origin}: not a PyTorch zip archive; {REMEDY}')
        try:
            with zipfile.ZipFile(cast(IO[bytes], region.as_file())) as archive:
                self._entries = archive.infolist()
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in self._entries):
                raise ValueError('its records are compressed, which PyTorch never does')
        except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError,
                RuntimeError, OverflowError, struct.error) as error:
            raise CheckpointError(f'{origin}: damaged ({error}); {REMEDY}') from error

    def digest(self) -> bytes:
        """Return what tells this content from any other: the checksums, not the bytes."""
        entries = [(entry.filename, entry.file_size, entry.CRC) for entry in self._entries]
        return hashlib.sha256(repr(entries).encode()).digest()

    def verify(self) -> None:
        """
        Compare every checksum.

        :raises CheckpointError: one differs.
        """
        n_threads = min(_MAX_THREADS, torch.get_num_threads())
        with ThreadPoolExecutor(n_threads, 'checksum') as pool:
            found = pool.map(_crc, [record.content for record in self._records.values()])
            for record, crc in zip(self._records.values(), found):
                if crc != record.crc:
                    raise CheckpointError(f'{self._origin}: damaged (record {record.name} has '
                                          f'another CRC-32 than it should); {REMEDY}')

    def tensors(self) -> dict[str, Tensor]:
        """
        Return the tensors under NeMo's names, in place.

        :raises CheckpointError: the archive holds anything but dense tensors.
        """
        try:
            pickles = [name for name in self._records if name.endswith('/data.pkl')]
            [pickle] = pickles or ['data.pkl']
            folder = pickle.removesuffix('data.pkl')
            if bytes(self._content(f'{folder}byteorder').view()) not in (b'', b'little'):
                raise ValueError('it is big-endian')
            if self._content(pickle).size > _LARGEST_PICKLE:
                raise ValueError(f'{pickle} has {self._content(pickle).size} bytes')
            table = read_table(bytes(self._content(pickle).view()))
            claimed = sum(math.prod(each.shape) * each.dtype.itemsize for each in table.values())
            if claimed > _MOST_TIMES * self.region.size:
                raise ValueError(f'its tensors claim {claimed} bytes of {self.region.size}')
            return {name: self._tensor(folder, stored) for name, stored in table.items()}
        except (CheckpointError, MemoryError):
            raise
        except Exception as error:  # a damaged pickle reaches every corner; any type comes
            reason = (str(error) or type(error).__name__).split('\n', 1)[0][:300]
            raise CheckpointError(f'{self._origin}: not loadable as plain weights ({reason}); it '
                                  'is damaged or holds more than tensors: get the file from a '
                                  'source that you trust') from error

    @cached_property
    def _records(self) -> dict[str, _Record]:
        """
        Find the records.

        :raises CheckpointError: one is not in its place, or two overlap, as in a zip bomb.
        """
        try:
            records = [_locate(entry, self.region) for entry in self._entries]
            _check_apart(records)
        except ValueError as error:
            raise CheckpointError(f'{self._origin}: damaged ({error}); {REMEDY}') from error
        return {record.name: record for record in records}

    def _content(self, name: str) -> Region:
        record = self._records.get(name)
        return record.content if record else Region(bytearray(), 0, 0)

    def _tensor(self, folder: str, stored: StoredTensor) -> Tensor:
        """Return a view of a record."""
        content, dtype = self._content(f'{folder}data/{stored.record}'), stored.dtype
        if content.size != stored.n_stored * dtype.itemsize:
            raise ValueError(f'record {stored.record} has {content.size} bytes instead of '
                             f'{stored.n_stored} {dtype}')
        if content.start % dtype.itemsize:  # torch aligns to 64 bytes, other writers may not
            content = Region(bytearray(content.view()), 0, content.size)
        flat = torch.empty(0, dtype=dtype)
        if stored.n_stored:
            flat = torch.frombuffer(
                content.buffer, dtype=dtype, count=stored.n_stored, offset=content.start)
        # Detached, or it would keep the file for as long as it lives, whatever its data become.
        return flat.as_strided(stored.shape, stored.stride, stored.offset).detach()


def _locate(entry: zipfile.ZipInfo, region: Region) -> _Record:
    """
    Find the content of a record behind its local header.

    :raises ValueError: it is not there.
    """
    header = region.part(entry.header_offset, _LOCAL_HEADER.size).view()
    magic, *_, name_size, extra_size = _LOCAL_HEADER.unpack(header)
    if magic != _ZIP_MAGIC:
        raise ValueError(f'no record at byte {entry.header_offset}')
    start = entry.header_offset + _LOCAL_HEADER.size + name_size + extra_size
    return _Record(entry.filename, entry.CRC, region.part(start, entry.file_size))


def _check_apart(records: list[_Record]) -> None:
    """
    Check that no two records share a name or bytes, as they do in a zip bomb.

    :raises ValueError: two do.
    """
    by_place = sorted((record.content.start, record.content.size) for record in records)
    if (len({record.name for record in records}) < len(records)
            or any(start + size > following
                   for (start, size), (following, _) in zip(by_place, by_place[1:]))):
        raise ValueError('its records overlap, which they never do in a file of PyTorch')


def _crc(content: Region) -> int:
    """Return the checksum of a range, without keeping its pages."""
    crc = 0
    for start in range(0, content.size, _BLOCK_BYTES):
        block = content.part(start, min(_BLOCK_BYTES, content.size - start))
        crc = zlib.crc32(block.view(), crc)
        block.release()
    return crc
