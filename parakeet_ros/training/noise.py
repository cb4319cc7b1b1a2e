"""
Noise as robots hear it, of any length: float32 ``[n_samples]`` at 16 kHz with an RMS of 1.

Coloured noise is white noise shaped in the frequency domain: the power falls as 1 / f**exponent.
"""
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from parakeet_ros.training.corpus import SAMPLE_RATE_HZ, Waveform

LOWEST_HZ = 30.0  # below it coloured noise falls no further, as in any microphone
MAINS_HZ = (50.0, 60.0)

Generator = np.random.Generator


def coloured(n_samples: int, exponent: float, rng: Generator) -> Waveform:
    """Return white (0), pink (1) or brown (2) noise, or anything between."""
    n_bins = n_samples // 2 + 1
    frequency_hz = np.fft.rfftfreq(n_samples, 1 / SAMPLE_RATE_HZ)
    amplitude = np.maximum(frequency_hz, LOWEST_HZ) ** (-exponent / 2)
    spectrum = amplitude * (rng.standard_normal(n_bins) + 1j * rng.standard_normal(n_bins))
    spectrum[0] = 0
    return unit(np.fft.irfft(spectrum, n_samples))


def air(n_samples: int, rng: Generator) -> Waveform:
    """Return the noise of a room or of a microphone: any colour."""
    return coloured(n_samples, rng.uniform(0, 2), rng)


def fan(n_samples: int, rng: Generator) -> Waveform:
    """Return a fan: moving air that its blades beat."""
    blades_hz = rng.uniform(15, 250)
    time_s = np.arange(n_samples) / SAMPLE_RATE_HZ
    beat = 1 + rng.uniform(0, 0.8) * np.sin(2 * np.pi * blades_hz * time_s)
    tone = rng.uniform(0, 0.7) * harmonics(np.full(n_samples, blades_hz), rng)
    return unit(coloured(n_samples, rng.uniform(0.7, 1.8), rng) * beat + tone)


def hum(n_samples: int, rng: Generator) -> Waveform:
    """Return the hum of the mains in a cable, over a little noise."""
    tone = harmonics(np.full(n_samples, rng.choice(MAINS_HZ)), rng)
    return unit(tone + 0.1 * air(n_samples, rng))


def motor(n_samples: int, rng: Generator) -> Waveform:
    """Return an electric motor whose speed wanders, with the rattle of its gears."""
    wander = np.cumsum(rng.standard_normal(n_samples // 400 + 2))
    wander = np.interp(np.arange(n_samples) / 400, np.arange(len(wander)), wander)
    wander /= np.abs(wander).max() + 1e-9
    pitch_hz = rng.uniform(40, 900) * (1 + rng.uniform(0.02, 0.4) * wander)
    rattle = coloured(n_samples, rng.uniform(0, 1), rng)
    return unit(harmonics(pitch_hz, rng) + rng.uniform(0.1, 1.0) * rattle)


def clicks(n_samples: int, rng: Generator) -> Waveform:
    """Return knocks, clicks and steps: short decaying bursts, now and then."""
    sound = 0.02 * air(n_samples, rng)
    for _ in range(1 + rng.poisson(n_samples / SAMPLE_RATE_HZ * rng.uniform(0.5, 6))):
        length = int(SAMPLE_RATE_HZ * rng.uniform(0.005, 0.15))
        decay = np.exp(-6 * np.arange(length) / length)
        burst = coloured(length, rng.uniform(0, 2), rng) * decay * rng.uniform(0.2, 1)
        start = int(rng.integers(0, max(1, n_samples - length)))
        sound[start:start + length] += burst[:n_samples - start].astype(np.float32)
    return unit(sound)


def beeps(n_samples: int, rng: Generator) -> Waveform:
    """Return the tones of a device, over a little noise."""
    sound = 0.01 * air(n_samples, rng)
    position = int(rng.integers(0, SAMPLE_RATE_HZ // 2))
    pitches_hz = rng.uniform(300, 3500, 3)
    while position < n_samples:
        length = min(int(SAMPLE_RATE_HZ * rng.uniform(0.05, 0.5)), n_samples - position)
        pitch_hz = np.full(length, rng.choice(pitches_hz))
        ramp = np.minimum(1, np.minimum(np.arange(length), np.arange(length)[::-1]) / 80)
        sound[position:position + length] += (harmonics(pitch_hz, rng) * ramp).astype(np.float32)
        position += length + int(SAMPLE_RATE_HZ * rng.uniform(0.05, 1))
    return unit(sound)


def murmur(speech: Sequence[Waveform], n_samples: int, rng: Generator) -> Waveform:
    """Return several clips at once, over and over: a crowd of which no word can be made out."""
    crowd = np.zeros(n_samples, np.float32)
    for _ in range(rng.integers(5, 9)):
        position = 0
        while position < n_samples:
            clip = speech[int(rng.integers(len(speech)))][:n_samples - position]
            crowd[position:position + len(clip)] += unit(clip) * rng.uniform(0.5, 1)
            position += max(1, len(clip))
    return unit(crowd)


def harmonics(pitch_hz: NDArray[np.float64], rng: Generator) -> Waveform:
    """Return a tone of random timbre that follows a pitch ``[n_samples]``."""
    phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
    roll_off = rng.uniform(0.5, 2)
    sound = np.zeros(len(pitch_hz))
    for number in range(1, 13):
        if number * np.max(pitch_hz) < SAMPLE_RATE_HZ / 2:
            strength = rng.uniform(0.2, 1) / number ** roll_off
            sound += strength * np.sin(number * phase + rng.uniform(0, 2 * np.pi))
    return unit(sound)


def unit(sound: NDArray[Any]) -> Waveform:
    """Scale a sound to an RMS of 1; silence stays silence."""
    rms = np.sqrt(np.mean(np.square(sound), dtype=np.float64)) if len(sound) else 0.0
    return (sound / (rms or 1.0)).astype(np.float32)


NOISES: dict[str, Callable[[int, Generator], Waveform]] = {
    'air': air, 'fan': fan, 'hum': hum, 'motor': motor, 'clicks': clicks, 'beeps': beeps}
