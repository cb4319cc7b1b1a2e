"""Model archives taken apart and put together again, to spoil them on the way."""

from __future__ import annotations

import io
from pathlib import Path
import tarfile
import zipfile

from engine_oracle import ORACLE

SOURCE = ORACLE / 'tinyb.nemo'


def read_members(path: Path = SOURCE) -> dict[str, bytes]:
    """Return the files of an archive by base name."""
    with tarfile.open(path) as tar:
        return {Path(m.name).name: tar.extractfile(m).read() for m in tar if m.isfile()}


def pack(path: Path, members: dict[str, bytes], mode: str = 'w', prefix: str = './') -> Path:
    """Write an archive."""
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(prefix + name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def read_zip(content: bytes) -> dict[str, bytes]:
    """Return the records of a zip archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_zip(records: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip archive with sound checksums."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w', compression) as archive:
        for name, content in records.items():
            archive.writestr(name, content)
    return buffer.getvalue()
