"""
Greedy transducer decoding as pure functions of tensors: what runs without hotwords.

``decoding.py`` says what is decoded and is the reference.  Here the same decisions take few
launches and no look at a value on the host, so that many steps can be queued, or captured in one
CUDA graph.  ``search`` looks at one encoder frame of every utterance, ``predict`` shows the tokens
found to the prediction network, ``report`` measures many decisions at once and ``read`` makes
hypotheses of reports on the host.  An utterance that has ended stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

from .confidence import confidence
from .decoding import Hypothesis
from .device import to_device
from .transducer import Transducer

# Kinds of decision, in the order of the table ``moves``.
_N_KINDS = 3  # none (the utterance has ended), blank, token
_Move = tuple[int, int]  # encoder frames to go on by, change of the tokens on this frame


@dataclass(frozen=True)
class LoopState:
    """What a step leaves for the next one."""

    place: Tensor  # int64 [B, 2] row of ``frames`` to look at next, tokens emitted on it so far
    memory: Tensor  # [2 * layers, B, H] of the prediction network
    prediction: Tensor  # [B, J] its output through the joint's prediction layer


@dataclass(frozen=True)
class Decision:
    """What ``search`` decided for each utterance."""

    place: Tensor  # int64 [B, 2] as in the state before
    label: Tensor  # int64 [B]
    duration: Tensor  # int64 [B] index in the set of durations
    found: Tensor  # bool [B] the label is a token, and the utterance has not ended
    logits: Tensor  # [B, vocab + 1 + durations]


class LabelLoop:
    """The steps for one transducer and one choice of options."""

    def __init__(self, transducer: Transducer, max_symbols: int, method: str) -> None:
        """
        Prepare the constants, on the transducer's device.

        :param max_symbols: tokens on one encoder frame before time is forced on.
        :param method: how confidence is measured.
        """
        config = transducer.config
        self.transducer = transducer
        self.n_labels = config.vocab_size + 1
        self.durations = config.durations or (0,)  # RNN-T: a token stays, a blank goes on by 1
        self._token_durations = config.durations or (1,)  # what a token of RNN-T covers
        self.most_ahead = max(1, *self.durations)  # frames that the last step may lead past an end
        self._max_symbols = max_symbols
        self._method = method
        self._moves = to_device(torch.tensor(self._table()), self.device)
        self._start = self._first_state()

    @property
    def device(self) -> torch.device:
        """Return the device that the transducer is on."""
        return self.transducer.joint.encoder.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Return the transducer's number format."""
        return self.transducer.joint.encoder.weight.dtype

    def start(self, place: Tensor) -> LoopState:
        """Return the state before the first decision; ``place`` is int64 ``[B, 2]``."""
        n = place.shape[0]
        return LoopState(place, self._start.memory.repeat(1, n, 1),
                         self._start.prediction.repeat(n, 1))

    def search(
        self, frames: Tensor, end: Tensor, state: LoopState
    ) -> tuple[LoopState, Decision]:
        """
        Decide on one frame of each utterance; finished ones look at any frame, in vain.

        :param frames: ``[N, J]``: the encoder frames of all utterances, through the joint's
            encoder layer, one after another, then ``most_ahead`` more rows.
        :param end: int64 ``[B]`` the row after the last one of each utterance.
        """
        position, on_frame = state.place.unbind(1)
        logits = self.transducer.joint(frames.index_select(0, position), state.prediction)
        of_labels, of_durations = logits.tensor_split((self.n_labels,), 1)
        label = of_labels.argmax(1)
        duration = (of_durations.argmax(1) if len(self.durations) > 1
                    else torch.zeros_like(label))
        is_active = position < end
        found = is_active & (label != self.transducer.config.blank_id)
        # The kind of decision is is_active + found: an index in the flattened table.
        per_kind = len(self.durations) * self._max_symbols
        index = torch.add(on_frame, duration, alpha=self._max_symbols)
        index = index.add(is_active, alpha=per_kind).add(found, alpha=per_kind)
        place = state.place + self._moves.index_select(0, index)
        decision = Decision(state.place, label, duration, found, logits)
        return LoopState(place, state.memory, state.prediction), decision

    def predict(self, state: LoopState, decision: Decision) -> LoopState:
        """Show each token found to the prediction network."""
        output, memory = self.transducer.prediction(decision.label, state.memory)
        prediction = self.transducer.joint.prediction(output)
        found = decision.found.unsqueeze(1)
        return LoopState(state.place, torch.where(found, memory, state.memory),
                         torch.where(found, prediction, state.prediction))

    def report(self, decisions: Sequence[Decision], state: LoopState) -> Tensor:
        """
        Return all that the host wants to know of K decisions.

        :param state: after the last of them.
        :returns: float32 ``[6, K, B]``: label, duration index, whether a token was found, row of
            ``frames`` after the decision, log-probability, and confidence.  Integers are exact,
            for they are below 2**24.
        """
        logits = torch.stack([decision.logits for decision in decisions]).float()
        label = torch.stack([decision.label for decision in decisions])
        places = [decision.place for decision in decisions[1:]] + [state.place]
        chosen = logits.gather(2, label.unsqueeze(2)).squeeze(2)
        return torch.stack([
            label,
            torch.stack([decision.duration for decision in decisions]),
            torch.stack([decision.found for decision in decisions]),
            torch.stack(places).select(2, 0),
            chosen - logits.logsumexp(2),
            confidence(logits.narrow(2, 0, self.n_labels), self._method),
        ])

    def read(
        self, reports: Sequence[NDArray[np.float32]], starts: Sequence[int]
    ) -> list[Hypothesis]:
        """
        Make hypotheses of successive reports.

        :param starts: first row of ``frames`` of each utterance.
        """
        label, duration, found, after, log_probability, sureness = np.concatenate(reports, axis=1)
        before = np.concatenate(([starts], after[:-1])) - starts
        of_index = np.array(self._token_durations)[duration.astype(np.int64)]
        hypotheses = []
        for row, is_token in enumerate(found.T.astype(bool)):
            tokens, frames, durations = (
                tuple(values[is_token, row].astype(np.int64).tolist())
                for values in (label, before, of_index))
            hypotheses.append(Hypothesis(
                tokens, frames, durations, tuple(sureness[is_token, row].tolist()),
                float(log_probability[is_token, row].sum())))
        return hypotheses

    def _table(self) -> list[_Move]:
        """Return the move for each kind of decision, duration and tokens on the frame so far."""
        return [self._move(kind, duration, n_before)
                for kind in range(_N_KINDS)
                for duration in self.durations
                for n_before in range(self._max_symbols)]

    def _move(self, kind: int, duration: int, n_before: int) -> _Move:
        """Return where a decision leads; ``decoding.py`` has the rules."""
        none, blank, _ = range(_N_KINDS)
        if kind == none:
            return 0, 0
        if kind == blank:
            return max(duration, 1), -n_before
        if duration == 0 and n_before + 1 < self._max_symbols:
            return 0, 1
        return max(duration, 1), -n_before

    def _first_state(self) -> LoopState:
        """Return the state of one utterance at frame 0; blank doubles as start of sequence."""
        config = self.transducer.config
        place = torch.zeros(1, 2, dtype=torch.int64, device=self.device)
        memory = torch.zeros(2 * config.prediction_layers, 1, config.prediction_size,
                             dtype=self.dtype, device=self.device)
        blank = torch.full((1,), config.blank_id, device=self.device)
        output, memory = self.transducer.prediction(blank, memory)
        return LoopState(place, memory, self.transducer.joint.prediction(output))
