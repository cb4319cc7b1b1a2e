"""
Room impulse responses by a statistical model, enough to train against reverberation.

A direct sound, a few early echoes, and a diffuse tail of noise that decays exponentially
(J.-D. Polack's model, 1988), the faster the higher the frequency: walls and air absorb treble.
"""
import numpy as np
from parakeet_ros.training.corpus import SAMPLE_RATE_HZ, Waveform
from parakeet_ros.training.noise import coloured, Generator

DECAY_60_DB = 3 * np.log(10)  # ln(10 ** (60 / 20))
MAX_LENGTH_S = 0.5
TAIL_STARTS_S = 0.02


def room(rng: Generator) -> Waveform:
    """
    Draw the impulse response of a room: float32 ``[n_samples]``, the direct sound first.

    Reverberation time (to -60 dB) 0.15 to 0.9 s, direct to reverberant energy -3 to 15 dB.
    """
    decay_s = rng.uniform(0.15, 0.9)
    direct_db = rng.uniform(-3, 15)
    n_samples = int(min(decay_s, MAX_LENGTH_S) * SAMPLE_RATE_HZ)
    time_s = np.arange(n_samples) / SAMPLE_RATE_HZ
    low = coloured(n_samples, 1.0, rng) * np.exp(-DECAY_60_DB * time_s / decay_s)
    high = coloured(n_samples, 0.0, rng) * np.exp(-DECAY_60_DB * time_s / (0.5 * decay_s))
    tail = (low + high) * np.minimum(1, time_s / TAIL_STARTS_S)
    for _ in range(rng.integers(3, 10)):
        delay_s = rng.uniform(0.001, 0.04)
        sign = rng.choice([-1, 1])
        tail[int(delay_s * SAMPLE_RATE_HZ)] += sign * rng.uniform(1, 6) * np.exp(-delay_s / 0.03)
    tail[0] = 0
    tail *= 10 ** (-direct_db / 20) / np.sqrt(np.square(tail).sum())
    tail[0] = 1
    response: Waveform = tail.astype(np.float32)
    return response


def reverberated(waveform: Waveform, response: Waveform) -> Waveform:
    """Return the waveform as heard in a room, as long and as loud (RMS) as before."""
    n_samples = len(waveform) + len(response) - 1
    size = 1 << (n_samples - 1).bit_length()
    spectrum = np.fft.rfft(waveform, size) * np.fft.rfft(response, size)
    wet: Waveform = np.fft.irfft(spectrum, size)[:len(waveform)].astype(np.float32)
    energy = float(np.square(wet).sum())
    wet *= np.sqrt(np.square(waveform).sum() / (energy or 1.0))
    return wet
