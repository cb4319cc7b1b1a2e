"""How good a setting is: words, splits, false starts and waiting, and one number of all."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from parakeet_ros.bags.report.differences import plain_words
from parakeet_ros.bags.tuning.references import Reference
from parakeet_ros.bags.tuning.words import count_errors, WordErrors


@dataclass(frozen=True)
class Said:
    """
    An utterance with its text.

    :param start_s: of the speech, from the beginning of the recording; `end_s` is its end.
    :param closed_s: when the utterance ended: after the pause, if one ended it.
    """

    text: str
    start_s: float
    end_s: float
    closed_s: float


@dataclass(frozen=True)
class Score:
    """
    What a setting makes of recordings.

    :param false_starts: utterances in which nobody spoke by the references; where any of these has
        no times, utterances without words.
    :param waits_s: of each reference from its end, or from where its speech was thought to end if
        that is earlier, to the end of the utterance that holds it; where there are no times, of
        each utterance from the end of its speech. The engine's time is not in it: it differs from
        call to call.
    :param splits: utterances beyond the first that hold the same reference: on each but the last
        the robot acts before all has been said. What was cut at the limit of length is one
        utterance. Not seen where references have no times.
    :param sentences: references with times.
    """

    errors: WordErrors
    false_starts: int
    minutes: float
    waits_s: tuple[float, ...]
    splits: int = 0
    sentences: int = 0

    @property
    def false_per_minute(self) -> float:
        """Return the false starts per minute of audio."""
        return self.false_starts / self.minutes if self.minutes else 0.0

    @property
    def split_percent(self) -> float:
        """Return the splits in percent of the sentences; 0 without any."""
        return 100 * self.splits / self.sentences if self.sentences else 0.0

    @property
    def wait_s(self) -> float:
        """Return the mean wait; one that lasts until the next utterance counts in full."""
        return mean(self.waits_s) if self.waits_s else 0.0

    def dominates(self, other: Score) -> bool:
        """Return whether this is no worse in anything and better in something."""
        ours, theirs = self.figures, other.figures
        return ours != theirs and all(a <= b for a, b in zip(ours, theirs))

    @property
    def figures(self) -> tuple[float, float, float, float]:
        """Return words and splits in percent, false starts a minute and the mean wait, rounded."""
        return (round(self.errors.percent, 3), round(self.split_percent, 3),
                round(self.false_per_minute, 3), round(self.wait_s, 4))


@dataclass(frozen=True)
class Weights:
    """
    What one point of word errors is worth; the unit of the cost.

    By default 100 ms of waiting weigh as much as one word in a hundred, and a false start every
    five minutes too. A sentence that is split weighs as much as if all its words were wrong, since
    the robot acts on a part of it; it is counted by the sentence, not by the minute, because how
    many there can be depends on how much is said. With ten sentences a minute it costs twice what
    a false start does.
    """

    word: float = 1.0  # per percent of word errors
    split: float = 1.0  # per percent of the sentences
    false_start: float = 5.0  # per false start a minute
    wait: float = 10.0  # per second

    def cost(self, score: Score) -> float:
        """Return the weighted sum; the lower, the better."""
        return (self.word * score.errors.percent + self.split * score.split_percent
                + self.false_start * score.false_per_minute + self.wait * score.wait_s)


def score(said: Sequence[Said], references: Sequence[Reference], seconds: float) -> Score:
    """Compare what was heard of one recording with what was said in it."""
    errors = count_errors([word for each in references for word in plain_words(each.text)],
                          [word for each in said for word in plain_words(each.text)])
    spans = [each.span_s for each in references if each.span_s is not None]
    if len(spans) < len(references):
        return Score(errors, sum(not each.text for each in said), seconds / 60,
                     tuple(each.closed_s - each.end_s for each in said))
    false_starts = sum(
        not any(_touch(each, span) for span in spans) for each in said)
    waits, splits = [], 0
    for span in spans:
        holding = [each for each in said if _touch(each, span)]
        if holding:
            last = holding[-1]
            waits.append(last.closed_s - min(last.end_s, span[1]))
            splits += len(holding) - 1
    return Score(errors, false_starts, seconds / 60, tuple(waits), splits, len(spans))


def total(scores: Sequence[Score]) -> Score:
    """Return the score of several recordings together."""
    errors = sum((each.errors for each in scores), WordErrors())
    return Score(errors, sum(each.false_starts for each in scores),
                 sum(each.minutes for each in scores),
                 tuple(wait for each in scores for wait in each.waits_s),
                 sum(each.splits for each in scores), sum(each.sentences for each in scores))


def _touch(said: Said, span_s: tuple[float, float]) -> bool:
    return said.start_s < span_s[1] and span_s[0] < said.end_s
