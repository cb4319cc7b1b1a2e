"""Tensor files give back what was written, or say that they are damaged."""

from __future__ import annotations

from pathlib import Path
import random

from parakeet_ros.engine.tensor_file import read_metadata, read_tensors, write_tensors
import pytest
from safetensors.torch import load_file
import torch
from torch import Tensor

METADATA = {'config': '{"a": [1, 2.5]}', 'description': 'größer'}


def tensors() -> dict[str, Tensor]:
    """Return tensors of every number format and of odd sizes."""
    generator = torch.Generator().manual_seed(0)
    numbers = 100 * torch.randn(3, 1, 5, generator=generator)
    dtypes = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64,
              torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)
    return {
        **{str(dtype): numbers.to(dtype) for dtype in dtypes},
        'none': torch.empty(0, 4), 'scalar': torch.tensor(3.5), 'odd': torch.ones(3).byte(),
    }


def same(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> bool:
    """Compare names, shapes, dtypes and values."""
    return found.keys() == wanted.keys() and all(
        each.dtype == wanted[name].dtype and torch.equal(each, wanted[name])
        for name, each in found.items())


@pytest.fixture()
def path(tmp_path: Path) -> Path:
    """Return the path of a sound file."""
    write_tensors(tmp_path / 'x.safetensors', tensors(), METADATA)
    return tmp_path / 'x.safetensors'


def test_what_was_written_is_read(path: Path) -> None:
    file = read_tensors(path)
    assert same(file.tensors, tensors())
    assert file.metadata == METADATA
    assert read_metadata(path).items() >= METADATA.items()


def test_the_safetensors_library_reads_the_file(path: Path) -> None:
    assert same(load_file(path), tensors())


def test_tensors_survive_the_deletion_of_the_file_and_of_its_pages(path: Path) -> None:
    file = read_tensors(path)
    path.unlink()
    file.region.release()
    assert same(file.tensors, tensors())


def test_a_flipped_bit_anywhere_is_noticed_or_changes_nothing(path: Path) -> None:
    content = path.read_bytes()
    rng = random.Random(0)
    n_noticed = 0
    for position in range(len(content)):
        spoilt = bytearray(content)
        spoilt[position] ^= 1 << rng.randrange(8)
        path.unlink()  # never change a mapped file
        path.write_bytes(spoilt)
        try:
            file = read_tensors(path)
        except ValueError:
            n_noticed += 1
        else:  # white space in the header
            assert same(file.tensors, tensors()), position
            assert file.metadata == METADATA, position
    assert n_noticed > len(content) - 16


@pytest.mark.parametrize('content', [b'', b'x', bytes(8), bytes(100), b'\xff' * 100,
                                     b'\x02' + bytes(7) + b'{}', b'\x02' + bytes(7) + b'[]'])
def test_files_of_another_kind_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / 'x'
    path.write_bytes(content)
    for read in (read_tensors, read_metadata):
        with pytest.raises(ValueError):
            read(path)


def test_a_file_cut_anywhere_is_refused(path: Path) -> None:
    content = path.read_bytes()
    for n_bytes in range(0, len(content), 7):
        path.unlink()
        path.write_bytes(content[:n_bytes])
        with pytest.raises(ValueError):
            read_tensors(path)
