"""Where training starts: the content of a ``.nemo`` file, or random weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import os
from pathlib import Path
import re
from typing import Any

from parakeet_ros.engine.checkpoint import CONFIG_FILE, read_checkpoint
from parakeet_ros.engine.config import ModelConfig, parse_config
from parakeet_ros.engine.nemo_archive import open_archive
from parakeet_ros.engine.safe_yaml import parse_yaml
from parakeet_ros.engine.tokenizer import Tokenizer
from parakeet_ros.engine.weights import as_with_dropout
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
_LAYER = re.compile(r'encoder\.layers\.(\d+)\.(.+)')
# A module of a conformer layer without this is silent.
_LAST_OF_MODULES = ('feed_forward1.linear2', 'feed_forward2.linear2', 'self_attn.linear_out',
                    'conv.pointwise_conv2')


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

    def network(self, seed: int = 1, dropout: float = 0.1) -> TrainableModel:
        """
        Build the networks.

        :param seed: of the weights that ``state`` lacks; all processes of a run begin alike.
        :param dropout: after each module of the encoder.
        :raises ValueError: the model has no TDT head, so it cannot be trained here.
        """
        head = self.config.heads.get('transducer')
        if head is None or head.kind != 'tdt':
            raise ValueError('training needs a model with a TDT head; this one has '
                             f'{", ".join(h.kind for h in self.config.heads.values())}')
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = TrainableModel(self.config, dropout)
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
                  for name, tensor in as_with_dropout(checkpoint.state).items()})


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


def grown(start: Start, sizes: Sizes) -> Start:
    """
    Return a model with more layers or wider feed-forward parts that says what ``start`` says.

    Added hidden units are random and unheard, as are the modules of added layers, which are copies
    of the layer before; training lets them speak.  An added layer's last norm is one too many,
    which changes the output a little.

    :raises ValueError: something else differs, or a size is smaller.
    """
    old = start.config.encoder
    config = nemo_config(sizes, start.tokenizer.pieces)
    grown_start = Start(config, start.tokenizer_model, {})
    new = grown_start.config.encoder
    if new.n_layers < old.n_layers or new.feed_forward_factor < old.feed_forward_factor:
        raise ValueError(f'a model of {old.n_layers} layers with feed-forward factor '
                         f'{old.feed_forward_factor} can only grow')
    state = grown_start.network().nemo_state()
    source = _layer_sources(old.n_layers, new.n_layers)
    for name, value in state.items():
        match = _LAYER.fullmatch(name)
        if match is None:
            if name not in start.state or start.state[name].shape != value.shape:
                raise ValueError(f'{name} has another size; only layers and feed-forward '
                                 'parts can grow')
            state[name] = start.state[name]
            continue
        layer, part = int(match[1]), match[2]
        known = start.state[f'encoder.layers.{source[layer]}.{part}']
        if known.shape != value.shape:  # of a feed-forward part
            if part.endswith('linear2.weight'):
                value = torch.zeros_like(value)
            value[tuple(slice(size) for size in known.shape)] = known
            known = value
        if layer and source[layer] == source[layer - 1] and part.startswith(_LAST_OF_MODULES):
            known = torch.zeros_like(known)
        state[name] = known
    return Start(config, start.tokenizer_model, state)


def _layer_sources(n_old: int, n_new: int) -> list[int]:
    """Return which old layer each new one comes from, copies spread evenly, in order."""
    return [layer * n_old // n_new for layer in range(n_new)]


def _longest(known: dict[str, int], parts: Sequence[str]) -> int:
    """Return the id of the longest part that is known, or of the unknown piece."""
    return next((known[part] for part in reversed(parts) if part in known), 0)


def _pieces(tokenizer_model: bytes) -> list[str]:
    processor = sentencepiece.SentencePieceProcessor(model_proto=tokenizer_model)
    return [processor.id_to_piece(i) for i in range(processor.get_piece_size())]
