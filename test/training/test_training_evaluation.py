"""Errors are counted as they should be, in quiet and in noise, and with nothing said."""
import json
from pathlib import Path

import numpy as np
from parakeet_ros.training.corpus import Corpus, CorpusWriter
from parakeet_ros.training.evaluation import compare, recordings, write_recordings
import pytest
import soundfile


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    with CorpusWriter(tmp_path / 'corpus') as writer:
        for text in ('turn left', ''):
            writer.add(0.3 * np.sin(np.arange(16_000, dtype=np.float32) / 5), text=text,
                       voice='test:tone', engine='test', licence='CC0-1.0', split='test',
                       kind='command')
    return Corpus(tmp_path / 'corpus')


def test_word_errors_are_substituted_lost_and_inserted_words() -> None:
    score = compare(['turn left now', 'stop', 'go on'], ['turn right', 'stop', 'go on and on'], 60)
    assert (score.words, score.word_errors, score.inserted, score.right) == (6, 4, 2, 1)
    assert score.wer_percent == pytest.approx(400 / 6)
    assert score.inserted_per_minute == 2


def test_words_for_a_clip_without_words_are_insertions() -> None:
    score = compare(['stop', '', ''], ['stop', '', 'open the door'], 30)
    assert (score.words, score.word_errors, score.inserted, score.right) == (1, 3, 3, 2)
    nothing_said = compare(['', ''], ['', 'no'], 30)
    assert np.isnan(nothing_said.wer_percent) and nothing_said.inserted_per_minute == 2
    assert nothing_said.right_percent == 50


def test_noise_has_the_wanted_ratio_and_is_the_same_each_time(corpus: Corpus) -> None:
    noisy, again = (list(recordings(corpus, snr_db=10)) for _ in range(2))
    for index, waveform in enumerate(noisy):
        np.testing.assert_array_equal(waveform, again[index])
        clean = corpus.waveform(index)
        power = np.square(waveform - clean).mean() / np.square(clean).mean()
        assert 10 * np.log10(power) == pytest.approx(-10, abs=0.3)
    assert not np.array_equal(next(recordings(corpus, 10, noise_seed=11)), noisy[0])


def test_noise_can_be_of_one_kind(corpus: Corpus) -> None:
    def sharpness(kind: str) -> float:
        noise = next(recordings(corpus, 10, kind=kind)) - corpus.waveform(0)
        return float(np.abs(noise).max() / noise.std())

    assert sharpness('clicks') > 2 * sharpness('hum')


def test_quiet_clips_have_the_floor_of_a_room(corpus: Corpus) -> None:
    difference = next(recordings(corpus)) - corpus.waveform(0)
    assert 2e-4 < difference.std() < 4e-4


def test_written_recordings_have_the_manifest_of_the_benchmark(
        corpus: Corpus, tmp_path: Path) -> None:
    write_recordings(corpus, tmp_path / 'flac')
    rows = [json.loads(line) for line in (tmp_path / 'flac/manifest.jsonl').read_text().split('\n')
            if line]
    assert [row['text'] for row in rows] == ['turn left', '']
    assert all((tmp_path / 'flac' / row['path']).exists() for row in rows)


def test_written_recordings_have_the_noise_asked_for(corpus: Corpus, tmp_path: Path) -> None:
    write_recordings(corpus, tmp_path / 'flac', 10, noise_seed=12, kind='motor')
    written, _ = soundfile.read(tmp_path / 'flac/0000.flac')
    np.testing.assert_allclose(written, next(recordings(corpus, 10, 12, 'motor')), atol=1e-4)
