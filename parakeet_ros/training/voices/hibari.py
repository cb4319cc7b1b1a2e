"""
Hibari: a tiny neural synthesiser (PyPI's ``hibari-tts``, Apache-2.0) with pseudo-speakers.

Its network predicts what its vocoder plays: envelopes of harmonics and noise, and the pitch.
Changing these between the two makes speakers of other pitch, vocal tract and breath.
"""
import random

import numpy as np
from numpy.typing import NDArray
from parakeet_ros.training.voices.engine import Speech, VoiceError

RATE_HZ = 24_000
VOICED_HZ = 40.0  # the pitch track lies below where there is no voice
PITCH_RANGE_HZ = (55.0, 420.0)

Envelope = NDArray[np.float32]


class Hibari:
    """Natural in tone, and by far the fastest of the neural engines."""

    name = 'hibari'
    licence = 'Apache-2.0'

    def __init__(self) -> None:
        try:
            import hibari
            from hibari import dsp
        except ImportError as error:
            raise VoiceError('hibari is missing; pip install hibari-tts') from error
        self._hibari = hibari.Hibari()
        self._dsp = dsp
        self.voices = ['heart', 'pseudo']

    def say(self, text: str, voice: str, rng: random.Random | None = None) -> Speech:
        """Speak a text; a random generator varies the speed and makes the pseudo-speaker."""
        draw = rng or random.Random(0)
        ids = self._hibari.ids(' '.join(self._hibari.phonemize(text)))
        if len(ids) < 3:
            raise VoiceError(f'hibari has no sounds for {text!r}')
        speed = draw.uniform(0.75, 1.35) if rng else 1.0
        outputs = self._hibari.sess.run(None, {
            'ids': np.array([ids], np.int64), 'speed': np.array([speed], np.float32)})
        vocoder_input = [output[0] for output in outputs]
        noise = np.random.default_rng(draw.getrandbits(32))
        if voice == 'pseudo':
            vocoder_input = _other_speaker(vocoder_input, draw, noise)
        return Speech(np.asarray(self._dsp.synth(*vocoder_input, noise), np.float32), RATE_HZ)


def _other_speaker(vocoder_input: list[Envelope], rng: random.Random,
                   noise: np.random.Generator) -> list[Envelope]:
    """Draw a speaker: pitch and its range, formants, spectral tilt and breath."""
    log_harmonic, phase_tilt, log_noise, log_residue, phase, pitch_hz = vocoder_input
    male = rng.random() < 0.55
    pitch = rng.uniform(0.42, 0.75) if male else rng.uniform(0.8, 1.3)
    formants = rng.uniform(0.78, 0.93) if male else rng.uniform(0.92, 1.12)
    slope = rng.uniform(-1.2, 1.2) * np.linspace(0, 1, len(log_harmonic)) ** 0.7
    tilt = slope.astype(np.float32)[:, None]
    pitch_hz = _other_pitch(pitch_hz, pitch, rng.uniform(0.6, 1.4))
    if abs(formants - 1) >= 0.02:
        phase = noise.uniform(-np.pi, np.pi, phase.shape).astype(np.float32)
    return [_stretched(log_harmonic, formants) + tilt, _stretched(phase_tilt, formants),
            _stretched(log_noise, formants) + tilt + np.float32(rng.uniform(-0.8, 0.9)),
            _stretched(log_residue, formants) + tilt, phase, pitch_hz]


def _other_pitch(pitch_hz: Envelope, factor: float, spread: float) -> Envelope:
    """Scale a pitch track and the range that it moves in, where there is voice."""
    voiced = pitch_hz > VOICED_HZ
    if not voiced.any():
        return pitch_hz
    mean = np.exp(np.log(pitch_hz[voiced]).mean())
    other = mean * factor * (np.maximum(pitch_hz, 1) / mean) ** spread
    return np.where(voiced, np.clip(other, *PITCH_RANGE_HZ), pitch_hz).astype(np.float32)


def _stretched(envelope: Envelope, factor: float) -> Envelope:
    """Stretch the frequency axis of ``[bins, frames]`` by a factor, as a longer throat does."""
    bins = len(envelope)
    source = np.arange(bins) / factor
    below = np.minimum(source.astype(int), bins - 2)
    share = np.clip(source - below, 0, 1).astype(np.float32)[:, None]
    stretched: Envelope = envelope[below] * (1 - share) + envelope[below + 1] * share
    return stretched
