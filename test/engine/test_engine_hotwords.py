"""Hotwords: the batched search equals its definition, and helps more than it harms."""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine_oracle import ORACLE
from graphs_on_cpu import LOOKS, Recorder
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from parakeet_ros.engine import DecodingOptions, Hotwords, load_model
from parakeet_ros.engine.decoding import greedy_decode, predict_step, search_step
from parakeet_ros.engine.hotword_search import HotwordSearch
from parakeet_ros.engine.hotwords import DEFAULT_WEIGHT
from parakeet_ros.engine.queued_steps import decode_ahead
from parakeet_ros.engine.transducer import DecoderState
import pytest
from test_engine_decoding import as_nn_lstm, scripted_transducer
import torch

jiwer = pytest.importorskip('jiwer')

# What the built-in model gets wrong in some held-out clips under white noise.
SNR_DB = 10.0
MISHEARD = ['tool', 'green package', 'your gripper', 'then four']
# Words of its vocabulary that occur in no held-out clip.
ABSENT = (
    'ahead all apple arm around ball bathroom battery boxes cancel charge charging clean cube '
    'delta doors elevator emergency enter fan faster floor follow following hallway hello here '
    'hey hold increase kitchen light load lobby lower mapping meeting microphone pause person '
    'pick picture push raise release reset resume save say scan'
).split()


class LetterTokenizer:
    """A vocabulary of single characters, where '_' and '-' end the word before it."""

    def __init__(self, pieces: str) -> None:
        self.pieces = tuple(pieces)

    def encode(self, text: str) -> list[int]:
        """Return a token for each character."""
        return [self.pieces.index(character) for character in text]

    def missing_characters(self, text: str) -> list[str]:
        """Return what has no token."""
        return [character for character in text if character not in self.pieces]


# --- the definition -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """All that the definition knows of one utterance."""

    tokens: tuple[int, ...]
    time: int
    n_on_frame: int
    output: torch.Tensor
    state: tuple[torch.Tensor, torch.Tensor]


def define(transducer, encoded, phrases, boundaries):
    """Decode one utterance ``[T, D]`` with hotwords as the module's text reads, without tables."""
    config, joint, lstm = transducer.config, transducer.joint, as_nn_lstm(transducer)
    output, state = lstm(transducer.prediction.embedding[config.blank_id][None])
    row, saved, spent, barred = Row((), 0, 0, output, state), None, 0.0, False

    def whole(tokens):
        return saved is not None and any(
            tokens[-len(p):] == p and len(tokens) - len(p) <= len(saved.tokens) < len(tokens)
            for p in phrases)

    def alive(tokens):
        return any(tokens[-k:] == p[:k] and len(tokens) - k <= len(saved.tokens)
                   for p in phrases for k in range(1, min(len(p), len(tokens)) + 1))

    while True:
        if row.time >= len(encoded):
            if saved is None or whole(row.tokens):
                return row.tokens
            row, saved, spent, barred = saved, None, 0.0, True
        logits = joint(joint.encoder(encoded[row.time][None]), joint.prediction(row.output))[0]
        of_tokens, of_durations = logits.tensor_split((config.vocab_size + 1,))
        own = int(of_tokens.argmax())
        if whole(row.tokens) and own in boundaries:
            saved, spent = None, 0.0
        skip = config.durations[int(of_durations.argmax())] if config.durations else 0
        if own == config.blank_id:
            row = replace(row, time=row.time + max(skip, 1), n_on_frame=0)
            continue
        gains = [max([0.0] + [
            weight - spent for p, weight in phrases.items() for k in range(1, len(p) + 1)
            if (*row.tokens, token)[-k:] == p[:k] and len(row.tokens) + 1 >= k])
            for token in range(config.vocab_size)]
        label = own if barred else int((of_tokens[:-1] + torch.tensor(gains)).argmax())
        if saved is None and label != own:
            saved = row
        spent += float(of_tokens[own] - of_tokens[label])
        barred = False
        output, state = lstm(transducer.prediction.embedding[label][None], row.state)
        n_on_frame = row.n_on_frame + 1
        if skip == 0 and n_on_frame >= config.max_symbols:
            skip = 1
        row = Row((*row.tokens, label), row.time + skip, 0 if skip else n_on_frame, output, state)
        if saved is not None and not whole(row.tokens) and not alive(row.tokens):
            row, saved, barred = saved, None, True
        if saved is None:
            spent = 0.0


PIECES = 'ab_-'

BOUNDARIES = {2, 3}


@given(
    seed=st.integers(0, 2**31),
    durations=st.sampled_from([(0, 1, 2, 3, 4), (1,), (0, 3), ()]),
    phrases=st.dictionaries(st.text(PIECES, min_size=1, max_size=4), st.floats(0.5, 9.0),
                            min_size=1, max_size=4),
    lengths=st.lists(st.integers(0, 10), min_size=1, max_size=3),
    max_symbols=st.integers(1, 3),
)
@settings(max_examples=150, deadline=None)
def test_every_row_of_a_batch_equals_the_definition(
    seed, durations, phrases, lengths, max_symbols
):
    transducer = scripted_transducer(len(PIECES), durations, max_symbols, seed)
    tokenizer = LetterTokenizer(PIECES)
    hotwords = Hotwords.build(phrases.items(), tokenizer)
    shape = (len(lengths), max(max(lengths), 1), transducer.config.encoder_size)
    encoded = 2.0 * torch.randn(shape, generator=torch.Generator().manual_seed(seed + 1))
    by_tokens = {tuple(tokenizer.encode(p)): weight for p, weight in phrases.items()}
    options = DecodingOptions(hotwords=hotwords)
    hypotheses = greedy_decode(transducer, encoded, torch.tensor(lengths), options)
    assert decode_ahead(transducer, encoded, torch.tensor(lengths), options) == hypotheses
    plain = greedy_decode(transducer, encoded, torch.tensor(lengths))
    for row, length in enumerate(lengths):
        expected = define(transducer, encoded[row, :length], by_tokens, BOUNDARIES)
        assert hypotheses[row].tokens == expected
        written = ''.join(PIECES[token] for token in expected)
        assert hypotheses[row] == plain[row] or any(phrase in written for phrase in phrases)


def decode(frames, phrases, pieces):
    """Decode logits that stand written out, a dictionary of pieces for each frame."""
    transducer = scripted_transducer(len(pieces), (1,), max_symbols=3, seed=0)
    with torch.no_grad():
        transducer.joint.prediction.weight.zero_()
    encoded = torch.zeros(1, len(frames), len(pieces) + 2)
    for logits, frame in zip(encoded[0], frames, strict=True):
        for piece, logit in frame.items():
            logits[pieces.index(piece)] = logit
    options = DecodingOptions(hotwords=Hotwords.build(phrases, LetterTokenizer(pieces)))
    [hypothesis] = greedy_decode(transducer, encoded, torch.tensor([len(frames)]), options)
    return ''.join(pieces[token] for token in hypothesis.tokens)


@pytest.mark.parametrize('more', [[], ['abcd'], ['ab_d']])
@pytest.mark.parametrize(('third', 'text'), [
    ({'_': 5, 'c': 4}, 'ab_x'),  # the word ends: the phrase was said
    ({'c': 5, '_': 4}, 'xbcx')])  # the word goes on: another was said
def test_a_phrase_that_begins_another_is_written_where_it_is_without_that(more, third, text):
    frames = [{'x': 5, 'a': 4}, {'b': 5}, third, {'x': 20}]
    assert decode(frames, [(phrase, 2.0) for phrase in ('ab', *more)], 'abcdx_') == text


@pytest.mark.parametrize('following', ['は', '、', '京'])
def test_a_word_may_end_at_any_letter_where_there_are_no_spaces(following):
    frames = [{'凍': 5, '東': 4}, {'京': 5}, {following: 5}]
    assert decode(frames, [('東京', 3.0)], '凍東京は、') == f'東京{following}'


def addresses(search: HotwordSearch) -> list[int]:
    """Return where the tensors of a search are."""
    values = [*vars(search).values(), *search.saved.values()]
    return [value.data_ptr() for value in values if isinstance(value, torch.Tensor)]


def test_steps_without_a_look_at_the_state_give_the_same_in_the_same_storage():
    transducer = scripted_transducer(len(PIECES), (0, 1, 2), max_symbols=2, seed=2)
    hotwords = Hotwords.build([('ab', 9.0), ('b_', 9.0)], LetterTokenizer(PIECES))
    encoded = torch.randn(4, 9, transducer.config.encoder_size,
                          generator=torch.Generator().manual_seed(4))
    lengths = torch.tensor([9, 9, 5, 0])
    state = DecoderState.start(transducer, encoded, lengths, capacity=18)
    search = HotwordSearch(hotwords, state)
    storage = addresses(search)
    with Recorder() as recorder:
        for _ in range(200):
            search_step(transducer, state, 2, hotwords=search)
            predict_step(transducer, state)
    assert not set(recorder.names) & set(LOOKS)
    assert addresses(search) == storage
    expected = greedy_decode(transducer, encoded, lengths, DecodingOptions(hotwords=hotwords))
    assert expected != greedy_decode(transducer, encoded, lengths)
    for row, hypothesis in enumerate(expected):
        assert tuple(state.tokens[row, :int(state.n_tokens[row])].tolist()) == hypothesis.tokens


# --- the phrases --------------------------------------------------------------------------------


def test_a_phrase_is_also_written_as_a_sentence_begins_where_there_are_capitals():
    with_capitals = Hotwords.build(['ab'], LetterTokenizer('abAB'))
    assert sorted(with_capitals.depth.tolist()) == [0, 1, 1, 2, 2]  # the root, ab and Ab
    without = Hotwords.build(['ab'], LetterTokenizer('ab'))
    assert sorted(without.depth.tolist()) == [0, 1, 2]


@pytest.mark.parametrize(('phrase', 'words'), [
    ('Charlie', ["'Charlie'", ': C;', 'small letters']),
    ('room 12', ["'room 12'", ': 1 2;', 'numbers as words']),
    ('', ['empty']),
    (' \t', ['empty']),
    (('tray', 0.0), ["'tray'", '0.0', 'above 0']),
    (('tray', -1.0), ["'tray'", '-1.0']),
    (('tray', float('nan')), ["'tray'", 'nan']),
    (('tray', float('inf')), ["'tray'", 'inf']),
    (('tray', 'heavy'), ["('tray', 'heavy') is neither a phrase nor"]),
    (('tray', None), ["('tray', None) is neither"]),
    (('tray', 10**400), ["('tray', 1000"]),
    (('tray',), ["('tray',) is neither"]),
    (('tray', 1.0, 2.0), ["('tray', 1.0, 2.0) is neither"]),
    ((3, 1.0), ['(3, 1.0) is neither']),
    (7, ['hotword 7 is neither']),
    ('\x01', [r"'\x01' has nothing that can be written"]),
])
def test_a_phrase_that_cannot_be_used_is_named_with_what_is_wrong(builtin, phrase, words):
    with pytest.raises(ValueError) as raised:
        builtin.hotwords(['robot', phrase])
    assert all(word in str(raised.value) for word in words), raised.value


@pytest.mark.parametrize('phrases', ['tray', {'tray': 3.0}])
def test_what_would_be_taken_apart_into_other_phrases_is_refused(builtin, phrases):
    with pytest.raises(ValueError, match='a list of phrases'):
        builtin.hotwords(phrases)


def test_spaces_do_not_matter_and_no_phrases_change_nothing(builtin, heldout):
    assert builtin.hotwords(['  front   door ']).phrases == (('front door', DEFAULT_WEIGHT),)
    waveform, _ = heldout[0]
    none = DecodingOptions(hotwords=builtin.hotwords([]))
    assert builtin.transcribe(waveform, options=none).text == builtin.transcribe(waveform).text


def test_hotwords_of_another_vocabulary_are_refused(builtin, oracle_models):
    other = next(iter(oracle_models.values())).transcriber
    with pytest.raises(ValueError, match='another vocabulary'):
        other.transcribe(torch.zeros(16_000), options=DecodingOptions(
            hotwords=builtin.hotwords(['tray'])))


def test_a_ctc_head_refuses_hotwords_and_names_the_remedy():
    with pytest.raises(ValueError, match="head='transducer'"):
        load_model(ORACLE / 'ctc.nemo', device='cpu').hotwords(['a'])


# --- the held-out clips -------------------------------------------------------------------------


def texts(transcriber, clips, phrases=()) -> list[str]:
    """Transcribe the clips with phrases."""
    options = DecodingOptions(hotwords=transcriber.hotwords(phrases) if phrases else None)
    waveforms = [waveform for waveform, _ in clips]
    return [t.text for t in transcriber.transcribe(waveforms, options=options)]


def percent(clips, heard) -> float:
    """Return the word error rate in percent."""
    return 100.0 * jiwer.wer([text for _, text in clips], heard)


@pytest.fixture(scope='module')
def noisy(heldout):
    """Return the clips in the noise of ``benchmark/bench_hotwords.py``."""
    rng = np.random.default_rng(0)
    return [(waveform + 10 ** (-SNR_DB / 20) * np.sqrt(np.mean(waveform ** 2)) * rng.normal(
        size=len(waveform)).astype(np.float32), said) for waveform, said in heldout]


def test_misheard_words_get_right_and_nothing_gets_worse(builtin, noisy):
    before = texts(builtin, noisy)
    after = texts(builtin, noisy, [(phrase, 3.0) for phrase in MISHEARD])
    for old, new, (_, said) in zip(before, after, noisy, strict=True):
        assert new == old or jiwer.wer(said, new) < jiwer.wer(said, old), (said, old, new)
    mended = [phrase for phrase in MISHEARD if said_in(phrase, after) > said_in(phrase, before)]
    assert mended == MISHEARD
    assert percent(noisy, after) <= percent(noisy, before) - 0.7


def said_in(phrase: str, found: list[str]) -> int:
    """Return in how many texts a phrase is, in whole words."""
    return sum(f' {phrase} ' in f' {text} ' for text in found)


def test_the_default_weight_is_enough_for_a_word_that_is_nearly_right(builtin, noisy):
    clip = next(clip for clip in noisy if clip[1] == 'where is the tool')
    assert texts(builtin, [clip]) == ['where is the blue']
    assert texts(builtin, [clip], ['tool']) == [clip[1]]


def test_fifty_words_that_nobody_says_do_little_harm(builtin, heldout):
    assert len(ABSENT) == 50 and not set(ABSENT) & {w for _, said in heldout for w in said.split()}
    before, after = texts(builtin, heldout), texts(builtin, heldout, ABSENT)
    assert percent(heldout, after) <= percent(heldout, before) + 0.8
    for old, new in zip(before, after, strict=True):
        assert new == old or any(word in new.split() for word in ABSENT), new


def test_a_word_is_not_put_into_a_longer_one(builtin, heldout):
    camera = [clip for clip in heldout if 'camera' in clip[1]]
    assert texts(builtin, camera, [('cup', 4.0), ('car', 4.0)]) == texts(builtin, camera)


@pytest.mark.parametrize('weight', [DEFAULT_WEIGHT, 50.0])
def test_silence_stays_silent(builtin, weight):
    options = DecodingOptions(hotwords=builtin.hotwords([(word, weight) for word in ABSENT]))
    assert builtin.transcribe(torch.zeros(32_000), options=options).text == ''
