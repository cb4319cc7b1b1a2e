"""
Named tensors in a safetensors file with a checksum, read in place.

Written by the safetensors library and read here, so that the pages of the mapped file can be
forgotten once they have been checked or copied: the library keeps its mapping to itself.  Any
reader of safetensors reads the files, whose metadata has the checksum beside our own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import save_file
import torch
from torch import Tensor

from .memory import Region

_DTYPES = {
    'F64': torch.float64, 'F32': torch.float32, 'F16': torch.float16, 'BF16': torch.bfloat16,
    'I64': torch.int64, 'I32': torch.int32, 'I16': torch.int16, 'I8': torch.int8,
    'U8': torch.uint8, 'BOOL': torch.bool,
}
_BLOCK_BYTES = 16 * 2**20
_CHECKSUM = 'checksum'


class TensorFile(NamedTuple):
    """What a file holds."""

    tensors: dict[str, Tensor]  # mapped, on the CPU
    metadata: dict[str, str]
    region: Region  # the file


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """
    Write contiguous CPU tensors.

    :raises OSError: the file cannot be written.
    """
    regions = {name: _region_of(tensor) for name, tensor in tensors.items()}
    checksum = _checksum(tensors, regions, metadata)
    try:
        save_file(dict(tensors), path, {**metadata, _CHECKSUM: checksum})
    except SafetensorError as error:
        raise OSError(str(error)) from error


def read_tensors(path: Path) -> TensorFile:
    """
    Map a file that ``write_tensors`` wrote, and look at every byte of it.

    :raises FileNotFoundError: there is none.
    :raises OSError: it cannot be read.
    :raises ValueError: it is damaged or of another kind.
    """
    file = Region.of_file(path)
    try:
        n_header = int.from_bytes(file.part(0, 8).view(), 'little')
        header = json.loads(bytes(file.part(8, n_header).view()))
        metadata = dict(header.pop('__metadata__'))
        regions = {name: _part(file, 8 + n_header, *entry['data_offsets'])
                   for name, entry in header.items()}
        tensors = {name: _tensor(regions[name], _DTYPES[entry['dtype']], entry['shape'])
                   for name, entry in header.items()}
        found = metadata.pop(_CHECKSUM)
    except (KeyError, TypeError, AttributeError, RuntimeError, RecursionError) as error:
        raise ValueError(f'damaged ({type(error).__name__}: {error})') from error
    if found != _checksum(tensors, regions, metadata):
        raise ValueError('damaged (wrong checksum)')
    return TensorFile(tensors, metadata, file)


def read_metadata(path: Path) -> dict[str, str]:
    """
    Return the metadata of a file, and check nothing.

    :raises OSError: it cannot be read.
    :raises ValueError: it is damaged or of another kind.
    """
    with path.open('rb') as file:
        header = json.loads(file.read(min(
            int.from_bytes(file.read(8), 'little'), path.stat().st_size)))
    if not isinstance(header, dict) or not isinstance(header.get('__metadata__'), dict):
        raise ValueError('no metadata')
    return {str(name): str(value) for name, value in header['__metadata__'].items()}


def _part(file: Region, origin: int, start: int, end: int) -> Region:
    return file.part(origin + start, end - start)


def _tensor(region: Region, dtype: torch.dtype, shape: list[int]) -> Tensor:
    """Return a view of a part of the file."""
    flat = torch.empty(0, dtype=dtype)
    if region.size:
        flat = torch.frombuffer(region.buffer, dtype=dtype, offset=region.start,
                                count=region.size // dtype.itemsize)
    return flat.view(shape)


def _region_of(tensor: Tensor) -> Region:
    """Return a tensor's bytes; no copy is made."""
    flat = tensor.detach().reshape(-1).view(torch.uint8)
    return Region(flat.numpy().data, 0, len(flat))


def _checksum(tensors: Mapping[str, Tensor], regions: Mapping[str, Region],
              metadata: Mapping[str, str]) -> str:
    """
    Return a digest of everything: of names, shapes and metadata by SHA-256, of numbers by sums.

    A sum finds a flipped bit and a page that was never written, at the speed of memory.
    """
    table = [[name, str(tensor.dtype), list(tensor.shape), _sum(regions[name])]
             for name, tensor in sorted(tensors.items())]
    text = json.dumps([table, sorted(metadata.items())])
    return hashlib.sha256(text.encode()).hexdigest()


def _sum(region: Region) -> int:
    """Return the sum of all 64-bit words and of the bytes after them, without keeping pages."""
    total = 0
    for block in _blocks(region):
        n_words = block.size // 8
        content = np.frombuffer(block.view(), np.uint8)
        total += int(content[:8 * n_words].view(np.uint64).sum())
        total += int(content[8 * n_words:].sum())
        block.release()
    return total % 2**64


def _blocks(region: Region) -> Iterator[Region]:
    """Cut a region."""
    for start in range(0, region.size, _BLOCK_BYTES):
        yield region.part(start, min(_BLOCK_BYTES, region.size - start))
