"""
What happens to clean recordings before a model is trained on them.

Each clip is spoken faster or slower, put somewhere in a stretch of silence (all of a batch in
stretches of one length), made shriller or duller, heard in a room, over noise, through a poor
line, and recorded too quietly or too loudly. Rooms and most noise come from banks that are made
once, so that a clip costs little.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from parakeet_ros.training.corpus import SAMPLE_RATE_HZ, Waveform
from parakeet_ros.training.music import music
from parakeet_ros.training.noise import air, Generator, murmur, NOISES, unit
from parakeet_ros.training.rooms import reverberated, room
import torch
from torch import Tensor

Spectrum = NDArray[np.floating[Any]]  # [n_frequencies]

NOISE_PIECE_S = 12.0
NOISE_PIECES = 10
ROOMS = 64
OCTAVES = 7  # whose gain is drawn: 8,000 to 125 Hz
BAND_EDGE_HZ = 100.0  # over so many a band limit falls off
BACKGROUNDS = {**NOISES, 'music': music}  # what is made of random numbers alone
CROWD = 'crowd'
# What noise is. Of what hides the most words there is the most, by how many each kind cost a model
# that had heard all about equally often.
NOISE_SHARES = {'air': 0.24, 'fan': 0.14, 'hum': 0.02, 'motor': 0.24, 'clicks': 0.15,
                'beeps': 0.06, 'music': 0.09, CROWD: 0.06}


@dataclass(frozen=True)
class AugmentOptions:
    """How often something happens to a clip (``_share``) and how much of it."""

    speed_share: float = 0.6
    speed: tuple[float, float] = (0.87, 1.15)
    # The clips of a batch lie anywhere in a stretch that is so much longer than the longest, so
    # that every phase of an encoder frame occurs, long silences too, and none needs padding.
    early_s: float = 0.08  # of a clip may be cut off by the start of the stretch
    silence_s: tuple[float, float] = (0.1, 0.6)
    long_silence_share: float = 0.25  # of the batches
    long_silence_s: float = 2.5
    # A voice or microphone that is weak in some octaves loses those first in noise.
    equalised_share: float = 0.6
    octave_db: float = 5.0  # standard deviation of the gain of an octave
    tilt_db: float = 2.0  # the same of the change from one octave to the next
    room_share: float = 0.3
    noise_share: float = 0.4  # with noise that can be heard; the others have a noise floor
    snr_db: tuple[float, float] = (3.0, 30.0)
    noise_shares: Mapping[str, float] = field(default_factory=NOISE_SHARES.copy)
    floor_db: tuple[float, float] = (30.0, 75.0)  # the same measure
    silent_floor_share: float = 0.05  # digital silence between the words
    band_share: float = 0.12
    peak: tuple[float, float] = (0.02, 0.95)
    clipped_share: float = 0.03
    clipping: float = 4.0  # at most so many times too loud


class Augmenter:
    """
    Changes batches of clips at random, each call with draws of its own.

    :param seed: of the banks of noise and rooms; what happens to a clip is drawn from the
        generator that comes with it
    :param pieces: of each kind of noise in the bank, `NOISE_PIECE_S` each
    :param babble: clips of speech without words that matter, to be mixed into a background
    """

    def __init__(self, seed: int = 0, options: AugmentOptions | None = None,
                 babble: Sequence[Waveform] = (), pieces: int = NOISE_PIECES) -> None:
        self.options = options or AugmentOptions()
        rng = np.random.default_rng(seed)
        n_samples = int(NOISE_PIECE_S * SAMPLE_RATE_HZ)
        makers = dict(BACKGROUNDS)
        if babble:
            makers[CROWD] = partial(murmur, babble)
        self._noises = {kind: [make(n_samples, rng) for _ in range(pieces)]
                        for kind, make in makers.items()}
        self._rooms = [room(rng) for _ in range(ROOMS)]

    def __call__(self, waveforms: Sequence[Waveform], rng: Generator, n_views: int = 1
                 ) -> list[Waveform]:
        """
        Return changed copies of a batch: float32 ``[n_samples]`` at 16 kHz, equally long.

        :param n_views: of each clip so many, in which the words are at the same places but heard
            differently; first one of each clip, then another of each.
        """
        options = self.options
        spoken = [faster(waveform, rng.uniform(*options.speed))
                  if rng.random() < options.speed_share else waveform for waveform in waveforms]
        silence_s = rng.uniform(*options.silence_s)
        if rng.random() < options.long_silence_share:
            silence_s = rng.uniform(0, options.long_silence_s)
        n_samples = max(map(len, spoken)) + int(silence_s * SAMPLE_RATE_HZ)
        # The level is that of the speech alone, before silence is put around it.
        placed = [(self._placed(waveform, n_samples, rng), _rms(waveform)) for waveform in spoken]
        return [self._heard(waveform, loudness, rng)
                for _ in range(n_views) for waveform, loudness in placed]

    def _heard(self, waveform: Waveform, loudness: float, rng: Generator) -> Waveform:
        """Return what a microphone makes of speech of some RMS in a stretch of silence."""
        options = self.options
        if rng.random() < options.equalised_share:
            tilt_db = rng.normal(0, options.tilt_db) * np.arange(OCTAVES)
            waveform = equalised(waveform, tilt_db + rng.normal(0, options.octave_db, OCTAVES))
        if rng.random() < options.room_share:
            waveform = reverberated(waveform, self._rooms[rng.integers(len(self._rooms))])
        waveform = self._noisy(waveform, loudness, rng)
        if rng.random() < options.band_share:
            waveform = band_limited(waveform, rng.uniform(50, 400), rng.uniform(3000, 7000))
        return self._recorded(waveform, rng)

    def background(self, n_samples: int, rng: Generator, kind: str = '') -> Waveform:
        """Return a stretch of noise, of any kind or of one, with an RMS of 1; it may repeat."""
        pieces = self._noises[kind] if kind else list(chain.from_iterable(self._noises.values()))
        piece = pieces[rng.integers(len(pieces))]
        start = int(rng.integers(len(piece)))
        return unit(np.take(piece, np.arange(start, start + n_samples), mode='wrap'))

    def _noise(self, n_samples: int, rng: Generator) -> Waveform:
        """Return noise of a kind drawn by the shares; air, which is cheap, is made anew."""
        shares = np.array([self.options.noise_shares.get(kind, 0.0) for kind in self._noises])
        kind = rng.choice(list(self._noises), p=shares / shares.sum())
        return air(n_samples, rng) if kind == 'air' else self.background(n_samples, rng, kind)

    def _placed(self, waveform: Waveform, n_samples: int, rng: Generator) -> Waveform:
        """Put the clip anywhere in silence, at times a little too early."""
        early = int(self.options.early_s * SAMPLE_RATE_HZ)
        start = int(rng.integers(-early, n_samples - len(waveform) + 1))
        waveform = waveform[max(0, -start):]
        start = max(0, start)
        placed: Waveform = np.pad(waveform, (start, n_samples - start - len(waveform)))
        return placed

    def _noisy(self, waveform: Waveform, loudness: float, rng: Generator) -> Waveform:
        """Add noise, or the floor that every microphone has."""
        options = self.options
        if rng.random() < options.silent_floor_share:
            return waveform
        loud = rng.random() < options.noise_share
        snr_db = rng.uniform(*(options.snr_db if loud else options.floor_db))
        # A clip without speech has no level of its own: the noise is all there is.
        level = np.float32((loudness or 1.0) * 10 ** (-snr_db / 20))
        noisy: Waveform = waveform + level * self._noise(len(waveform), rng)
        return noisy

    def _recorded(self, waveform: Waveform, rng: Generator) -> Waveform:
        """Set the level, now and then too high."""
        options = self.options
        peak = float(np.abs(waveform).max(initial=0)) or 1.0
        wanted = float(np.exp(rng.uniform(*np.log(options.peak))))
        if rng.random() < options.clipped_share:
            wanted = rng.uniform(1, options.clipping)
        recorded: Waveform = np.clip(waveform * np.float32(wanted / peak), -1, 1)
        return recorded


def faster(waveform: Waveform, speed: float) -> Waveform:
    """Play faster by a factor, pitch and all; linear interpolation is enough for a feature."""
    position = np.arange(int(len(waveform) / speed)) * speed
    played = np.interp(position, np.arange(len(waveform)), waveform)
    return np.asarray(played, np.float32)


def band_limited(waveform: Waveform, low_hz: float, high_hz: float) -> Waveform:
    """Keep the frequencies between two edges, as a telephone line or a cheap microphone does."""
    def gain(frequency_hz: Spectrum) -> Spectrum:
        inside_hz = np.minimum(frequency_hz - low_hz, high_hz - frequency_hz)
        return np.asarray(np.clip(1 + inside_hz / BAND_EDGE_HZ, 0.003, 1))
    return _filtered(waveform, gain)


def equalised(waveform: Waveform, gains_db: Spectrum) -> Waveform:
    """
    Amplify octaves by gains that change steadily from one to the next, and keep the RMS.

    :param gains_db: of the frequencies 8,000, 4,000, 2,000 Hz ...; the last one's holds below it
    """
    def gain(frequency_hz: Spectrum) -> Spectrum:
        octave = np.log2(8000 / np.maximum(frequency_hz, 1.0))
        return np.asarray(10 ** (np.interp(octave, np.arange(len(gains_db)), gains_db) / 20))
    equal = _filtered(waveform, gain)
    equal *= np.float32(_rms(waveform) / (_rms(equal) or 1.0))
    return equal


def _filtered(waveform: Waveform, gain: Callable[[Spectrum], Spectrum]) -> Waveform:
    """Multiply the spectrum by a gain for each frequency in Hz."""
    size = 1 << (len(waveform) - 1).bit_length()
    frequency_hz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE_HZ)
    filtered = np.fft.irfft(np.fft.rfft(waveform, size) * gain(frequency_hz), size)
    return filtered[:len(waveform)].astype(np.float32)


def spec_augment(features: Tensor, lengths: Tensor, generator: torch.Generator, *,
                 bands: int = 2, band_mels: int = 12, gaps: int = 2, gap_frames: int = 8
                 ) -> Tensor:
    """
    Blank out bands of frequency and gaps of time (Park et al., SpecAugment, 2019).

    :param features: normalised log-mel ``[B, n_mels, T]``; 0 is the mean of each
    :param lengths: valid frames ``[B]``
    :returns: a copy with zeros in up to ``bands`` bands and ``gaps`` gaps per clip
    """
    batch, n_mels, n_frames = features.shape
    band = _stripes(torch.full((batch,), n_mels), n_mels, bands, band_mels, generator)
    gap = _stripes(lengths.cpu(), n_frames, gaps, gap_frames, generator)
    hidden = band[:, :, None] | gap[:, None, :]  # [B, n_mels, T]
    return features.masked_fill(hidden.to(features.device), 0)


def _stripes(lengths: Tensor, size: int, count: int, widest: int, generator: torch.Generator
             ) -> Tensor:
    """Mark ``count`` stripes of 0 to ``widest`` within each length: bool ``[B, size]``."""
    shape = (len(lengths), count, 1)
    width = torch.randint(0, widest + 1, shape, generator=generator)
    room_left = (lengths[:, None, None] - width).clamp(min=1)
    start = (torch.rand(shape, generator=generator) * room_left).long()
    position = torch.arange(size)
    return ((position >= start) & (position < start + width)).any(1)


def _rms(waveform: Waveform) -> float:
    """Return the root mean square of a waveform; 0 if it is empty."""
    return float(np.sqrt(np.mean(np.square(waveform), dtype=np.float64))) if len(waveform) else 0.0
