"""Sentences of a grammar to measure a model on, and which of them it must not be trained on."""
from __future__ import annotations

from dataclasses import dataclass
import random

from parakeet_ros.training.grammar import Grammar
from parakeet_ros.training.splits import LONG_ENOUGH_WORDS, split_of

_MOST = 60  # to be measured on
_PERCENT = 10  # of a grammar's sentences, where their hashes keep out fewer
_DRAWS = 2000  # to learn how many sentences a grammar has, if they are few
_FEW_SENTENCES = 40  # so few are a list of commands, and a robot needs each
_FEW_SPARE = 10  # likewise, of more than two words


@dataclass(frozen=True)
class HeldOut:
    """What is measured on, and what that means for training."""

    sentences: tuple[str, ...]
    withheld: frozenset[str]  # not to be trained on: the sentences, or none of them
    needed: frozenset[str]  # to be trained on whatever their hashes say


def hold_out(grammar: Grammar, seed: int) -> HeldOut:
    """
    Choose sentences to be kept out: by their hashes, and if those are few, by lot.

    Sentences of one or two words ("stop") are never kept out. Where there are few others, or few
    sentences in all, none is: a model is then measured on new recordings of what it knows.
    """
    rng = random.Random(seed)
    drawn = list(dict.fromkeys(grammar.sample(rng) for _ in range(_DRAWS)))
    spare = [text for text in drawn if len(text.split()) >= LONG_ENOUGH_WORDS]
    if len(drawn) < _FEW_SENTENCES or len(spare) < _FEW_SPARE:
        return HeldOut(tuple(drawn[:_MOST]), frozenset(), frozenset(drawn))
    kept = [text for text in spare if split_of(text) != 'train']
    others = [text for text in spare if split_of(text) == 'train']
    enough = max(1, len(spare) * _PERCENT // 100)
    kept = [*kept, *others[:max(0, enough - len(kept))]][:_MOST]
    return HeldOut(tuple(kept), frozenset(kept), frozenset())
