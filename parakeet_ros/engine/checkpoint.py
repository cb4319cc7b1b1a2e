"""
A ``.nemo`` file: configuration, tokenizer and weights, read without running or unpacking it.

The tensors keep NeMo's names here; ``weights.py`` maps them to ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import hashlib
import os
from pathlib import Path
from typing import Any

from torch import Tensor

from .config import ModelConfig, parse_config
from .nemo_archive import open_archive
from .nemo_weights import NemoWeights
from .safe_yaml import parse_yaml

CONFIG_FILE = 'model_config.yaml'
WEIGHTS_FILE = 'model_weights.ckpt'
# The largest public configuration has 160 KB and the largest tokenizer 0.5 MB.
_CONFIG_LIMIT_BYTES = 4 * 2**20
_TOKENIZER_LIMIT_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Checkpoint:
    """The content of a model file."""

    path: Path
    config: ModelConfig
    raw_config: dict[str, Any]  # as NeMo writes it; what `config` was parsed from
    tokenizer_model: bytes  # a serialised SentencePiece model
    state: dict[str, Tensor]  # under NeMo's names, on the CPU, in the stored dtype
    # Forgets the pages of the file that `state` has been read from so far, if it is mapped.
    release: Callable[[], None] = lambda: None


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """
    Read a ``.nemo`` file; of a plain one the tensors stay in the file, mapped into memory.

    :raises CheckpointError: the file is missing, is no ``.nemo`` archive, lacks a member, or a
        member is damaged; the message names the file, the member, the problem and the remedy.
    """
    path = Path(path)
    with open_archive(path) as archive:
        origin = f'{path}: {CONFIG_FILE}'
        raw = parse_yaml(archive.read_small(CONFIG_FILE, _CONFIG_LIMIT_BYTES), origin)
        config = parse_config(raw, origin)
        tokenizer_model = archive.read_small(config.tokenizer_file, _TOKENIZER_LIMIT_BYTES)
        weights = NemoWeights(archive.region(WEIGHTS_FILE), f'{path}: {WEIGHTS_FILE}')
        weights.verify()
        return Checkpoint(
            path, config, raw, tokenizer_model, weights.tensors(), weights.region.release)


def nemo_fingerprint(path: Path) -> bytes | None:
    """
    Return what tells the content of a ``.nemo`` file from any other, without reading the weights.

    It rests on the checksums in the file, so it is that of sound content.  A gzipped one would
    have to be unpacked: it has none.

    :raises CheckpointError: as ``read_checkpoint``.
    """
    with open_archive(path) as archive:
        if not archive.is_plain:
            return None
        weights = NemoWeights(archive.region(WEIGHTS_FILE), f'{path}: {WEIGHTS_FILE}')
        return hashlib.sha256(
            archive.digest(without=WEIGHTS_FILE) + weights.digest()).digest()
