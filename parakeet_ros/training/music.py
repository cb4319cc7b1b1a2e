"""
Music of a kind, so that a model learns that it is no speech: melodies, chords and drums.

It is made from random numbers alone: float32 ``[n_samples]`` at 16 kHz with an RMS of 1.
"""
import numpy as np
from numpy.typing import NDArray
from parakeet_ros.training.corpus import SAMPLE_RATE_HZ, Waveform
from parakeet_ros.training.noise import coloured, Generator, unit

SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 3, 5, 7, 10))  # semitones
CHORD = (0, 2, 4)  # steps of the scale: a triad
STEPS_PER_BEAT = 2


def music(n_samples: int, rng: Generator) -> Waveform:
    """Return a piece with one to three of melody, chords, bass and drums."""
    step_s = 60 / rng.uniform(60, 180) / STEPS_PER_BEAT
    scale = SCALES[rng.integers(len(SCALES))]
    key_hz = float(110 * 2 ** (rng.integers(12) / 12))
    sound = np.zeros(n_samples)
    parts = rng.choice(['melody', 'chords', 'bass', 'drums'], rng.integers(1, 4), replace=False)
    for part in parts:
        if part == 'drums':
            sound += rng.uniform(0.3, 1.2) * _drums(n_samples, step_s, rng)
        else:
            line = _line(str(part), n_samples, step_s, key_hz, scale, rng)
            sound += rng.uniform(0.3, 1.0) * line
    return unit(sound + 1e-4 * coloured(n_samples, 1, rng))


def _line(part: str, n_samples: int, step_s: float, key_hz: float, scale: tuple[int, ...],
          rng: Generator) -> Waveform:
    """Return one part: a wandering melody, a bass below it, or held chords."""
    octave, steps = {'melody': (2, 1), 'bass': (0, 2), 'chords': (1, 8)}[part]
    partials = rng.uniform(0, 1, 8) / np.arange(1, 9) ** rng.uniform(0.6, 2)
    decay_per_s = float(rng.choice([0.5, 3.0, 8.0]))
    sound = np.zeros(n_samples)
    degree, start = int(rng.integers(0, 7)), 0
    while start < n_samples:
        length = int(step_s * steps * rng.choice([1, 1, 2]) * SAMPLE_RATE_HZ)
        degree = int(np.clip(degree + rng.integers(-2, 3), -5, 9))
        if rng.random() < 0.85:  # else a rest
            for offset in CHORD if part == 'chords' else (0,):
                octaves, step = divmod(degree + offset, len(scale))
                pitch_hz = key_hz * 2 ** (octave + octaves + scale[step] / 12)
                note = _note(pitch_hz, min(length, n_samples - start), partials, decay_per_s, rng)
                sound[start:start + len(note)] += note
        start += length
    return unit(sound)


def _note(pitch_hz: float, n_samples: int, partials: NDArray[np.float64], decay_per_s: float,
          rng: Generator) -> Waveform:
    """Return a note with a quick attack, a decay, and some vibrato."""
    time_s = np.arange(n_samples) / SAMPLE_RATE_HZ
    vibrato = rng.uniform(0, 0.01) * np.sin(2 * np.pi * rng.uniform(4, 7) * time_s)
    phase = 2 * np.pi * np.cumsum(pitch_hz * (1 + vibrato)) / SAMPLE_RATE_HZ
    sound = np.zeros(n_samples)
    for number, strength in enumerate(partials, 1):
        if number * pitch_hz < 0.9 * SAMPLE_RATE_HZ / 2:
            sound += strength * np.sin(number * phase)
    sound *= np.minimum(1, time_s / 0.01) * np.exp(-decay_per_s * time_s)
    sound *= np.minimum(1, time_s[::-1] / 0.01)
    return sound.astype(np.float32)


def _drums(n_samples: int, step_s: float, rng: Generator) -> Waveform:
    """Return a pattern of eight steps, over and over: low, middle and high drums."""
    sound = np.zeros(n_samples)
    for colour, length_s, share in ((2.0, 0.25, 0.3), (0.8, 0.15, 0.25), (-0.5, 0.05, 0.6)):
        length = int(length_s * SAMPLE_RATE_HZ)
        hit = coloured(length, colour, rng) * np.exp(-7 * np.arange(length) / length)
        pattern = rng.random(8) < share
        for step, start in enumerate(range(0, n_samples, int(step_s * SAMPLE_RATE_HZ))):
            if pattern[step % 8]:
                sound[start:start + length] += hit[:n_samples - start]
    return unit(sound)
