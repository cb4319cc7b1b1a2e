"""Clips in which nothing is said, so that a model learns to write nothing."""
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from parakeet_ros.training.corpus import CorpusWriter, SAMPLE_RATE_HZ, Waveform
from parakeet_ros.training.music import music
from parakeet_ros.training.noise import Generator, murmur, NOISES

LENGTH_S = (0.3, 6.0)
# About half noise, since there is much of it in the life of a robot.
MUSIC_SHARE = 0.3
MURMUR_SHARE = 0.1
PEAK = 0.5


def make_backgrounds(folder: Path, rng: Generator, *, audio_s: float, split: str = 'train',
                     speech: Sequence[Waveform] = (), speech_licence: str = '') -> None:
    """
    Write a corpus of noise, music and, if there is speech to make it of, the murmur of crowds.

    :param folder: the corpus that is made; it must not exist
    :param audio_s: seconds of audio to make
    :param speech_licence: of the speech, and so of its murmur; the rest is CC0
    """
    with CorpusWriter(folder) as writer:
        while writer.duration_s < audio_s:
            kind, sound = _background(int(rng.uniform(*LENGTH_S) * SAMPLE_RATE_HZ), rng, speech)
            peak = float(np.abs(sound).max()) or 1.0
            writer.add(sound * np.float32(PEAK / peak), text='', voice=f'generated:{kind}',
                       engine='generated', split=split,
                       licence=speech_licence if kind == 'murmur' else 'CC0-1.0',
                       kind='music' if kind == 'music' else 'noise')


def _background(n_samples: int, rng: Generator, speech: Sequence[Waveform]
                ) -> tuple[str, Waveform]:
    """Draw a sound and what it is; now and then two noises at once."""
    draw = rng.random()
    if draw < MUSIC_SHARE:
        return 'music', music(n_samples, rng)
    if speech and draw < MUSIC_SHARE + MURMUR_SHARE:
        return 'murmur', murmur(speech, n_samples, rng)
    kinds = list(NOISES)
    kind = kinds[int(rng.integers(len(kinds)))]
    sound = NOISES[kind](n_samples, rng)
    if rng.random() < 0.3:
        other = kinds[int(rng.integers(len(kinds)))]
        sound = sound + np.float32(rng.uniform(0.1, 1)) * NOISES[other](n_samples, rng)
    return kind, sound
