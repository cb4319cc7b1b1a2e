"""Texts are spoken words, and those kept for measuring are never trained on."""
from collections import Counter
import itertools
from pathlib import Path
import random

from hypothesis import given, strategies
from parakeet_ros.training.grammar import Grammar
from parakeet_ros.training.splits import split_of
from parakeet_ros.training.spoken import SPOKEN, spoken
from parakeet_ros.training.texts import MIXTURE, TextSource
from parakeet_ros.training.wordnet import general_sentences
import pytest

GRAMMAR = Grammar({'sentences': 'go to the <room> and wait <1..999> seconds | stop',
                   'rules': {'room': 'hall | lab | kitchen'}})


@pytest.mark.parametrize(('written', 'said'), [
    ('Stop, please!', 'stop please'),
    ("the dog's well-known \"trick\"", "the dog's well known trick"),
    ('in 42 days', 'in forty two days'),
    ('1999', 'one thousand nine hundred ninety nine'),
    ('rock \u2019n\u2019 roll', 'rock n roll'),
    ('3.5 meters', None),
    ('50%', None),
    ('caf\u00e9', None),
    ('e.g. this', None),
    ('\u0661\u0662', None),
])
def test_text_becomes_words_or_nothing(written: str, said: str | None) -> None:
    assert spoken(written) == said


@given(strategies.text(max_size=40))
def test_whatever_is_spoken_has_letters_and_apostrophes_only(text: str) -> None:
    said = spoken(text)
    assert said is None or all(SPOKEN.fullmatch(word) for word in said.split())


def test_every_sentence_has_one_split_and_few_are_withheld() -> None:
    splits = Counter(split_of(f'go to room number {number}') for number in range(5000))
    assert 150 > splits['test'] > 50 and 150 > splits['dev'] > 50
    assert splits['train'] > 4700
    assert split_of('turn left') == 'train'


def test_training_never_draws_what_is_kept_for_measuring() -> None:
    sentences = [f'sentence number {number}' for number in range(1000)]
    withheld = frozenset({'stop', 'go to the hall and wait five seconds', 'sentence number 7'})
    drawn = list(itertools.islice(TextSource(GRAMMAR, sentences, withheld).texts(
        random.Random(0)), 4000))
    texts = {text.text for text in drawn}
    assert not texts & withheld
    assert all(split_of(text) == 'train' for text in texts)
    assert {text.kind for text in drawn} == set(MIXTURE)


def test_a_small_grammar_is_drawn_again_and_again() -> None:
    source = TextSource(Grammar({'sentences': 'come over here now | go over there now'}))
    kinds = [text.kind for text in itertools.islice(source.texts(random.Random(0)), 2000)]
    assert kinds.count('command') > 10 and 'sentence' not in kinds


def test_general_sentences_are_examples_and_definitions(tmp_path: Path) -> None:
    gloss = 'a small dog (of a kind); "The dog ran home."; "e.g. this is left out"'
    line = f'00001 00 n 01 dog 0 000 | {gloss}  \n'
    for part in ('adj', 'adv', 'noun', 'verb'):
        (tmp_path / f'data.{part}').write_text('  1 This licence is no sentence\n')
    (tmp_path / 'data.noun').write_text(line + ''.join(
        f'0 | "the small dog ran home {tail}"\n' for tail in ('a', 'a a', 'a a a')))
    sentences = general_sentences(tmp_path)
    assert sentences == ['a small dog', 'the dog ran home'] + [
        f'the small dog ran home {tail}' for tail in ('a', 'a a', 'a a a')]


def test_without_wordnet_the_remedy_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='apt install wordnet-base'):
        general_sentences(tmp_path)
