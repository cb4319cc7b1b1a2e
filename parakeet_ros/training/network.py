"""
The engine's own networks with what training adds: dropout, whole label sequences, a CTC head.

There is no second model: every layer and every parameter is the engine's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import math
from typing import Any

from parakeet_ros.engine.attention import RelativeAttention
from parakeet_ros.engine.config import ModelConfig
from parakeet_ros.engine.ctc import CtcHead
from parakeet_ros.engine.encoder import ConformerLayer
from parakeet_ros.engine.features import LogMel
from parakeet_ros.engine.head_config import CtcConfig, TransducerConfig
from parakeet_ros.engine.mel_filters import hann_window, slaney_filters
from parakeet_ros.engine.model import Model
from parakeet_ros.engine.transducer import LstmCell, PredictionNetwork, Transducer
from parakeet_ros.engine.weights import nemo_name
import torch
from torch import nn, Tensor
from torch.nn import functional

from .arcs import Nodes, nodes_of

# What a hybrid model of NeMo calls the CTC head beside its transducer.
CTC_MODULE = 'ctc_decoder'
_EMBEDDING_STD = 0.3
_WIDE = 64  # so many rows and columns make a matrix that Muon is for


@dataclass(frozen=True)
class Outputs:
    """What the losses need of a batch."""

    joint: Tensor  # [N, V + 1 + D] raw logits of tokens, blank, durations
    nodes: Nodes  # what the rows of joint belong to
    ctc: Tensor  # float32 [B, T, V + 1] raw logits, blank last
    n_frames: Tensor  # int64 [B] valid encoder frames


class TrainableModel(nn.Module):
    """A transducer and a CTC head on one encoder, ready to be trained."""

    def __init__(
        self, config: ModelConfig, dropout: float = 0.1, prediction_dropout: float = 0.3
    ) -> None:
        """
        Lay out the networks of ``config`` with fresh weights.

        :param dropout: after each module of the encoder.
        :param prediction_dropout: before and after the prediction network, which otherwise
            learns the training sentences by heart.
        """
        super().__init__()
        head = config.heads['transducer']
        assert isinstance(head, TransducerConfig)
        self.model = Model(config, 'transducer')
        self.ctc = CtcHead(CtcConfig(head.vocab_size, head.encoder_size, (CTC_MODULE,)))
        self.head_config = head
        self.prediction_dropout = prediction_dropout
        _initialise(self)
        for module in self.model.encoder.modules():
            if isinstance(module, ConformerLayer):
                for part in (module.feed_forward1, module.self_attn, module.conv,
                             module.feed_forward2):
                    part.register_forward_hook(_Dropout(dropout))
            elif isinstance(module, nn.Conv2d) and module.groups > 1:
                module.__class__ = _DepthwiseInFloat32

    def freeze_subsampling(self) -> None:
        """Leave the first convolutions as they are, which spares time in each step."""
        self.model.encoder.pre_encode.requires_grad_(False)

    def wide_matrices(self) -> list[nn.Parameter]:
        """Return the trained matrices of the encoder's layers: linear ones, 1x1 convolutions."""
        return [parameter for parameter in self.model.encoder.layers.parameters()
                if parameter.requires_grad and parameter.dim() > 1
                and min(parameter.flatten(1).shape) >= _WIDE]

    @property
    def transducer(self) -> Transducer:
        """Return prediction network and joint."""
        assert isinstance(self.model.head, Transducer)
        return self.model.head

    def forward(
        self, features: Tensor, lengths: Tensor, labels: Tensor, n_labels: Tensor
    ) -> Outputs:
        """
        Compute the logits of a batch under the present autocast.

        :param features: float32 ``[B, n_mels, T']``.
        :param lengths: valid frames int64 ``[B]``.
        :param labels: int64 ``[B, U]``, anything after the ``n_labels`` of each.
        """
        encoded, n_frames = self.model.encoder(features, lengths)
        predicted = self.predict(labels)
        joint = self.transducer.joint
        nodes = row, time, written = nodes_of(n_frames, n_labels)
        logits = joint(joint.encoder(encoded)[row, time],
                       joint.prediction(predicted)[row, written])
        return Outputs(logits, nodes, self.ctc(encoded).float(), n_frames)

    def predict(self, labels: Tensor) -> Tensor:
        """
        Run the prediction network over whole sequences.

        The same as one ``PredictionNetwork.forward`` after another, in one call of torch's LSTM.

        :param labels: int64 ``[B, U]``.
        :returns: ``[B, U + 1, H]``: the output before the first label and after each.
        """
        network, config = self.transducer.prediction, self.head_config
        history = functional.pad(labels, (1, 0), value=config.blank_id)
        # The row of blank, which also starts a sequence, is zero and stays so.
        x = functional.embedding(history, network.embedding, padding_idx=config.blank_id)
        x = functional.dropout(x, self.prediction_dropout, self.training)
        # In the order of torch's LSTM: weight_ih, weight_hh, bias_ih, bias_hh of every layer.
        weights: list[Tensor] = list(network.cells.parameters())
        zeros = x.new_zeros(config.prediction_layers, len(x), config.prediction_size)
        with torch.autocast(x.device.type, enabled=False):
            output, _, _ = torch.lstm(  # biases, layers, dropout, training, both ways, B first
                x, (zeros, zeros), weights, True, config.prediction_layers,
                0.0, self.training, False, True)
        return functional.dropout(output, self.prediction_dropout, self.training)

    def nemo_state(self) -> dict[str, Tensor]:
        """Return all weights under NeMo's names."""
        state = {nemo_name(name, self.head_config): value
                 for name, value in self.model.state_dict().items()}
        state |= {nemo_name(f'head.{name}', self.ctc.config): value
                  for name, value in self.ctc.state_dict().items()}
        return {name: value.detach() for name, value in state.items()}

    def load_nemo_state(self, state: Mapping[str, Tensor]) -> None:
        """
        Take over weights under NeMo's names; a part that ``state`` lacks stays as it is.

        :raises ValueError: a tensor has another shape or an unknown name.
        """
        own = self.nemo_state()
        for name, value in state.items():
            if name not in own or own[name].shape != value.shape:
                raise ValueError(f'the tensor {name} {tuple(value.shape)} does not fit the model; '
                                 'its configuration is another one')
            with torch.no_grad():
                own[name].copy_(value)


class _Dropout:
    """A forward hook that drops out a module's output while it is trained."""

    def __init__(self, share: float) -> None:
        self._share = share

    def __call__(self, module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        return functional.dropout(output, self._share, module.training)


class _DepthwiseInFloat32(nn.Conv2d):
    """The strided depthwise convolutions: bfloat16's backward pass is far slower on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.float())


def _initialise(network: TrainableModel) -> None:
    """Fill what the engine's modules leave to a checkpoint."""
    for module in network.modules():
        if isinstance(module, LogMel):
            config = module.config
            module.window.copy_(hann_window(config.window_samples))
            module.filterbank.copy_(
                slaney_filters(config.n_mels, config.n_fft, config.sample_rate))
        elif isinstance(module, RelativeAttention):
            nn.init.zeros_(module.pos_bias_u)
            nn.init.zeros_(module.pos_bias_v)
        elif isinstance(module, LstmCell):
            bound = 1 / math.sqrt(module.weight_hh.shape[1])
            for parameter in module.parameters():
                nn.init.uniform_(parameter, -bound, bound)
        elif isinstance(module, PredictionNetwork):
            nn.init.normal_(module.embedding, std=_EMBEDDING_STD)
            with torch.no_grad():
                module.embedding[-1] = 0.0  # blank
