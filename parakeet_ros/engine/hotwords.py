"""
Hotwords: phrases as an automaton over tokens, ready to steer decoding (``hotword_search.py``).

The automaton is a prefix tree with failure links (Aho and Corasick, 1975) as dense tables: after
any tokens its node is the longest beginning of a phrase with which they end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
import math
from typing import Any
import unicodedata

import torch
from torch import Tensor

from .device import to_device
from .tokenizer import Tokenizer

DEFAULT_WEIGHT = 2.0  # the most that does next to no harm: benchmark/bench_hotwords.py
# How the names of letters begin that are written without spaces: any may be the first of a word.
_WITHOUT_SPACES = ('CJK', 'HIRAGANA', 'KATAKANA', 'THAI', 'LAO', 'KHMER', 'MYANMAR')
_TABLES = ('column', 'successor', 'weight', 'depth', 'length', 'is_boundary')


@dataclass(frozen=True, eq=False)
class Hotwords:
    """
    Phrases for one vocabulary, made by ``Transcriber.hotwords``; immutable, for many calls.

    Node 0 is the root, where no phrase has begun.  All tokens that occur in no phrase share
    column 0, which leads there.  ``len()`` is the number of phrases.
    """

    phrases: tuple[tuple[str, float], ...]  # with their weights
    pieces: tuple[str, ...]  # the vocabulary
    column: Tensor  # int64 [V + 1] of each token, and of blank, in successor
    successor: Tensor  # int64 [nodes, columns] node after a token
    weight: Tensor  # float32 [nodes] largest weight of the phrases that the node may lead to
    depth: Tensor  # int64 [nodes] tokens from the root
    length: Tensor  # int64 [nodes] of the longest phrase that ends here, 0 if none does
    is_boundary: Tensor  # bool [V + 1] tokens that end the word before them

    @classmethod
    def build(
        cls, phrases: Iterable[str | tuple[str, float]], tokenizer: Tokenizer
    ) -> Hotwords:
        """
        Prepare phrases, each alone or with its weight.

        :raises ValueError: a phrase is empty or has characters that the vocabulary lacks, or a
            weight is not a number above 0; the message names the phrase.
        """
        if isinstance(phrases, str | Mapping):  # its letters, or its phrases without weights
            raise ValueError(f'hotwords are a list of phrases or (phrase, weight), not {phrases}')
        weighted = tuple(_weighted(phrase) for phrase in phrases)
        tree = _PrefixTree()
        for phrase, weight in weighted:
            for spelling in _spellings(phrase, tokenizer):
                tokens = tokenizer.encode(spelling)
                if not tokens:
                    raise ValueError(f'hotword {phrase!r} has nothing that can be written')
                tree.add(tokens, weight)
        is_boundary = [_ends_word(piece[:1]) for piece in tokenizer.pieces]
        return cls(weighted, tokenizer.pieces, *tree.tables(len(tokenizer.pieces) + 1),
                   is_boundary=torch.tensor([*is_boundary, False]))

    def __len__(self) -> int:
        return len(self.phrases)

    def to(self, device: torch.device) -> Hotwords:
        """Return the same with the tables on a device."""
        tables: dict[str, Any] = {
            name: to_device(getattr(self, name), device) for name in _TABLES}
        return replace(self, **tables)


def _ends_word(character: str) -> bool:
    """Return whether a word ends before it: not before letters and digits, if it has spaces."""
    return not character.isalnum() or unicodedata.name(character, '').startswith(_WITHOUT_SPACES)


class _PrefixTree:
    """The tokens of the phrases as a tree that grows; lists are indexed by node."""

    def __init__(self) -> None:
        """Begin with the root."""
        self._children: list[dict[int, int]] = [{}]
        self._weight = [0.0]
        self._depth = [0]
        self._length = [0]

    def add(self, tokens: Sequence[int], weight: float) -> None:
        """Add a phrase."""
        node = 0
        for depth, token in enumerate(tokens, 1):
            if token not in self._children[node]:
                self._children[node][token] = len(self._children)
                self._children.append({})
                self._weight.append(0.0)
                self._depth.append(depth)
                self._length.append(0)
            node = self._children[node][token]
            self._weight[node] = max(self._weight[node], weight)
        self._length[node] = len(tokens)

    def tables(self, n_labels: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return column, successor, weight, depth and length as ``Hotwords`` has them."""
        tokens = sorted({token for children in self._children for token in children})
        column = torch.zeros(n_labels, dtype=torch.int64)
        column[tokens] = torch.arange(1, len(tokens) + 1)
        successor = torch.zeros(len(self._children), len(tokens) + 1, dtype=torch.int64)
        weight, length = list(self._weight), list(self._length)
        # Breadth first: the node to fall back to is shallower, so it is complete.
        waiting = deque((child, 0) for child in self._children[0].values())
        for token, child in self._children[0].items():
            successor[0, column[token]] = child
        while waiting:
            node, fallback = waiting.popleft()
            successor[node] = successor[fallback]
            weight[node] = max(weight[node], weight[fallback])
            length[node] = length[node] or length[fallback]
            for token, child in self._children[node].items():
                waiting.append((child, int(successor[fallback, column[token]])))
                successor[node, column[token]] = child
        return (column, successor, torch.tensor(weight), torch.tensor(self._depth),
                torch.tensor(length))


def _weighted(phrase: str | tuple[str, float]) -> tuple[str, float]:
    """Return a phrase, spaces normalised, and its weight."""
    try:
        text, weight = (phrase, DEFAULT_WEIGHT) if isinstance(phrase, str) else phrase
        text, weight = ' '.join(text.split()), float(weight)
    except (TypeError, ValueError, AttributeError, OverflowError):
        raise ValueError(f'hotword {phrase!r} is neither a phrase nor (phrase, weight)') from None
    if not text:
        raise ValueError('a hotword is empty; give a word or a phrase, or leave it out')
    if not (math.isfinite(weight) and weight > 0.0):
        raise ValueError(f"the weight of hotword '{text}' is {weight}; give a number above 0 "
                         f'({DEFAULT_WEIGHT:g} is the default)')
    return text, weight


def _spellings(phrase: str, tokenizer: Tokenizer) -> set[str]:
    """Return the phrase as given and, if the vocabulary has it, as a sentence would begin."""
    missing = tokenizer.missing_characters(phrase)
    if missing:
        raise ValueError(
            f"hotword '{phrase}' has characters that are not in the model's vocabulary: "
            f"{' '.join(missing)}; spell it as the model writes, perhaps in small letters or "
            'with numbers as words')
    capitalised = phrase[0].upper() + phrase[1:]
    return {phrase} if tokenizer.missing_characters(capitalised) else {phrase, capitalised}
