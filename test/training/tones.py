"""A synthesiser that every machine has: it whistles a tone for each letter."""
from __future__ import annotations

import random

import numpy as np
from parakeet_ros.training.voices.engine import Speech, VoiceError

RATE_HZ = 16_000
LETTER_S, EDGE_S = 0.16, 0.01
LETTERS = 'enoprst'
LOWEST_HZ, STEP = 300.0, 1.4  # a faster clip must not turn one letter into the next


class Tones:
    """A voice for each pitch; words are apart by a rest."""

    def __init__(self) -> None:
        """Name the voices."""
        self.name, self.licence = 'tones', 'CC0-1.0'
        self.voices = ['low', 'high']

    def say(self, text: str, voice: str, rng: random.Random | None = None) -> Speech:
        """Whistle a text of these few letters."""
        if not set(text) <= {' ', *LETTERS}:
            raise VoiceError(f'no tone for some letter of {text!r}')
        stretch = rng.uniform(0.9, 1.1) if rng else 1.0
        pitch = 1.0 if voice == 'low' else 1.05
        time_s = np.arange(int(LETTER_S * stretch * RATE_HZ)) / RATE_HZ
        fade = np.minimum(1, np.minimum(time_s, time_s[::-1]) / EDGE_S)
        notes = [np.zeros(len(time_s)) if letter == ' ' else fade * np.sin(
            2 * np.pi * pitch * LOWEST_HZ * STEP ** LETTERS.index(letter) * time_s)
            for letter in text]
        return Speech(np.concatenate(notes).astype(np.float32), RATE_HZ)
