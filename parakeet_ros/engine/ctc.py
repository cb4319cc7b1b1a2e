"""Connectionist temporal classification (CTC): the head, and its greedy decoding as in NeMo."""

from __future__ import annotations

from itertools import groupby

import torch
from torch import nn, Tensor

from .confidence import confidence
from .decoding import DecodingOptions, DEFAULT_OPTIONS, Hypothesis
from .head_config import CtcConfig


class CtcHead(nn.Module):
    """One linear layer from an encoder frame to tokens and blank; float32 like the others."""

    def __init__(self, config: CtcConfig) -> None:
        """Lay out the layer, a convolution over one frame as in NeMo."""
        super().__init__()
        self.config = config
        self.output = nn.Conv1d(config.encoder_size, config.vocab_size + 1, 1)

    def forward(self, encoded: Tensor) -> Tensor:
        """Map ``[B, T, D]`` to raw logits ``[B, T, vocab + 1]``."""
        return self.output(encoded.transpose(1, 2)).transpose(1, 2)  # type: ignore[no-any-return]


def ctc_decode(
    head: CtcHead, encoded: Tensor, lengths: Tensor, options: DecodingOptions = DEFAULT_OPTIONS
) -> list[Hypothesis]:
    """
    Decode a padded batch: the best label of each frame, runs of one label being one token.

    A token's frame is the first of its run, its duration the length, its confidence the run's
    weakest; the score sums over all frames of tokens.

    :param encoded: encoder output ``[B, T, D]`` in the head's dtype.
    :param lengths: valid encoder frames int64 ``[B]``.
    :returns: ``B`` hypotheses, each the same as the utterance gets alone.
    """
    log_probabilities = head(encoded).log_softmax(2)
    best, labels = log_probabilities.max(2)
    padding = torch.arange(labels.shape[1], device=labels.device) >= lengths[:, None]
    is_blank = padding | (labels == head.config.blank_id)
    scores = best.masked_fill(is_blank, 0.0).sum(1)
    confidences = confidence(log_probabilities, options.confidence)
    rows = zip(labels.tolist(), confidences.tolist(), lengths.tolist(), scores.tolist(),
               strict=True)
    return [
        _fold(row[:n_frames], of_frames, score, head.config.blank_id)
        for row, of_frames, n_frames, score in rows
    ]


def _fold(
    labels: list[int], confidences: list[float], score: float, blank_id: int
) -> Hypothesis:
    """Make a token of every run of one label other than blank."""
    tokens, frames, durations, weakest = [], [], [], []
    frame = 0
    for label, run in groupby(labels):
        n_frames = len(list(run))
        if label != blank_id:
            tokens.append(label)
            frames.append(frame)
            durations.append(n_frames)
            weakest.append(min(confidences[frame: frame + n_frames]))
        frame += n_frames
    return Hypothesis(tuple(tokens), tuple(frames), tuple(durations), tuple(weakest), score)
