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
from .errors import CheckpointError


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
class TransducerConfig:
    """Prediction network, joint, and how the checkpoint wants them decoded."""

    vocab_size: int  # tokens, without blank
    encoder_size: int
    prediction_size: int
    prediction_layers: int
    joint_size: int
    activation: str
    durations: tuple[int, ...]  # encoder frames that a TDT prediction may skip
    max_symbols: int  # tokens on one encoder frame before time is forced on

    @property
    def blank_id(self) -> int:
        """Return the id of blank: the row after the last token."""
        return self.vocab_size


@dataclass(frozen=True)
class ModelConfig:
    """The whole model."""

    features: FeaturesConfig
    encoder: EncoderConfig
    transducer: TransducerConfig
    tokenizer_file: str  # base name of the tokenizer's member in the archive

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
    features = _features(root.section('preprocessor'))
    encoder = _encoder(root.section('encoder'), features)
    return ModelConfig(features, encoder, _transducer(root, encoder), _tokenizer_file(root))


def _features(section: Section) -> FeaturesConfig:
    """Read ``preprocessor``; dither and pad_to are left out as they do not touch inference."""
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


def _transducer(root: Section, encoder: EncoderConfig) -> TransducerConfig:
    """Read ``decoder``, ``joint`` and ``decoding``; only a TDT head is supported."""
    if 'joint' not in root:
        raise root.unsupported('joint', None, 'a TDT head (decoder and joint)')
    decoder, joint = root.section('decoder'), root.section('joint')
    prednet, jointnet = decoder.section('prednet'), joint.section('jointnet')
    decoder.require('normalization_mode', (None,), default=None)
    decoder.require('blank_as_pad', (True,), default=True)
    prediction_size = prednet.integer('pred_hidden', default=None)
    prednet.require('rnn_hidden_size', (None, -1, prediction_size), default=-1)
    durations = _durations(root, joint)
    vocab_size = decoder.integer('vocab_size', default=None)
    if joint.integer('num_classes', default=vocab_size) != vocab_size:
        raise joint.error('num_classes', f'but decoder.vocab_size is {vocab_size}')
    encoder_size = jointnet.integer('encoder_hidden', default=encoder.d_model)
    if encoder_size != encoder.d_model:
        raise jointnet.error('encoder_hidden', f'but encoder.d_model is {encoder.d_model}')
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
    """Find the set of durations and check it against the joint's extra outputs."""
    n_extra = joint.integer('num_extra_outputs', default=0, minimum=0)
    if not n_extra:
        raise joint.unsupported('num_extra_outputs', n_extra, 'a TDT head, one output a duration')
    decoding, defaults = root.section('decoding'), root.section('model_defaults')
    decoding.require('model_type', ('tdt',), default='tdt')
    tdt_loss = root.section('loss').section('tdt_kwargs')
    for section, key in (
        (decoding, 'durations'), (defaults, 'tdt_durations'), (tdt_loss, 'durations'),
    ):
        value = section.get(key)
        if value is None:
            continue
        if not _are_durations(value) or len(value) != n_extra:
            raise section.error(key, f'not {n_extra} whole numbers of 0 to 1000, one above 0')
        return tuple(value)
    raise CheckpointError(f"{root.origin}: config key 'decoding.durations' is missing; a TDT "
                          'model needs it: save the checkpoint again with NeMo')


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


def _tokenizer_file(root: Section) -> str:
    """Read the archive member that ``tokenizer.model_path: nemo:<name>`` points to."""
    tokenizer = root.section('tokenizer')
    tokenizer.require('type', ('bpe',), default='bpe')
    path = tokenizer.get('model_path')
    if not isinstance(path, str) or not path:
        raise tokenizer.error('model_path', 'expected nemo:<hash>_tokenizer.model')
    return path.removeprefix('nemo:').replace('\\', '/').rsplit('/', 1)[-1]
