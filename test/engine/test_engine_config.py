"""The configuration of every public family is read; what the engine lacks is refused by name."""

from __future__ import annotations

import copy
from typing import Any

from parakeet_ros.engine import CheckpointError, UnsupportedModelError
from parakeet_ros.engine.config import parse_config
from parakeet_ros.engine.head_config import CtcConfig
import pytest

MODULES = 'nemo.collections.asr.modules.'
MODELS = 'nemo.collections.asr.models.'
DURATIONS = [0, 1, 2, 3, 4]
# Known in NeMo's configurations, without a part in inference.
BYSTANDERS = {
    'sample_rate': 16_000, 'compute_eval_loss': False, 'log_prediction': True,
    'rnnt_reduction': 'mean_volume', 'skip_nan_grad': False, 'use_cer': False,
    'train_ds': {'manifest_filepath': None, 'batch_size': 16}, 'validation_ds': {'shuffle': False},
    'test_ds': {'manifest_filepath': None}, 'optim': {'name': 'adamw', 'lr': 1e-3},
    'spec_augment': {'_target_': MODULES + 'SpectrogramAugmentation', 'freq_masks': 2},
    'interctc': {'loss_weights': [], 'apply_at_layers': []}, 'nemo_version': '2.5.0rc0',
}


def encoder(n_mels: int, d_model: int, n_layers: int, **changes: Any) -> dict[str, Any]:
    """Return the front end and encoder sections as NeMo's offline FastConformer has them."""
    return {
        'preprocessor': {
            '_target_': MODULES + 'AudioToMelSpectrogramPreprocessor', 'sample_rate': 16_000,
            'normalize': 'per_feature', 'window_size': 0.025, 'window_stride': 0.01,
            'window': 'hann', 'features': n_mels, 'n_fft': 512, 'log': True, 'frame_splicing': 1,
            'dither': 1e-5, 'pad_to': 0, 'pad_value': 0.0,
        },
        'encoder': {
            '_target_': MODULES + 'ConformerEncoder', 'feat_in': n_mels, 'feat_out': -1,
            'n_layers': n_layers, 'd_model': d_model, 'subsampling': 'dw_striding',
            'subsampling_factor': 8, 'subsampling_conv_channels': 256,
            'causal_downsampling': False, 'reduction': None, 'reduction_position': None,
            'reduction_factor': 1, 'ff_expansion_factor': 4, 'self_attention_model': 'rel_pos',
            'n_heads': 8, 'att_context_size': [-1, -1], 'att_context_style': 'regular',
            'att_context_probs': None, 'untie_biases': True, 'pos_emb_max_len': 5000,
            'use_pytorch_sdpa': False, 'use_pytorch_sdpa_backends': [], 'global_tokens': 0,
            'global_tokens_spacing': 1, 'global_attn_separate': False, 'conv_kernel_size': 9,
            'conv_norm_type': 'batch_norm', 'conv_context_size': None, 'dropout': 0.1,
            'dropout_pre_encoder': 0.1, 'dropout_emb': 0.0, 'dropout_att': 0.1,
            'stochastic_depth_drop_prob': 0.0, 'stochastic_depth_mode': 'linear',
            'stochastic_depth_start_layer': 1, **changes,
        },
    }


def transducer(d_model: int, vocab_size: int, lstm_layers: int) -> dict[str, Any]:
    """Return the sections of an RNN-T head."""
    return {
        'labels': [f'piece{i}' for i in range(vocab_size)],
        'model_defaults': {'enc_hidden': d_model, 'pred_hidden': 640, 'joint_hidden': 640},
        'decoder': {
            '_target_': MODULES + 'RNNTDecoder', 'normalization_mode': None,
            'random_state_sampling': False, 'blank_as_pad': True, 'vocab_size': vocab_size,
            'prednet': {'pred_hidden': 640, 'pred_rnn_layers': lstm_layers, 't_max': None,
                        'dropout': 0.2},
        },
        'joint': {
            '_target_': MODULES + 'RNNTJoint', 'log_softmax': None, 'preserve_memory': False,
            'fuse_loss_wer': True, 'fused_batch_size': 4, 'num_classes': vocab_size,
            'vocabulary': [f'piece{i}' for i in range(vocab_size)],
            'jointnet': {'joint_hidden': 640, 'activation': 'relu', 'dropout': 0.2,
                         'encoder_hidden': d_model, 'pred_hidden': 640},
        },
        'decoding': {
            'strategy': 'greedy_batch', 'model_type': 'rnnt', 'durations': [],
            'big_blank_durations': [], 'greedy': {'max_symbols': 10},
            'beam': {'beam_size': 2, 'score_norm': True}, 'compute_timestamps': None,
        },
        'loss': {'loss_name': 'default', 'warprnnt_numba_kwargs': {'fastemit_lambda': 0.0}},
        'target': MODELS + 'rnnt_bpe_models.EncDecRNNTBPEModel',
    }


def tdt(d_model: int, vocab_size: int, lstm_layers: int) -> dict[str, Any]:
    """Return the sections of a TDT head."""
    config = transducer(d_model, vocab_size, lstm_layers)
    config['model_defaults'] |= {'tdt_durations': DURATIONS, 'num_tdt_durations': 5}
    config['joint']['num_extra_outputs'] = 5
    config['decoding'] |= {'model_type': 'tdt', 'durations': DURATIONS}
    config['loss'] = {'loss_name': 'tdt', 'tdt_kwargs': {'durations': DURATIONS, 'sigma': 0.02}}
    return config


def ctc(vocab_size: int, d_model: int | None) -> dict[str, Any]:
    """Return the sections of a CTC head."""
    return {
        'decoder': {'_target_': MODULES + 'ConvASRDecoder', 'feat_in': d_model,
                    'num_classes': vocab_size,
                    'vocabulary': [f'piece{i}' for i in range(vocab_size)]},
        'decoding': {'strategy': 'greedy_batch', 'preserve_alignments': None},
    }


def family(*parts: dict[str, Any]) -> dict[str, Any]:
    """Put a whole configuration together."""
    tokenizer = {'dir': None, 'type': 'bpe', 'model_path': 'nemo:0123abcd_tokenizer.model',
                 'vocab_path': 'nemo:0123abcd_vocab.txt',
                 'spe_tokenizer_vocab': 'nemo:0123abcd_tokenizer.vocab'}
    merged = {**BYSTANDERS, 'tokenizer': tokenizer}
    for part in parts:
        merged |= part
    return copy.deepcopy(merged)


HYBRID = {'target': MODELS + 'hybrid_rnnt_ctc_bpe_models.EncDecHybridRNNTCTCBPEModel'}
CTC_MODEL = {'target': MODELS + 'ctc_bpe_models.EncDecCTCModelBPE', 'ctc_reduction': 'mean_volume'}


def aux_ctc(vocab_size: int) -> dict[str, Any]:
    """Return a hybrid's second head."""
    return {'aux_ctc': {'ctc_loss_weight': 0.3, 'use_cer': False, 'ctc_reduction': 'mean_batch',
                        **ctc(vocab_size, None)}}


# Name -> configuration, heads, and what the first head says of itself.
FAMILIES = {
    'tdt-0.6b-v2': (family(encoder(128, 1024, 24, use_bias=False, xscaling=False),
                           tdt(1024, 1024, 2)), ['transducer'], ('tdt', 1024)),
    'tdt-0.6b-v3': (family(encoder(128, 1024, 24, use_bias=False, xscaling=False),
                           tdt(1024, 8192, 2)), ['transducer'], ('tdt', 8192)),
    'tdt-1.1b': (family(encoder(80, 1024, 42, use_bias=False, xscaling=False),
                        tdt(1024, 1024, 2)), ['transducer'], ('tdt', 1024)),
    'tdt_ctc-110m': (family(encoder(80, 512, 17), tdt(512, 1024, 1), aux_ctc(1024), HYBRID),
                     ['transducer', 'ctc'], ('tdt', 1024)),
    'tdt_ctc-1.1b': (family(encoder(80, 1024, 42, use_bias=False, xscaling=False),
                            tdt(1024, 1024, 2), aux_ctc(1024), HYBRID),
                     ['transducer', 'ctc'], ('tdt', 1024)),
    'rnnt-0.6b': (family(encoder(80, 1024, 24), transducer(1024, 1024, 2)),
                  ['transducer'], ('rnnt', 1024)),
    'rnnt-1.1b': (family(encoder(80, 1024, 42, conv_kernel_size=5), transducer(1024, 1024, 2)),
                  ['transducer'], ('rnnt', 1024)),
    'ctc-0.6b': (family(encoder(80, 1024, 24), ctc(1024, 1024), CTC_MODEL),
                 ['ctc'], ('ctc', 1024)),
    'ctc-1.1b': (family(encoder(80, 1024, 42), ctc(1024, 1024), CTC_MODEL),
                 ['ctc'], ('ctc', 1024)),
}


@pytest.mark.parametrize('name', FAMILIES)
def test_every_public_family_is_read(name):
    raw, heads, (kind, vocab_size) = FAMILIES[name]
    config = parse_config(raw, name)
    assert list(config.heads) == heads
    head = config.heads[heads[0]]
    assert (head.kind, head.vocab_size, head.blank_id) == (kind, vocab_size, vocab_size)
    assert config.vocab_size == vocab_size
    assert config.encoder.n_layers == raw['encoder']['n_layers']
    assert config.encoder.xscaling == raw['encoder'].get('xscaling', True)  # absent means true
    assert config.encoder.use_bias == raw['encoder'].get('use_bias', True)
    assert config.tokenizer_file == '0123abcd_tokenizer.model'
    if kind == 'tdt':
        assert head.durations == (0, 1, 2, 3, 4)
    if 'ctc' in heads:
        module = 'ctc_decoder' if len(heads) > 1 else 'decoder'
        assert config.heads['ctc'] == CtcConfig(vocab_size, config.encoder.d_model, (module,))


def changed(name: str, path: str, value: Any) -> dict[str, Any]:
    """Return a family's configuration with one value changed."""
    raw = copy.deepcopy(FAMILIES[name][0])
    *sections, key = path.split('.')
    section = raw
    for part in sections:
        section = section[part]
    section[key] = value
    return raw


@pytest.mark.parametrize(('name', 'path', 'value', 'supported'), [
    ('tdt-0.6b-v3', 'target', MODELS + 'aed_multitask_models.EncDecMultiTaskModel',
     'EncDecRNNTBPEModel'),
    ('tdt-0.6b-v3', 'target', MODELS + 'multitalker_asr_models.EncDecMultiTalkerRNNTBPEModel',
     'EncDecRNNTBPEModel'),
    ('tdt-0.6b-v3', 'target', MODELS + 'asr_eou_models.EncDecRNNTBPEEOUModel',
     'EncDecRNNTBPEModel'),
    ('rnnt-0.6b', 'encoder.att_context_style', 'chunked_limited', 'regular'),
    ('rnnt-0.6b', 'encoder.att_context_size', [70, 13], '[-1, -1]'),
    ('rnnt-0.6b', 'encoder.conv_context_size', 'causal', '[4, 4]'),
    ('rnnt-0.6b', 'encoder.conv_norm_type', 'layer_norm', 'batch_norm'),
    ('rnnt-0.6b', 'encoder.causal_downsampling', True, 'False'),
    ('ctc-0.6b', 'encoder.self_attention_model', 'abs_pos', 'rel_pos'),
    ('rnnt-0.6b', 'encoder._target_', MODULES + 'SqueezeformerEncoder', 'ConformerEncoder'),
    ('rnnt-0.6b', 'preprocessor._target_', MODULES + 'AudioToMFCCPreprocessor',
     'AudioToMelSpectrogramPreprocessor'),
    ('rnnt-0.6b', 'decoder._target_', MODULES + 'StatelessTransducerDecoder', 'RNNTDecoder'),
    ('rnnt-0.6b', 'joint._target_', MODULES + 'HATJoint', 'RNNTJoint'),
    ('rnnt-0.6b', 'decoding.model_type', 'multiblank', 'rnnt'),
    ('tdt-0.6b-v3', 'joint.num_extra_outputs', 0, 'one output a duration'),
    ('ctc-0.6b', 'decoder._target_', MODULES + 'LSTMDecoder', 'ConvASRDecoder'),
    ('ctc-0.6b', 'tokenizer.type', 'agg', 'bpe'),
])
def test_another_architecture_is_refused_by_key_value_and_choice(name, path, value, supported):
    with pytest.raises(UnsupportedModelError) as caught:
        parse_config(changed(name, path, value), 'model.nemo')
    key, _, choices = str(caught.value).partition('supported: ')
    if path.endswith(('target', '_target_')):
        value = value.rpartition('.')[2]
    assert f"model.nemo: config key '{path}' is {value!r}" in key
    assert supported in choices


@pytest.mark.parametrize(('name', 'path', 'value'), [
    ('tdt-0.6b-v3', 'decoding.durations', [0, 1]),
    ('tdt-0.6b-v3', 'decoding.durations', [0, 0, 0, 0, 0]),
    ('tdt-0.6b-v3', 'joint.num_classes', 5),
    ('tdt_ctc-110m', 'aux_ctc.decoder.num_classes', 5),
    ('ctc-0.6b', 'decoder.num_classes', 5),
    ('ctc-0.6b', 'decoder.vocabulary', 'abc'),
])
def test_sections_that_contradict_each_other_are_refused(name, path, value):
    with pytest.raises(CheckpointError, match=f"config key '{path}' is"):
        parse_config(changed(name, path, value), 'model.nemo')


@pytest.mark.parametrize('path', ['decoding.durations', 'model_defaults.tdt_durations'])
def test_durations_are_found_in_any_of_their_places(path):
    raw = changed('tdt-0.6b-v3', path, None)
    assert parse_config(raw, 'model').heads['transducer'].durations == (0, 1, 2, 3, 4)


@pytest.mark.parametrize(('num_classes', 'vocabulary'), [(-1, ['a', 'b']), (2, None), (2, [])])
def test_a_ctc_vocabulary_is_sized_by_either_key(num_classes, vocabulary):
    raw = changed('ctc-0.6b', 'decoder.num_classes', num_classes)
    raw['decoder']['vocabulary'] = vocabulary
    assert parse_config(raw, 'model').vocab_size == 2


def test_a_model_without_any_head_is_refused():
    raw = family(encoder(80, 512, 17), {'transf_decoder': {}})
    with pytest.raises(UnsupportedModelError, match='a transducer head.*or a CTC head'):
        parse_config(raw, 'model')
