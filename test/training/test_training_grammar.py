"""A grammar gives the sentences that it describes, and says what is wrong with it."""
from pathlib import Path
import random

from hypothesis import given, strategies
from parakeet_ros.training.expansion import parse
from parakeet_ros.training.grammar import Grammar, GrammarError, load_grammar
from parakeet_ros.training.spoken import number_words, SPOKEN
import pytest

GRAMMARS = Path(__file__).parents[2] / 'training' / 'grammars'


def readings(expansion: str, draws: int = 300, **rules: str) -> set[str]:
    grammar = Grammar({'sentences': expansion, 'rules': rules})
    rng = random.Random(1)
    return {grammar.sample(rng) for _ in range(draws)}


def test_each_part_of_the_notation_gives_what_it_says() -> None:
    assert readings('turn left') == {'turn left'}
    assert readings('[please] stop') == {'stop', 'please stop'}
    assert readings('go (left | right)') == {'go left', 'go right'}
    assert readings('go <way>', way='up | [far] down') == {'go up', 'go down', 'go far down'}
    assert readings('<9..11>') == {'nine', 'ten', 'eleven'}
    assert readings('<20..50/15>') == {'twenty', 'thirty five', 'fifty'}


def test_nothing_at_all_is_never_drawn() -> None:
    assert readings('[stop]') == {'stop'}


def test_a_weight_makes_an_alternative_more_frequent() -> None:
    grammar = Grammar({'sentences': ['/9/ often', 'seldom']})
    rng = random.Random(0)
    often = sum(grammar.sample(rng) == 'often' for _ in range(1000))
    assert 860 < often < 940


def test_the_same_seed_gives_the_same_sentences_and_another_gives_others() -> None:
    grammar = load_grammar(GRAMMARS / 'commands.yaml')
    assert grammar.distinct(50, seed=1) == grammar.distinct(50, seed=1)
    assert grammar.distinct(50, seed=1) != grammar.distinct(50, seed=2)
    assert len(set(grammar.distinct(500, seed=3))) == 500


def test_a_grammar_without_enough_sentences_says_how_many_it_has() -> None:
    with pytest.raises(GrammarError, match='only 2 of 3'):
        Grammar({'sentences': 'left | right'}).distinct(3, seed=0)


@pytest.mark.parametrize('path', sorted(GRAMMARS.glob('*.yaml')), ids=lambda path: path.stem)
def test_the_grammars_that_come_with_the_package_give_spoken_words(path: Path) -> None:
    grammar = load_grammar(path)
    vocabulary = set(grammar.vocabulary())
    assert all(SPOKEN.fullmatch(word) for word in vocabulary)
    rng = random.Random(0)
    drawn = {word for _ in range(2000) for word in grammar.sample(rng).split()}
    assert drawn <= vocabulary


@pytest.mark.parametrize(('sentences', 'rules', 'message'), [
    ('go to <rom>', {'room': 'hall'}, r'no rule <rom>; did you mean <room>'),
    ('go (left | right', {}, r"column 4: '\(' is not closed"),
    ('go left)', {}, r"column 8: '\)' closes nothing"),
    ('turn 90 degrees', {}, r"column 6: '90' is no word.*<1\.\.99>"),
    ('Stop!', {}, 'lower case without punctuation'),
    ('go (left | )', {}, 'words are missing'),
    ('/0/ go | stop', {}, 'no weight'),
    ('/many/ go | stop', {}, 'no weight'),
    ('wait <9..1> seconds', {}, 'has no numbers'),
    ('wait <1..9/0> seconds', {}, 'has no numbers'),
    ('wait <1 to 9> seconds', {}, 'neither a rule'),
    ('go <a>', {'a': 'left <b>', 'b': '<a>'}, 'contains itself'),
    ('go <a>', {'a': ''}, "rule 'a': expected text"),
    (['go', True], {}, 'quote what YAML takes'),
    (None, {}, 'sentences: expected text'),
    ('go', ['left'], 'rules must map'),
    ('go', {'A b': 'left'}, 'a name has a-z'),
])
def test_what_is_wrong_is_named_with_its_remedy(
        sentences: object, rules: object, message: str) -> None:
    with pytest.raises(GrammarError, match=message):
        Grammar({'sentences': sentences, 'rules': rules})


@pytest.mark.parametrize(('text', 'message'), [
    ('sentence: go', "'sentence' is no section"),
    ('- go', 'a grammar has a section'),
    ('sentences: [go', 'flow sequence'),
])
def test_the_error_names_the_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / 'robot.yaml'
    path.write_text(text)
    with pytest.raises(GrammarError, match=message) as caught:
        load_grammar(path)
    assert str(path) in str(caught.value)


@given(strategies.text(alphabet='ab1<>[]()|/. ', max_size=30))
def test_any_text_is_parsed_or_refused(source: str) -> None:
    try:
        parse(source)
    except GrammarError as error:
        assert 'column' in str(error)


@given(strategies.integers(0, 999_999))
def test_the_words_of_a_number_are_its_own(number: int) -> None:
    values = {number_words(value): value for value in [*range(21), *range(30, 100, 10)]}
    total = part = 0
    for word in number_words(number).split():
        if word == 'hundred':
            part *= 100
        elif word == 'thousand':
            total, part = part * 1000, 0
        else:
            part += values[word]
    assert total + part == number


def test_brackets_in_brackets_without_end_are_named(tmp_path: Path) -> None:
    path = tmp_path / 'deep.yaml'
    path.write_text(f'sentences: "{"(" * 3000}go{")" * 3000}"')
    with pytest.raises(GrammarError, match='deep.yaml: its brackets are nested too deeply'):
        load_grammar(path)
