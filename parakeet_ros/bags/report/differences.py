"""Several runs over the same audio, side by side: what belongs together, and what differs."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import difflib
import unicodedata

from parakeet_ros.bags.report.content import Passage, Run


@dataclass(frozen=True)
class Piece:
    """Words of one text in a row that are all in the other text, or all not."""

    text: str
    differs: bool


@dataclass(frozen=True)
class Row:
    """
    What the runs made of one stretch of audio.

    :param heard: of each run its utterances there, often one, in the order of time.
    """

    heard: tuple[tuple[Passage, ...], ...]

    @property
    def everything(self) -> list[Passage]:
        """Return the utterances of all runs."""
        return [utterance for run in self.heard for utterance in run]

    @property
    def start_s(self) -> float:
        """Return where the first of them begins."""
        return min(utterance.start_s for utterance in self.everything)

    @property
    def end_s(self) -> float:
        """Return where the last of them ends."""
        return max(utterance.end_s for utterance in self.everything)

    def text(self, run: int) -> str:
        """Return what a run heard, all in one; empty where it heard no words."""
        return ' '.join(heard.text for heard in self.heard[run] if heard.text)

    def differs(self, compared: tuple[int, int] | None) -> bool:
        """Return whether two runs heard different words; without two nothing differs."""
        if compared is None:
            return False
        first, second = (plain_words(self.text(run)) for run in compared)
        return first != second


def align(runs: Sequence[Run]) -> list[Row]:
    """
    Put together what overlaps in time, in the order of time.

    The speech itself must overlap: the margins around it reach into the neighbours' pauses. Where
    one run has one utterance and another has three, all four are in one row.
    """
    everything = sorted(
        ((heard, run) for run, each in enumerate(runs) for heard in each.utterances),
        key=lambda item: (item[0].speech_start_s, item[1]))
    rows: list[list[list[Passage]]] = []
    end_s = float('-inf')
    for heard, run in everything:
        if heard.speech_start_s >= end_s:
            rows.append([[] for _ in runs])
        rows[-1][run].append(heard)
        end_s = max(end_s, heard.speech_end_s)
    return [Row(tuple(map(tuple, row))) for row in rows]


def plain_words(text: str) -> list[str]:
    """Return the words without case and without punctuation at their ends; never an empty one."""
    words = (_stripped(word) for word in text.casefold().split())
    return [word for word in words if word]


def mark(text: str, other: str) -> list[Piece]:
    """
    Return the pieces of a text, with those marked whose words are not in the other one's place.

    Case and punctuation do not count. The texts of the pieces, with blanks between, are the text.
    """
    words = text.split()
    ours, others = ([_stripped(word.casefold()) for word in each.split()]
                    for each in (text, other))
    matcher = difflib.SequenceMatcher(None, ours, others, autojunk=False)
    differs = [True] * len(words)
    for block in matcher.get_matching_blocks():
        differs[block.a:block.a + block.size] = [False] * block.size
    pieces: list[Piece] = []
    for word, is_other in zip(words, differs):
        if pieces and pieces[-1].differs == is_other:
            pieces[-1] = Piece(f'{pieces[-1].text} {word}', is_other)
        else:
            pieces.append(Piece(word, is_other))
    return pieces


def _stripped(word: str) -> str:
    """Return a word without punctuation at its ends; a word of nothing else stays as it is."""
    inner = [not unicodedata.category(character).startswith('P') for character in word]
    if not any(inner):
        return ''
    return word[inner.index(True):len(word) - inner[::-1].index(True)]
