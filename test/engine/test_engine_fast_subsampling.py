"""Subsampling in blocks is held to the one that is written for reading."""

from __future__ import annotations

from parakeet_ros.engine import fast_subsampling
from parakeet_ros.engine.config import EncoderConfig
from parakeet_ros.engine.encoder import ConvSubsampling
from parakeet_ros.engine.fast_subsampling import FastSubsampling
import pytest
import torch

CONFIG = EncoderConfig(
    n_mels=20, n_layers=1, d_model=32, n_heads=4, feed_forward_factor=4, subsampling_factor=8,
    subsampling_channels=16, conv_kernel=9, use_bias=True, xscaling=False)
# Frames at 10 ms, a quarter as many where blocks are cut: of one, two, three and five blocks of
# three, whole ones and others.
BATCHES = [(12,), (13,), (24, 24), (25, 14, 3), (31,), (49, 57, 60)]


@pytest.mark.parametrize('block', [1, 2, 3, 1000])
@pytest.mark.parametrize('frames', BATCHES)
@torch.inference_mode()
def test_no_border_of_a_block_is_heard(monkeypatch, frames, block):
    monkeypatch.setattr(fast_subsampling, 'BLOCK', block)
    torch.manual_seed(3)
    reference = ConvSubsampling(CONFIG)
    features = torch.randn(len(frames), CONFIG.n_mels, max(frames))  # padding is not 0
    lengths = torch.tensor(frames)
    expected, n_expected = reference(features, lengths)
    found, n_found = FastSubsampling(reference, torch.float32)(
        features, lengths, padded=len(set(frames)) > 1)
    assert found.shape == expected.shape and n_found.tolist() == n_expected.tolist()
    for row, n in enumerate(n_found.tolist()):
        torch.testing.assert_close(found[row, :n], expected[row, :n])
