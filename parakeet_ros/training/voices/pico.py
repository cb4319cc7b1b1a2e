"""SVOX Pico, the voices of early Android telephones (PyPI's ``py-nanotts``, Apache-2.0)."""
import random

import numpy as np
from parakeet_ros.training.voices.engine import speaker_size, Speech, VoiceError

RATE_HZ = 16_000
VOLUME = 0.5  # at 1 it clips
SIZES = (0.72, 1.2)


class Pico:
    """Two women, American and British, made of models as flite's speakers are."""

    name = 'pico'
    licence = 'Apache-2.0'

    def __init__(self) -> None:
        try:
            from py_nanotts import NanoTTS
        except ImportError as error:
            raise VoiceError('pico is missing; pip install py-nanotts') from error
        self._synthesiser = NanoTTS()
        self.voices = ['en-GB', 'en-US']

    def say(self, text: str, voice: str, rng: random.Random | None = None) -> Speech:
        """Speak a text; a random generator varies speed and pitch, and the speaker's size."""
        size = speed = pitch = 1.0
        if rng is not None:
            size = speaker_size(rng, *SIZES)  # played slower, a woman is a man
            speed, pitch = rng.uniform(0.75, 1.25), rng.uniform(0.85, 1.15)
        try:
            audio = self._synthesiser.speak(text, voice, speed=speed / size, pitch=pitch,
                                            volume=VOLUME)
        except (RuntimeError, ValueError) as error:
            raise VoiceError(f'pico failed: {error}') from error
        samples = np.frombuffer(audio, np.int16).astype(np.float32) / np.float32(32_768)
        return Speech(samples, round(RATE_HZ * size))
