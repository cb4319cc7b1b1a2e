"""The networks of one model, and how they are made from a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn, Tensor

from .checkpoint import Checkpoint
from .config import ModelConfig
from .ctc import ctc_decode, CtcHead
from .cuda_graph import GraphPool
from .decoder import TransducerDecoder
from .decoding import DecodingOptions, DEFAULT_OPTIONS, Hypothesis
from .device import to_device, transducer_dtype
from .encoder import FastConformerEncoder, n_encoder_frames
from .encoder_graphs import EncoderGraphs
from .errors import CheckpointError
from .fast_encoder import FastEncoder
from .fast_transducer import INEXACT, quantize_transducer
from .features import LogMel
from .head_config import CtcConfig, HeadConfig
from .linear import pack, packs, PreparedLinear
from .memory import release_freed
from .meta import without_weights
from .stopwatch import Stopwatch
from .transducer import Transducer
from .weights import load_weights

HEADS = ('transducer', 'ctc')


class Model(nn.Module):
    """Features, encoder and one head, under the names that ``weights.py`` fills."""

    def __init__(self, config: ModelConfig, head: str) -> None:
        """Lay out the networks of ``config`` with the head of that name."""
        super().__init__()
        self.config = config
        self.features = LogMel(config.features)
        self.encoder: FastConformerEncoder | FastEncoder = FastConformerEncoder(config.encoder)
        self.head = _make_head(config.heads[head])
        # Counted here: afterwards ``convert`` folds some into others.
        self.n_encoder_parameters = _count(self.encoder)
        self.n_parameters = _count(self)
        self._decoder = TransducerDecoder(self.head) if isinstance(self.head, Transducer) else None
        self._graphs: GraphPool | None = None
        self._encoder_graphs: EncoderGraphs | None = None
        self._is_packed = False
        self._release: Callable[[], None] = lambda: None

    @property
    def device(self) -> torch.device:
        """Return the device that the networks are on."""
        return self.features.window.device

    def recognize(
        self, waveforms: Sequence[Tensor], options: DecodingOptions, stopwatch: Stopwatch
    ) -> list[Hypothesis]:
        """
        Run all stages on a batch, on a GPU without waiting for it before the end.

        :param waveforms: float32 ``[n_samples]`` each, of at least ``MIN_FRAMES`` hops.
        :param stopwatch: told when each stage ends.
        """
        features, n_frames = self.features([to_device(w, self.device) for w in waveforms])
        stopwatch.lap('features_ms')
        encoded = self.encode(features, n_frames)
        stopwatch.lap('encoder_ms')
        lengths = torch.tensor([
            n_encoder_frames(self.features.n_frames(len(w)), self.config.encoder)
            for w in waveforms])
        hypotheses = self.decode(encoded, lengths, options)
        stopwatch.lap('decoder_ms')
        return hypotheses

    def encode(self, features: Tensor, n_frames: Tensor) -> Tensor:
        """
        Encode a padded batch, by CUDA graphs where there are some.

        :param features: float32 ``[B, n_mels, T]``, zero after the valid frames.
        :param n_frames: valid frames int64 ``[B]``.
        :returns: ``[B, T', D]``, valid until the next call.
        """
        if self._encoder_graphs is None:
            self._encoder_graphs = EncoderGraphs(self.encoder, self.graphs)
        return self._encoder_graphs(features, n_frames)

    def convert(
        self, device: torch.device, dtype: torch.dtype, release: Callable[[], None] = lambda: None
    ) -> None:
        """
        Bring the weights into the number formats and the layout that they run in.

        Works without weights, too, on the meta device, and gives the same names, shapes and
        dtypes there: ``restore_model`` relies on it.  All weights stay plain parameters and
        buffers, so that they can be kept in a file.

        :param device: where they will run; they stay where they are.
        :param dtype: the encoder's.
        :param release: called now and then; it makes room, as weights that have been converted
            are not looked at again.
        """
        assert isinstance(self.encoder, FastConformerEncoder)
        self.encoder = FastEncoder(self.encoder, dtype, release)
        if isinstance(self.head, Transducer):
            if device.type == 'cpu' and dtype in INEXACT and packs(torch.int8):
                quantize_transducer(self.head)
            self.head.to(transducer_dtype(dtype, device))
        release()

    def expect(self, state: dict[str, Tensor]) -> None:
        """Make room for those weights in ``state`` that are laid out for the processor."""
        for name, module in self.named_modules():
            content = state.get(f'{name}.content')
            layout = state.get(f'{name}.layout')
            if isinstance(module, PreparedLinear) and content is not None and layout is not None:
                module.expect(content, layout)

    def finish(
        self, device: torch.device, release: Callable[[], None] = release_freed
    ) -> Model:
        """
        Move converted networks to their device, ready for inference, and return them.

        Their ``state_dict`` is what ``restore_model`` takes.

        Weights that can be used as they are, are not yet laid out for the processor: see ``pack``.

        :param release: as for ``convert``.
        :raises ValueError: the networks were restored, and finished for another processor.
        """
        model = self.eval().requires_grad_(False).to(device)
        model._release = release
        if isinstance(model.encoder, FastEncoder):
            model.encoder.release = release
        pack(model, release, all_layers=False)
        release_freed()
        return model

    def pack(self) -> None:
        """
        Lay the other weights out for the processor, once; ``state_dict`` has them no more.

        That takes 2 s for a 0.6B model, and an utterance then 0.1 s less.
        """
        if not self._is_packed:
            pack(self, self._release)
            release_freed()
            self._is_packed = True

    def decode(
        self, encoded: Tensor, lengths: Tensor, options: DecodingOptions = DEFAULT_OPTIONS
    ) -> list[Hypothesis]:
        """
        Decode a padded batch greedily.

        :param encoded: encoder output ``[B, T, D]``.
        :param lengths: valid encoder frames int64 ``[B]``; on the host they cost no wait.
        """
        if isinstance(self.head, CtcHead):
            return ctc_decode(self.head, encoded, lengths, options)
        assert self._decoder is not None
        return self._decoder.decode(encoded, lengths, options, self.graphs)

    @property
    def graphs(self) -> GraphPool:
        """Return what all CUDA graphs of the model share."""
        if self._graphs is None:
            self._graphs = GraphPool(self.device)
        return self._graphs


def _count(module: nn.Module) -> int:
    """Return the number of parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


def _make_head(config: HeadConfig) -> CtcHead | Transducer:
    """Lay out the head of ``config``."""
    return CtcHead(config) if isinstance(config, CtcConfig) else Transducer(config)


def build_model(
    checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype, head: str = 'auto'
) -> Model:
    """
    Make the networks with the checkpoint's weights, ready for inference.

    :param dtype: the encoder's number format; ``transducer_dtype`` says that of a transducer,
        features and CTC heads are always float32.
    :param head: ``transducer``, ``ctc``, or ``auto`` for the one that NeMo uses by default.
    :raises ValueError: there is no such head.
    :raises CheckpointError: weights and configuration do not fit together, or the model has
        another head.
    """
    return convert_model(checkpoint, device, dtype, head).finish(device)


def convert_model(
    checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype, head: str = 'auto'
) -> Model:
    """Make the networks on the CPU, converted but not finished; arguments as ``build_model``."""
    def make_room() -> None:
        checkpoint.release()
        release_freed()  # small tensors between large ones that are gone hold the heap together

    model = reference_model(checkpoint, head)
    model.convert(device, dtype, make_room)
    if device.type == 'cpu':  # else they are copied to the device
        _own_weights(model, checkpoint)
    return model


def _own_weights(model: Model, checkpoint: Checkpoint) -> None:
    """Copy what is still in the checkpoint's file, which its owner may overwrite at any time."""
    in_file = {tensor.untyped_storage().data_ptr() for tensor in checkpoint.state.values()}
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.untyped_storage().data_ptr() in in_file:
            tensor.data = tensor.data.clone()
            checkpoint.release()


def reference_model(checkpoint: Checkpoint, head: str = 'auto') -> Model:
    """
    Make the networks on the CPU, in float32 and written for reading; arguments as ``build_model``.

    They compute what those of ``build_model`` do: those are held to them by tests.
    """
    head = _choose_head(checkpoint, head)
    with without_weights():  # no memory and no random numbers: they come next
        model = Model(checkpoint.config, head)
    load_weights(model, checkpoint.state, model.head.config, str(checkpoint.path))
    return model.eval().requires_grad_(False)


def restore_model(
    config: ModelConfig, state: dict[str, Tensor], device: torch.device, dtype: torch.dtype,
    head: str = 'auto',
) -> Model:
    """
    Make the networks of converted weights again; they still have to be finished.

    :raises ValueError: the weights are not those of such networks.
    """
    head = next(iter(config.heads)) if head == 'auto' else head
    with without_weights():
        model = Model(config, head)
        model.convert(device, dtype)
        model.expect(state)
    wanted = {name: (each.shape, each.dtype) for name, each in model.state_dict().items()}
    if wanted != {name: (each.shape, each.dtype) for name, each in state.items()}:
        raise ValueError('the converted weights are of other networks')
    model.load_state_dict(state, strict=True, assign=True)
    return model


def _choose_head(checkpoint: Checkpoint, name: str) -> str:
    """Return the name of a head that the checkpoint has."""
    heads = checkpoint.config.heads
    default = next(iter(heads))
    if name == 'auto':
        return default
    if name not in HEADS:
        raise ValueError(f'unknown head {name!r}; give auto, {" or ".join(HEADS)}')
    if name not in heads:
        raise CheckpointError(f"{checkpoint.path}: the model has no {name} head; use '{default}'")
    if not any(tensor.startswith(heads[name].nemo_modules) for tensor in checkpoint.state):
        raise CheckpointError(f'{checkpoint.path}: the config declares a {name} head but the '
                              f"weights do not hold it; use '{default}'")
    return name
