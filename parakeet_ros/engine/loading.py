"""From the name of a model to a loaded one."""

from __future__ import annotations

import logging
import os
from pathlib import Path
import time

from .checkpoint import read_checkpoint
from .device import resolve_device, resolve_dtype
from .errors import CheckpointError
from .model import build_model
from .tokenizer import Tokenizer
from .transcriber import Transcriber

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

    :param source: ``builtin`` for the packaged model, or the path of a ``.nemo`` file.
    :param device: ``auto`` (CUDA where there is a GPU), ``cpu``, ``cuda`` or ``cuda:N``.
    :param dtype: of the encoder: ``auto`` (float16 on CUDA, float32 on the CPU), ``float32``,
        ``float16`` or ``bfloat16``.
    :param head: of a hybrid model: ``transducer`` (what ``auto`` takes) or ``ctc``.
    :raises DeviceError: the device or number format is not there.
    :raises CheckpointError: the source is unknown, or its file missing, damaged or unsupported.
    """
    started = time.perf_counter()
    target = resolve_device(device)
    number_format = resolve_dtype(dtype, target)
    checkpoint = read_checkpoint(_resolve_source(source))
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


def _resolve_source(source: str | os.PathLike[str]) -> Path:
    """Return the file that a source stands for."""
    text = os.fspath(source)
    if text == 'builtin':
        return BUILTIN_MODEL
    if text.endswith('.nemo') or Path(text).is_file():
        return Path(text)
    raise CheckpointError(f"unknown model source '{text}'; give 'builtin' for the packaged model "
                          'or the path of a .nemo file')
