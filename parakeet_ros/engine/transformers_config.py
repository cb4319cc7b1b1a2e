"""
``config.json`` of transformers (5.23) put in the terms of NeMo's ``model_config.yaml``.

transformers converts NVIDIA's checkpoints and leaves out what all of them share.  Here it is put
back, so that one place, ``config.py``, decides what the engine supports.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .config_section import Section

TOKENIZER_FILE = 'tokenizer.json'
# The filters are computed, so that a hostile file could ask for any amount of memory.
_MAX_MELS = 512
_MAX_FFT_SAMPLES = 8192
_MODEL_TYPES = ('parakeet_tdt', 'parakeet_rnnt', 'parakeet_ctc')


def nemo_config(
    model: Mapping[str, Any], extractor: Mapping[str, Any], origin: str
) -> dict[str, Any]:
    """
    Return what a ``.nemo`` file of the same model would say.

    :param model: the parsed ``config.json``.
    :param extractor: the parameters of its feature extractor.
    :param origin: the name of ``config.json``, for messages.
    :raises CheckpointError: a key is missing, has the wrong type, or contradicts another.
    :raises UnsupportedModelError: another architecture, or a variant without a counterpart.
    """
    root = Section(model, origin)
    model_type = root.require('model_type', _MODEL_TYPES, default=None)
    encoder = root.section('encoder_config')
    head = _ctc(root) if model_type == 'parakeet_ctc' else _transducer(root, encoder)
    return {
        'preprocessor': _preprocessor(Section(extractor, origin, 'feature_extractor')),
        'encoder': _encoder(encoder),
        'tokenizer': {'type': 'bpe', 'model_path': TOKENIZER_FILE},
        **head,
    }


def _preprocessor(section: Section) -> dict[str, Any]:
    section.require('feature_extractor_type', (None, 'ParakeetFeatureExtractor'), default=None)
    return {
        'sample_rate': section.integer('sampling_rate', default=16_000),
        'features': section.integer('feature_size', default=80, maximum=_MAX_MELS),
        'n_fft': section.integer('n_fft', default=512, maximum=_MAX_FFT_SAMPLES),
        'n_window_size': section.integer(
            'win_length', default=400, maximum=_MAX_FFT_SAMPLES),
        'n_window_stride': section.integer('hop_length', default=160),
        'preemph': section.number('preemphasis', default=0.97),
    }


def _encoder(section: Section) -> dict[str, Any]:
    section.require('hidden_act', ('silu',), default='silu')
    section.require('subsampling_conv_kernel_size', (3,), default=3)
    section.require('subsampling_conv_stride', (2,), default=2)
    d_model = section.integer('hidden_size', default=1024)
    feed_forward = section.integer('intermediate_size', default=4096)
    if feed_forward % d_model:
        raise section.error('intermediate_size', f'not a multiple of hidden_size, {d_model}')
    use_bias = section.boolean('attention_bias', default=True)
    if section.boolean('convolution_bias', default=True) != use_bias:
        raise section.unsupported('convolution_bias', not use_bias, 'the same as attention_bias')
    return {
        'subsampling': 'dw_striding',
        'subsampling_factor': section.integer('subsampling_factor', default=8),
        'subsampling_conv_channels': section.integer('subsampling_conv_channels', default=256),
        'feat_in': section.integer('num_mel_bins', default=80),
        'n_layers': section.integer('num_hidden_layers', default=24),
        'n_heads': section.integer('num_attention_heads', default=8),
        'd_model': d_model,
        'ff_expansion_factor': feed_forward // d_model,
        'conv_kernel_size': section.integer('conv_kernel_size', default=9),
        'use_bias': use_bias,
        'xscaling': section.boolean('scale_input', default=True),
    }


def _ctc(root: Section) -> dict[str, Any]:
    """Describe the CTC head; its padding token is what NeMo calls blank."""
    return {'decoder': {'num_classes': _n_tokens(root, blank_key='pad_token_id', default=1025)}}


def _transducer(root: Section, encoder: Section) -> dict[str, Any]:
    """Describe the prediction network and joint, which share one width in transformers."""
    n_tokens = _n_tokens(root, blank_key='blank_token_id', default=8193)
    size = root.integer('decoder_hidden_size', default=640)
    is_tdt = root.get('model_type') == 'parakeet_tdt'
    durations = (root.get('durations') or [0, 1, 2, 3, 4]) if is_tdt else []
    if not isinstance(durations, list):
        raise root.error('durations', 'expected a list')
    return {
        'decoder': {
            'vocab_size': n_tokens,
            'prednet': {
                'pred_hidden': size,
                'pred_rnn_layers': root.integer('num_decoder_layers', default=2),
            },
        },
        'joint': {
            'num_classes': n_tokens,
            'num_extra_outputs': len(durations),
            'jointnet': {
                'joint_hidden': size,
                'activation': root.require('hidden_act', ('relu', 'sigmoid', 'tanh'),
                                           default='relu'),
                'encoder_hidden': encoder.integer('hidden_size', default=1024),
            },
        },
        'decoding': {
            'model_type': 'tdt' if is_tdt else 'rnnt',
            'durations': durations,
            'greedy': {'max_symbols': root.integer('max_symbols_per_step', default=10)},
        },
    }


def _n_tokens(root: Section, blank_key: str, default: int) -> int:
    """Return the tokens without blank, which has to come last."""
    n_outputs = root.integer('vocab_size', default=default, minimum=2)
    if root.integer(blank_key, default=n_outputs - 1, minimum=0) != n_outputs - 1:
        raise root.unsupported(blank_key, root.get(blank_key), f'the last id, {n_outputs - 1}')
    return n_outputs - 1
