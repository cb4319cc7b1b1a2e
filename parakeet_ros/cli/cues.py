"""Words to subtitles that can be read in time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from parakeet_ros.engine import Word

LINE_CHARACTERS = 42
MAX_LINES = 2
MAX_CUE_S = 7.0
_MIN_CUE_S = 1.0  # shorter ones stay, if the next one lets them
_PAUSE_S = 1.0  # a longer one ends a cue
_SENTENCE_ENDS = ('.', '?', '!')


@dataclass(frozen=True)
class Cue:
    """A subtitle: lines, and when they are shown, in seconds."""

    start_s: float
    end_s: float
    lines: tuple[str, ...]


def make_cues(words: Sequence[Word]) -> list[Cue]:
    """Return subtitles in order, that do not overlap; those that begin at once share the time."""
    runs = [list(run) for _, run in groupby(_groups(words), lambda group: group[0].start_s)]
    limits = [*(following[0][0].start_s for following in runs[1:]), float('inf')]
    return [cue for run, limit in zip(runs, limits) for cue in _in_turn(run, limit)]


def _in_turn(run: Sequence[Sequence[Word]], limit_s: float) -> Iterator[Cue]:
    """Show groups that begin at one time, each as long as the others."""
    start_s = run[0][0].start_s
    spoken_s = max(word.end_s for group in run for word in group) - start_s
    end_s = min(start_s + max(min(spoken_s, MAX_CUE_S), _MIN_CUE_S), limit_s)
    starts = [start_s + (end_s - start_s) * number / len(run) for number in range(len(run))]
    for group, (begin_s, until_s) in zip(run, pairwise([*starts, end_s])):
        yield Cue(begin_s, until_s, tuple(_lines(group)))


def _groups(words: Sequence[Word]) -> Iterator[list[Word]]:
    """Cut after a sentence, at a pause, and before a word that does not fit."""
    group: list[Word] = []
    for word in words:
        if group and not _fits(group, word):
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def _fits(group: Sequence[Word], word: Word) -> bool:
    return (
        not group[-1].text.endswith(_SENTENCE_ENDS)
        and word.start_s - group[-1].end_s <= _PAUSE_S
        and word.end_s - group[0].start_s <= MAX_CUE_S
        and len(_lines([*group, word])) <= MAX_LINES
    )


def _lines(words: Sequence[Word]) -> list[str]:
    return textwrap.wrap(' '.join(word.text for word in words), LINE_CHARACTERS,
                         break_on_hyphens=False)
