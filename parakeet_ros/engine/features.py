"""
Log-mel features as NeMo >= 2.5 computes them in inference.

Source of every step: NeMo's ``FilterbankFeatures`` (asr/parts/preprocessing/features.py), with
the constant-pad STFT of PR #13827.  Window and filterbank come from the checkpoint.  Always
float32: the logarithm of a quiet filter does not survive half precision.
"""

from __future__ import annotations

import torch
from torch import nn, Tensor

from .config import FeaturesConfig

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

    def forward(self, waveforms: Tensor, n_samples: Tensor) -> tuple[Tensor, Tensor]:
        """
        Compute features of a padded batch.

        :param waveforms: float32 ``[B, N]``, anything after an utterance's own samples.
        :param n_samples: int64 ``[B]``, each at least ``MIN_FRAMES`` hops.
        :returns: features float32 ``[B, n_mels, N // hop]``, zero after the valid frames, and
            the valid frames int64 ``[B]``.
        """
        config = self.config
        n_frames = n_samples // config.hop_samples
        power = self._power(self._pre_emphasise(waveforms, n_samples))
        power = power[:, :, : waveforms.shape[1] // config.hop_samples]  # [B, bins, T]
        mel = torch.log(self.filterbank @ power + config.log_guard)  # [B, n_mels, T]
        return _normalise(mel, n_frames), n_frames

    def _pre_emphasise(self, waveforms: Tensor, n_samples: Tensor) -> Tensor:
        """Filter the waveforms and zero what lies after their ends."""
        filtered = torch.cat(
            (waveforms[:, :1], waveforms[:, 1:] - self.config.preemphasis * waveforms[:, :-1]), 1
        )
        positions = torch.arange(waveforms.shape[1], device=waveforms.device)
        return filtered.masked_fill(positions >= n_samples[:, None], 0.0)

    def _power(self, waveforms: Tensor) -> Tensor:
        """Return the power spectrogram ``[B, n_fft // 2 + 1, N // hop + 1]``."""
        spectrum = torch.stft(
            waveforms,
            n_fft=self.config.n_fft,
            hop_length=self.config.hop_samples,
            win_length=self.config.window_samples,
            window=self.window,
            center=True,
            pad_mode='constant',
            return_complex=True,
        )
        return spectrum.real.square() + spectrum.imag.square()


def _normalise(mel: Tensor, n_frames: Tensor) -> Tensor:
    """
    Give each feature of each utterance mean 0 and standard deviation 1 over its valid frames.

    The statistics are summed in float64: a sum over a padded row runs in another order than over
    the row alone, and on digital silence, where the deviation is 0, float32 rounding of the mean
    would be amplified by 1 / 1e-5 into features that depend on the other utterances.

    :param mel: float32 ``[B, n_mels, T]``.
    :param n_frames: int64 ``[B]``.
    """
    frames = torch.arange(mel.shape[2], device=mel.device)
    padding = frames >= n_frames[:, None, None]  # [B, 1, T]
    count = n_frames[:, None, None]
    exact = mel.double().masked_fill(padding, 0.0)
    mean = exact.sum(2, keepdim=True) / count
    deviation = (exact - mean).masked_fill(padding, 0.0)
    std = (deviation.square().sum(2, keepdim=True) / (count - 1)).sqrt()
    normalised = (mel - mean.float()) / (std.float() + _STD_GUARD)
    return normalised.masked_fill(padding, 0.0)
