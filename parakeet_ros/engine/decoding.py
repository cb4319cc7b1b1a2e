"""
Greedy transducer decoding by label looping (arXiv:2406.06220), as NeMo's ``greedy_batch``.

The reference, and what decodes with hotwords; else ``decoder.py`` chooses a faster way to the same
tokens.  Two step functions advance a batch, tensors only: ``search_step`` looks at one encoder
frame of every utterance that still seeks a token, ``predict_step`` shows the tokens found to the
prediction network.  On finished utterances both do nothing.

The semantics, from NeMo's ``tdt_label_looping.py`` and ``rnnt_label_looping.py``:

- Token and duration are two argmaxes over raw logits.
- Blank advances by its duration, but at least 1; the prediction network sees tokens only.
- A token with duration 0 stays on its frame, where at most ``max_symbols`` tokens are emitted.
- A token whose duration leads past the end is kept.
- RNN-T has no durations: blank advances by 1, a token stays on its frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

from .confidence import confidence, CONFIDENCE_METHODS
from .hotword_search import HotwordSearch
from .hotwords import Hotwords
from .transducer import DecoderState, Transducer


@dataclass(frozen=True)
class DecodingOptions:
    """What a caller may choose; None takes what the checkpoint says."""

    max_symbols: int | None = None  # tokens on one encoder frame; CTC emits one at most
    confidence: str = 'max_prob'  # how confidence is measured: that or 'entropy'
    hotwords: Hotwords | None = None  # phrases to prefer, from Transcriber.hotwords

    def __post_init__(self) -> None:
        if self.max_symbols is not None and (
                type(self.max_symbols) is not int or self.max_symbols < 1):
            raise ValueError(
                f'max_symbols is {self.max_symbols}; give a whole number from 1, or None for the '
                "checkpoint's own limit"
            )
        if self.confidence not in CONFIDENCE_METHODS:
            raise ValueError(f"unknown confidence method '{self.confidence}'; give "
                             f"{' or '.join(CONFIDENCE_METHODS)}")


DEFAULT_OPTIONS = DecodingOptions()


@dataclass(frozen=True)
class Hypothesis:
    """One utterance decoded; the four tuples run in parallel."""

    tokens: tuple[int, ...]
    frames: tuple[int, ...]  # encoder frame on which each token was emitted
    durations: tuple[int, ...]  # encoder frames that each token covers: predicted, for RNN-T 1
    confidences: tuple[float, ...]  # 0 .. 1, by the method of the options
    score: float  # sum of the tokens' log-probabilities

    @classmethod
    def empty(cls) -> Hypothesis:
        """Return the hypothesis of an utterance without speech."""
        return cls((), (), (), (), 0.0)


def greedy_decode(
    transducer: Transducer,
    encoded: Tensor,
    lengths: Tensor,
    options: DecodingOptions = DEFAULT_OPTIONS,
) -> list[Hypothesis]:
    """
    Decode a padded batch.

    :param encoded: encoder output ``[B, T, D]`` in the transducer's dtype.
    :param lengths: valid encoder frames int64 ``[B]``.
    :returns: ``B`` hypotheses, each the same as the utterance gets alone.
    """
    max_symbols = options.max_symbols or transducer.config.max_symbols
    state, hotwords = begin(transducer, encoded, lengths, max_symbols, options)
    while bool(is_active(state).any()):
        search_step(transducer, state, max_symbols, options.confidence, hotwords)
        while bool(_searching(state).any()):
            search_step(transducer, state, max_symbols, options.confidence, hotwords)
        predict_step(transducer, state)
    return read(pack(state).numpy(force=True))


def begin(
    transducer: Transducer, encoded: Tensor, lengths: Tensor, max_symbols: int,
    options: DecodingOptions,
) -> tuple[DecoderState, HotwordSearch | None]:
    """Return what the steps work on, before the first; arguments as ``greedy_decode``."""
    state = DecoderState.start(transducer, encoded, lengths, encoded.shape[1] * max_symbols)
    return state, HotwordSearch(options.hotwords, state) if options.hotwords else None


def search_step(
    transducer: Transducer,
    state: DecoderState,
    max_symbols: int,
    method: str = DEFAULT_OPTIONS.confidence,
    hotwords: HotwordSearch | None = None,
) -> None:
    """Look at one frame of every unfinished utterance without a pending token."""
    searching = _searching(state)
    frame = state.time.clamp(max=state.encoded.shape[1] - 1)
    rows = torch.arange(frame.shape[0], device=frame.device)
    logits = transducer.joint(state.encoded[rows, frame], state.prediction).float()
    of_tokens, of_durations = logits.tensor_split((transducer.config.vocab_size + 1,), 1)
    label = of_tokens.argmax(1)
    if hotwords is not None:
        label = hotwords.choose(state, searching, label, of_tokens)
    is_blank = label == transducer.config.blank_id
    found = searching & ~is_blank

    log_probability = logits.gather(1, label[:, None])[:, 0] - logits.logsumexp(1)
    state.score += torch.where(found, log_probability, 0.0)
    duration, advance = _advance(state, of_durations, is_blank)
    _emit(state, found, label, frame, duration, confidence(of_tokens, method))

    stuck = found & (advance == 0) & (state.n_on_frame >= max_symbols)
    state.time += torch.where(searching, advance + stuck.long(), 0)
    state.label.copy_(torch.where(searching, label, state.label))
    state.pending |= found
    if hotwords is not None:
        hotwords.settle(state, found, label)


def predict_step(transducer: Transducer, state: DecoderState) -> None:
    """Show each pending token to the prediction network."""
    output, memory = transducer.prediction(state.label, state.memory)
    prediction = transducer.joint.prediction(output)
    pending = state.pending[:, None]
    state.prediction.copy_(torch.where(pending, prediction, state.prediction))
    state.memory.copy_(torch.where(pending, memory, state.memory))
    state.pending.zero_()


def _advance(
    state: DecoderState, of_durations: Tensor, is_blank: Tensor
) -> tuple[Tensor, Tensor]:
    """
    Return how many frames each row's label covers, and by how many it moves on.

    :param of_durations: logits ``[B, durations]``, without columns for RNN-T.
    :param is_blank: bool ``[B]``.
    """
    if of_durations.shape[1] == 0:
        return torch.ones_like(state.time), is_blank.long()
    duration = state.durations[of_durations.argmax(1)]
    return duration, torch.where(is_blank, duration.clamp(min=1), duration)


def _emit(
    state: DecoderState,
    found: Tensor,
    label: Tensor,
    frame: Tensor,
    duration: Tensor,
    sureness: Tensor,
) -> None:
    """Append the token of each row in ``found``; other rows write to the spare column."""
    spare = state.tokens.shape[1] - 1
    slot = torch.where(found, state.n_tokens, spare)[:, None]
    state.tokens.scatter_(1, slot, label[:, None])
    state.frames.scatter_(1, slot, frame[:, None])
    state.token_durations.scatter_(1, slot, duration[:, None])
    state.confidences.scatter_(1, slot, sureness[:, None])
    again = found & (frame == state.last_frame)
    state.n_on_frame.copy_(
        torch.where(again, state.n_on_frame + 1, torch.where(found, 1, state.n_on_frame))
    )
    state.last_frame.copy_(torch.where(found, frame, state.last_frame))
    state.n_tokens += found.long()


def _searching(state: DecoderState) -> Tensor:
    """Return bool ``[B]``: frames left and no token found since the last prediction."""
    return is_active(state) & ~state.pending


def is_active(state: DecoderState) -> Tensor:
    """Return bool ``[B]``: frames left."""
    return state.time < state.lengths


def pack(state: DecoderState) -> Tensor:
    """
    Return all that makes hypotheses in one tensor, for one copy to the host.

    :returns: float64 ``[B, 5, capacity + 1]``: tokens, frames, durations, confidences, and a row
        that begins with the number of tokens and the score.
    """
    totals = torch.zeros_like(state.confidences, dtype=torch.float64)
    totals[:, 0], totals[:, 1] = state.n_tokens, state.score
    return torch.stack([column.double() for column in (
        state.tokens, state.frames, state.token_durations, state.confidences, totals)], 1)


def read(packed: NDArray[np.float64]) -> list[Hypothesis]:
    """Make hypotheses of what ``pack`` returned, on the host."""
    hypotheses = []
    for *integers, sureness, totals in packed:
        n_tokens = int(totals[0])
        tokens, frames, durations = (
            tuple(column[:n_tokens].astype(np.int64).tolist()) for column in integers)
        hypotheses.append(Hypothesis(
            tokens, frames, durations, tuple(sureness[:n_tokens].tolist()), float(totals[1])))
    return hypotheses
