"""A corpus of backgrounds has every kind of sound and no words."""
from pathlib import Path

import numpy as np
from parakeet_ros.training.backgrounds import LENGTH_S, make_backgrounds
from parakeet_ros.training.corpus import Corpus


def test_backgrounds_are_of_every_kind_and_say_nothing(tmp_path: Path) -> None:
    speech = [np.sin(np.arange(8000, dtype=np.float32))]
    make_backgrounds(tmp_path / 'noise', np.random.default_rng(0), audio_s=180, speech=speech,
                     speech_licence='Apache-2.0')
    corpus = Corpus(tmp_path / 'noise')
    assert {clip.text for clip in corpus.clips} == {''}
    assert {clip.kind for clip in corpus.clips} == {'noise', 'music'}
    assert {'generated:music', 'generated:murmur', 'generated:fan'} <= {
        clip.voice for clip in corpus.clips}
    assert {(clip.voice == 'generated:murmur', clip.licence) for clip in corpus.clips} == {
        (True, 'Apache-2.0'), (False, 'CC0-1.0')}
    assert 180 <= sum(clip.duration_s for clip in corpus.clips) < 180 + LENGTH_S[1]
    assert all(np.abs(corpus.waveform(i)).max() > 0.4 for i in range(len(corpus)))
