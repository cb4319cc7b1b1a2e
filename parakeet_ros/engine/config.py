"""
Architecture of a model, read from the ``model_config.yaml`` inside its ``.nemo`` file.

Nothing about one particular model is written here.  A key that is absent gets NeMo's own default;
a value that this engine cannot honour is refused by name, because a model that runs with a
feature left out gives wrong text without any other sign.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .config_section import Section
from .head_config import HeadConfig, parse_heads

# NeMo's model classes with these stages and no others; Canary, speaker and prompt models are not.
_MODEL_CLASSES = (
    'EncDecRNNTBPEModel', 'EncDecCTCModelBPE', 'EncDecHybridRNNTCTCBPEModel',
)


@dataclass(frozen=True)
class FeaturesConfig:
    """Front end: waveform to log-mel features."""

    sample_rate: int
    n_mels: int
    n_fft: int
    window_samples: int
    hop_samples: int
    preemphasis: float  # 0 switches it off
    log_guard: float  # added to the mel power before the logarithm

    @property
    def frame_s(self) -> float:
        """Return the seconds between two feature frames (0.01 in all public models)."""
        return self.hop_samples / self.sample_rate


@dataclass(frozen=True)
class EncoderConfig:
    """FastConformer encoder."""

    n_mels: int
    n_layers: int
    d_model: int
    n_heads: int
    feed_forward_factor: int
    subsampling_factor: int
    subsampling_channels: int
    conv_kernel: int
    use_bias: bool
    xscaling: bool  # multiply the subsampled features by sqrt(d_model)


@dataclass(frozen=True)
class ModelConfig:
    """The whole model."""

    features: FeaturesConfig
    encoder: EncoderConfig
    heads: dict[str, HeadConfig]  # 'transducer', 'ctc' or both; the default one first
    tokenizer_file: str  # base name of the tokenizer's member in the archive

    @property
    def vocab_size(self) -> int:
        """Return the number of tokens, without blank; the heads share them."""
        return next(iter(self.heads.values())).vocab_size

    @property
    def encoder_frame_s(self) -> float:
        """Return the seconds between two encoder frames (0.08 in all public models)."""
        return self.features.frame_s * self.encoder.subsampling_factor


def parse_config(raw: Mapping[str, Any], origin: str) -> ModelConfig:
    """
    Build the configuration from a parsed ``model_config.yaml``.

    :param raw: the YAML mapping; its content may nest under ``model``.
    :param origin: the file's name, for messages.
    :raises CheckpointError: a key is missing, has the wrong type, or contradicts another.
    :raises UnsupportedModelError: a value asks for something that the engine does not have.
    """
    root = Section(raw, origin)
    if 'encoder' not in root and 'model' in root:
        root = root.section('model')
    root.require_class(_MODEL_CLASSES, key='target')
    features = _features(root.section('preprocessor'))
    encoder = _encoder(root.section('encoder'), features)
    heads = parse_heads(root, encoder.d_model)
    return ModelConfig(features, encoder, heads, _tokenizer_file(root))


def _features(section: Section) -> FeaturesConfig:
    """Read ``preprocessor``; dither and pad_to are left out as they do not touch inference."""
    section.require_class(('AudioToMelSpectrogramPreprocessor',))
    section.require('normalize', ('per_feature',), default='per_feature')
    section.require('mag_power', (2.0,), default=2.0)
    section.require('log', (True,), default=True)
    section.require('log_zero_guard_type', ('add',), default='add')
    section.require('frame_splicing', (1,), default=1)
    section.require('exact_pad', (False,), default=False)
    sample_rate = section.integer('sample_rate', default=16_000)
    window = section.samples('window_size', 'n_window_size', sample_rate, default_s=0.02)
    hop = section.samples('window_stride', 'n_window_stride', sample_rate, default_s=0.01)
    n_fft = section.integer('n_fft', default=1 << (window - 1).bit_length())
    if n_fft < window:
        raise section.error('n_fft', f'smaller than the window of {window} samples')
    return FeaturesConfig(
        sample_rate=sample_rate,
        n_mels=section.integer('features', default=64),
        n_fft=n_fft,
        window_samples=window,
        hop_samples=hop,
        preemphasis=section.number('preemph', default=0.97),
        log_guard=section.number('log_zero_guard_value', default=2.0**-24),
    )


def _encoder(section: Section, features: FeaturesConfig) -> EncoderConfig:
    """Read ``encoder``, refusing streaming, causal and other variants."""
    section.require_class(('ConformerEncoder',))
    section.require('subsampling', ('dw_striding',), default='striding')
    section.require('subsampling_factor', (8,), default=4)
    section.require('causal_downsampling', (False,), default=False)
    section.require('self_attention_model', ('rel_pos',), default='rel_pos')
    section.require('att_context_size', (None, [-1, -1], [[-1, -1]]), default=None)
    section.require('att_context_style', ('regular',), default='regular')
    section.require('untie_biases', (True,), default=True)
    section.require('conv_norm_type', ('batch_norm',), default='batch_norm')
    section.require('reduction', (None,), default=None)
    kernel = section.integer('conv_kernel_size', default=31)
    half = (kernel - 1) // 2
    section.require('conv_context_size', (None, [half, half]), default=None)
    d_model = section.integer('d_model', default=None)
    section.require('feat_out', (None, -1, d_model), default=-1)
    n_heads = section.integer('n_heads', default=4)
    if d_model % n_heads or d_model % 2:
        raise section.error('d_model', f'not an even multiple of the {n_heads} attention heads')
    if kernel % 2 == 0:
        raise section.error('conv_kernel_size', 'an even kernel has no centre')
    feat_in = section.integer('feat_in', default=features.n_mels)
    if feat_in != features.n_mels:
        raise section.error('feat_in', f'but preprocessor.features is {features.n_mels}')
    channels = section.integer('subsampling_conv_channels', default=-1, minimum=-1)
    return EncoderConfig(
        n_mels=feat_in,
        n_layers=section.integer('n_layers', default=None, maximum=1000),
        d_model=d_model,
        n_heads=n_heads,
        feed_forward_factor=section.integer('ff_expansion_factor', default=4),
        subsampling_factor=8,
        subsampling_channels=d_model if channels == -1 else channels,
        conv_kernel=kernel,
        use_bias=section.boolean('use_bias', default=True),
        xscaling=section.boolean('xscaling', default=True),
    )


def _tokenizer_file(root: Section) -> str:
    """Read the archive member that ``tokenizer.model_path: nemo:<name>`` points to."""
    tokenizer = root.section('tokenizer')
    tokenizer.require('type', ('bpe',), default='bpe')
    path = tokenizer.get('model_path')
    if not isinstance(path, str) or not path:
        raise tokenizer.error('model_path', 'expected nemo:<hash>_tokenizer.model')
    return path.removeprefix('nemo:').replace('\\', '/').rsplit('/', 1)[-1]
