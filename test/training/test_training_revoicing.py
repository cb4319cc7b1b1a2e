"""Speakers that there is no voice of: they say the same, and sound otherwise."""
from __future__ import annotations

from pathlib import Path
import subprocess
import sys

import numpy as np
from parakeet_ros.training.corpus import Corpus, CorpusWriter, Waveform
from parakeet_ros.training.revoicing import KNOTS_HZ, moved, Parts, PEAK, revoiced, SPEED
import pytest

SCRIPT = Path(__file__).parents[2] / 'training' / 'make_revoiced.py'
PITCH_HZ = 110.0


def vowel(duration_s: float) -> Waveform:
    """Say aah: harmonics of a man's pitch with formants at 700 and 1,100 Hz."""
    time_s = np.arange(int(duration_s * 16_000)) / 16_000
    frequencies_hz = np.arange(1, 60) * PITCH_HZ
    gains = sum(np.exp(-np.abs(frequencies_hz - formant_hz) / 150) for formant_hz in (700, 1100))
    sound = np.sin(2 * np.pi * frequencies_hz[:, None] * time_s) * gains[:, None]
    return np.asarray(0.1 * sound.sum(0), np.float32)


def formant_hz(parts: Parts) -> float:
    """Return where the strongest formant is."""
    return float(parts.envelope[0].argmax() * KNOTS_HZ[-1] / (parts.envelope.shape[1] - 1))


def test_formants_move_by_their_ratio_and_the_pitch_does_not() -> None:
    frequency_hz = np.linspace(0, 8000, 513)
    envelope = -((frequency_hz - 1500.0) / 300) ** 2
    parts = Parts(np.full(4, PITCH_HZ), np.tile(envelope, (4, 1)), np.full((4, 513), 0.5))
    for ratio in (0.8, 1.0, 1.25):
        other = moved(parts, np.full(len(KNOTS_HZ), ratio))
        assert formant_hz(other) == pytest.approx(1500 * ratio, abs=16)
        assert np.array_equal(other.pitch_hz, parts.pitch_hz)
        assert np.allclose(other.aperiodicity, 0.5)
    one = moved(parts, np.array([1, 1, 1.1, 1, 1, 1]))
    assert formant_hz(one) == pytest.approx(1650, abs=40)


def test_many_speakers_say_it_and_a_draw_can_be_repeated() -> None:
    pyworld = pytest.importorskip('pyworld')
    waveform = vowel(1.0)
    sounds = [revoiced(waveform, np.random.default_rng(seed)) for seed in range(12)]
    again = revoiced(waveform, np.random.default_rng(0))
    assert np.array_equal(sounds[0], again)
    pitches_hz = []
    for sound in sounds:
        assert sound.dtype == np.float32 and np.abs(sound).max() == pytest.approx(PEAK)
        assert 0.99 / SPEED[1] < len(sound) / len(waveform) < 1.02 / SPEED[0]
        pitch_hz, _ = pyworld.dio(sound.astype(float), 16_000)
        pitches_hz.append(float(np.median(pitch_hz[pitch_hz > 0])))
    assert max(pitches_hz) > 1.6 * min(pitches_hz)
    assert len({round(pitch_hz) for pitch_hz in pitches_hz}) > 8


def test_silence_and_less_than_a_frame_become_no_error() -> None:
    pytest.importorskip('pyworld')
    rng = np.random.default_rng(0)
    for n_samples in (80, 1600, 16_000):
        sound = revoiced(np.zeros(n_samples, np.float32), rng)
        assert len(sound) and np.isfinite(sound).all()


def corpus_of_vowels(folder: Path, engine: str) -> None:
    """Write clips for training, and one that is withheld."""
    with CorpusWriter(folder) as writer:
        for text, split in (('ah', 'train'), ('oh', 'train'), ('withheld', 'test')):
            writer.add(vowel(0.8), text=text, voice=f'{engine}:one', engine=engine,
                       licence='MIT-CMU', split=split, kind='word')


def test_the_script_revoices_what_is_for_training_and_keeps_the_texts(tmp_path: Path) -> None:
    pytest.importorskip('pyworld')
    corpus_of_vowels(tmp_path / 'corpora' / 'flite_1', 'flite')
    corpus_of_vowels(tmp_path / 'corpora' / 'espeak_1', 'espeak')
    subprocess.run([sys.executable, SCRIPT, tmp_path / 'corpora', tmp_path / 'corpora' / 'other',
                    '--hours', '0.003'], check=True)
    corpus = Corpus(tmp_path / 'corpora' / 'other')
    assert corpus.duration_s >= 10.8
    assert {clip.text for clip in corpus.clips} == {'ah', 'oh'}
    assert {(clip.voice, clip.engine, clip.licence, clip.split, clip.kind)
            for clip in corpus.clips} == {
        ('revoiced:flite:one', 'revoiced', 'MIT-CMU', 'train', 'word')}


def test_the_script_says_what_is_missing(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, SCRIPT, tmp_path, tmp_path / 'other'],
                          capture_output=True, text=True)
    assert done.returncode == 1 and not (tmp_path / 'other').exists()
    assert 'no speech by flite' in done.stderr or 'pip install pyworld' in done.stderr
