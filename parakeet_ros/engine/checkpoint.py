"""
A ``.nemo`` file: configuration, tokenizer and weights, read without running or unpacking it.

The tensors keep NeMo's names here; ``weights.py`` maps them to ours.
"""

from __future__ import annotations

from dataclasses import dataclass
import os
from pathlib import Path

from torch import Tensor

from .config import ModelConfig, parse_config
from .nemo_archive import open_archive
from .nemo_weights import load_state
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
    tokenizer_model: bytes  # a serialised SentencePiece model
    state: dict[str, Tensor]  # under NeMo's names, on the CPU, in the stored dtype


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """
    Read a ``.nemo`` file.

    :raises CheckpointError: the file is missing, is no ``.nemo`` archive, lacks a member, or a
        member is damaged; the message names the file, the member, the problem and the remedy.
    """
    path = Path(path)
    with open_archive(path) as archive:
        origin = f'{path}: {CONFIG_FILE}'
        content = archive.read_small(CONFIG_FILE, _CONFIG_LIMIT_BYTES)
        config = parse_config(parse_yaml(content, origin), origin)
        tokenizer_model = archive.read_small(config.tokenizer_file, _TOKENIZER_LIMIT_BYTES)
        state = load_state(archive.stream(WEIGHTS_FILE), f'{path}: {WEIGHTS_FILE}')
    return Checkpoint(path, config, tokenizer_model, state)
