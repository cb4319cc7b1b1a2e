"""
The transducer for a CPU beside an encoder that is not exact.

A decoding step multiplies each weight by one vector, so it takes as long as the weights take to be
read; int8 weights take a quarter of that.  Sums, gates and logits stay float32.
"""

from __future__ import annotations

import torch
from torch import nn, Tensor

from .linear import prepare, PreparedLinear
from .transducer import LstmCell, Transducer

INEXACT = (torch.bfloat16, torch.int8)  # formats of the encoder beside which it is used


class FastLstmCell(nn.Module):
    """``LstmCell`` with one product."""

    def __init__(self, cell: LstmCell) -> None:
        """Convert the weights."""
        super().__init__()
        self.gates = prepare(
            torch.cat((cell.weight_ih, cell.weight_hh), 1), cell.bias_ih + cell.bias_hh,
            torch.int8)

    def forward(self, x: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """Return the next hidden and cell state; everything is ``[B, H]``."""
        i, f, g, o = self.gates(torch.cat((x, hidden), 1)).chunk(4, dim=1)
        cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
        return o.sigmoid() * cell.tanh(), cell


@torch.no_grad()
def quantize_transducer(transducer: Transducer) -> None:
    """Give the prediction network and the joint int8 weights, where those are large."""
    cells = transducer.prediction.cells
    for index, cell in enumerate(cells):
        assert isinstance(cell, LstmCell)
        cells[index] = FastLstmCell(cell)
    joint = transducer.joint
    joint.prediction = _quantized(joint.prediction)
    joint.output = _quantized(joint.output)


def _quantized(layer: nn.Module) -> PreparedLinear:
    """Convert one layer."""
    assert isinstance(layer, nn.Linear)
    return prepare(layer.weight, layer.bias, torch.int8)
