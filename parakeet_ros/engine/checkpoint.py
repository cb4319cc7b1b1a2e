"""
A ``.nemo`` file: configuration, tokenizer and weights, read without running or unpacking it.

The file is a tar, gzipped before NeMo 1.7.  It is untrusted input: nothing is extracted to disk,
so member names can point nowhere, and the weights are unpickled with ``weights_only=True``.
The tensors keep NeMo's names here; ``weights.py`` maps them to ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
import io
import os
from pathlib import Path
import tarfile
from typing import Any, IO
import zlib

import torch
from torch import Tensor
import yaml

from .config import ModelConfig, parse_config
from .errors import CheckpointError

CONFIG_FILE = 'model_config.yaml'
WEIGHTS_FILE = 'model_weights.ckpt'
_ZIP_MAGIC = b'PK\x03\x04'
# The largest public configuration has 160 KB and the largest tokenizer 0.5 MB.
_SMALL_MEMBER_LIMIT_BYTES = 64 * 2**20
_REMEDY = 'download or copy it again'


@dataclass(frozen=True)
class Checkpoint:
    """The content of one ``.nemo`` file."""

    path: Path
    config: ModelConfig
    tokenizer_model: bytes  # a serialised SentencePiece model
    state: dict[str, Tensor]  # under NeMo's names, on the CPU, in the stored dtype


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """
    Read a ``.nemo`` file.

    :raises CheckpointError: the file is missing, is no ``.nemo`` archive, lacks a member, or a
        member is damaged; the message names the file, the member, the problem and the remedy.
    """
    path = Path(path)
    with _open(path) as archive:
        raw = _parse_yaml(archive.read_small(CONFIG_FILE), f'{path}: {CONFIG_FILE}')
        config = parse_config(raw, f'{path}: {CONFIG_FILE}')
        tokenizer_model = archive.read_small(config.tokenizer_file)
        state = _load_state(archive.stream(WEIGHTS_FILE), f'{path}: {WEIGHTS_FILE}')
    return Checkpoint(path, config, tokenizer_model, state)


class _Archive:
    """The members of an open tar, looked up by exact base name."""

    def __init__(self, path: Path, tar: tarfile.TarFile) -> None:
        self._path = path
        self._tar = tar
        self._members: dict[str, tarfile.TarInfo] = {}
        for member in tar:
            name = member.name.rsplit('/', 1)[-1]
            if not member.isfile():
                continue
            if name in self._members:
                raise CheckpointError(f'{path}: two members are called {name}; {_REMEDY}')
            self._members[name] = member

    def read_small(self, name: str) -> bytes:
        """Return the whole content of a member other than the weights."""
        size = self._member(name).size
        if size > _SMALL_MEMBER_LIMIT_BYTES:
            raise CheckpointError(f'{self._path}: {name}: {size} bytes is no plausible size for '
                                  f'this member; {_REMEDY}')
        return self.stream(name).read()

    def stream(self, name: str) -> IO[bytes]:
        """Return a seekable view of a member; a plain tar is read in place."""
        view = self._tar.extractfile(self._member(name))
        assert view is not None  # only regular files are kept
        if isinstance(self._tar.fileobj, io.BufferedReader):
            return view
        return io.BytesIO(view.read())  # seeking back in a gzip stream would unpack it again

    def _member(self, name: str) -> tarfile.TarInfo:
        if name not in self._members:
            found = ', '.join(sorted(self._members)) or 'nothing'
            raise CheckpointError(f'{self._path}: has no member {name} (found: {found}); it is '
                                  f'not a complete .nemo file: {_REMEDY}')
        return self._members[name]


@contextmanager
def _open(path: Path) -> Iterator[_Archive]:
    """Open the archive; what the tar layer raises while it is open becomes CheckpointError."""
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; give the path of a .nemo file, or 'builtin' "
                              'for the packaged model')
    try:
        with path.open('rb') as file, _open_tar(file) as tar:
            yield _Archive(path, tar)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise CheckpointError(f'{path}: cannot be read as a .nemo archive, a plain or gzipped '
                              f'tar ({error}); it is truncated or of another kind: {_REMEDY}'
                              ) from error


def _open_tar(file: IO[bytes]) -> tarfile.TarFile:
    """Open a plain tar or, failing that, a gzipped one."""
    try:
        return tarfile.open(fileobj=file, mode='r:')
    except tarfile.ReadError:
        file.seek(0)
        return tarfile.open(fileobj=file, mode='r:gz')


def _parse_yaml(content: bytes, origin: str) -> dict[str, Any]:
    """Parse the configuration with libyaml where there is one: it is ten times as fast."""
    loader = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)
    try:
        raw = yaml.load(content, Loader=loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise CheckpointError(f'{origin}: not valid YAML ({error}); {_REMEDY}') from error
    if not isinstance(raw, dict):
        raise CheckpointError(f'{origin}: not a YAML mapping; {_REMEDY}')
    return raw


def _load_state(stream: IO[bytes], origin: str) -> dict[str, Tensor]:
    """Unpickle the weights with torch's restricted unpickler."""
    magic = stream.read(len(_ZIP_MAGIC))
    stream.seek(0)
    if magic != _ZIP_MAGIC:  # keeps torch's legacy formats, which need more trust, out
        raise CheckpointError(f'{origin}: not a PyTorch zip archive; {_REMEDY}')
    try:
        state = torch.load(stream, map_location='cpu', weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # damaged input reaches every layer of torch.load; any type comes
        reason = str(error).split('\n', 1)[0]
        raise CheckpointError(f'{origin}: not loadable as plain weights ({reason}); it is damaged '
                              'or holds more than tensors: get the file from a source that you '
                              'trust') from error
    if not isinstance(state, dict):
        raise CheckpointError(f'{origin}: holds a {type(state).__name__}, not named tensors')
    for name, value in state.items():
        if not (isinstance(name, str) and isinstance(value, Tensor)
                and value.layout == torch.strided):
            raise CheckpointError(f'{origin}: entry {name!r} is not a dense tensor')
    return state
