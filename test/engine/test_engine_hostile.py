"""Hostile archives are refused at little cost, and no damage to the weights goes unnoticed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import gzip
import io
from pathlib import Path
import tarfile
import tracemalloc
import zipfile

from archives import pack, read_members, read_zip, SOURCE, write_zip
from parakeet_ros.engine import CheckpointError, load_model
from parakeet_ros.engine.checkpoint import CONFIG_FILE, read_checkpoint, WEIGHTS_FILE
from parakeet_ros.engine.safe_yaml import parse_yaml
import pytest
import torch

MB = 10**6


@contextmanager
def memory_limit(limit_bytes: int) -> Iterator[None]:
    """Fail if Python allocates more than that at once inside the block."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit_bytes
    finally:
        tracemalloc.stop()


@pytest.fixture(scope='module')
def members() -> dict[str, bytes]:
    """Return the members of a sound archive."""
    return read_members()


# --- the weights ------------------------------------------------------------------------------


@pytest.mark.parametrize(('mode', 'every'), [('w', 1), ('w:gz', 20)])
def test_a_flipped_bit_of_any_tensor_is_noticed(tmp_path, members, mode, every):
    weights = members[WEIGHTS_FILE]
    tensors = [content for name, content in read_zip(weights).items() if '/data/' in name]
    for content in [each for each in tensors if len(each) >= 64][::every]:
        spoilt = bytearray(weights)
        spoilt[weights.index(content) + len(content) // 2] ^= 1
        path = pack(tmp_path / 'm.nemo', {**members, WEIGHTS_FILE: bytes(spoilt)}, mode)
        with pytest.raises(CheckpointError, match=rf'm\.nemo: {WEIGHTS_FILE}: damaged .*CRC'):
            read_checkpoint(path)


def test_compressed_records_are_refused_before_they_are_unpacked(tmp_path, members):
    bomb = write_zip({'m/data.pkl': b'', 'm/data/0': bytes(300 * MB)}, zipfile.ZIP_DEFLATED)
    assert len(bomb) < MB
    path = pack(tmp_path / 'm.nemo', {**members, WEIGHTS_FILE: bomb})
    with memory_limit(20 * MB), pytest.raises(CheckpointError, match='compressed'):
        read_checkpoint(path)


def test_overlapping_records_are_refused(tmp_path, members):
    whole = bytearray(write_zip({'m/a': bytes(3000), 'm/b': b''}))
    start = whole.index(b'PK\x01\x02')  # the directory: let b have the content of a
    first, second = whole[start: start + 49], whole[start + 49: start + 98]
    second[:46] = first[:46]
    whole[start + 49: start + 98] = second
    path = pack(tmp_path / 'm.nemo', {**members, WEIGHTS_FILE: bytes(whole)})
    with pytest.raises(CheckpointError, match=f'{WEIGHTS_FILE}: .*overlap'):
        read_checkpoint(path)


def test_a_tensor_that_only_claims_to_be_large_costs_nothing(tmp_path, members):
    huge = torch.zeros(1).expand(10**6, 10**6)
    buffer = io.BytesIO()
    torch.save({'encoder.pre_encode.out.bias': huge}, buffer)
    path = pack(tmp_path / 'm.nemo', {**members, WEIGHTS_FILE: buffer.getvalue()})
    with pytest.raises(CheckpointError, match='claim 4000000000000 bytes'):
        load_model(path, device='cpu')


def test_a_table_of_tensors_that_is_far_too_long_is_not_read(tmp_path, members):
    content = write_zip({'m/data.pkl': b'\x80\x02' + b'}' * 17 * MB, 'm/byteorder': b'little'})
    path = pack(tmp_path / 'm.nemo', {**members, WEIGHTS_FILE: content})
    with memory_limit(20 * MB), pytest.raises(CheckpointError, match='data.pkl has 17000002'):
        load_model(path, device='cpu')


# --- the tar ----------------------------------------------------------------------------------


def gzip_of_zeros(head: bytes, n_zeros: int) -> bytes:
    """Return a gzip of a header and many zeros, made without holding them."""
    buffer = io.BytesIO()
    with gzip.open(buffer, 'wb') as file:
        file.write(head)
        for _ in range(n_zeros // MB):
            file.write(bytes(MB))
    return buffer.getvalue()


@pytest.mark.parametrize('kind', [tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_gzip_bomb_is_refused_before_it_is_unpacked(tmp_path, kind):
    header = tarfile.TarInfo(WEIGHTS_FILE)
    header.size, header.type = 300 * MB, kind
    path = tmp_path / 'bomb.nemo'
    path.write_bytes(gzip_of_zeros(header.tobuf(), header.size))
    assert path.stat().st_size < MB
    with memory_limit(150 * MB), pytest.raises(CheckpointError, match=r'bomb\.nemo'):
        read_checkpoint(path)


def test_a_sparse_member_is_refused(tmp_path):
    header = tarfile.TarInfo(WEIGHTS_FILE)
    header.type = tarfile.GNUTYPE_SPARSE
    block = bytearray(header.tobuf(tarfile.GNU_FORMAT))
    block[483:495] = b'77777777777\0'  # the size with its holes
    block[148:156] = b'%06o\0 ' % (sum(block[:148]) + 8 * 32 + sum(block[156:]))
    path = tmp_path / 'sparse.nemo'
    path.write_bytes(bytes(block) + bytes(1024))
    with pytest.raises(CheckpointError, match='sparse'):
        read_checkpoint(path)


def test_a_member_longer_than_the_file_is_refused(tmp_path, members):
    path = tmp_path / 'short.nemo'
    path.write_bytes(SOURCE.read_bytes()[:-len(members[WEIGHTS_FILE]) // 2])
    with pytest.raises(CheckpointError, match=r'short\.nemo.*truncated'):
        read_checkpoint(path)


def test_a_horde_of_members_is_refused(tmp_path):
    path = pack(tmp_path / 'many.nemo', {f'{index}': b'' for index in range(1100)})
    with pytest.raises(CheckpointError, match='more than 1000 members'):
        read_checkpoint(path)


@pytest.mark.parametrize(('name', 'size'), [(CONFIG_FILE, 5 * MB), ('tokenizer.model', 68 * MB)])
def test_a_small_member_that_is_large_is_refused(tmp_path, members, name, size):
    name = next(each for each in members if each.endswith(name))
    path = pack(tmp_path / 'm.nemo', {**members, name: bytes(size)})
    with memory_limit(20 * MB), pytest.raises(CheckpointError, match=f'{name}: {size} bytes'):
        read_checkpoint(path)


# --- the configuration ------------------------------------------------------------------------

LAUGHS = 'a0: &a0 [x, x, x, x, x, x, x, x, x]\n' + ''.join(
    f'a{level}: &a{level} [{", ".join([f"*a{level - 1}"] * 9)}]\n' for level in range(1, 10))

# By us, or by the libyaml of PyYAML 6.0.4, which reads ahead of its first event.
TOO_DEEP = 'nested more than 100|exceeded maximum nesting depth'


@pytest.mark.parametrize(('content', 'message'), [
    (b'[' * 1_000_000, TOO_DEEP),
    (b'- ' * 1_000_000, TOO_DEEP),
    (b'{a: ' * 1_000_000, TOO_DEEP),
    (b'base: &base {a: 1}\nencoder: {<<: *base}', 'merge key'),
    (b'a: &a [' + b'*a, ' * 200 + b']', 'more than 100 aliases'),
    (b'!!python/object/apply:os.system [id]', 'not valid YAML'),
    (b'a: !!python/name:os.system', 'not valid YAML'),
    (b'n: ' + b'9' * 100_000, 'a number of 100000 digits'),
    (b'n: 1' + b':1' * 1_000_000, 'a number of 2000001 digits'),
    (b'z: !!bool maybe', 'not valid YAML'), (b'z: !!int ""', 'not valid YAML'),
    (b'z: !!timestamp foo', 'not valid YAML'),
    (b'a: &a [*a]', 'multiply'),
    (('a0: &a0 [x]\n' + ''.join(
        f'a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n' for n in range(1, 50))).encode(), 'multiply'),
    (b'\xff\xfe\x00', 'not valid YAML'), (b'just text', 'not a YAML mapping'),
])
def test_hostile_yaml_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(CheckpointError, match=f'^here: {message}|{message}'):
        parse_yaml(content, 'here')


def test_a_value_that_aliases_blow_up_is_refused_in_one_short_line(tmp_path, members):
    config = f'{LAUGHS}preprocessor: {{features: *a9}}\nencoder: {{d_model: *a9}}\n'
    path = pack(tmp_path / 'm.nemo', {**members, CONFIG_FILE: config.encode()})
    with memory_limit(20 * MB), pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)
    assert len(str(caught.value)) < 500


def test_a_string_that_looks_like_a_merge_key_is_a_label() -> None:
    assert parse_yaml(b"labels: ['<<', '[', '*']", 'here') == {'labels': ['<<', '[', '*']}


def test_the_archive_that_all_this_is_made_of_is_sound(tmp_path: Path, members) -> None:
    weights = write_zip(read_zip(members[WEIGHTS_FILE]))
    assert read_checkpoint(pack(tmp_path / 'm.nemo', {**members, WEIGHTS_FILE: weights})).state
