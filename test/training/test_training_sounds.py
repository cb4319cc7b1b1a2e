"""Recorded sounds and instruments for training, in which nothing is said."""
from __future__ import annotations

from pathlib import Path
import shutil
import subprocess
import sys

import numpy as np
from parakeet_ros.training.corpus import Corpus
from parakeet_ros.training.sounds import CHANNEL_OF_DRUMS, collage, DRUMS, scenes, TICKS_PER_S
import pytest

SCRIPT = Path(__file__).parents[2] / 'training' / 'make_sounds.py'
SAMPLES = Path('/usr/share/sonic-pi/samples')
SOUNDFONT = Path('/usr/share/sounds/sf3/FluidR3Mono_GM.sf3')


def test_a_collage_is_made_of_its_recordings() -> None:
    recordings = [np.full(400, 0.5, np.float32), np.full(9000, -0.25, np.float32)]
    rng = np.random.default_rng(0)
    sounds = [collage(recordings, 8000, rng) for _ in range(20)]
    assert all(sound.shape == (8000,) and sound.dtype == np.float32 for sound in sounds)
    assert all(np.abs(sound).max() > 0 for sound in sounds)
    assert max(sound.max() for sound in sounds) > 0 > min(sound.min() for sound in sounds)
    assert not np.array_equal(sounds[0], sounds[1])


def test_no_note_outlasts_its_scene() -> None:
    lengths_s = [0.5, 6.0, 2.0] * 10
    borders = np.concatenate(([0.0], np.cumsum(lengths_s)))
    sounding: dict[tuple[int, int], list[float]] = {}
    channels, n_notes, now = set(), 0, 0
    for message in scenes(lengths_s, np.random.default_rng(1)).tracks[0]:
        now += message.time
        if message.type not in ('note_on', 'note_off'):
            continue
        starts = sounding.setdefault((message.channel, message.note), [])
        if message.type == 'note_on':
            channels.add(message.channel)
            n_notes += 1
            starts.append(now / TICKS_PER_S)
            if message.channel == CHANNEL_OF_DRUMS:
                assert DRUMS[0] <= message.note <= DRUMS[1]
        else:
            scene = np.searchsorted(borders, starts.pop(0), side='right')
            assert now / TICKS_PER_S <= borders[scene] + 2 / TICKS_PER_S
    assert n_notes > len(lengths_s) and CHANNEL_OF_DRUMS in channels and len(channels) > 5
    assert not any(sounding.values())


@pytest.mark.skipif(not (shutil.which('fluidsynth') and SOUNDFONT.exists() and SAMPLES.exists()),
                    reason="needs Debian's fluidsynth, fluidr3mono-gm-soundfont, sonic-pi-samples")
def test_the_script_makes_a_corpus_of_both_that_says_nothing(tmp_path: Path) -> None:
    subprocess.run([sys.executable, SCRIPT, tmp_path / 'sounds', '--hours', '0.02'], check=True)
    corpus = Corpus(tmp_path / 'sounds')
    assert {(clip.engine, clip.kind, clip.licence) for clip in corpus.clips} == {
        ('fluidsynth', 'music', 'MIT'), ('sonic-pi', 'noise', 'CC0-1.0')}
    assert {clip.text for clip in corpus.clips} == {''}
    assert corpus.duration_s > 0.8 * 72
    assert all(np.abs(corpus.waveform(i)).max() > 0.4 for i in range(len(corpus)))
