"""
Batches for training: clips of similar length, drawn anew for every step.

Which clips a step sees, and how they are changed, follows from the seed, the number of the step
and the process alone, so that training goes on after a break as if there had been none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from parakeet_ros.engine.tokenizer import Tokenizer
import torch
from torch import Tensor

from .corpus import Clip, Corpus, CorpusError, SAMPLE_RATE_HZ, Waveform

Augment = Callable[[Sequence[Waveform], np.random.Generator, int], Sequence[Waveform]]

_SHORTEST_S, _LONGEST_S = 0.2, 16.0
_JOINABLE_S = 4.0
_LONGEST_PAUSE_S = 1.2
_WINDOW = 1.15  # clips of a batch differ in length by this factor at most, either way


@dataclass(frozen=True)
class DataOptions:
    """What goes into a batch."""

    batch_s: float = 20.0  # audio per step and process
    joined_share: float = 0.12  # of the batches are made of two or three clips with pauses
    weights: dict[str, float] = field(default_factory=dict)  # by engine or kind; 1 where absent
    n_views: int = 1  # or 2, of each clip in a batch: see `Augmenter`
    seed: int = 1


@dataclass(frozen=True)
class Batch:
    """Waveforms and what is said in them."""

    waveforms: list[Tensor]  # float32 [n_samples] each
    labels: Tensor  # int64 [B, U], zeros after each utterance's own
    n_labels: Tensor  # int64 [B]
    n_views: int = 1  # the batch is so many times the same utterances, heard differently

    @property
    def duration_s(self) -> float:
        """Return the seconds of audio in all."""
        return sum(map(len, self.waveforms)) / SAMPLE_RATE_HZ


@dataclass(frozen=True)
class _Item:
    corpus: Corpus
    index: int
    duration_s: float
    labels: list[int]


class BatchSource:
    """The clips of all corpora, to be asked for the batch of a step."""

    def __init__(
        self, corpora: Iterable[Corpus], tokenizer: Tokenizer, options: DataOptions,
        augment: Augment, split: str = 'train',
    ) -> None:
        """
        Read the manifests; clips with letters that the tokenizer does not have are left out.

        :raises CorpusError: there is no clip to train with.
        """
        self._options, self._augment = options, augment
        corpora = list(corpora)
        letters = {letter for corpus in corpora for clip in corpus.clips for letter in clip.text}
        unwritable = set(tokenizer.missing_characters(''.join(sorted(letters))))
        self._left_out: Counter[tuple[str, str]] = Counter()  # by corpus and reason
        pairs = []
        for corpus in corpora:
            for i, clip in enumerate(corpus.clips):
                reason = _reason_against(clip, unwritable) if clip.split == split else None
                if reason is not None:
                    self._left_out[corpus.name, reason] += 1
                elif clip.split == split:
                    item = _Item(corpus, i, clip.duration_s, tokenizer.encode(clip.text))
                    pairs.append((item, _weight(clip, options.weights)))
        pairs = [pair for pair in pairs if pair[1] > 0]
        if not pairs:
            raise CorpusError(f'no clip of {_SHORTEST_S} to {_LONGEST_S} s with the split '
                              f'{split!r}; make a corpus first')
        pairs.sort(key=lambda pair: pair[0].duration_s)
        self._items = [item for item, _ in pairs]
        self._durations_s = np.array([item.duration_s for item in self._items])
        weights = np.array([weight for _, weight in pairs])
        self._chances = np.concatenate(([0.0], weights.cumsum()))
        # A batch of short clips holds more of them: the draw of its length makes up for that.
        self._first_chances = (weights * self._durations_s).cumsum()

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self._items)

    @property
    def left_out(self) -> list[str]:
        """Return which clips are not trained on, and why, in sentences."""
        return [f'{count} clips of {name} are left out: {reason}'
                for (name, reason), count in self._left_out.items()]

    @property
    def duration_s(self) -> float:
        """Return the seconds of audio before augmentation."""
        return float(self._durations_s.sum())

    def batch(self, step: int, rank: int = 0) -> Batch:
        """Return the batch of one step of one process."""
        rng = np.random.default_rng((self._options.seed, step, rank))
        anchor = np.searchsorted(self._first_chances, rng.random() * self._first_chances[-1])
        length_s = self._durations_s[min(int(anchor), len(self) - 1)]
        joined = length_s < _JOINABLE_S and rng.random() < self._options.joined_share
        n_parts = int(rng.integers(2, 4)) if joined else 1
        n_views = self._options.n_views
        n_items = max(1, round(self._options.batch_s / (length_s * n_parts * n_views)))
        parts = [self._draw(length_s, n_parts, rng) for _ in range(n_items)]
        waveforms = self._augment([_joined(part, rng) for part in parts], rng, n_views)
        return _collate(waveforms, [[label for item in part for label in item.labels]
                                    for part in parts] * n_views, n_views)

    def _draw(self, length_s: float, n: int, rng: np.random.Generator) -> list[_Item]:
        """Draw clips of about a length."""
        low, high = np.searchsorted(
            self._durations_s, (length_s / _WINDOW, length_s * _WINDOW + 1e-6))
        chances = rng.uniform(self._chances[low], self._chances[high], n)
        picks = np.searchsorted(self._chances, chances, side='right') - 1
        return [self._items[pick] for pick in picks.clip(low, high - 1)]


def _reason_against(clip: Clip, unwritable: Set[str]) -> str | None:
    """Return why a clip cannot be trained on, None if it can."""
    if not _SHORTEST_S <= clip.duration_s <= _LONGEST_S:
        return f'they are shorter than {_SHORTEST_S} s or longer than {_LONGEST_S:g} s'
    if not unwritable.isdisjoint(clip.text):
        return f'the model cannot write {" ".join(sorted(unwritable & set(clip.text)))}'
    return None


def _joined(items: Sequence[_Item], rng: np.random.Generator) -> Waveform:
    """Join clips with pauses."""
    pieces: list[Waveform] = []
    for item in items:
        if pieces:
            pause_s = rng.uniform(0.05, _LONGEST_PAUSE_S)
            pieces.append(np.zeros(int(pause_s * SAMPLE_RATE_HZ), np.float32))
        pieces.append(item.corpus.waveform(item.index))
    return np.concatenate(pieces) if len(pieces) > 1 else pieces[0]


def _weight(clip: Clip, weights: dict[str, float]) -> float:
    """Return how often a clip is drawn, relative to others."""
    return weights.get(clip.engine, 1.0) * weights.get(clip.kind, 1.0)


def _collate(
    waveforms: Sequence[Waveform], texts: Sequence[Sequence[int]], n_views: int
) -> Batch:
    """Put utterances and their labels side by side."""
    n_labels = [len(ids) for ids in texts]
    labels: NDArray[np.int64] = np.zeros((len(texts), max(n_labels)), np.int64)
    for row, ids in zip(labels, texts, strict=True):
        row[:len(ids)] = ids
    return Batch([torch.from_numpy(waveform) for waveform in waveforms],
                 torch.from_numpy(labels), torch.tensor(n_labels), n_views)
