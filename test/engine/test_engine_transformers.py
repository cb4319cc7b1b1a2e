"""
Model folders of transformers give here the tokens that transformers gives.

The folders in test/data/transformers and their tokens were made with it; where it is installed, it
also makes new ones.  It knows no ``max_symbols`` for TDT, so that no input may linger on a frame.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
import shutil
import subprocess
import sys

from engine_oracle import DATA, ORACLE, read_audio
from parakeet_ros.engine import CheckpointError, load_model, UnsupportedModelError
from parakeet_ros.engine.checkpoint import read_checkpoint
from parakeet_ros.engine.mel_filters import hann_window, slaney_filters
from parakeet_ros.engine.transformers_folder import read_transformers_folder
import pytest
from safetensors.torch import load_file, save_file
import torch

FOLDERS = DATA / 'transformers'
HEADS = ('tdt', 'rnnt', 'ctc')
UNKNOWN = 0  # the id of <unk>
WEIGHTS = 'model.safetensors'
INDEX = 'model.safetensors.index.json'
SHARD = 'model-00001-of-00002.safetensors'


def assert_equals_transformers(folder: Path) -> None:
    """Compare the tokens of every input with those that transformers wrote down."""
    expected = json.loads((folder / 'expected.json').read_text())
    for head in HEADS:
        model = load_model(folder / head, device='cpu')
        assert expected[head]
        for name, result in expected[head].items():
            transcript = model.transcribe(read_audio(ORACLE / 'audio' / f'{name}.wav'))
            tokens = [token.token_id for token in transcript.tokens]
            assert tokens == result['tokens'], (head, name)
            assert [token.frame for token in transcript.tokens] == result['frames'], (head, name)
            if head == 'tdt':
                durations = [token.duration for token in transcript.tokens]
                assert durations == result['durations'], (head, name)
            # transformers leaves <unk> out, and keeps the space before punctuation
            known = [token for token in tokens if token != UNKNOWN]
            assert model.tokenizer.join(known) == result['text'], (head, name)


def test_the_committed_folders_give_the_same_tokens_text_frames_and_durations() -> None:
    assert_equals_transformers(FOLDERS)


@pytest.mark.transformers
@pytest.mark.parametrize('seed', [1, 2])
def test_random_models_give_the_same_tokens_text_frames_and_durations(
        tmp_path: Path, seed: int) -> None:
    if importlib.util.find_spec('transformers') is None:
        pytest.skip('transformers >= 5.23 is not installed')
    subprocess.run([sys.executable, FOLDERS / 'make_transformers.py', tmp_path,
                    '--seed', str(seed)], check=True)
    assert_equals_transformers(tmp_path)


@pytest.mark.parametrize('name', ['tiny', 'tinyb'])
def test_the_computed_front_end_is_the_stored_one(name: str) -> None:
    state = read_checkpoint(ORACLE / f'{name}.nemo').state
    window, stored = (state[f'preprocessor.featurizer.{each}'] for each in ('window', 'fb'))
    assert torch.equal(hann_window(400), window)
    torch.testing.assert_close(slaney_filters(stored.shape[1], 512, 16_000), stored,
                               rtol=0, atol=1e-8)


def test_the_tokenizer_is_the_one_it_was_converted_from() -> None:
    ours = load_model(FOLDERS / 'tdt', device='cpu').tokenizer
    original = load_model(ORACLE / 'tinyb.nemo', device='cpu').tokenizer
    assert ours.pieces == original.pieces
    assert ours.punctuation == original.punctuation


def test_the_older_name_of_the_extractor_file_is_read_too(folder: Path) -> None:
    content = json.loads((folder / 'processor_config.json').read_text())['feature_extractor']
    (folder / 'processor_config.json').unlink()
    (folder / 'preprocessor_config.json').write_text(json.dumps(content))
    assert load_model(folder, device='cpu').sample_rate == 16_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a copy of the TDT model to spoil."""
    return shutil.copytree(FOLDERS / 'tdt', tmp_path / 'tdt')


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    """Return a copy of the CTC model, which is in two shards."""
    return shutil.copytree(FOLDERS / 'ctc', tmp_path / 'ctc')


def edit_json(path: Path, **changes: object) -> None:
    """Replace values of a JSON object; a name with a dot goes one level down."""
    content = json.loads(path.read_text())
    for name, value in changes.items():
        section, _, key = name.rpartition('__')
        (content[section] if section else content)[key] = value
    path.write_text(json.dumps(content))


@pytest.mark.parametrize('name', [
    'config.json', 'tokenizer.json', 'processor_config.json', WEIGHTS])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=rf'tdt.*{name}'):
        read_transformers_folder(folder)


@pytest.mark.parametrize('name', [
    'config.json', 'tokenizer.json', 'processor_config.json', WEIGHTS])
@pytest.mark.parametrize('content', [b'', b'garbage', b'[]', b'[' * 100_000, b'\xff\xfe',
                                     b'\xff' * 64])
def test_a_file_of_anything_else_is_named(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=f'tdt: {name}: '):
        read_transformers_folder(folder)


@pytest.mark.parametrize(('changes', 'message'), [
    ({'model_type': 'whisper'}, "'model_type' is 'whisper'.*supported: parakeet_tdt"),
    ({'blank_token_id': 0}, "'blank_token_id' is 0.*the last id, 128"),
    ({'vocab_size': 130, 'blank_token_id': 129}, r'joint.*\(13[45], 32\)|\(130, 32\)'),
    ({'encoder_config__hidden_act': 'relu'}, "'encoder_config.hidden_act' is 'relu'"),
    ({'encoder_config__convolution_bias': True}, 'convolution_bias'),
    ({'encoder_config__intermediate_size': 100}, "'encoder_config.intermediate_size' is 100"),
    ({'encoder_config__subsampling_factor': 4}, "'encoder.subsampling_factor' is 4"),
    ({'encoder_config__num_hidden_layers': 3}, 'missing tensors encoder.layers.2'),
    ({'encoder_config__num_mel_bins': 128}, "'encoder.feat_in' is 128"),
    ({'durations': [0, 1]}, 'joint'), ({'durations': [0]}, 'durations'),
    ({'durations': 'all'}, 'durations'), ({'durations': [1, 'x', 2, 3, 4]}, 'durations'),
])
def test_a_config_that_does_not_fit_is_named(
        folder: Path, changes: dict[str, object], message: str) -> None:
    edit_json(folder / 'config.json', **changes)
    with pytest.raises(CheckpointError, match=message):
        load_model(folder, device='cpu')


@pytest.mark.parametrize('key', ['feature_size', 'n_fft', 'win_length'])
def test_filters_beyond_reason_are_refused(folder: Path, key: str) -> None:
    edit_json(folder / 'processor_config.json', **{f'feature_extractor__{key}': 100_000})
    with pytest.raises(CheckpointError, match=f"'feature_extractor.{key}' is 100000"):
        read_transformers_folder(folder)


@pytest.mark.parametrize(('change', 'message'), [
    (lambda vocab: vocab.pop('er'), 'no piece 6 but the network 128 tokens'),
    (lambda vocab: vocab.update(er='six'), "id of 'er' is no whole number"),
    (lambda vocab: vocab.update(er=None), "id of 'er' is no whole number"),
])
def test_a_vocabulary_that_does_not_fit_is_named(folder: Path, change, message: str) -> None:
    path = folder / 'tokenizer.json'
    content = json.loads(path.read_text())
    change(content['model']['vocab'])
    path.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=rf'tokenizer\.json: .*{message}'):
        load_model(folder, device='cpu')


def test_another_kind_of_tokenizer_is_refused(folder: Path) -> None:
    edit_json(folder / 'tokenizer.json', model__type='WordPiece')
    with pytest.raises(UnsupportedModelError, match="model.type is 'WordPiece'"):
        load_model(folder, device='cpu')


@pytest.mark.parametrize(('change', 'message'), [
    (lambda state: state.update({'encoder.extra': torch.zeros(1)}), "unknown tensor 'enc.*extra'"),
    (lambda state: state.pop('joint.head.bias'), 'missing tensors joint.joint_net.2.bias'),
    (lambda state: state.update({'joint.head.bias': torch.zeros(3)}), r'\(3,\).*\(134,\)'),
])
def test_tensors_that_do_not_fit_are_named(folder: Path, change, message: str) -> None:
    state = load_file(folder / WEIGHTS)
    change(state)
    save_file(state, folder / WEIGHTS)
    with pytest.raises(CheckpointError, match=message):
        load_model(folder, device='cpu')


def test_a_missing_shard_is_named(sharded: Path) -> None:
    (sharded / SHARD).unlink()
    with pytest.raises(CheckpointError, match=f'{SHARD}: no such file'):
        read_transformers_folder(sharded)


@pytest.mark.parametrize('name', [
    '../ctc/' + SHARD, '/etc/passwd', '..', 'model.bin', '', 7, None, 'a/b.safetensors'])
def test_an_index_cannot_point_out_of_the_folder(sharded: Path, name: object) -> None:
    edit_json(sharded / INDEX, weight_map={'ctc_head.bias': name})
    with pytest.raises(CheckpointError, match=f'{INDEX}: .* no name of a safetensors file'):
        read_transformers_folder(sharded)


def test_shards_of_another_model_are_refused(sharded: Path) -> None:
    index = json.loads((sharded / INDEX).read_text())
    index['weight_map'].popitem()
    (sharded / INDEX).write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match=f'does not hold the tensors that {INDEX} lists'):
        read_transformers_folder(sharded)
