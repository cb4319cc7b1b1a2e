"""What is spoken in a training corpus: commands, lists of words, digits and general sentences."""
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
import random
from typing import Protocol

from parakeet_ros.training.splits import split_of
from parakeet_ros.training.spoken import ONES

# Lists of random words are there so that the model learns to listen, not to guess.
MIXTURE = {'command': 0.42, 'sentence': 0.36, 'words': 0.12, 'digits': 0.05, 'word': 0.05}
TRIES = 8  # to find a text that was not drawn before
GENERAL_WORD_SHARE = 0.5  # of the words of lists, where there are general sentences


class Commands(Protocol):
    """What is needed of a grammar."""

    def sample(self, rng: random.Random) -> str:
        """Draw a sentence."""

    def vocabulary(self) -> list[str]:
        """Return all words."""


@dataclass(frozen=True)
class Text:
    """A text to be spoken and what kind it is: a key of `MIXTURE`."""

    text: str
    kind: str


class TextSource:
    """
    Draws texts for training, none of those that are kept for measuring.

    :param commands: the grammar
    :param sentences: general ones
    :param withheld: kept for measuring, beside those whose hashes say so
    :param needed: to be trained on whatever their hashes say
    """

    def __init__(self, commands: Commands, sentences: Sequence[str] = (),
                 withheld: frozenset[str] = frozenset(), needed: frozenset[str] = frozenset()
                 ) -> None:
        self._commands = commands
        self._withheld, self._needed = withheld, needed
        self._sentences = [text for text in sentences if self._may_be_trained(text)]
        self._vocabulary = commands.vocabulary()
        general = {word for text in self._sentences for word in text.split()}
        self._general_words = sorted(word for word in general if len(word) > 1)
        self._kinds = [kind for kind in MIXTURE if kind != 'sentence' or self._sentences]

    def texts(self, rng: random.Random) -> Iterator[Text]:
        """Draw texts without end, new ones as long as they are easily found."""
        weights = [MIXTURE[kind] for kind in self._kinds]
        seen: set[str] = set()
        while True:
            kind, = rng.choices(self._kinds, weights)
            if text := self._trainable(kind, rng, seen):
                seen.add(text)
                yield Text(text, kind)

    def _trainable(self, kind: str, rng: random.Random, seen: set[str]) -> str:
        """Draw a text of a kind, if possible a new one; nothing if all are withheld."""
        text = ''
        for _ in range(TRIES):
            candidate = self._draw(kind, rng)
            if self._may_be_trained(candidate):
                text = candidate
                if text not in seen:
                    break
        return text

    def _may_be_trained(self, text: str) -> bool:
        """Tell whether a text is not kept for measuring."""
        if text in self._withheld:
            return False
        return text in self._needed or split_of(text) == 'train'

    def _draw(self, kind: str, rng: random.Random) -> str:
        """Draw a text of a kind."""
        if kind == 'command':
            return self._commands.sample(rng)
        if kind == 'sentence':
            return rng.choice(self._sentences)
        if kind == 'digits':
            return ' '.join(rng.choice(ONES[:10]) for _ in range(rng.randint(2, 7)))
        length = 1 if kind == 'word' else rng.randint(2, 6)
        return ' '.join(self._word(rng) for _ in range(length))

    def _word(self, rng: random.Random) -> str:
        """Draw a word of the commands, or any."""
        if self._general_words and rng.random() < GENERAL_WORD_SHARE:
            return rng.choice(self._general_words)
        return rng.choice(self._vocabulary)
