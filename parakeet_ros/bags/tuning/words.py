"""Word errors."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class WordErrors:
    """Count the words of a reference, and what became of them in what was heard."""

    words: int = 0  # of the reference
    lost: int = 0
    wrong: int = 0  # another word in their place
    invented: int = 0

    def __add__(self, other: WordErrors) -> WordErrors:
        return WordErrors(self.words + other.words, self.lost + other.lost,
                          self.wrong + other.wrong, self.invented + other.invented)

    @property
    def percent(self) -> float:
        """Return the errors in percent of the words of the reference; 0 without any."""
        errors = self.lost + self.wrong + self.invented
        return 100 * errors / self.words if self.words else 0.0


def count_errors(reference: Sequence[str], heard: Sequence[str]) -> WordErrors:
    """
    Count the errors along the cheapest alignment, every error at the same cost.

    Levenshtein's distance, a row of the table at a time: what comes from the left is the least of
    all before it plus their distance.
    """
    numbers = {word: k for k, word in enumerate({*reference, *heard})}
    columns = np.array([numbers[word] for word in heard], np.int64)
    places = np.arange(len(heard) + 1)
    table = [places]
    for word in reference:
        above = table[-1]
        best = above + 1
        np.minimum(best[1:], above[:-1] + (columns != numbers[word]), out=best[1:])
        table.append(np.minimum.accumulate(best - places) + places)
    lost = wrong = invented = 0
    row, column = len(reference), len(heard)
    while row or column:
        here = table[row][column]
        if row and column:
            differs = reference[row - 1] != heard[column - 1]
            if here == table[row - 1][column - 1] + differs:
                wrong += differs
                row, column = row - 1, column - 1
                continue
        if row and here == table[row - 1][column] + 1:
            lost += 1
            row -= 1
        else:
            invented += 1
            column -= 1
    return WordErrors(len(reference), lost, wrong, invented)
