"""
Grammars of robot commands: YAML files whose sentences can be drawn.

.. code-block:: yaml

    sentences:
      - '[please] (go | drive) to the <room>'
      - /3/ turn (left | right) [<5..180/5> degrees]
    rules:
      room: kitchen | living room | room <1..20>

`parakeet_ros.training.expansion` has the notation. A list is the same as its items with ``|``
between them; ``/3/`` before an alternative makes it three times as likely as one without.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping
import difflib
from pathlib import Path
import random

from parakeet_ros.training.expansion import (
    Expansion,
    GrammarError,
    Number,
    parse,
    Reference,
    RULE,
    Words,
)
from parakeet_ros.training.spoken import number_words
import yaml

SECTIONS = ('sentences', 'rules')
DRAWS_PER_SENTENCE = 50  # before a grammar is said to have no more


class Grammar:
    """Sentences that can be drawn at random."""

    def __init__(self, source: Mapping[str, object]) -> None:
        unknown = [str(key) for key in source if key not in SECTIONS]
        if unknown:
            raise GrammarError(f'{unknown[0]!r} is no section; there are {" and ".join(SECTIONS)}')
        rules = source.get('rules') or {}
        if not isinstance(rules, Mapping):
            raise GrammarError('rules must map names to expansions, such as "room: hall | lab"')
        self._rules: dict[str, Expansion] = {}
        for name, value in rules.items():
            if not isinstance(name, str) or not RULE.fullmatch(name):
                raise GrammarError(f'rule {name!r}: a name has a-z, 0-9 and _, a letter first')
            self._rules[name] = _expansion(f'rule {name!r}', value)
        self._sentences = _expansion('sentences', source.get('sentences'))
        self._check()

    def sample(self, rng: random.Random) -> str:
        """Draw a sentence."""
        while True:  # an optional part may be all that there is
            if text := ' '.join(self._sentences.draw(rng, self._rules)):
                return text

    def distinct(self, count: int, seed: int) -> list[str]:
        """
        Draw sentences that all differ, the same for the same seed.

        :raises GrammarError: if the grammar does not have so many
        """
        rng = random.Random(seed)
        found: dict[str, None] = {}
        for _ in range(DRAWS_PER_SENTENCE * count):
            if len(found) == count:
                return list(found)
            found[self.sample(rng)] = None
        raise GrammarError(f'only {len(found)} of {count} different sentences were found; ask for '
                           'fewer, or add alternatives to the grammar')

    def vocabulary(self) -> list[str]:
        """Return every word that a sentence may have, in alphabetical order."""
        words: set[str] = set()
        for _, part in self._all_parts():
            if isinstance(part, Words):
                words.update(part.words)
            elif isinstance(part, Number):
                words.update(*(number_words(value).split() for value in part.values()))
        return sorted(words)

    def _all_parts(self) -> Iterator[tuple[str, Expansion]]:
        """Yield every expansion with the name of what it stands in."""
        for where, root in [('sentences', self._sentences), *self._rules.items()]:
            yield from ((where, part) for part in _tree(root))

    def _check(self) -> None:
        """Refuse references to rules that do not exist, and rules that contain themselves."""
        uses: dict[str, list[str]] = {}
        for where, part in self._all_parts():
            if isinstance(part, Reference):
                if part.rule not in self._rules:
                    raise GrammarError(f'{where}: there is no rule <{part.rule}>'
                                       f'{_alike(part.rule, list(self._rules))}')
                uses.setdefault(where, []).append(part.rule)
        for name in self._rules:
            reached, ahead = set[str](), list(uses.get(name, []))
            while ahead:
                rule = ahead.pop()
                if rule == name:
                    raise GrammarError(f'rule {name!r} contains itself, so its sentences may have '
                                       'no end; write the repetition out')
                if rule not in reached:
                    reached.add(rule)
                    ahead.extend(uses.get(rule, []))


def load_grammar(path: Path) -> Grammar:
    """
    Read a grammar from a YAML file.

    :raises GrammarError: which names the file, the place and the remedy
    """
    try:
        source = yaml.safe_load(path.read_text())
        if not isinstance(source, Mapping):
            raise GrammarError('a grammar has a section "sentences" and one "rules"')
        return Grammar(source)
    except RecursionError:
        raise GrammarError(f'{path}: its brackets are nested too deeply; use rules') from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, GrammarError) as error:
        raise GrammarError(f'{path}: {error}') from error


def _expansion(where: str, value: object) -> Expansion:
    """Read an expansion, or a list of them as alternatives."""
    items = value if isinstance(value, list) else [value]
    alternatives = [item for item in items if isinstance(item, str) and item]
    if not alternatives or len(alternatives) < len(items):
        raise GrammarError(f'{where}: expected text or a list of texts, not {value!r}; quote what '
                           'YAML takes for a list, a number, or yes and no')
    try:
        for item in alternatives:  # one by one, so that an error quotes no more than its line
            parse(item)
    except GrammarError as error:
        raise GrammarError(f'{where}: {error}') from error
    return parse(' | '.join(alternatives))


def _tree(root: Expansion) -> Iterator[Expansion]:
    """Yield an expansion and all below it."""
    yield root
    for part in root.parts():
        yield from _tree(part)


def _alike(name: str, names: list[str]) -> str:
    """Name the rule that was probably meant."""
    close = difflib.get_close_matches(name, names, 1)
    return f'; did you mean <{close[0]}>?' if close else f'; there are {", ".join(sorted(names))}'
