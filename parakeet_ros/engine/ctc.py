"""Connectionist temporal classification (CTC): the head, and its greedy decoding as in NeMo."""

from __future__ import annotations

from itertools import groupby

import torch
from torch import nn, Tensor
from torch.nn import functional

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
        # As a product of matrices: of float32 convolutions a GPU rounds the factors to TF32.
        return functional.linear(encoded, self.output.weight[:, :, 0], self.output.bias)


def ctc_decode(
    head: CtcHead, encoded: Tensor, lengths: Tensor, options: DecodingOptions = DEFAULT_OPTIONS
) -> list[Hypothesis]:
    """
    Decode a padded batch: the best label of each frame, runs of one label being one token.

    A token's frame is the first of its run, its duration the length, its confidence the run's
    weakest; the score sums over all frames of tokens.

    :param encoded: encoder output ``[B, T, D]``.
    :param lengths: valid encoder frames int64 ``[B]``; on the host they cost no wait.
    :returns: ``B`` hypotheses, each the same as the utterance gets alone.
    """
    log_probabilities = head(encoded.to(head.output.weight.dtype)).float().log_softmax(2)
    best, labels = log_probabilities.max(2)
    sureness = confidence(log_probabilities, options.confidence)
    # One copy to the host: [B, 3, T].
    rows = torch.stack((labels.double(), best.double(), sureness.double()), 1).cpu()
    hypotheses = []
    for row, n_frames in zip(rows, lengths.tolist(), strict=True):
        valid = row[:, :n_frames]
        hypotheses.append(_fold(valid[0].long().tolist(), valid[1].tolist(), valid[2].tolist(),
                                head.config.blank_id))
    return hypotheses


def _fold(
    labels: list[int], scores: list[float], confidences: list[float], blank_id: int
) -> Hypothesis:
    """Make a token of every run of one label other than blank."""
    tokens, frames, durations, weakest = [], [], [], []
    frame, score = 0, 0.0
    for label, run in groupby(labels):
        after = frame + len(list(run))
        if label != blank_id:
            tokens.append(label)
            frames.append(frame)
            durations.append(after - frame)
            weakest.append(min(confidences[frame:after]))
            score += sum(scores[frame:after])
        frame = after
    return Hypothesis(tuple(tokens), tuple(frames), tuple(durations), tuple(weakest), score)
