"""Batches follow from seed and step, and hold what was asked for."""
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from parakeet_ros.engine.tokenizer import Tokenizer
from parakeet_ros.training.corpus import Corpus, CorpusError, CorpusWriter, Waveform
from parakeet_ros.training.data import BatchSource, DataOptions
import pytest
import torch

# text, kind, seconds; the level of a clip tells which one it is
CLIPS = [('go left', 'command', 1.0), ('go right', 'command', 1.05), ('stop now', 'word', 1.1),
         ('go', 'word', 0.4), ('', 'noise', 3.0), ('stop', 'command', 0.1),
         ('go zig', 'command', 1.0)]


@pytest.fixture(scope='module')
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp('data') / 'corpus'
    with CorpusWriter(folder) as writer:
        for i, (text, kind, duration_s) in enumerate(CLIPS):
            level = np.full(int(duration_s * 16_000), (i + 1) / 10, np.float32)
            writer.add(level, text=text, voice='a:b', engine='a', licence='none', split='train',
                       kind=kind)
        writer.add(level, text='go', voice='a:b', engine='a', licence='none', split='dev',
                   kind='word')
    return Corpus(folder)


@pytest.fixture(scope='module')
def tokenizer(tokenizer_model: bytes) -> Tokenizer:
    return Tokenizer(tokenizer_model, 24, 'test')


def unchanged(waveforms: Sequence[Waveform], rng: np.random.Generator, n_views: int
              ) -> Sequence[Waveform]:
    return [*waveforms] * n_views


def source(corpus: Corpus, tokenizer: Tokenizer, **options: object) -> BatchSource:
    return BatchSource([corpus], tokenizer, DataOptions(**options), unchanged)  # type: ignore


def levels(waveform: torch.Tensor) -> list[int]:
    """Return which clips a waveform is made of."""
    return [i for i in range(len(CLIPS)) if (waveform - (i + 1) / 10).abs().min() < 1e-3]


def test_batch_follows_from_seed_step_and_process(corpus: Corpus, tokenizer: Tokenizer) -> None:
    def fingerprint(seed: int, step: int, rank: int) -> tuple[object, ...]:
        batch = source(corpus, tokenizer, seed=seed, batch_s=6.0).batch(step, rank)
        return tuple(map(len, batch.waveforms)), batch.labels.tolist()

    assert fingerprint(1, 2, 0) == fingerprint(1, 2, 0)
    prints = [fingerprint(*key) for key in ((1, 2, 0), (1, 2, 1), (1, 3, 0), (2, 2, 0))]
    assert len(set(map(str, prints))) == len(prints)


def test_labels_are_those_of_the_clips(corpus: Corpus, tokenizer: Tokenizer) -> None:
    batches = source(corpus, tokenizer, batch_s=5.0, joined_share=0.5)
    joined = 0
    for step in range(60):
        batch = batches.batch(step)
        for waveform, row, n in zip(batch.waveforms, batch.labels, batch.n_labels, strict=True):
            words = tokenizer.text(row[:int(n)].tolist()).split()
            spoken = Counter(word for i in levels(waveform) for word in CLIPS[i][0].split())
            assert set(words) == set(spoken)
            joined += len(levels(waveform)) > 1
        assert not any(row[int(n):].any() for row, n in zip(
            batch.labels, batch.n_labels, strict=True))
    assert joined


def test_other_splits_short_clips_and_unknown_letters_are_left_out(
    corpus: Corpus, tokenizer: Tokenizer
) -> None:
    batches = source(corpus, tokenizer)
    assert len(batches) == 5
    assert batches.duration_s == pytest.approx(6.55)
    assert batches.left_out == [
        '1 clips of corpus are left out: they are shorter than 0.2 s or longer than 16 s',
        '1 clips of corpus are left out: the model cannot write z']


def test_a_clip_is_drawn_as_often_as_its_weight_says(
    corpus: Corpus, tokenizer: Tokenizer
) -> None:
    batches = source(corpus, tokenizer, batch_s=6.0, joined_share=0.0,
                     weights={'noise': 2.0, 'word': 0.0})
    drawn = Counter(levels(waveform)[0] for step in range(300)
                    for waveform in batches.batch(step).waveforms)
    assert set(drawn) == {0, 1, 4}
    assert drawn[4] / (drawn[0] + drawn[1]) == pytest.approx(1.0, rel=0.3)
    assert drawn[0] / drawn[1] == pytest.approx(1.0, rel=0.3)


def test_clips_of_a_batch_are_of_similar_length(corpus: Corpus, tokenizer: Tokenizer) -> None:
    for step in range(30):
        batch = source(corpus, tokenizer, joined_share=0.0, batch_s=6.0).batch(step)
        lengths = [len(waveform) for waveform in batch.waveforms]
        assert max(lengths) <= 1.15**2 * min(lengths) + 1
        assert 3.0 <= batch.duration_s <= 9.0


def test_views_share_their_labels_and_the_length_of_a_batch(
        corpus: Corpus, tokenizer: Tokenizer) -> None:
    batches = source(corpus, tokenizer, batch_s=8.0, n_views=2)
    for step in range(20):
        batch = batches.batch(step)
        assert batch.n_views == 2 and 4.0 <= batch.duration_s <= 12.0
        first, second = batch.labels.chunk(2)
        assert torch.equal(first, second) and len(batch.waveforms) == len(batch.n_labels)
        assert torch.equal(*batch.n_labels.chunk(2))
        half = len(batch.waveforms) // 2
        assert [levels(w) for w in batch.waveforms[:half]] == [
            levels(w) for w in batch.waveforms[half:]]


def test_nothing_to_train_with_is_said(corpus: Corpus, tokenizer: Tokenizer) -> None:
    with pytest.raises(CorpusError, match='no clip .* make a corpus'):
        source(corpus, tokenizer, weights={'a': 0.0})
