"""
Transducers: prediction network, joint, decoding state.

A token-and-duration transducer (TDT, arXiv:2304.06795) also predicts how many encoder frames to
skip; RNN-T (arXiv:1211.3711) is the same without those outputs.

Decoding is a chain of argmaxes where one near-tie that flips changes the rest of the text:
``device.transducer_dtype`` says which number formats are precise enough, and scores are computed
in float32 whatever the weights are in.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn, Tensor
from torch.nn import functional

from .device import to_device
from .head_config import TransducerConfig

_ACTIVATIONS = {'relu': torch.relu, 'sigmoid': torch.sigmoid, 'tanh': torch.tanh}


class LstmCell(nn.Module):
    """
    One step of one LSTM layer, equal to ``nn.LSTM`` (gates in its order: i, f, g, o).

    Explicit, because ``nn.LSTM`` prepares for a sequence on every call, which costs several
    times the arithmetic of a single step, and because a step must fit a CUDA graph.
    """

    def __init__(self, size: int) -> None:
        """Lay out a cell whose input has the size of its state."""
        super().__init__()
        self.weight_ih = nn.Parameter(torch.empty(4 * size, size))
        self.weight_hh = nn.Parameter(torch.empty(4 * size, size))
        self.bias_ih = nn.Parameter(torch.empty(4 * size))
        self.bias_hh = nn.Parameter(torch.empty(4 * size))

    def forward(self, x: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """Return the next hidden and cell state; everything is ``[B, H]``."""
        if x.device.type != 'cpu':  # on CUDA one launch for all that follows the two products
            next_hidden, next_cell = torch.lstm_cell(
                x, (hidden, cell), self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
            return next_hidden, next_cell
        gates = functional.linear(x, self.weight_ih, self.bias_ih)
        gates = gates + functional.linear(hidden, self.weight_hh, self.bias_hh)
        i, f, g, o = gates.chunk(4, dim=1)
        cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
        return o.sigmoid() * cell.tanh(), cell


class PredictionNetwork(nn.Module):
    """Embedding and stacked LSTM cells over the tokens emitted so far."""

    def __init__(self, config: TransducerConfig) -> None:
        """Lay out the layers of ``config``."""
        super().__init__()
        size = config.prediction_size
        # One row a token, the last one for blank.
        self.embedding = nn.Parameter(torch.empty(config.vocab_size + 1, size))
        self.cells = nn.ModuleList(LstmCell(size) for _ in range(config.prediction_layers))

    def forward(self, labels: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """
        Advance by one label.

        :param labels: int64 ``[B]``.
        :param memory: ``[2 * layers, B, H]``: the hidden states, then the cell states.
        :returns: output ``[B, H]`` and the next memory.
        """
        x = self.embedding.index_select(0, labels)
        hidden, cell = memory.chunk(2)
        hiddens, cells = [], []
        for layer, h, c in zip(self.cells, hidden.unbind(), cell.unbind(), strict=True):
            x, c = layer(x, h, c)
            hiddens.append(x)
            cells.append(c)
        return x, torch.stack(hiddens + cells)


class Joint(nn.Module):
    """Combines an encoder frame and the prediction into token and duration logits."""

    def __init__(self, config: TransducerConfig) -> None:
        """Lay out the layers of ``config``."""
        super().__init__()
        self.encoder = nn.Linear(config.encoder_size, config.joint_size)
        self.prediction: nn.Module = nn.Linear(config.prediction_size, config.joint_size)
        n_outputs = config.vocab_size + 1 + len(config.durations)
        self.output: nn.Module = nn.Linear(config.joint_size, n_outputs)
        self.activation = _ACTIVATIONS[config.activation]

    def forward(self, encoder: Tensor, prediction: Tensor) -> Tensor:
        """
        Return raw logits ``[B, vocab + 1 + durations]``.

        Both inputs are ``[B, joint]``, already through the layers ``encoder`` and ``prediction``:
        each of those is wanted once per frame or per token, this once per pair.
        """
        return self.output(self.activation(encoder + prediction))  # type: ignore[no-any-return]


class Transducer(nn.Module):
    """Prediction network and joint, with the constants that decoding needs."""

    def __init__(self, config: TransducerConfig) -> None:
        """Lay out the networks of ``config``."""
        super().__init__()
        self.config = config
        self.prediction = PredictionNetwork(config)
        self.joint = Joint(config)


@dataclass
class DecoderState:
    """
    All that decoding a batch knows, on the device; the step functions change it in place.

    Fixed shapes and storage: a step captured in a CUDA graph can be replayed on it.
    """

    encoded: Tensor  # [B, T, J] encoder frames through the joint's encoder layer
    lengths: Tensor  # int64 [B] valid encoder frames
    durations: Tensor  # int64 [n] the model's set of durations, none for RNN-T
    time: Tensor  # int64 [B] encoder frame to look at next; >= lengths when finished
    label: Tensor  # int64 [B] the last decision, blank or a token
    pending: Tensor  # bool [B] label is a token that the prediction network has not seen yet
    memory: Tensor  # [2 * layers, B, H] of the prediction network
    prediction: Tensor  # [B, J] its output through the joint's prediction layer
    last_frame: Tensor  # int64 [B] frame of the last token, -1 before the first
    n_on_frame: Tensor  # int64 [B] tokens emitted on last_frame
    n_tokens: Tensor  # int64 [B] tokens emitted in all
    tokens: Tensor  # int64 [B, capacity + 1]; the last column takes the writes of idle rows
    frames: Tensor  # int64 [B, capacity + 1] encoder frame of each token
    token_durations: Tensor  # int64 [B, capacity + 1] predicted duration of each token
    confidences: Tensor  # float32 [B, capacity + 1] confidence in each token
    score: Tensor  # float32 [B] sum of the tokens' log-probabilities over all outputs

    @classmethod
    def start(
        cls, transducer: Transducer, encoded: Tensor, lengths: Tensor, capacity: int
    ) -> DecoderState:
        """
        Return the state before the first decision.

        :param encoded: encoder output ``[B, T, D]``.
        :param lengths: valid frames int64 ``[B]``, at most ``T``.
        :param capacity: the most tokens that an utterance can get.
        """
        config, joint = transducer.config, transducer.joint
        n, device = encoded.shape[0], encoded.device

        def integers(*shape: int, fill: int = 0) -> Tensor:
            return torch.full(shape, fill, dtype=torch.int64, device=device)

        # Blank doubles as start of sequence.
        label = integers(n, fill=config.blank_id)
        zeros = encoded.new_zeros(2 * config.prediction_layers, n, config.prediction_size)
        output, memory = transducer.prediction(label, zeros)
        return cls(
            encoded=joint.encoder(encoded),
            lengths=lengths,
            durations=to_device(torch.tensor(config.durations, dtype=torch.int64), device),
            time=integers(n),
            label=label,
            pending=torch.zeros(n, dtype=torch.bool, device=device),
            memory=memory,
            prediction=joint.prediction(output),
            last_frame=integers(n, fill=-1),
            n_on_frame=integers(n),
            n_tokens=integers(n),
            tokens=integers(n, capacity + 1),
            frames=integers(n, capacity + 1),
            token_durations=integers(n, capacity + 1),
            confidences=torch.zeros(n, capacity + 1, device=device),
            score=torch.zeros(n, device=device),
        )
