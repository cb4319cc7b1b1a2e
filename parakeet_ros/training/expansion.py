"""
The notation of sentences in a grammar, after the expansions of JSGF (Java Speech Grammar Format).

====================  ==========================================================
``turn left``         these words
``[please] stop``     with or without "please"
``(left | right)``    one of these
``(/3/ left | up)``   the same, "left" three times as often
``<room>``            what the rule ``room`` gives
``<1..99>``           a whole number of that range, spelled out
``<5..90/5>``         the same in steps of five
====================  ==========================================================
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
import random
import re
from typing import Protocol

from parakeet_ros.training.spoken import LARGEST_NUMBER, number_words, SPOKEN

TOKEN = re.compile(r'\s*(?:(?P<ref><[^<>]*>)|(?P<weight>/[^/]*/)|(?P<mark>[][()|])|'
                   r'(?P<word>[^][()|<>/\s]+)|(?P<stray>\S))')
NUMBERS = re.compile(r'(\d+)\.\.(\d+)(?:/(\d+))?')
RULE = re.compile(r'[a-z][a-z0-9_]*')


class GrammarError(ValueError):
    """A grammar that cannot be used; the message says where and what to write instead."""


class Expansion(Protocol):
    """A part of a sentence that can be drawn."""

    def draw(self, rng: random.Random, rules: Mapping[str, Expansion]) -> Iterator[str]:
        """Yield the words of one random reading."""

    def parts(self) -> Iterator[Expansion]:
        """Yield the expansions that this one is made of."""


@dataclass(frozen=True)
class Words:
    """Fixed words."""

    words: tuple[str, ...]

    def draw(self, rng: random.Random, rules: Mapping[str, Expansion]) -> Iterator[str]:
        """Yield the words."""
        yield from self.words

    def parts(self) -> Iterator[Expansion]:
        """Yield nothing."""
        yield from ()


@dataclass(frozen=True)
class Number:
    """A whole number between two bounds, both included."""

    first: int
    last: int
    step: int

    def draw(self, rng: random.Random, rules: Mapping[str, Expansion]) -> Iterator[str]:
        """Yield the words of a number."""
        yield from number_words(rng.choice(self.values())).split()

    def parts(self) -> Iterator[Expansion]:
        """Yield nothing."""
        yield from ()

    def values(self) -> range:
        """Return all numbers that may be drawn."""
        return range(self.first, self.last + 1, self.step)


@dataclass(frozen=True)
class Reference:
    """Whatever a rule gives."""

    rule: str

    def draw(self, rng: random.Random, rules: Mapping[str, Expansion]) -> Iterator[str]:
        """Yield the words of a reading of the rule."""
        yield from rules[self.rule].draw(rng, rules)

    def parts(self) -> Iterator[Expansion]:
        """Yield nothing: the rule is checked by itself."""
        yield from ()


@dataclass(frozen=True)
class Sequence:
    """Expansions one after another."""

    items: tuple[Expansion, ...]

    def draw(self, rng: random.Random, rules: Mapping[str, Expansion]) -> Iterator[str]:
        """Yield the words of each."""
        for item in self.items:
            yield from item.draw(rng, rules)

    def parts(self) -> Iterator[Expansion]:
        """Yield the items."""
        yield from self.items


@dataclass(frozen=True)
class Choice:
    """One of several expansions."""

    options: tuple[Expansion, ...]
    weights: tuple[float, ...]

    def draw(self, rng: random.Random, rules: Mapping[str, Expansion]) -> Iterator[str]:
        """Yield the words of one of them."""
        option, = rng.choices(self.options, self.weights)
        yield from option.draw(rng, rules)

    def parts(self) -> Iterator[Expansion]:
        """Yield the options."""
        yield from self.options


def parse(source: str) -> Expansion:
    """
    Read an expansion.

    :raises GrammarError: with the place, counted from 1, and the remedy
    """
    parser = _Parser(source)
    expansion = parser.choice()
    if parser.kind:
        raise parser.error(f'{parser.text!r} closes nothing')
    return expansion


class _Parser:
    """A recursive descent through the tokens; ``kind`` and ``text`` are those of the next."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens = TOKEN.finditer(source.rstrip())
        self.advance()

    def advance(self) -> None:
        """Go to the next token; at the end the kind is empty."""
        match = next(self._tokens, None)
        self.kind = (match.lastgroup or '') if match else ''
        self.text = match[self.kind] if match else ''
        self._column = match.start(self.kind) + 1 if match else len(self._source) + 1

    def error(self, problem: str) -> GrammarError:
        """Name a problem and its place."""
        return GrammarError(f'{self._source!r}, column {self._column}: {problem}')

    def choice(self) -> Expansion:
        """Read alternatives up to a closing bracket or the end."""
        options, weights = [], []
        while True:
            weights.append(self._weight())
            options.append(self._sequence())
            if self.text != '|':
                break
            self.advance()
        return options[0] if len(options) == 1 else Choice(tuple(options), tuple(weights))

    def _weight(self) -> float:
        """Read the weight before an alternative; 1 if there is none."""
        if self.kind != 'weight':
            return 1.0
        try:
            weight = float(self.text.strip('/'))
        except ValueError:
            weight = 0.0
        if not 0 < weight < float('inf'):
            raise self.error(f'{self.text} is no weight; write a number above 0, such as /2/')
        self.advance()
        return weight

    def _sequence(self) -> Expansion:
        """Read what stands side by side; at least one thing must."""
        items: list[Expansion] = []
        while self.kind and self.text not in ('|', ')', ']'):
            items.append(self._item())
        if not items:
            raise self.error('words are missing; what may be left out goes into [ ]')
        return items[0] if len(items) == 1 else Sequence(tuple(items))

    def _item(self) -> Expansion:
        """Read a word, a reference, or something in brackets."""
        item: Expansion
        if self.kind == 'word':
            item = self._word()
        elif self.kind == 'ref':
            item = self._reference()
        elif self.text in ('(', '['):
            return self._bracketed()
        else:
            raise self.error(f'{self.text!r} cannot stand here')
        self.advance()
        return item

    def _bracketed(self) -> Expansion:
        """Read a group, or what may be left out."""
        opened = self.error(f'{self.text!r} is not closed')
        optional = self.text == '['
        closing = ']' if optional else ')'
        self.advance()
        inner = self.choice()
        if self.text != closing:
            raise opened
        self.advance()
        return Choice((inner, Words(())), (1.0, 1.0)) if optional else inner

    def _word(self) -> Words:
        """Read a word; it must be one that can be spoken."""
        if not SPOKEN.fullmatch(self.text):
            raise self.error(f'{self.text!r} is no word of a-z and apostrophes; write words in '
                             'lower case without punctuation, and numbers as <1..99> or spelled '
                             'out')
        return Words((self.text,))

    def _reference(self) -> Expansion:
        """Read the name of a rule or a range of numbers."""
        name = self.text[1:-1].strip()
        if numbers := NUMBERS.fullmatch(name):
            first, last, step = int(numbers[1]), int(numbers[2]), int(numbers[3] or 1)
            if not (first <= last <= LARGEST_NUMBER and step):
                raise self.error(f'<{name}> has no numbers; write <first..last> or '
                                 f'<first..last/step>, up to {LARGEST_NUMBER}')
            return Number(first, last, step)
        if not RULE.fullmatch(name):
            raise self.error(f'<{name}> is neither a rule such as <room> nor numbers such as '
                             '<1..99>')
        return Reference(name)
