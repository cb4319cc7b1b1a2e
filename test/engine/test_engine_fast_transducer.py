"""The int8 transducer stays near the one that it is made of."""

from __future__ import annotations

from copy import deepcopy

from parakeet_ros.engine import linear
from parakeet_ros.engine.decoder import TransducerDecoder
from parakeet_ros.engine.decoding import DEFAULT_OPTIONS
from parakeet_ros.engine.fast_transducer import FastLstmCell, quantize_transducer
from parakeet_ros.engine.linear import pack
from parakeet_ros.engine.transducer import LstmCell
import pytest
import torch


@pytest.mark.parametrize('n', [1, 3])
@torch.inference_mode()
def test_a_cell_stays_near_its_original(n):
    torch.manual_seed(1)
    cell = LstmCell(320)
    for parameter in cell.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    fast = FastLstmCell(cell)
    pack(fast)
    state = hidden, memory = torch.rand(n, 320) - 0.5, torch.randn(n, 320)
    x = torch.randn(n, 320)
    for expected, found in zip(cell(x, *state), fast(x, hidden, memory), strict=True):
        assert (found - expected).norm() / expected.norm() < 0.02


@torch.inference_mode()
def test_small_layers_stay_as_they_are(builtin, heldout):
    head = deepcopy(builtin.model.head)
    quantize_transducer(head)
    assert decoded(builtin, head, heldout[:6]) == decoded(builtin, builtin.model.head, heldout[:6])


@torch.inference_mode()
def test_int8_weights_change_the_text_of_a_few_clips_at_most(monkeypatch, builtin, heldout):
    monkeypatch.setattr(linear, 'LARGE', 0)
    head = deepcopy(builtin.model.head)
    quantize_transducer(head)
    pack(head)
    found = decoded(builtin, head, heldout)
    expected = decoded(builtin, builtin.model.head, heldout)
    assert sum(a != b for a, b in zip(found, expected, strict=True)) <= 3


def decoded(transcriber, head, clips):
    """Return the tokens of clips by another head of a model."""
    decoder, model, tokens = TransducerDecoder(head), transcriber.model, []
    for clip, _ in clips:
        features, n_frames = model.features([torch.from_numpy(clip)])
        encoded, lengths = model.encoder(features, n_frames)
        [hypothesis] = decoder.decode(encoded, lengths, DEFAULT_OPTIONS, model.graphs)
        tokens.append(hypothesis.tokens)
    return tokens
