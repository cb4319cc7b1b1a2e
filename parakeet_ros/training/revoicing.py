"""
Speakers that there is no voice of, made from recordings of those that there are.

WORLD (Morise, Yokomori and Ozawa, 2016; PyPI's ``pyworld``) takes a recording apart into pitch,
spectral envelope and aperiodicity, and plays them again. What is changed in between is what tells
one speaker, or one synthesiser, from another: the pitch and its range, each formant, how smooth
the envelope is, how strong the consonants are, how breathy the voice is, and the pace.
"""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from parakeet_ros.training.corpus import SAMPLE_RATE_HZ, Waveform
from parakeet_ros.training.noise import Generator

Array = NDArray[np.floating[Any]]

PITCH_HZ = (55.0, 480.0)
WOMEN_SHARE = 0.65  # theirs is the speech that noise hides more of
WOMEN_HZ, MEN_HZ = (150.0, 260.0), (80.0, 150.0)
BORDER_HZ = 145.0  # of the pitch of recordings by men
# How much higher the formants become, by who speaks and who is to.
SAME, HIGHER, LOWER = (0.88, 1.14), (1.04, 1.25), (0.8, 0.96)
KNOTS_HZ = (0.0, 700.0, 1500.0, 2500.0, 4000.0, SAMPLE_RATE_HZ / 2)
KNOT_SPREAD = 0.045  # standard deviation of the logarithm of the ratio at each
PITCH_RANGE = (0.2, 1.6)  # 1 as it was, 0 monotonous
SPEED = (0.82, 1.25)
PEAK = 0.5
_DB = np.log(10) / 10  # of a power, in the logarithms of which envelopes are


@dataclass(frozen=True)
class Parts:
    """What a recording consists of, a row every 5 ms, F frequencies from 0 to 8,000 Hz."""

    pitch_hz: Array  # [T], 0 where there is no voice
    envelope: Array  # [T, F] logarithm of the power
    aperiodicity: Array  # [T, F] 0 to 1: the share that is noise

    @property
    def is_voiced(self) -> NDArray[np.bool_]:
        """Tell of each row whether there is a voice in it: ``[T]``."""
        return np.asarray(self.pitch_hz > 0)


def revoiced(waveform: Waveform, rng: Generator) -> Waveform:
    """
    Say the same as somebody else, drawn at random.

    :param waveform: float32 ``[n_samples]`` at 16 kHz
    :returns: the same, of another length, with a peak of `PEAK`
    :raises ImportError: pyworld is not installed
    """
    parts = _analysed(waveform, rng)
    for change in (_other_speaker, _other_envelope, _other_breath, _other_pace):
        parts = change(parts, rng)
    return _played(parts)


def _analysed(waveform: Waveform, rng: Generator) -> Parts:
    """Take a recording apart; a trace of noise spares WORLD digital silence."""
    import pyworld

    samples = waveform + 1e-5 * rng.standard_normal(len(waveform))
    roughly_hz, time_s = pyworld.dio(samples, SAMPLE_RATE_HZ)
    pitch_hz = pyworld.stonemask(samples, roughly_hz, time_s, SAMPLE_RATE_HZ)
    power = pyworld.cheaptrick(samples, pitch_hz, time_s, SAMPLE_RATE_HZ)
    aperiodicity = pyworld.d4c(samples, pitch_hz, time_s, SAMPLE_RATE_HZ)
    return Parts(pitch_hz, np.log(power + 1e-16), aperiodicity)


def _played(parts: Parts) -> Waveform:
    """Put a recording together."""
    import pyworld

    samples = pyworld.synthesize(*map(np.ascontiguousarray, (
        parts.pitch_hz, np.exp(parts.envelope), parts.aperiodicity)), SAMPLE_RATE_HZ)
    return np.asarray(samples * (PEAK / max(np.abs(samples).max(), 1e-9)), np.float32)


def _other_speaker(parts: Parts, rng: Generator) -> Parts:
    """Draw a woman or a man: pitch, its range, and formants."""
    voiced = parts.pitch_hz[parts.is_voiced]
    median_hz = float(np.median(voiced)) if len(voiced) else BORDER_HZ
    was_woman, woman = median_hz >= BORDER_HZ, rng.random() < WOMEN_SHARE
    size = SAME if was_woman == woman else HIGHER if woman else LOWER
    ratios = rng.uniform(*size) * np.exp(rng.normal(0, KNOT_SPREAD, len(KNOTS_HZ)))
    wanted_hz = rng.uniform(*(WOMEN_HZ if woman else MEN_HZ))
    intervals = np.maximum(parts.pitch_hz, 1) / median_hz
    pitch_hz = np.clip(wanted_hz * intervals ** rng.uniform(*PITCH_RANGE), *PITCH_HZ)
    return replace(moved(parts, ratios), pitch_hz=np.where(parts.is_voiced, pitch_hz, 0))


def moved(parts: Parts, ratios: Array) -> Parts:
    """
    Move formants.

    :param ratios: of the frequency where something comes to lie to that where it was, near each
        of `KNOTS_HZ`; in between they change steadily
    """
    frequency_hz = _frequencies_hz(parts)
    from_hz = np.minimum(frequency_hz / np.interp(frequency_hz, KNOTS_HZ, ratios), KNOTS_HZ[-1])
    place = from_hz / KNOTS_HZ[-1] * (len(frequency_hz) - 1)
    below = np.minimum(place.astype(int), len(frequency_hz) - 2)
    share = place - below

    def drawn(rows: Array) -> Array:
        return np.asarray(rows[:, below] * (1 - share) + rows[:, below + 1] * share)

    return replace(parts, envelope=drawn(parts.envelope), aperiodicity=drawn(parts.aperiodicity))


def _other_envelope(parts: Parts, rng: Generator) -> Parts:
    """Smooth it, as synthesisers do, make it shriller or duller, and change the consonants."""
    envelope = parts.envelope
    if rng.random() < 0.6:
        envelope = _without_detail(envelope, int(rng.integers(18, 45)))
    if rng.random() < 0.5:
        envelope = _smooth(envelope, rng.uniform(1, 4))
    if rng.random() < 0.6:
        gain_db = rng.uniform(-9, 2.5) * ~parts.is_voiced[:, None]
        envelope = envelope + _DB * _smooth(gain_db, 2)
    octave = np.log2(np.maximum(_frequencies_hz(parts), 125) / 1000)
    return replace(parts, envelope=envelope + _DB * rng.normal(0, 2) * octave)


def _other_breath(parts: Parts, rng: Generator) -> Parts:
    """Make the voice buzz like an early vocoder's, or more or less breathy, or leave it."""
    draw = rng.random()
    if draw < 0.25:
        buzzes = _frequencies_hz(parts) < rng.uniform(2500, 8000)
        return replace(parts, aperiodicity=np.where(
            buzzes & parts.is_voiced[:, None], 1e-3, parts.aperiodicity))
    if draw < 0.6:
        breath = np.clip(parts.aperiodicity, 1e-6, 1) ** rng.uniform(0.6, 1.8)
        return replace(parts, aperiodicity=breath)
    return parts


def _other_pace(parts: Parts, rng: Generator) -> Parts:
    """Speak faster or slower at the same pitch."""
    speed, n_rows = rng.uniform(*SPEED), len(parts.pitch_hz)
    rows = np.minimum(np.rint(np.arange(int(n_rows / speed)) * speed).astype(int), n_rows - 1)
    return Parts(parts.pitch_hz[rows], parts.envelope[rows], parts.aperiodicity[rows])


def _frequencies_hz(parts: Parts) -> Array:
    """Return the frequencies of an envelope: ``[F]``."""
    return np.linspace(0, KNOTS_HZ[-1], parts.envelope.shape[1])


def _without_detail(envelope: Array, order: int) -> Array:
    """Keep so many coefficients of the cepstrum."""
    cepstrum = np.fft.irfft(envelope, axis=1)
    cepstrum[:, order + 1:cepstrum.shape[1] - order] = 0
    return np.asarray(np.fft.rfft(cepstrum, axis=1).real)


def _smooth(rows: Array, deviation: float) -> Array:
    """Blur over time with a bell curve of so many rows' standard deviation."""
    reach = int(3 * deviation) + 1
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    padded = np.pad(rows, ((reach, reach), (0, 0)), mode='edge')
    return np.asarray(sum(weight * padded[shift:shift + len(rows)]
                          for shift, weight in enumerate(bell / bell.sum())))
