"""
Write a ``.nemo`` file: a plain tar of configuration, weights and tokenizer.

NeMo 3.0.0 restores it.  Weights are stored in float16, half the size of NeMo's own files: the
engine and NeMo both copy them into float32 networks.
"""

from __future__ import annotations

from collections.abc import Sequence
import io
import os
from pathlib import Path
import tarfile

from parakeet_ros.engine.checkpoint import CONFIG_FILE, WEIGHTS_FILE
from parakeet_ros.engine.tokenizer import WORD_START
from parakeet_ros.engine.weights import WITH_DROPOUT, WITHOUT_DROPOUT
import torch
from torch import Tensor
import yaml

from .network import CTC_MODULE, TrainableModel
from .start import Start

# Where float16 would do harm: power spectra times a filter, and counts.
_FULL_PRECISION = ('preprocessor.',)


def export(path: Path, start: Start, network: TrainableModel, half: bool = True) -> None:
    """
    Write a trained model.

    :param start: what training began with; its configuration and tokenizer stay.
    :param half: store the weights in float16.
    """
    state = {name: _stored(name, tensor, half) for name, tensor in network.nemo_state().items()
             if 'ctc' in start.config.heads or not name.startswith(CTC_MODULE)}
    if not start.raw_config['joint']['jointnet'].get('dropout'):
        state = {name.replace(WITH_DROPOUT, WITHOUT_DROPOUT): tensor
                 for name, tensor in state.items()}
    tokenizer = start.raw_config['tokenizer']
    members = {
        CONFIG_FILE: yaml.safe_dump(
            start.raw_config, allow_unicode=True, sort_keys=False).encode(),
        WEIGHTS_FILE: _archived(state),
        _member(tokenizer['model_path']): start.tokenizer_model,
        _member(tokenizer['vocab_path']): _vocabulary(start.tokenizer.pieces),
    }
    partial = path.with_name(f'{path.name}.partial')
    try:
        with tarfile.open(partial, 'w') as archive:
            for name, content in members.items():
                entry = tarfile.TarInfo(f'./{name}')
                entry.size = len(content)
                entry.mode = 0o644
                archive.addfile(entry, io.BytesIO(content))
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)  # there only if it does not fit on the disk


def _stored(name: str, tensor: Tensor, half: bool) -> Tensor:
    """Return a tensor in the dtype that the file gets."""
    if half and tensor.is_floating_point() and not name.startswith(_FULL_PRECISION):
        tensor = tensor.half()
    return tensor.cpu().contiguous()


def _archived(state: dict[str, Tensor]) -> bytes:
    """Return the weights as torch saves them."""
    content = io.BytesIO()
    torch.save(state, content)
    return content.getvalue()


def _member(path: str) -> str:
    """Return the archive's name of a file that the configuration points to."""
    return path.removeprefix('nemo:')


def _vocabulary(pieces: Sequence[str]) -> bytes:
    """Return NeMo's ``vocab.txt``: pieces inside a word begin with ``##``."""
    lines = [piece[1:] if piece.startswith(WORD_START) else f'##{piece}' for piece in pieces]
    return '\n'.join([*lines, '']).encode()
