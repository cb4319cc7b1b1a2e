"""
Configuration of the heads that turn encoder frames into tokens: transducer (TDT, RNN-T) and CTC.

A hybrid model has one of each on the same encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .config_section import Section


@dataclass(frozen=True)
class TransducerConfig:
    """Prediction network, joint, and how the checkpoint wants them decoded."""

    vocab_size: int  # tokens, without blank
    encoder_size: int
    prediction_size: int
    prediction_layers: int
    joint_size: int
    activation: str
    durations: tuple[int, ...]  # encoder frames that a TDT prediction may skip; none for RNN-T
    max_symbols: int  # tokens on one encoder frame before time is forced on

    @property
    def nemo_modules(self) -> tuple[str, ...]:
        """Return what a checkpoint calls the modules of the head."""
        return ('decoder', 'joint')

    @property
    def kind(self) -> str:
        """Return ``tdt`` or ``rnnt``."""
        return 'tdt' if self.durations else 'rnnt'

    @property
    def blank_id(self) -> int:
        """Return the id of blank: the row after the last token."""
        return self.vocab_size


@dataclass(frozen=True)
class CtcConfig:
    """One linear layer over each encoder frame."""

    vocab_size: int  # tokens, without blank
    encoder_size: int
    nemo_modules: tuple[str, ...]  # what a checkpoint calls the one module of the head

    @property
    def kind(self) -> str:
        """Return ``ctc``."""
        return 'ctc'

    @property
    def blank_id(self) -> int:
        """Return the id of blank: the row after the last token."""
        return self.vocab_size


HeadConfig = TransducerConfig | CtcConfig


def parse_heads(root: Section, encoder_size: int) -> dict[str, HeadConfig]:
    """
    Read the heads that the model declares, the one that NeMo decodes with by default first.

    Whether a hybrid's weights hold its CTC head shows only when they are loaded.

    :raises CheckpointError: a key is missing, has the wrong type, or contradicts another.
    :raises UnsupportedModelError: neither kind of head, or one with an unknown feature.
    """
    heads: dict[str, HeadConfig] = {}
    if 'joint' in root:
        heads['transducer'] = _transducer(root, encoder_size)
        if 'decoder' in root.section('aux_ctc'):
            heads['ctc'] = _ctc(root.section('aux_ctc').section('decoder'), encoder_size,
                                nemo_module='ctc_decoder',
                                vocab_size=heads['transducer'].vocab_size)
    else:
        decoder = root.section('decoder')
        if 'num_classes' not in decoder:
            raise root.unsupported('joint', None, 'a transducer head (decoder and joint), or a '
                                                  'CTC head (decoder.num_classes)')
        heads['ctc'] = _ctc(decoder, encoder_size, nemo_module='decoder')
    return heads


def _ctc(
    section: Section, encoder_size: int, nemo_module: str, vocab_size: int | None = None
) -> CtcConfig:
    """Read a ``ConvASRDecoder``; in a hybrid it has the transducer's ``vocab_size``."""
    section.require_class(('ConvASRDecoder',))
    section.require('add_blank', (True,), default=True)
    section.require('feat_in', (None, -1, encoder_size), default=None)
    vocabulary = section.get('vocabulary') or []
    if not isinstance(vocabulary, Sequence) or isinstance(vocabulary, str):
        raise section.error('vocabulary', 'expected a list of pieces')
    declared = section.integer('num_classes', default=-1, minimum=-1)
    expected = vocab_size or len(vocabulary) or declared
    if expected < 1 or declared not in (-1, 0, expected):
        raise section.error('num_classes', f'but the vocabulary has {max(expected, 0)} pieces')
    return CtcConfig(expected, encoder_size, (nemo_module,))


def _transducer(root: Section, encoder_size: int) -> TransducerConfig:
    """Read ``decoder``, ``joint`` and ``decoding`` of a TDT or RNN-T model."""
    decoder, joint = root.section('decoder'), root.section('joint')
    decoder.require_class(('RNNTDecoder',))
    joint.require_class(('RNNTJoint', 'SampledRNNTJoint'))  # they differ in training only
    prednet, jointnet = decoder.section('prednet'), joint.section('jointnet')
    decoder.require('normalization_mode', (None,), default=None)
    decoder.require('blank_as_pad', (True,), default=True)
    prediction_size = prednet.integer('pred_hidden', default=None)
    prednet.require('rnn_hidden_size', (None, -1, prediction_size), default=-1)
    durations = _durations(root, joint)
    vocab_size = decoder.integer('vocab_size', default=None)
    if joint.integer('num_classes', default=vocab_size) != vocab_size:
        raise joint.error('num_classes', f'but decoder.vocab_size is {vocab_size}')
    if jointnet.integer('encoder_hidden', default=encoder_size) != encoder_size:
        raise jointnet.error('encoder_hidden', f'but encoder.d_model is {encoder_size}')
    return TransducerConfig(
        vocab_size=vocab_size,
        encoder_size=encoder_size,
        prediction_size=prediction_size,
        prediction_layers=prednet.integer('pred_rnn_layers', default=1, maximum=100),
        joint_size=jointnet.integer('joint_hidden', default=None),
        activation=jointnet.require('activation', ('relu', 'sigmoid', 'tanh'), default='relu'),
        durations=durations,
        max_symbols=_max_symbols(root),
    )


def _durations(root: Section, joint: Section) -> tuple[int, ...]:
    """
    Find the set of durations and check it against the joint's extra outputs.

    NeMo decodes as TDT where durations are given, else as RNN-T.
    """
    n_extra = joint.integer('num_extra_outputs', default=0, minimum=0)
    decoding = root.section('decoding')
    places = (
        (decoding, 'durations'),
        (root.section('model_defaults'), 'tdt_durations'),
        (root.section('loss').section('tdt_kwargs'), 'durations'),
    )
    section, key = next(((section, key) for section, key in places if section.get(key)),
                        places[0])
    value = section.get(key)
    if not value and not n_extra:
        decoding.require('model_type', ('rnnt',), default='rnnt')
        return ()
    decoding.require('model_type', ('tdt',), default='tdt')
    if not n_extra:
        raise joint.unsupported('num_extra_outputs', n_extra, 'one output a duration, for TDT')
    if not _are_durations(value) or len(value) != n_extra:
        raise section.error(key, f'not {n_extra} whole numbers of 0 to 1000, one above 0')
    return tuple(value)


def _are_durations(value: Any) -> bool:
    """Tell whether the value is a list of durations with which decoding always ends."""
    return (
        isinstance(value, list)
        and all(type(item) is int and 0 <= item <= 1000 for item in value)
        and any(value)
    )


def _max_symbols(root: Section) -> int:
    """Read the limit of tokens on one frame, under either of NeMo's names; 10 when unset."""
    greedy = root.section('decoding').section('greedy')
    for key in ('max_symbols', 'max_symbols_per_step'):
        if greedy.get(key) is not None:
            return greedy.integer(key, default=10, maximum=1000)
    return 10
