"""From the name of a model to a loaded one."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
import time

import torch

from .checkpoint import Checkpoint, nemo_fingerprint, read_checkpoint
from .config import parse_config
from .device import avoid_cudnn_attention, resolve_device, warn_of_rounding
from .errors import CheckpointError
from .formats import check_dtype, format_name, resolve_dtype
from .hub import fetch, is_hub_id
from .model import build_model, Model, restore_model
from .tokenizer import Tokenizer
from .transcriber import Transcriber
from .transformers_folder import folder_fingerprint, read_transformers_folder
from .weight_cache import code_digest, Prepared, WeightCache, WORTH_BYTES

BUILTIN_MODEL = Path(__file__).parent.parent / 'models' / 'commands-v9.nemo'

_logger = logging.getLogger(__name__)


def load_model(
    source: str | os.PathLike[str],
    device: str | torch.device = 'auto',
    dtype: str = 'auto',
    head: str = 'auto',
) -> Transcriber:
    """
    Load a model, ready to transcribe.

    :param source: ``builtin`` for the packaged model; the path of a ``.nemo`` file or of a folder
        in the format of transformers; or ``org/name`` or ``org/name@revision`` on the Hugging
        Face hub, fetched unless it is in the cache.  A path that exists comes first.
    :param device: ``auto`` (CUDA where there is a GPU), ``cpu``, ``cuda`` or ``cuda:N``,
        or torch's own.
    :param dtype: of the encoder: ``float32``, which is exact, ``float16``, ``bfloat16``, ``int8``
        (CPU only), or ``auto``: float16 on CUDA, on the CPU the fastest by measurement, but
        float32 for a small model.
    :param head: of a hybrid model: ``transducer`` (what ``auto`` takes) or ``ctc``.
    :raises DeviceError: the device or number format is not there.
    :raises CheckpointError: the source is unknown, or its file missing, damaged or unsupported;
        a ``ModelNotFoundError`` where it cannot be fetched from the hub.
    """
    started = time.perf_counter()
    target = resolve_device(str(device))
    check_dtype(dtype, target)
    warn_of_rounding(target)
    avoid_cudnn_attention(target)
    path = find_model(os.fspath(source))
    number_format = resolve_dtype(dtype, target, size_bytes(path))
    model, tokenizer_model = _load(path, target, number_format, head)
    tokenizer = Tokenizer(tokenizer_model, model.config.vocab_size, str(path))
    transcriber = Transcriber(model, tokenizer, name=os.fspath(source))
    _logger.info(
        'loaded %s: %.2f M parameters on %s, encoder in %s, in %.2f s',
        transcriber.name, transcriber.n_parameters / 1e6, target,
        format_name(number_format), time.perf_counter() - started,
    )
    return transcriber


def read_model(source: str | os.PathLike[str]) -> Checkpoint:
    """
    Read a model without building it; ``load_model`` documents the source.

    :raises CheckpointError: as there.
    """
    return _read(find_model(os.fspath(source)))


def _load(
    path: Path, device: torch.device, dtype: torch.dtype, head: str
) -> tuple[Model, bytes]:
    """Return the model and its tokenizer, from the cache of converted weights where it can."""
    cache = WeightCache.from_environment()
    key = cache_key(path, device, dtype, head) if cache else None
    if cache and key:
        prepared = cache.read(key)
        if prepared:
            try:
                model = restore_model(
                    parse_config(prepared.config, str(path)), prepared.state, device, dtype, head)
                model.finish(device, prepared.release)
                _logger.info('took converted weights from %s', cache.folder)
                return model, prepared.tokenizer_model
            except ValueError as error:
                _logger.warning('converted weights do not fit, converting again: %s', error)
                cache.remove(key)
    checkpoint = _read(path)
    model = build_model(checkpoint, device, dtype, head)
    if cache and key and key == cache_key(path, device, dtype, head):  # else the file has changed
        cache.write(key, Prepared(
            checkpoint.raw_config, checkpoint.tokenizer_model, model.state_dict()),
            f'{path.name}, {format_name(dtype)}')
    return model, checkpoint.tokenizer_model


def cache_key(path: Path, device: torch.device, dtype: torch.dtype, head: str) -> str | None:
    """
    Return what names the converted weights of a model, None if they are not worth keeping.

    It changes with the content of the model, the way of running it, and the code that converts.

    :raises CheckpointError: the model cannot be read.
    """
    try:
        fingerprint = _fingerprint(path)
    except OSError:  # a folder that will be refused
        return None
    if fingerprint is None:
        return None
    mode = f'{device.type} {dtype} {head} torch {torch.__version__}'
    return hashlib.sha256(fingerprint + code_digest() + mode.encode()).hexdigest()[:32]


def _fingerprint(path: Path) -> bytes | None:
    if size_bytes(path) < WORTH_BYTES:
        return None
    return folder_fingerprint(path) if path.is_dir() else nemo_fingerprint(path)


def size_bytes(path: Path) -> int:
    """Return the size of a file, or of the weights in a folder; 0 where there are none."""
    files = path.glob('*.safetensors') if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _read(path: Path) -> Checkpoint:
    return read_transformers_folder(path) if path.is_dir() else read_checkpoint(path)


def find_model(source: str) -> Path:
    """
    Return the file or folder that a source stands for; ``load_model`` documents it.

    :raises CheckpointError: there is none.
    """
    if source == 'builtin':
        return BUILTIN_MODEL
    path = Path(os.path.expanduser(source))  # as it is where there is no such user
    if source and path.exists() or source.endswith('.nemo'):
        return path
    if is_hub_id(source):
        return fetch(source)
    raise CheckpointError(
        f"unknown model source '{source}'; give 'builtin' for the packaged model, the path of a "
        '.nemo file or of a model folder that exists, or org/name[@revision] on the Hugging Face '
        'hub'
    )
