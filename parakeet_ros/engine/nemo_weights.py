"""
``model_weights.ckpt``: a PyTorch zip archive, unpickled without running anything in it.

torch does not look at the checksums of the archive, so that a flipped bit of a weight would go
unnoticed into the model.  They are compared here, which costs 0.6 s per GB (Zen 4, one core).
"""

from __future__ import annotations

from typing import IO
import zipfile

import torch
from torch import Tensor

from .errors import CheckpointError
from .nemo_archive import REMEDY

_ZIP_MAGIC = b'PK\x03\x04'
_BLOCK_BYTES = 4 * 2**20


def load_state(stream: IO[bytes], origin: str) -> dict[str, Tensor]:
    """
    Read the tensors, under NeMo's names.

    :param origin: the file and member, for messages.
    :raises CheckpointError: the archive is damaged, or holds anything but dense tensors.
    """
    if stream.read(len(_ZIP_MAGIC)) != _ZIP_MAGIC:  # keeps torch's legacy formats, which need
        raise CheckpointError(f'{origin}: not a PyTorch zip archive; {REMEDY}')  # trust, out
    _check_zip(stream, origin)
    stream.seek(0)
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
            raise CheckpointError(f'{origin}: entry {str(name)[:80]!r} is not a dense tensor')
    return state


def _check_zip(stream: IO[bytes], origin: str) -> None:
    """Compare every checksum; compressed or overlapping records, as in a zip bomb, are refused."""
    try:
        with zipfile.ZipFile(stream) as archive:
            records = archive.infolist()
            size = stream.seek(0, 2)
            if (any(record.compress_type != zipfile.ZIP_STORED for record in records)
                    or sum(record.file_size for record in records) > size):
                raise CheckpointError(f'{origin}: its records are compressed or overlap, which '
                                      f'PyTorch never writes; {REMEDY}')
            for record in records:
                with archive.open(record) as content:
                    while content.read(_BLOCK_BYTES):
                        pass  # at its end zipfile compares the checksum
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError, RuntimeError,
            OverflowError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f'{origin}: damaged ({error}); {REMEDY}') from error
