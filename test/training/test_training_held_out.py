"""What a robot must know is trained on, and the rest is measured."""
import itertools
from pathlib import Path
import random

from parakeet_ros.training.grammar import Grammar, load_grammar
from parakeet_ros.training.held_out import hold_out
from parakeet_ros.training.splits import split_of
from parakeet_ros.training.texts import TextSource
import pytest

EXAMPLE = Path(__file__).parents[2] / 'training' / 'grammars' / 'my_robot.yaml'


@pytest.mark.parametrize('seed', range(3))
def test_short_commands_are_never_kept_out(seed: int) -> None:
    held_out = hold_out(load_grammar(EXAMPLE), seed)
    assert 20 < len(held_out.sentences) <= 60
    assert held_out.withheld == set(held_out.sentences)
    assert all(len(text.split()) >= 3 for text in held_out.withheld)


def test_sentences_whose_hashes_keep_them_out_come_first() -> None:
    grammar = Grammar({'sentences': 'go to number <1..99>'})
    kept = {text for text in grammar.distinct(99, seed=0) if split_of(text) != 'train'}
    sentences = hold_out(grammar, 1).sentences
    assert kept and kept == set(sentences[:len(kept)]) and len(sentences) == 9


@pytest.mark.parametrize('sentences', [
    'go to room number <1..30>',  # few: some of their hashes would keep them out
    '(go | look | turn) (up | down | left | right | in | out | to | back | on | off | home | '
    'away | round | aside)',  # short
    ['(go | look | turn) (up | down | left | right | in | out | to | back | on | off | home | '
     'away | round | aside)', 'go to the charging station', 'follow me to the door'],
])
def test_of_few_or_short_sentences_none_is_kept_out(sentences: str | list[str]) -> None:
    grammar = Grammar({'sentences': sentences})
    held_out = hold_out(grammar, 1)
    assert not held_out.withheld and 30 <= len(held_out.sentences) <= 60
    source = TextSource(grammar, (), held_out.withheld, held_out.needed)
    drawn = {text.text for text in itertools.islice(source.texts(random.Random(0)), 1000)}
    assert set(held_out.sentences) <= drawn
