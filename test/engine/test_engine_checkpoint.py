"""Sound archives load in every packing; all others raise CheckpointError and run nothing."""

from __future__ import annotations

import io
from pathlib import Path
import tarfile
import zipfile

from archives import pack, read_members, read_zip, SOURCE, write_zip
from engine_oracle import ORACLE
from hypothesis import given, HealthCheck, settings
from hypothesis import strategies as st
from parakeet_ros.engine import CheckpointError, load_model
from parakeet_ros.engine.checkpoint import CONFIG_FILE, read_checkpoint, WEIGHTS_FILE
from parakeet_ros.engine.config import parse_config
import pytest
import torch
import yaml

fuzz = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def with_state(members: dict[str, bytes], change) -> dict[str, bytes]:
    """Return the members with ``change`` applied to the state dict."""
    state = torch.load(io.BytesIO(members[WEIGHTS_FILE]), weights_only=True)
    state = change(state) or state
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return {**members, WEIGHTS_FILE: buffer.getvalue()}


def with_config(members: dict[str, bytes], change) -> dict[str, bytes]:
    """Return the members with ``change`` applied to the configuration."""
    config = yaml.safe_load(members[CONFIG_FILE])
    config = change(config) or config
    return {**members, CONFIG_FILE: yaml.safe_dump(config).encode()}


def anonymous_memory_bytes() -> int:
    """Return the memory of this process that no file stands behind."""
    status = Path('/proc/self/status').read_text()
    return 1024 * int(status.partition('RssAnon:')[2].split()[0])


@pytest.fixture(scope='module')
def members():
    """Return the members of a sound archive."""
    return read_members()


@pytest.mark.parametrize(('mode', 'prefix'), [
    ('w', ''), ('w', './'), ('w:gz', ''), ('w:gz', './'), ('w', 'model/'),
])
def test_every_packing_loads_the_same(tmp_path, members, tiny_checkpoint, mode, prefix):
    loaded = read_checkpoint(pack(tmp_path / 'model.nemo', members, mode, prefix))
    assert loaded.config == tiny_checkpoint.config
    assert loaded.tokenizer_model == tiny_checkpoint.tokenizer_model
    assert loaded.state.keys() == tiny_checkpoint.state.keys()
    assert all(torch.equal(loaded.state[key], tiny_checkpoint.state[key]) for key in loaded.state)


def test_a_nested_config_and_foreign_members_change_nothing(tmp_path, members, tiny_checkpoint):
    extra = with_config(members, lambda config: {'model': config, 'trainer': {}})
    extra = {'timestamps_asr_model_weights.ckpt': b'x', '._' + CONFIG_FILE: b'y', **extra}
    assert read_checkpoint(pack(tmp_path / 'm.nemo', extra)).config == tiny_checkpoint.config


def test_reading_leaves_no_file_behind(tmp_path, monkeypatch, members):
    monkeypatch.setenv('TMPDIR', str(tmp_path))
    outside = {f'../../{name}': content for name, content in members.items()}
    path = pack(tmp_path / 'm.nemo', outside, prefix='/')
    read_checkpoint(path)
    assert list(tmp_path.iterdir()) == [path]


def test_parts_without_use_in_inference_are_ignored(tmp_path, members):
    def add(state):
        state['ctc_decoder.decoder_layers.0.weight'] = torch.zeros(3)
        state['loss._loss.weight'] = torch.zeros(3)
    path = pack(tmp_path / 'm.nemo', with_state(members, add))
    assert load_model(path, device='cpu').n_parameters > 0


def test_half_precision_weights_load_as_float32(tmp_path, members):
    def halve(state):
        return {key: v.half() if v.is_floating_point() else v for key, v in state.items()}
    model = load_model(pack(tmp_path / 'm.nemo', with_state(members, halve)), device='cpu').model
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


@pytest.mark.parametrize('missing', [CONFIG_FILE, WEIGHTS_FILE, 'tokenizer.model'])
def test_a_missing_member_is_named(tmp_path, members, missing):
    rest = {name: content for name, content in members.items() if not name.endswith(missing)}
    with pytest.raises(CheckpointError, match=rf'm\.nemo.*no member \S*{missing}'):
        read_checkpoint(pack(tmp_path / 'm.nemo', rest))


def test_a_duplicate_member_is_refused(tmp_path, members):
    path = pack(tmp_path / 'm.nemo', members)
    with tarfile.open(path, 'a') as tar:
        tar.addfile(tarfile.TarInfo('other/' + CONFIG_FILE), io.BytesIO())
    with pytest.raises(CheckpointError, match=f'two members are called {CONFIG_FILE}'):
        read_checkpoint(path)


def test_a_missing_file_names_the_path_and_the_remedy(tmp_path):
    with pytest.raises(CheckpointError, match=r"nowhere\.nemo: no such file; give .*'builtin'"):
        load_model(tmp_path / 'nowhere.nemo', device='cpu')


@pytest.mark.parametrize('source', ['parakeet-9', '~nobody-here/model'])
def test_an_unknown_source_lists_what_is_accepted(source):
    with pytest.raises(CheckpointError, match=rf"'{source}'.*'builtin'.*\.nemo"):
        load_model(source, device='cpu')


@given(fraction=st.floats(0.0, 0.999))
@fuzz
def test_a_truncated_archive_is_refused(tmp_path, fraction):
    content = SOURCE.read_bytes()
    with tarfile.open(SOURCE) as tar:
        last = tar.getmembers()[-1]
    path = tmp_path / 'cut.nemo'
    path.write_bytes(content[: int((last.offset_data + last.size) * fraction)])
    with pytest.raises(CheckpointError, match=r'cut\.nemo'):
        load_model(path, device='cpu')


@given(fraction=st.floats(0.0, 0.999))
@fuzz
def test_a_truncated_gzipped_archive_is_refused(tmp_path, members, fraction):
    whole = tmp_path / 'whole.nemo'
    if not whole.exists():
        pack(whole, members, 'w:gz')
    content = whole.read_bytes()
    path = tmp_path / 'cut.nemo'
    path.write_bytes(content[: int(len(content) * fraction)])
    with pytest.raises(CheckpointError, match=r'cut\.nemo'):
        load_model(path, device='cpu')


@given(content=st.binary(max_size=2000))
@fuzz
def test_random_bytes_are_refused(tmp_path, content):
    path = tmp_path / 'random.nemo'
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r'random\.nemo'):
        load_model(path, device='cpu')


@given(name=st.sampled_from([CONFIG_FILE, WEIGHTS_FILE]), content=st.binary(max_size=300))
@fuzz
def test_a_member_of_random_bytes_is_refused_and_named(tmp_path, members, name, content):
    prefix = b'PK\x03\x04' if name == WEIGHTS_FILE else b''  # gets past the first check
    path = pack(tmp_path / 'm.nemo', {**members, name: prefix + content})
    with pytest.raises(CheckpointError, match=name):
        load_model(path, device='cpu')


@given(position=st.floats(0.0, 1.0), damage=st.binary(min_size=1, max_size=40))
@fuzz
def test_damage_anywhere_is_refused_or_harmless(tmp_path, position, damage):
    content = bytearray(SOURCE.read_bytes())
    start = int(position * (len(content) - len(damage)))
    content[start: start + len(damage)] = damage
    path = tmp_path / 'damaged.nemo'
    path.write_bytes(content)
    try:
        load_model(path, device='cpu')  # damage to padding goes unnoticed
    except CheckpointError as error:
        assert 'damaged.nemo' in str(error)


def test_a_zip_is_refused(tmp_path, members):
    path = tmp_path / 'zipped.nemo'
    with zipfile.ZipFile(path, 'w') as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(CheckpointError, match='plain or gzipped tar'):
        read_checkpoint(path)


class Payload:
    """Pickles into a call that makes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


@pytest.mark.parametrize('legacy', [False, True])
def test_a_pickle_that_would_run_code_does_not_run(tmp_path, members, legacy):
    target = tmp_path / 'pwned'
    buffer = io.BytesIO()
    torch.save({'encoder.x': Payload(target)}, buffer, _use_new_zipfile_serialization=not legacy)
    path = pack(tmp_path / 'm.nemo', {**members, WEIGHTS_FILE: buffer.getvalue()})
    with pytest.raises(CheckpointError, match=WEIGHTS_FILE):
        load_model(path, device='cpu')
    assert not target.exists()
    buffer.seek(0)
    torch.load(buffer, weights_only=False)
    assert target.exists()  # the payload is a live one


@pytest.mark.parametrize(('change', 'message'), [
    (lambda state: {**state, 'encoder.extra.weight': torch.zeros(2)},
     'unknown tensors encoder.extra.weight'),
    (lambda state: {k: v for k, v in state.items() if k != 'joint.enc.bias'},
     'missing tensors joint.enc.bias'),
    (lambda state: {**state, 'joint.enc.bias': torch.zeros(7)},
     r'joint.enc.bias is torch.float32 \(7,\).*\(48,\)'),
    (lambda state: {**state, 'joint.enc.bias': torch.zeros(48, dtype=torch.int64)},
     r'joint.enc.bias is torch.int64 \(48,\)'),
    (lambda state: {**state, 'joint.enc.bias': 'text'}, 'not a dense tensor'),
    (lambda state: [1, 2], 'holds a list'),
])
def test_weights_that_do_not_fit_are_named(tmp_path, members, change, message):
    with pytest.raises(CheckpointError, match=message):
        load_model(pack(tmp_path / 'm.nemo', with_state(members, change)), device='cpu')


def test_a_tokenizer_of_another_model_is_refused(tmp_path, members):
    other = read_members(ORACLE / 'tiny.nemo')
    name = next(name for name in members if name.endswith('tokenizer.model'))
    foreign = next(other[name] for name in other if name.endswith('tokenizer.model'))
    with pytest.raises(CheckpointError, match='256 pieces but the network 128 tokens'):
        load_model(pack(tmp_path / 'm.nemo', {**members, name: foreign}), device='cpu')
    for broken in (b'', b'garbage', foreign[:1000]):
        with pytest.raises(CheckpointError, match='not a SentencePiece model'):
            load_model(pack(tmp_path / 'm.nemo', {**members, name: broken}), device='cpu')


UNSUPPORTED = [
    ('encoder', 'subsampling', 'striding'),
    ('encoder', 'subsampling_factor', 4),
    ('encoder', 'causal_downsampling', True),
    ('encoder', 'att_context_size', [70, 13]),
    ('encoder', 'att_context_size', [[70, 13], [70, 6]]),
    ('encoder', 'att_context_style', 'chunked_limited'),
    ('encoder', 'conv_norm_type', 'layer_norm'),
    ('encoder', 'conv_context_size', 'causal'),
    ('encoder', 'self_attention_model', 'rel_pos_local_attn'),
    ('encoder', 'reduction', 'pooling'),
    ('preprocessor', 'normalize', 'NA'),
    ('decoder', 'blank_as_pad', False),
    ('joint', 'num_extra_outputs', 0),
    ('tokenizer', 'type', 'agg'),
]


@pytest.mark.parametrize(('section', 'key', 'value'), UNSUPPORTED)
def test_an_unsupported_feature_is_refused_by_key_and_value(
    tmp_path, members, section, key, value
):
    def change(config):
        config[section][key] = value
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(pack(tmp_path / 'm.nemo', with_config(members, change)))
    assert f"'{section}.{key}' is {value!r}" in str(caught.value)
    assert 'supported: ' in str(caught.value)


def test_absent_keys_get_nemos_defaults(tmp_path, members, tiny_checkpoint):
    def strip(config):
        for key in ('use_bias', 'xscaling', 'ff_expansion_factor', 'untie_biases',
                    'att_context_size', 'conv_norm_type', 'conv_context_size', 'feat_out'):
            del config['encoder'][key]
        for key in ('n_fft', 'normalize', 'frame_splicing', 'pad_to', 'dither'):
            del config['preprocessor'][key]
        del config['decoding']['greedy']
    path = pack(tmp_path / 'm.nemo', with_config(members, strip))
    assert read_checkpoint(path).config == tiny_checkpoint.config


@pytest.mark.parametrize(('value', 'expected'), [(3, 3), (None, 10)])
@pytest.mark.parametrize('key', ['max_symbols', 'max_symbols_per_step'])
def test_max_symbols_is_read_under_both_names(tmp_path, members, key, value, expected):
    def change(config):
        config['decoding']['greedy'] = {key: value}
    path = pack(tmp_path / 'm.nemo', with_config(members, change))
    assert read_checkpoint(path).config.heads['transducer'].max_symbols == expected


WRONG_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
    st.lists(st.integers(-2, 9), max_size=6), st.dictionaries(st.text(max_size=3), st.none()),
)


@given(data=st.data(), value=WRONG_VALUES)
@settings(max_examples=100, deadline=None)
def test_any_config_value_is_taken_or_refused_with_checkpoint_error(data, value):
    config = yaml.safe_load(read_members()[CONFIG_FILE])
    section = data.draw(st.sampled_from(
        ['preprocessor', 'encoder', 'decoder', 'joint', 'decoding', 'tokenizer']))
    key = data.draw(st.sampled_from(sorted(config[section])))
    config[section][key] = value
    try:
        parse_config(config, 'fuzz')
    except CheckpointError as error:
        assert str(error).startswith("fuzz: config key '")


def test_the_tensors_of_a_plain_archive_stay_in_the_file(tmp_path, members):
    def grow(state):
        state['loss.ballast'] = torch.zeros(10**7)
    path = pack(tmp_path / 'm.nemo', with_state(members, grow))
    before = anonymous_memory_bytes()
    checkpoint = read_checkpoint(path)
    assert float(checkpoint.state['loss.ballast'].sum()) == 0.0
    assert anonymous_memory_bytes() - before < 10**7


def test_tensors_survive_the_file_and_the_release_of_its_pages(tmp_path, members, tiny_checkpoint):
    path = pack(tmp_path / 'm.nemo', members)
    checkpoint = read_checkpoint(path)
    path.unlink()
    for _ in range(2):
        checkpoint.release()
        assert all(torch.equal(tensor, tiny_checkpoint.state[name])
                   for name, tensor in checkpoint.state.items())


def test_records_at_odd_places_are_read(tmp_path, members, tiny_checkpoint):
    weights = write_zip({'x': b'odd', **read_zip(members[WEIGHTS_FILE])})  # nothing is aligned
    checkpoint = read_checkpoint(pack(tmp_path / 'm.nemo', {**members, WEIGHTS_FILE: weights}))
    assert all(torch.equal(tensor, tiny_checkpoint.state[name])
               for name, tensor in checkpoint.state.items())


def test_a_tensor_that_reaches_beyond_its_record_is_refused(tmp_path, members):
    def widen(state):
        state['joint.enc.bias'] = torch.zeros(48)
    records = read_zip(with_state(members, widen)[WEIGHTS_FILE])
    name = next(each for each in records if each.endswith('data.pkl'))
    assert records[name].count(b'K0\x85') > 0
    records[name] = records[name].replace(b'K0\x85', b'K1\x85')  # 49 elements
    path = pack(tmp_path / 'm.nemo', {**members, WEIGHTS_FILE: write_zip(records)})
    with pytest.raises(CheckpointError, match='not loadable'):
        read_checkpoint(path)
