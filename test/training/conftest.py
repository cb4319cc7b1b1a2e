"""A vocabulary and a model small enough to be trained in a test."""
from __future__ import annotations

from parakeet_ros.training.start import fresh_start, Start
from parakeet_ros.training.vocabulary import train_tokenizer
import pytest
from tiny import TINY
import torch


@pytest.fixture(autouse=True)
def seed() -> None:
    """Draw the same numbers whatever was run before."""
    torch.manual_seed(0)


@pytest.fixture(scope='session')
def tokenizer_model() -> bytes:
    return train_tokenizer(['go left', 'go right', 'stop now'] * 10, 24)


@pytest.fixture
def tiny_start(tokenizer_model: bytes) -> Start:
    """Return a model with random weights, the same ones in every test."""
    start = fresh_start(TINY, tokenizer_model)
    return Start(start.raw_config, tokenizer_model, start.network().nemo_state())
