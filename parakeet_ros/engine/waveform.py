"""The check that every waveform passes before it reaches the model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from parakeet_ros.recording import MAX_SAMPLE
import torch
from torch import Tensor

Waveform = NDArray[np.float32] | Tensor


def check_waveform(waveform: Waveform) -> Tensor:
    """Return the waveform as a float32 tensor ``[n_samples]``, refusing anything else."""
    if isinstance(waveform, np.ndarray):
        if waveform.dtype != np.float32:
            raise ValueError(_wrong_dtype(waveform.dtype))
        # A copy: the caller's array may be read-only or run backwards, which torch refuses.
        waveform = torch.from_numpy(np.array(waveform, order='C'))
    if not isinstance(waveform, Tensor):
        raise ValueError(f'audio must be a numpy array, a torch tensor or a path, not '
                         f'{type(waveform).__name__}')
    if waveform.dtype != torch.float32:
        raise ValueError(_wrong_dtype(waveform.dtype))
    if waveform.ndim != 1:
        raise ValueError(f'the waveform has shape {list(waveform.shape)}; give mono audio '
                         '[n_samples], one channel at a time')
    if not bool((waveform.abs() <= MAX_SAMPLE).all()):
        raise ValueError('the waveform has NaN or infinite samples, or some beyond '
                         f'{MAX_SAMPLE:g}, where full scale is 1; check the source, or replace '
                         'them by 0')
    return waveform


def _wrong_dtype(dtype: object) -> str:
    return (f'the waveform is {dtype}; give float32 with full scale 1.0, for int16 '
            'x.astype(numpy.float32) / 32768')
