"""
The configuration of a new model, as NeMo writes it into ``model_config.yaml``.

A hybrid: a TDT head that decodes by default, and the CTC head that helped to train it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .corpus import SAMPLE_RATE_HZ

TOKENIZER_FILE, VOCABULARY_FILE = 'tokenizer.model', 'vocab.txt'


@dataclass(frozen=True)
class Sizes:
    """What may differ from one small model to another; the defaults are a first model's."""

    n_mels: int = 80
    n_layers: int = 6
    d_model: int = 144
    n_heads: int = 4
    feed_forward_factor: int = 4
    conv_kernel: int = 9
    subsampling_channels: int = 64
    prediction_size: int = 160
    prediction_layers: int = 1
    joint_size: int = 192
    durations: tuple[int, ...] = (0, 1, 2, 3, 4)


def nemo_config(sizes: Sizes, pieces: Sequence[str]) -> dict[str, Any]:
    """
    Return the configuration of a model for a vocabulary.

    :param pieces: of the tokenizer, by id.
    """
    modules = 'nemo.collections.asr.modules'
    durations, vocabulary = list(sizes.durations), list(pieces)
    return {
        'target': 'nemo.collections.asr.models.hybrid_rnnt_ctc_bpe_models.'
                  'EncDecHybridRNNTCTCBPEModel',
        'sample_rate': SAMPLE_RATE_HZ,
        'compute_eval_loss': False,
        'log_prediction': False,
        'rnnt_reduction': 'mean_volume',
        'skip_nan_grad': False,
        'model_defaults': {
            'enc_hidden': sizes.d_model, 'pred_hidden': sizes.prediction_size,
            'joint_hidden': sizes.joint_size, 'tdt_durations': durations,
            'num_tdt_durations': len(durations)},
        'tokenizer': {
            'dir': None, 'type': 'bpe', 'model_path': f'nemo:{TOKENIZER_FILE}',
            'vocab_path': f'nemo:{VOCABULARY_FILE}', 'spe_tokenizer_vocab': None},
        'preprocessor': {
            '_target_': f'{modules}.AudioToMelSpectrogramPreprocessor',
            'sample_rate': SAMPLE_RATE_HZ, 'normalize': 'per_feature', 'window_size': 0.025,
            'window_stride': 0.01, 'window': 'hann', 'features': sizes.n_mels, 'n_fft': 512,
            'frame_splicing': 1, 'dither': 1e-5, 'pad_to': 0},
        'encoder': _encoder(sizes, modules),
        'decoder': {
            '_target_': f'{modules}.RNNTDecoder', 'normalization_mode': None,
            'random_state_sampling': False, 'blank_as_pad': True, 'vocab_size': len(pieces),
            'prednet': {'pred_hidden': sizes.prediction_size,
                        'pred_rnn_layers': sizes.prediction_layers, 't_max': None,
                        'dropout': 0.3}},
        'joint': {
            '_target_': f'{modules}.RNNTJoint', 'log_softmax': None, 'preserve_memory': False,
            'fuse_loss_wer': True, 'fused_batch_size': 4, 'num_extra_outputs': len(durations),
            'num_classes': len(pieces), 'vocabulary': vocabulary,
            'jointnet': {'joint_hidden': sizes.joint_size, 'activation': 'relu', 'dropout': 0.1,
                         'encoder_hidden': sizes.d_model,
                         'pred_hidden': sizes.prediction_size}},
        'decoding': {
            'strategy': 'greedy_batch', 'model_type': 'tdt', 'durations': durations,
            'greedy': {'max_symbols': 10}},
        'aux_ctc': {
            'ctc_loss_weight': 0.3, 'use_cer': False, 'ctc_reduction': 'mean_batch',
            'decoder': {'_target_': f'{modules}.ConvASRDecoder', 'feat_in': sizes.d_model,
                        'num_classes': len(pieces), 'vocabulary': vocabulary},
            'decoding': {'strategy': 'greedy'}},
        'loss': {
            'loss_name': 'tdt',
            'tdt_kwargs': {'fastemit_lambda': 0.0, 'durations': durations, 'sigma': 0.02,
                           'omega': 0.0}},
        'optim': {'name': 'adamw', 'lr': 1e-3},
        # NeMo's transcribe() looks into it when it is given files.
        'validation_ds': {'use_start_end_token': False},
        'labels': vocabulary,
    }


def _encoder(sizes: Sizes, modules: str) -> dict[str, Any]:
    """Return the section of the FastConformer encoder."""
    return {
        '_target_': f'{modules}.ConformerEncoder', 'feat_in': sizes.n_mels, 'feat_out': -1,
        'n_layers': sizes.n_layers, 'd_model': sizes.d_model, 'use_bias': True,
        'subsampling': 'dw_striding', 'subsampling_factor': 8,
        'subsampling_conv_channels': sizes.subsampling_channels, 'causal_downsampling': False,
        'reduction': None, 'reduction_position': None, 'reduction_factor': 1,
        'ff_expansion_factor': sizes.feed_forward_factor, 'self_attention_model': 'rel_pos',
        'n_heads': sizes.n_heads, 'att_context_size': [-1, -1], 'att_context_style': 'regular',
        'xscaling': False, 'untie_biases': True, 'pos_emb_max_len': 5000,
        'conv_kernel_size': sizes.conv_kernel, 'conv_norm_type': 'batch_norm',
        'conv_context_size': None, 'dropout': 0.1, 'dropout_pre_encoder': 0.1,
        'dropout_emb': 0.0, 'dropout_att': 0.1, 'stochastic_depth_drop_prob': 0.0,
        'stochastic_depth_mode': 'linear', 'stochastic_depth_start_layer': 1}
