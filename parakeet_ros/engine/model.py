"""The networks of one model, and how they are made from a checkpoint."""

from __future__ import annotations

import torch
from torch import nn

from .checkpoint import Checkpoint
from .config import ModelConfig
from .encoder import FastConformerEncoder
from .features import LogMel
from .transducer import Transducer
from .weights import load_weights


class Model(nn.Module):
    """Features, encoder and transducer, under the names that ``weights.py`` fills."""

    def __init__(self, config: ModelConfig) -> None:
        """Lay out the networks of ``config``."""
        super().__init__()
        self.config = config
        self.features = LogMel(config.features)
        self.encoder = FastConformerEncoder(config.encoder)
        self.transducer = Transducer(config.transducer)

    @property
    def device(self) -> torch.device:
        """Return the device that the networks are on."""
        return self.features.window.device


def build_model(checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> Model:
    """
    Make the networks with the checkpoint's weights, ready for inference.

    :param dtype: the encoder's number format; features and transducer are always float32.
    :raises CheckpointError: weights and configuration do not fit together.
    """
    with torch.device('meta'):  # no memory and no random numbers: the weights come next
        model = Model(checkpoint.config)
    load_weights(model, checkpoint.state, str(checkpoint.path))
    model.encoder.set_dtype(dtype)
    return model.eval().requires_grad_(False).to(device)
