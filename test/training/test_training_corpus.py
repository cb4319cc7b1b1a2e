"""A corpus keeps what is put into it, and is there as a whole or not at all."""
from pathlib import Path

from hypothesis import given, settings, strategies
import numpy as np
from parakeet_ros.training.corpus import corpora, Corpus, CorpusError, CorpusWriter
import pytest
from small_disk import small_disk

ABOUT = {'voice': 'test:tone', 'engine': 'test', 'licence': 'CC0-1.0', 'split': 'train',
         'kind': 'command'}


def ramp(n_samples: int) -> np.ndarray:
    return np.linspace(-1, 1, n_samples, dtype=np.float32)


@settings(max_examples=20, deadline=None)
@given(lengths=strategies.lists(strategies.integers(1, 2000), max_size=8))
def test_every_clip_comes_back_as_it_was_put_in(
        tmp_path_factory: pytest.TempPathFactory, lengths: list[int]) -> None:
    folder = tmp_path_factory.mktemp('corpora') / 'one'
    with CorpusWriter(folder) as writer:
        for number, length in enumerate(lengths):
            writer.add(ramp(length), text=f'clip {number}', **ABOUT)
    corpus = Corpus(folder)
    assert [clip.text for clip in corpus.clips] == [f'clip {i}' for i in range(len(lengths))]
    for number, length in enumerate(lengths):
        np.testing.assert_allclose(corpus.waveform(number), ramp(length), atol=1 / 32768)
    assert writer.duration_s == corpus.duration_s == pytest.approx(sum(lengths) / 16_000)


def test_a_corpus_that_is_being_written_is_not_seen(tmp_path: Path) -> None:
    with CorpusWriter(tmp_path / 'late') as writer:
        writer.add(ramp(10), text='', **ABOUT)
        assert not list(corpora(tmp_path))
    assert [len(corpus) for corpus in corpora(tmp_path)] == [1]


def test_corpora_are_found_in_folders_and_behind_links(tmp_path: Path) -> None:
    for name in ('there/b', 'here/deep/a', 'here/c'):
        with CorpusWriter(tmp_path / name) as writer:
            writer.add(ramp(10), text=name, **ABOUT)
    (tmp_path / 'here' / 'b').symlink_to(tmp_path / 'there' / 'b')
    assert [corpus.name for corpus in corpora(tmp_path / 'here')] == ['b', 'c', 'a']


def test_a_writer_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match='NaN'), CorpusWriter(tmp_path / 'bad') as writer:
        writer.add(np.full(10, np.nan, np.float32), text='x', **ABOUT)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('n_samples', [2049, 100_000])  # found out at the end, or before
def test_a_full_disk_is_said_and_nothing_is_left_on_it(tmp_path: Path, n_samples: int) -> None:
    with small_disk(), pytest.raises(OSError), CorpusWriter(tmp_path / 'big') as writer:
        writer.add(ramp(n_samples), text='x', **ABOUT)
    assert not list(tmp_path.iterdir())


def test_no_corpus_is_overwritten(tmp_path: Path) -> None:
    CorpusWriter(tmp_path / 'a').__exit__(None, None, None)
    with pytest.raises(CorpusError, match='exists'):
        CorpusWriter(tmp_path / 'a')


def test_a_corpus_with_too_few_samples_is_refused(tmp_path: Path) -> None:
    with CorpusWriter(tmp_path / 'a') as writer:
        writer.add(ramp(100), text='x', **ABOUT)
    (tmp_path / 'a' / 'audio.s16').write_bytes(bytes(100))
    with pytest.raises(CorpusError, match='needs 100'):
        Corpus(tmp_path / 'a')
