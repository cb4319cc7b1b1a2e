"""
Converted weights, kept in the user's cache folder from one start to the next.

One file an entry, ``<key>.safetensors``, written beside its place and moved there whole, so that
a reader sees all of it or nothing, and that it may be deleted at any time: who has mapped it keeps
it.  What goes wrong with the folder costs time, never a model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
import hashlib
import json
import logging
import math
import os
from pathlib import Path
import shutil
import tempfile
import time
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .tensor_file import read_metadata, read_tensors, write_tensors

SIZE_VARIABLE = 'PARAKEET_ROS_CACHE_GB'
DEFAULT_GB = 8.0
# Smaller models are converted about as fast as they are read.
WORTH_BYTES = 50_000_000
_SUFFIX = '.safetensors'
_UNFINISHED = '.unfinished'
_TOKENIZER = 'tokenizer_model'
_FREE_FRACTION = 0.05  # of the file system, left to others
_ABANDONED_S = 3600.0

_logger = logging.getLogger(__name__)


class Prepared(NamedTuple):
    """A model converted for one way of running it."""

    config: dict[str, Any]  # as NeMo writes it
    tokenizer_model: bytes
    state: dict[str, Tensor]  # under our names, as finished for its device
    release: Callable[[], None] = lambda: None  # forgets the pages of a file they are in


class Entry(NamedTuple):
    """What is known of an entry without reading its tensors."""

    path: Path
    size_bytes: int
    used_s: float  # since the epoch
    description: str


class WeightCache:
    """A folder of entries with a limit on their size, for any number of processes."""

    def __init__(self, folder: Path, limit_bytes: float) -> None:
        """
        Use a folder, which is made when there is something to write.

        :param limit_bytes: of all entries; the one unused for longest goes first.
        """
        self.folder = folder
        self.limit_bytes = limit_bytes

    @classmethod
    def from_environment(cls) -> WeightCache | None:
        """Return the user's cache, None where it is turned off; else as `of_user`."""
        cache = cls.of_user()
        return cache if cache is not None and cache.limit_bytes > 0 else None

    @classmethod
    def of_user(cls) -> WeightCache | None:
        """
        Return the user's cache, even if nothing is put there any more; None without a folder.

        :raises ValueError: ``PARAKEET_ROS_CACHE_GB`` is not a number.
        """
        text = os.environ.get(SIZE_VARIABLE) or str(DEFAULT_GB)
        try:
            limit_bytes = float(text) * 1e9
            if math.isnan(limit_bytes):
                raise ValueError(text)
        except ValueError:
            raise ValueError(f'{SIZE_VARIABLE} is {text!r}; give the gigabytes that converted '
                             'weights may take, 0 for none') from None
        folder = _user_folder()
        return cls(folder, limit_bytes) if folder else None

    def read(self, key: str) -> Prepared | None:
        """Return an entry, None where there is no sound one; a damaged one is removed."""
        path = self._path(key)
        try:
            tensors, metadata, region = read_tensors(path)
            if metadata['key'] != key:
                raise ValueError('an entry of another name')
            tokenizer_model = tensors.pop(_TOKENIZER).numpy().tobytes()
            prepared = Prepared(
                json.loads(metadata['config']), tokenizer_model, tensors, region.release)
        except OSError:  # mostly, there is none
            return None
        except (ValueError, KeyError) as error:
            _logger.warning('removing converted weights that are damaged: %s: %s', path, error)
            self.remove(key)
            return None
        with suppress(OSError):  # a read-only folder
            os.utime(path)
        return prepared

    def write(self, key: str, prepared: Prepared, description: str) -> bool:
        """
        Keep an entry, and remove those for which there is no room any more.

        :param description: of the model and its number format, for people.
        :returns: whether it is kept; if not, a log line has said why.
        """
        size = sum(tensor.nbytes for tensor in prepared.state.values())
        try:
            config = json.dumps(prepared.config)
            if json.loads(config) != prepared.config:
                raise ValueError('the configuration is not plain data')
            self._make_room(size)
            tokenizer = _as_tensor(prepared.tokenizer_model)
            self._write(
                key, {_TOKENIZER: tokenizer, **_on_host(prepared.state)},
                {'key': key, 'config': config, 'description': description})
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            _warn_once('converted weights are not kept, so every start converts them again '
                       f'({self.folder}: {error}); {SIZE_VARIABLE}=0 turns this off')
            return False
        _logger.info('keeping %.0f MB of converted weights in %s, which holds %.1f of at most '
                     '%.1f GB', size / 1e6, self.folder, self.size_bytes() / 1e9,
                     self.limit_bytes / 1e9)
        return True

    def remove(self, key: str) -> None:
        """Remove an entry, if it is there."""
        with suppress(OSError):
            self._path(key).unlink()

    def clear(self) -> None:
        """
        Remove everything.

        :raises OSError: it cannot be removed.
        """
        for path in self._files():
            path.unlink(missing_ok=True)

    def entries(self) -> list[Entry]:
        """List the entries, the most recently used first."""
        found = []
        for path in self._files():
            with suppress(OSError, ValueError):  # deleted by now, or damaged
                status = path.stat()
                if path.suffix == _SUFFIX:
                    found.append(Entry(path, status.st_size, status.st_mtime,
                                       read_metadata(path).get('description', '')))
        return sorted(found, key=lambda entry: -entry.used_s)

    def size_bytes(self) -> int:
        """Return what the folder holds."""
        return sum(size for _, size, _ in self._sizes())

    def _write(self, key: str, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
        handle, name = tempfile.mkstemp(_UNFINISHED, f'{key}.', self.folder)
        unfinished = Path(name)
        try:
            os.close(handle)
            write_tensors(unfinished, tensors, metadata)
            _sync(unfinished)  # else a power cut could leave the name without the content
            os.replace(unfinished, self._path(key))
        finally:
            unfinished.unlink(missing_ok=True)

    def _make_room(self, size_bytes: int) -> None:
        """
        Remove abandoned files, and as many entries as it takes.

        :raises OSError: there is no room for so much.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if size_bytes > self.limit_bytes:
            raise OSError(f'{size_bytes / 1e9:.1f} GB are more than the limit of '
                          f'{self.limit_bytes / 1e9:.1f} GB, {SIZE_VARIABLE}')
        sizes = sorted(self._sizes(), key=lambda each: each[2])
        total = sum(size for _, size, _ in sizes)
        for path, size, used_s in sizes:
            abandoned = path.suffix == _UNFINISHED and used_s < time.time() - _ABANDONED_S
            if abandoned or path.suffix == _SUFFIX and total + size_bytes > self.limit_bytes:
                path.unlink(missing_ok=True)
                total -= size
                _logger.info('removed %s, %.0f MB of converted weights', path, size / 1e6)
        disk = shutil.disk_usage(self.folder)
        if disk.free - size_bytes < _FREE_FRACTION * disk.total:
            raise OSError(f'{disk.free / 1e9:.1f} GB free')

    def _sizes(self) -> list[tuple[Path, int, float]]:
        """Return path, size and time of last use of all files."""
        found = []
        for path in self._files():
            with suppress(FileNotFoundError):
                status = path.stat()
                found.append((path, status.st_size, status.st_mtime))
        return found

    def _files(self) -> list[Path]:
        """List what belongs to the cache, and nothing else that may lie in the folder."""
        if not self.folder.is_dir():
            return []
        return [path for path in self.folder.iterdir() if path.suffix in (_SUFFIX, _UNFINISHED)]

    def _path(self, key: str) -> Path:
        return self.folder / (key + _SUFFIX)


@cache
def code_digest() -> bytes:
    """Return what changes with every change of the engine: any may convert otherwise."""
    files = sorted(Path(__file__).parent.glob('*.py'))
    return hashlib.sha256(b''.join(file.read_bytes() for file in files)).digest()


def _user_folder() -> Path | None:
    """Return the folder by the XDG Base Directory Specification, None where there is no home."""
    base = Path(os.environ.get('XDG_CACHE_HOME', ''))
    if not base.is_absolute():  # as the specification says
        try:
            base = Path.home() / '.cache'
        except RuntimeError:
            return None
    return base / 'parakeet_ros'


def _sync(path: Path) -> None:
    """Wait until a file is on the disk."""
    with path.open('rb') as file:
        os.fsync(file.fileno())


def _as_tensor(content: bytes) -> Tensor:
    return torch.frombuffer(bytearray(content), dtype=torch.uint8)


def _on_host(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.cpu().contiguous() for name, tensor in state.items()}


@cache
def _warn_once(message: str) -> None:
    """Log a warning that would otherwise come with every model."""
    _logger.warning(message)
