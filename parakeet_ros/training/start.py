"""Where training starts: the content of a ``.nemo`` file, or random weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import os
from pathlib import Path
from typing import Any

from parakeet_ros.engine.checkpoint import CONFIG_FILE, read_checkpoint
from parakeet_ros.engine.config import ModelConfig, parse_config
from parakeet_ros.engine.nemo_archive import open_archive
from parakeet_ros.engine.safe_yaml import parse_yaml
from parakeet_ros.engine.tokenizer import Tokenizer
import sentencepiece
import torch
from torch import Tensor

from .architecture import nemo_config, Sizes
from .network import TrainableModel

_CONFIG_LIMIT_BYTES = 4 * 2**20
# Tensors with one row a token, blank after the last token, and in the joint the durations.
_EMBEDDING = 'decoder.prediction.embed.weight'
_OUTPUTS = ('joint.joint_net.2.weight', 'joint.joint_net.2.bias',
            'ctc_decoder.decoder_layers.0.weight', 'ctc_decoder.decoder_layers.0.bias')


@dataclass(frozen=True)
class Start:
    """A model before training: NeMo's configuration, the tokenizer, and weights, if any."""

    raw_config: dict[str, Any]
    tokenizer_model: bytes
    state: dict[str, Tensor]  # under NeMo's names; empty for a fresh model

    @property
    def config(self) -> ModelConfig:
        """Return the configuration as the engine reads it."""
        return parse_config(self.raw_config, 'the model to train')

    @property
    def tokenizer(self) -> Tokenizer:
        """Return the tokenizer."""
        return Tokenizer(self.tokenizer_model, self.config.vocab_size, 'the model to train')

    def network(self, seed: int = 1) -> TrainableModel:
        """
        Build the networks.

        :param seed: of the weights that ``state`` lacks; all processes of a run begin alike.
        :raises ValueError: the model has no TDT head, so it cannot be trained here.
        """
        head = self.config.heads.get('transducer')
        if head is None or head.kind != 'tdt':
            raise ValueError('training needs a model with a TDT head; this one has '
                             f'{", ".join(h.kind for h in self.config.heads.values())}')
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = TrainableModel(self.config)
        network.load_nemo_state(self.state)
        return network


def fresh_start(sizes: Sizes, tokenizer_model: bytes) -> Start:
    """Return a model of some size with random weights."""
    return Start(nemo_config(sizes, _pieces(tokenizer_model)), tokenizer_model, {})


def read_start(path: str | os.PathLike[str]) -> Start:
    """
    Read a ``.nemo`` file.

    :raises CheckpointError: it is missing, damaged, or unsupported.
    """
    checkpoint = read_checkpoint(path)
    with open_archive(Path(path)) as archive:
        origin = f'{path}: {CONFIG_FILE}'
        raw = parse_yaml(archive.read_small(CONFIG_FILE, _CONFIG_LIMIT_BYTES), origin)
    return Start(dict(raw), checkpoint.tokenizer_model,
                 {name: tensor.float() if tensor.is_floating_point() else tensor
                  for name, tensor in checkpoint.state.items()})


def with_tokenizer(start: Start, sizes: Sizes, tokenizer_model: bytes) -> Start:
    """
    Change the vocabulary and keep what was learned.

    Pieces that both vocabularies have keep their rows.  A new piece is written like the longest
    old piece that it begins with, and remembered like the longest one that it ends with.
    """
    old = {piece: i for i, piece in enumerate(start.tokenizer.pieces)}
    pieces = _pieces(tokenizer_model)
    begins = [_longest(old, [piece[:n] for n in range(1, len(piece) + 1)]) for piece in pieces]
    ends = [_longest(old, [piece[-n:] for n in range(1, len(piece) + 1)]) for piece in pieces]
    state = dict(start.state)
    for name in state.keys() & {_EMBEDDING, *_OUTPUTS}:
        rows = ends if name == _EMBEDDING else begins
        kept = state[name][len(old):]  # blank, durations
        state[name] = torch.cat((state[name][rows], kept))
    return Start(nemo_config(sizes, pieces), tokenizer_model, state)


def _longest(known: dict[str, int], parts: Sequence[str]) -> int:
    """Return the id of the longest part that is known, or of the unknown piece."""
    return next((known[part] for part in reversed(parts) if part in known), 0)


def _pieces(tokenizer_model: bytes) -> list[str]:
    processor = sentencepiece.SentencePieceProcessor(model_proto=tokenizer_model)
    return [processor.id_to_piece(i) for i in range(processor.get_piece_size())]
