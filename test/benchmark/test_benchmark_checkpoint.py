"""Random checkpoints load like real ones and decode at the rate of speech."""

from collections import Counter
from dataclasses import replace

import make_checkpoint
from parakeet_ros.engine import load_model
from parakeet_ros.engine.checkpoint import read_checkpoint
import pytest
import sentencepiece
from shapes import SHAPES
from speech import clip, read_speech
import torch


@pytest.fixture(scope='module')
def speech():
    return read_speech()


def write(path, shape, speech, seed=0):
    make_checkpoint.write_checkpoint(path, shape, torch.from_numpy(speech), seed)
    return path


def test_speech_decodes_to_three_to_five_tokens_a_second(checkpoint, speech) -> None:
    transcript = load_model(checkpoint, device='cpu').transcribe(speech)
    assert 3 <= len(transcript.tokens) / transcript.audio_s <= 5
    assert len({token.token_id for token in transcript.tokens}) > len(transcript.tokens) / 4


def test_durations_are_mostly_one_to_four_and_no_frame_loops(checkpoint, speech) -> None:
    tokens = load_model(checkpoint, device='cpu').transcribe(clip(speech, 20)).tokens
    assert sum(1 <= token.duration <= 4 for token in tokens) > 0.9 * len(tokens)
    assert max(Counter(token.frame for token in tokens).values()) <= 3


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
        checkpoint, speech, tmp_path) -> None:
    first = read_checkpoint(checkpoint).state
    again = read_checkpoint(write(tmp_path / 'again.nemo', SHAPES['tiny'], speech)).state
    other = read_checkpoint(write(tmp_path / 'other.nemo', SHAPES['tiny'], speech, 1)).state
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(*(state['encoder.pre_encode.out.weight'] for state in (first, other)))


@pytest.mark.parametrize(('head', 'used'), [
    ('rnnt', 'auto'), ('ctc', 'auto'), ('tdt_ctc', 'transducer'), ('tdt_ctc', 'ctc')])
def test_other_heads_load_and_decode_at_the_rate_of_speech(head, used, speech, tmp_path) -> None:
    shape = replace(SHAPES['tiny'], head=head, xscaling=True, use_bias=True)
    path = write(tmp_path / 'model.nemo', shape, speech)
    transcript = load_model(path, device='cpu', head=used).transcribe(speech)
    assert 2 <= len(transcript.tokens) / transcript.audio_s <= 6


@pytest.mark.parametrize('vocab_size', [256, 1024])
def test_tokenizer_has_exactly_the_pieces_asked_for(vocab_size) -> None:
    model = make_checkpoint.train_tokenizer(vocab_size)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    assert processor.get_piece_size() == vocab_size
    assert processor.decode(processor.encode('Bar nel kis.')) == 'Bar nel kis.'


def test_every_shape_has_a_configuration_that_the_engine_reads() -> None:
    from parakeet_ros.engine.config import parse_config
    for name, shape in SHAPES.items():
        files = {'model_path': 'tokenizer.model'}
        config = parse_config(make_checkpoint.nemo_config(shape, ['a'] * shape.vocab_size, files),
                              name)
        assert config.encoder.n_layers == shape.n_layers, name


def test_a_missing_recording_is_reported_without_a_traceback(tmp_path, capsys) -> None:
    status = make_checkpoint.main([str(tmp_path / 'x.nemo'), '--speech', str(tmp_path / 'no.wav')])
    assert status == 2
    assert 'no.wav' in capsys.readouterr().err
    assert not (tmp_path / 'x.nemo').exists()
