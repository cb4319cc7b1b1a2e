"""
The front end's fixed tensors, for model files that leave them out; a ``.nemo`` file holds them.

Filters after M. Slaney, Auditory Toolbox (1998), as ``librosa.filters.mel`` defines them and NeMo
uses them: linear below 1 kHz, logarithmic above, each of unit area.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_LINEAR_HZ_PER_MEL = 200.0 / 3.0
_LOG_FROM_HZ = 1000.0
_LOG_FROM_MEL = _LOG_FROM_HZ / _LINEAR_HZ_PER_MEL
_LOG_STEP = math.log(6.4) / 27.0


def hann_window(window_samples: int) -> Tensor:
    """Return the symmetric Hann window, float32 ``[window_samples]``."""
    return torch.hann_window(window_samples, periodic=False)


def slaney_filters(n_mels: int, n_fft: int, sample_rate: int) -> Tensor:
    """Return triangular filters from 0 Hz to half the rate, float32 ``[1, n_mels, n_bins]``."""
    half_hz = sample_rate / 2
    bins_hz = torch.linspace(0, half_hz, n_fft // 2 + 1, dtype=torch.float64)
    edges_mel = torch.linspace(0, _mel(half_hz), n_mels + 2, dtype=torch.float64)
    edges_hz = torch.where(
        edges_mel < _LOG_FROM_MEL,
        edges_mel * _LINEAR_HZ_PER_MEL,
        _LOG_FROM_HZ * torch.exp(_LOG_STEP * (edges_mel - _LOG_FROM_MEL)),
    )
    low, centre, high = (edges_hz[i: i + n_mels, None] for i in range(3))
    rising = (bins_hz - low) / (centre - low)
    falling = (high - bins_hz) / (high - centre)
    filters = torch.minimum(rising, falling).clamp(min=0) * (2.0 / (high - low))
    return filters.float()[None]


def _mel(hz: float) -> float:
    if hz < _LOG_FROM_HZ:
        return hz / _LINEAR_HZ_PER_MEL
    return _LOG_FROM_MEL + math.log(hz / _LOG_FROM_HZ) / _LOG_STEP
