"""The shapes of NVIDIA's public Parakeet models, and the ``model_config.yaml`` of each."""

from dataclasses import dataclass
from typing import Any

SAMPLE_RATE = 16_000
DURATIONS = (0, 1, 2, 3, 4)
MAX_SYMBOLS = 10
_ASR = 'nemo.collections.asr'


@dataclass(frozen=True)
class Shape:
    """What tells the models apart; the rest of the configuration is common to all."""

    n_mels: int
    n_layers: int
    d_model: int
    vocab_size: int
    head: str = 'tdt'  # 'tdt', 'rnnt', 'ctc' or 'tdt_ctc', a hybrid
    prediction_layers: int = 2
    hidden: int = 640  # of the prediction network and the joint
    n_heads: int = 8
    use_bias: bool = True
    xscaling: bool = False
    channels: int = 256

    @property
    def durations(self) -> tuple[int, ...]:
        """Return the set of durations; empty without a TDT head."""
        return DURATIONS if self.head.startswith('tdt') else ()

    @property
    def has_transducer(self) -> bool:
        """Tell whether there are a prediction network and a joint."""
        return self.head != 'ctc'

    @property
    def has_ctc(self) -> bool:
        """Tell whether there is a CTC layer."""
        return self.head.endswith('ctc')


SHAPES = {
    'tiny': Shape(80, 2, 64, 256, hidden=48, n_heads=4, use_bias=False, channels=32),
    '110m': Shape(80, 17, 512, 1024, head='tdt_ctc', prediction_layers=1),
    '0.6b-v2': Shape(128, 24, 1024, 1024, use_bias=False),
    '0.6b-v3': Shape(128, 24, 1024, 8192, use_bias=False),
    '1.1b': Shape(80, 42, 1024, 1024),
    'rnnt-0.6b': Shape(80, 24, 1024, 1024, head='rnnt', xscaling=True),
    'rnnt-1.1b': Shape(80, 42, 1024, 1024, head='rnnt', xscaling=True),
    'ctc-0.6b': Shape(80, 24, 1024, 1024, head='ctc', xscaling=True),
    'ctc-1.1b': Shape(80, 42, 1024, 1024, head='ctc', xscaling=True),
}


def nemo_config(shape: Shape, pieces: list[str], files: dict[str, str]) -> dict[str, Any]:
    """
    Return the content of ``model_config.yaml``, as NeMo 3.0.0 writes and reads it.

    :param pieces: the vocabulary, which NeMo lists in full.
    :param files: ``model_path``, ``vocab_path`` and ``spe_tokenizer_vocab``: member names.
    """
    return {
        'sample_rate': SAMPLE_RATE,
        'model_defaults': {
            'enc_hidden': shape.d_model, 'pred_hidden': shape.hidden,
            'joint_hidden': shape.hidden, 'tdt_durations': list(shape.durations),
            'num_tdt_durations': len(shape.durations)},
        'tokenizer': {'dir': None, 'type': 'bpe',
                      **{key: f'nemo:{name}' for key, name in files.items()}},
        'preprocessor': {
            '_target_': f'{_ASR}.modules.AudioToMelSpectrogramPreprocessor',
            'sample_rate': SAMPLE_RATE, 'normalize': 'per_feature', 'window_size': 0.025,
            'window_stride': 0.01, 'window': 'hann', 'features': shape.n_mels, 'n_fft': 512,
            'frame_splicing': 1, 'dither': 1e-5, 'pad_to': 0},
        'encoder': _encoder(shape),
        **_heads(shape, pieces),
        'optim': {'name': 'adamw', 'lr': 1e-3},
        'labels': pieces,
        'target': f'{_ASR}.models.{_model_class(shape)}',
        'nemo_version': '3.0.0',
    }


def _encoder(shape: Shape) -> dict[str, Any]:
    return {
        '_target_': f'{_ASR}.modules.ConformerEncoder', 'feat_in': shape.n_mels, 'feat_out': -1,
        'n_layers': shape.n_layers, 'd_model': shape.d_model, 'use_bias': shape.use_bias,
        'subsampling': 'dw_striding', 'subsampling_factor': 8,
        'subsampling_conv_channels': shape.channels, 'causal_downsampling': False,
        'reduction': None, 'reduction_position': None, 'reduction_factor': 1,
        'ff_expansion_factor': 4, 'self_attention_model': 'rel_pos', 'n_heads': shape.n_heads,
        'att_context_size': [-1, -1], 'att_context_style': 'regular',
        'xscaling': shape.xscaling, 'untie_biases': True, 'pos_emb_max_len': 5000,
        'conv_kernel_size': 9, 'conv_norm_type': 'batch_norm', 'conv_context_size': None,
        'dropout': 0.1, 'dropout_pre_encoder': 0.1, 'dropout_emb': 0.0, 'dropout_att': 0.1}


def _heads(shape: Shape, pieces: list[str]) -> dict[str, Any]:
    ctc = {'decoder': {'_target_': f'{_ASR}.modules.ConvASRDecoder', 'feat_in': shape.d_model,
                       'num_classes': len(pieces), 'vocabulary': pieces},
           'decoding': {'strategy': 'greedy'}}
    if not shape.has_transducer:
        return ctc
    heads = _transducer(shape, pieces)
    if shape.has_ctc:
        heads['aux_ctc'] = {'ctc_loss_weight': 0.3, 'use_cer': False,
                            'ctc_reduction': 'mean_batch', **ctc}
    return heads


def _transducer(shape: Shape, pieces: list[str]) -> dict[str, Any]:
    durations = list(shape.durations)
    decoding: dict[str, Any] = {'strategy': 'greedy_batch', 'greedy': {'max_symbols': MAX_SYMBOLS}}
    loss: dict[str, Any] = {'loss_name': 'default'}
    if durations:
        decoding = {**decoding, 'model_type': 'tdt', 'durations': durations}
        loss = {'loss_name': 'tdt', 'tdt_kwargs': {'durations': durations, 'sigma': 0.02}}
    return {
        'decoder': {
            '_target_': f'{_ASR}.modules.RNNTDecoder', 'normalization_mode': None,
            'random_state_sampling': False, 'blank_as_pad': True, 'vocab_size': len(pieces),
            'prednet': {'pred_hidden': shape.hidden, 'pred_rnn_layers': shape.prediction_layers,
                        't_max': None, 'dropout': 0.2}},
        'joint': {
            '_target_': f'{_ASR}.modules.RNNTJoint', 'log_softmax': None,
            'preserve_memory': False, 'fuse_loss_wer': True, 'fused_batch_size': 4,
            'num_extra_outputs': len(durations), 'num_classes': len(pieces),
            'jointnet': {'joint_hidden': shape.hidden, 'activation': 'relu', 'dropout': 0.2,
                         'encoder_hidden': shape.d_model, 'pred_hidden': shape.hidden},
            'vocabulary': pieces},
        'decoding': decoding,
        'loss': loss,
    }


def _model_class(shape: Shape) -> str:
    return {
        'tdt': 'rnnt_bpe_models.EncDecRNNTBPEModel',
        'rnnt': 'rnnt_bpe_models.EncDecRNNTBPEModel',
        'ctc': 'ctc_bpe_models.EncDecCTCModelBPE',
        'tdt_ctc': 'hybrid_rnnt_ctc_bpe_models.EncDecHybridRNNTCTCBPEModel',
    }[shape.head]
