"""
Log-mel features as NeMo >= 2.5 computes them in inference.

Source of every step: NeMo's ``FilterbankFeatures`` (asr/parts/preprocessing/features.py), with
the constant-pad STFT of PR #13827.  Window and filterbank come from the checkpoint.  Always
float32: the logarithm of a quiet filter does not survive half precision.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn, Tensor
from torch.nn.utils.rnn import pad_sequence

from .buckets import frame_bucket
from .config import FeaturesConfig
from .device import to_device

# Added to the standard deviation, so that a constant feature does not divide by zero.
_STD_GUARD = 1e-5
# Fewer frames have no standard deviation (ddof 1): such audio carries no speech.
MIN_FRAMES = 2


class LogMel(nn.Module):
    """Waveforms to normalised log-mel features."""

    window: Tensor
    filterbank: Tensor

    def __init__(self, config: FeaturesConfig) -> None:
        """Reserve the buffers that the checkpoint fills."""
        super().__init__()
        self.config = config
        n_bins = config.n_fft // 2 + 1
        self.register_buffer('window', torch.empty(config.window_samples))
        self.register_buffer('filterbank', torch.empty(1, config.n_mels, n_bins))

    def n_frames(self, n_samples: int) -> int:
        """Return how many valid frames that many samples make."""
        return n_samples // self.config.hop_samples

    def forward(self, waveforms: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """
        Compute the features of a batch.

        One utterance at a time, so that the batch cannot change them: a float32 sum over a padded
        row rounds otherwise than over the row alone, and on digital silence, where the deviation
        is 0, normalisation amplifies that rounding by 1e5.

        :param waveforms: float32 ``[n_samples]`` each, of at least ``MIN_FRAMES`` hops.
        :returns: features float32 ``[B, n_mels, T]``, zero after the valid frames, and the valid
            frames int64 ``[B]``.
        """
        features = [self._log_mel(waveform).T for waveform in waveforms]
        lengths = [len(feature) for feature in features]
        padded = pad_sequence(features, batch_first=True).transpose(1, 2)
        return padded, to_device(torch.tensor(lengths), padded.device)

    def _log_mel(self, waveform: Tensor) -> Tensor:
        """Return ``[n_mels, n_samples // hop]`` for ``[n_samples]``."""
        config, n_frames = self.config, self.n_frames(len(waveform))
        change = waveform[1:] - config.preemphasis * waveform[:-1]
        # Silence up to one of a few lengths: cuFFT keeps a plan for each number of frames.
        n_samples = frame_bucket(n_frames + 1) * config.hop_samples
        silence = waveform.new_zeros(n_samples - len(waveform))
        spectrum = torch.stft(
            torch.cat((waveform[:1], change, silence)),
            n_fft=config.n_fft,
            hop_length=config.hop_samples,
            win_length=config.window_samples,
            window=self.window,
            center=True,
            pad_mode='constant',
            return_complex=True,
        )  # [n_fft // 2 + 1, more frames than are valid]
        power = spectrum.real.square() + spectrum.imag.square()
        power = power[:, :n_frames]
        return _normalise(torch.log(self.filterbank[0] @ power + config.log_guard))


def _normalise(mel: Tensor) -> Tensor:
    """Give each feature of ``[n_mels, T]`` mean 0 and standard deviation 1 over time."""
    centred = mel - mel.sum(1, keepdim=True) / mel.shape[1]
    std = (centred.square().sum(1, keepdim=True) / (mel.shape[1] - 1)).sqrt()
    return centred / (std + _STD_GUARD)
