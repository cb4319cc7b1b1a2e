"""From the name of a model to a loaded one."""

from __future__ import annotations

import logging
import os
from pathlib import Path
import time

from .checkpoint import Checkpoint, read_checkpoint
from .device import resolve_device, resolve_dtype
from .errors import CheckpointError
from .hub import fetch, is_hub_id
from .model import build_model
from .tokenizer import Tokenizer
from .transcriber import Transcriber
from .transformers_folder import read_transformers_folder

BUILTIN_MODEL = Path(__file__).parent.parent / 'models' / 'commands-v0.nemo'

_logger = logging.getLogger(__name__)


def load_model(
    source: str | os.PathLike[str],
    device: str = 'auto',
    dtype: str = 'auto',
    head: str = 'auto',
) -> Transcriber:
    """
    Load a model, ready to transcribe.

    :param source: ``builtin`` for the packaged model; the path of a ``.nemo`` file or of a folder
        in the format of transformers; or ``org/name`` or ``org/name@revision`` on the Hugging
        Face hub, fetched unless it is in the cache.  A path that exists comes first.
    :param device: ``auto`` (CUDA where there is a GPU), ``cpu``, ``cuda`` or ``cuda:N``.
    :param dtype: of the encoder: ``auto`` (float16 on CUDA, float32 on the CPU), ``float32``,
        ``float16`` or ``bfloat16``.
    :param head: of a hybrid model: ``transducer`` (what ``auto`` takes) or ``ctc``.
    :raises DeviceError: the device or number format is not there.
    :raises CheckpointError: the source is unknown, or its file missing, damaged or unsupported;
        a ``ModelNotFoundError`` where it cannot be fetched from the hub.
    """
    started = time.perf_counter()
    target = resolve_device(device)
    number_format = resolve_dtype(dtype, target)
    checkpoint = read_model(source)
    tokenizer = Tokenizer(
        checkpoint.tokenizer_model, checkpoint.config.vocab_size, str(checkpoint.path)
    )
    model = build_model(checkpoint, target, number_format, head)
    transcriber = Transcriber(model, tokenizer, name=os.fspath(source))
    _logger.info(
        'loaded %s: %.2f M parameters on %s, encoder in %s, in %.2f s',
        transcriber.name, transcriber.n_parameters / 1e6, target,
        str(number_format).removeprefix('torch.'),
        time.perf_counter() - started,
    )
    return transcriber


def read_model(source: str | os.PathLike[str]) -> Checkpoint:
    """
    Read a model without building it; ``load_model`` documents the source.

    :raises CheckpointError: as there.
    """
    path = _find(os.fspath(source))
    return read_transformers_folder(path) if path.is_dir() else read_checkpoint(path)


def _find(source: str) -> Path:
    """Return the file or folder that a source stands for."""
    if source == 'builtin':
        return BUILTIN_MODEL
    path = Path(source).expanduser()
    if source and path.exists() or source.endswith('.nemo'):
        return path
    if is_hub_id(source):
        return fetch(source)
    raise CheckpointError(
        f"unknown model source '{source}'; give 'builtin' for the packaged model, the path of a "
        '.nemo file or of a model folder that exists, or org/name[@revision] on the Hugging Face '
        'hub'
    )
