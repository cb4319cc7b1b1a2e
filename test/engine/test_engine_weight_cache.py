"""The cache of converted weights saves time and never changes a model or breaks its loading."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
import gc
import logging
import os
from pathlib import Path
import resource
import shutil
import subprocess
import sys
import threading
import time
import weakref

from archives import pack, read_members, read_zip, SOURCE, write_zip
from engine_oracle import DATA, ORACLE
from number_formats import skip_without
from parakeet_ros.engine import (
    CheckpointError,
    linear,
    load_model,
    loading,
    Transcriber,
    weight_cache,
)
from parakeet_ros.engine.checkpoint import CONFIG_FILE, WEIGHTS_FILE
from parakeet_ros.engine.nemo_archive import NemoArchive
from parakeet_ros.engine.weight_cache import Prepared, SIZE_VARIABLE, WeightCache
import pytest
import torch

FOLDER = DATA / 'transformers' / 'tdt'


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WeightCache:
    """Turn on a cache of its own for models of any size."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'home'))
    monkeypatch.delenv(SIZE_VARIABLE, raising=False)
    monkeypatch.setattr(loading, 'WORTH_BYTES', 0)
    weight_cache._warn_once.cache_clear()
    found = WeightCache.from_environment()
    assert found is not None
    assert found.folder == tmp_path / 'home' / 'parakeet_ros'
    return found


@pytest.fixture()
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the list of model files that are read and converted, as it grows."""
    paths: list[Path] = []
    read = loading._read

    def noting(path: Path):
        paths.append(path)
        return read(path)
    monkeypatch.setattr(loading, '_read', noting)
    return paths


@pytest.fixture()
def model(tmp_path: Path) -> Path:
    """Return a model file of its own."""
    return Path(shutil.copy(SOURCE, tmp_path / 'model.nemo'))


def entries(cache: WeightCache) -> list[Path]:
    """Return all files in the cache."""
    return sorted(cache.folder.iterdir()) if cache.folder.exists() else []


def only_entry(cache: WeightCache) -> Path:
    """Return the one file in the cache."""
    [path] = entries(cache)
    return path


def overwrite(path: Path, content: bytes) -> None:
    """Replace a file, as whoever damages a mapped one would kill the test."""
    path.unlink()
    path.write_bytes(content)


def assert_same(found: Transcriber, wanted: Transcriber) -> None:
    """Compare weights, layout and answers."""
    states = found.model.state_dict(), wanted.model.state_dict()
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(each, states[1][name]) and each.dtype == states[1][name].dtype
               for name, each in states[0].items())
    assert found.config == wanted.config
    assert found.tokenizer.pieces == wanted.tokenizer.pieces
    waveform = torch.randn(16_000, generator=torch.Generator().manual_seed(0))
    answers = [each.transcribe(waveform, each.sample_rate) for each in (found, wanted)]
    tokens = [[replace(token, confidence=0.0) for token in answer.tokens] for answer in answers]
    assert tokens[0] == tokens[1]
    # MKL rounds by where in memory weights lie, on processors of AMD at least.
    confidences = [[token.confidence for token in answer.tokens] for answer in answers]
    assert confidences[0] == pytest.approx(confidences[1], abs=1e-5)


@pytest.mark.parametrize('dtype', ['float32', 'float16', 'int8'])
@pytest.mark.parametrize('gzipped', [False, True])
def test_a_model_that_was_converted_lets_go_of_its_file(tmp_path, monkeypatch, dtype, gzipped):
    skip_without(dtype)

    class Content(bytearray):  # an ordinary one cannot be referred to weakly
        pass

    kept = []
    of_archive = NemoArchive.region

    def noting(archive, name):
        region = of_archive(archive, name)
        if gzipped:
            region = replace(region, buffer=Content(region.buffer))
        kept.append(weakref.ref(region.buffer))
        return region
    monkeypatch.setattr(NemoArchive, 'region', noting)
    path = pack(tmp_path / 'own.nemo', read_members(SOURCE), 'w:gz' if gzipped else 'w')
    transcriber = load_model(path, device='cpu', dtype=dtype)
    gc.collect()
    assert kept and all(buffer() is None for buffer in kept)
    assert transcriber.transcribe(torch.zeros(16_000)).audio_s == 1.0  # it is still in use


# --- a hit ------------------------------------------------------------------------------------


@pytest.mark.parametrize('dtype', ['float32', 'float16', 'bfloat16', 'int8'])
@pytest.mark.parametrize(('source', 'head'), [
    (SOURCE, 'auto'), (ORACLE / 'hybrid.nemo', 'ctc'), (ORACLE / 'hybrid.nemo', 'transducer'),
    (ORACLE / 'rnnt.nemo', 'auto'), (FOLDER, 'auto')])
def test_the_second_load_gives_the_same_without_reading(reads, source, head, dtype):
    skip_without(dtype)
    first = load_model(source, device='cpu', dtype=dtype, head=head)
    assert reads == [source]
    second = load_model(source, device='cpu', dtype=dtype, head=head)
    assert reads == [source]
    assert_same(second, first)


@pytest.fixture()
def packed_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let layers of any size have int8 weights, laid out for this processor."""
    monkeypatch.setattr(linear, 'LARGE', 0)
    skip_without('int8')


@pytest.mark.usefixtures('packed_int8')
def test_weights_in_the_layout_of_this_processor_are_kept(reads, model):
    first = load_model(model, device='cpu', dtype='int8')
    state = first.model.state_dict()
    assert any(name.endswith('.content') for name in state)
    second = load_model(model, device='cpu', dtype='int8')
    assert reads == [model]
    assert_same(second, first)
    waveform = 0.1 * torch.randn(16_000, generator=torch.Generator().manual_seed(0))
    scores = [each.transcribe(waveform, each.sample_rate).score for each in (first, second)]
    assert scores[0] == scores[1]


@pytest.mark.usefixtures('packed_int8')
def test_weights_laid_out_for_another_processor_are_converted_again(reads, model, cache, caplog):
    wanted = load_model(model, device='cpu', dtype='int8')
    key = only_entry(cache).stem
    prepared = cache.read(key)
    state = {name: each.flip(0) if name.endswith('.layout') else each
             for name, each in prepared.state.items()}
    assert cache.write(key, prepared._replace(state=state), '')
    assert_same(load_model(model, device='cpu', dtype='int8'), wanted)
    assert len(reads) == 2
    assert 'laid out for another processor' in caplog.text


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16', 'int8'])
def test_a_hit_does_not_load_the_compiler_of_torch(model, dtype):
    skip_without(dtype)
    load_model(model, device='cpu', dtype=dtype)
    code = ('import sys, torch\nfrom parakeet_ros.engine import load_model, loading\n'
            'loading.WORTH_BYTES = 0\nloading._read = None\n'
            f'load_model({str(model)!r}, device="cpu", dtype={dtype!r}).warm_up()\n'
            'sys.exit("torch._dynamo" in sys.modules or "sympy" in sys.modules)')
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True,
                            cwd=Path(__file__).parents[2], check=False)
    assert result.returncode == 0, result.stderr


def test_a_copy_elsewhere_is_the_same_model(reads, model, tmp_path):
    load_model(model, device='cpu')
    load_model(shutil.copy(model, tmp_path / 'other.nemo'), device='cpu')
    assert reads == [model]


def test_a_model_in_use_survives_the_deletion_of_the_cache(model, cache):
    load_model(model, device='cpu')
    cached = load_model(model, device='cpu')
    cache.clear()
    shutil.rmtree(cache.folder)
    assert_same(cached, load_model(model, device='cpu'))


# --- another model or mode: another key -------------------------------------------------------


def change_weight(members: dict[str, bytes]) -> dict[str, bytes]:
    """Change one bit of a weight, with sound checksums."""
    records = read_zip(members[WEIGHTS_FILE])
    name = max(records, key=lambda each: len(records[each]))
    spoilt = bytearray(records[name])
    spoilt[len(spoilt) // 2] ^= 1
    return {**members, WEIGHTS_FILE: write_zip({**records, name: bytes(spoilt)})}


def change_config(members: dict[str, bytes]) -> dict[str, bytes]:
    """Change a setting."""
    config = members[CONFIG_FILE].replace(b'n_window_stride', b'n_window_stride')
    return {**members, CONFIG_FILE: config + b'\nnothing: 1\n'}


def change_tokenizer(members: dict[str, bytes]) -> dict[str, bytes]:
    """Change a piece of the tokenizer."""
    name = next(each for each in members if each.endswith('tokenizer.model'))
    return {**members, name: members[name].replace(b'<unk>', b'<nnk>')}


@pytest.mark.parametrize('change', [change_weight, change_config, change_tokenizer])
def test_another_content_in_the_same_place_is_another_model(
        reads, model, change, monkeypatch):
    first = load_model(model, device='cpu')
    content = pack(model.with_name('new'), change(read_members())).read_bytes()
    overwrite(model, content)
    second = load_model(model, device='cpu')
    assert reads == [model, model]
    monkeypatch.setenv(SIZE_VARIABLE, '0')
    assert_same(second, load_model(model, device='cpu'))
    states = first.model.state_dict(), second.model.state_dict()
    assert (change is change_weight) == any(
        not torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_each_format_and_head_has_an_entry_of_its_own(reads, cache):
    for dtype, head in (('float32', 'ctc'), ('float32', 'transducer'), ('float16', 'ctc')):
        load_model(ORACLE / 'hybrid.nemo', device='cpu', dtype=dtype, head=head)
    assert len(reads) == len(entries(cache)) == 3


def test_other_code_does_not_use_the_entry(reads, model, monkeypatch):
    load_model(model, device='cpu')
    monkeypatch.setattr(loading, 'code_digest', lambda: b'another version')
    load_model(model, device='cpu')
    assert len(reads) == 2


def test_a_folder_whose_file_was_written_again_is_another_model(reads, tmp_path):
    folder = Path(shutil.copytree(FOLDER, tmp_path / 'folder'))
    load_model(folder, device='cpu')
    weights = folder / 'model.safetensors'
    status = weights.stat()
    shutil.copy(FOLDER / 'model.safetensors', weights.with_suffix('.new'))
    os.replace(weights.with_suffix('.new'), weights)
    os.utime(weights, ns=(status.st_atime_ns, status.st_mtime_ns))  # looks like the old one
    load_model(folder, device='cpu')
    assert len(reads) == 2


def test_a_model_replaced_while_it_was_read_is_not_kept(model, cache, monkeypatch):
    read = loading._read

    def replacing(path: Path):
        content = read(path)
        os.replace(pack(path.with_name('new'), change_weight(read_members())), path)
        return content
    monkeypatch.setattr(loading, '_read', replacing)
    load_model(model, device='cpu')
    assert not entries(cache)


# --- nothing damaged gets in or out -----------------------------------------------------------


def test_damaged_weights_are_refused_and_not_kept(model, cache):
    content = bytearray(model.read_bytes())
    weights = max(read_zip(read_members()[WEIGHTS_FILE]).values(), key=len)
    content[content.index(weights) + len(weights) // 2] ^= 1
    overwrite(model, content)
    for _ in range(2):
        with pytest.raises(CheckpointError, match='CRC'):
            load_model(model, device='cpu')
    assert not entries(cache)


@pytest.mark.parametrize('fraction', [0.0, 0.05, 0.3, 0.6, 0.999])
@pytest.mark.parametrize('way', ['flip', 'cut', 'zero', 'empty', 'text'])
def test_a_damaged_entry_is_replaced(reads, model, cache, caplog, way, fraction):
    wanted = load_model(model, device='cpu')
    path = only_entry(cache)
    sound = path.read_bytes()
    spoilt, start = bytearray(sound), int(fraction * len(sound))
    if way == 'flip':
        spoilt[start] ^= 8
    elif way == 'zero':  # a block that never reached the disk
        start = next(i for i in range(start, len(sound)) if sound[i])
        spoilt[start:start + 4096] = bytes(len(spoilt[start:start + 4096]))
    else:
        spoilt = {'cut': spoilt[:start], 'empty': b'', 'text': b'text'}[way]
    overwrite(path, bytes(spoilt))
    assert_same(load_model(model, device='cpu'), wanted)
    assert len(reads) == 2
    assert 'damaged' in caplog.text
    assert_same(load_model(model, device='cpu'), wanted)
    assert len(reads) == 2


def test_a_sound_entry_under_the_name_of_another_is_replaced(reads, model, cache, caplog):
    load_model(ORACLE / 'hybrid.nemo', device='cpu')
    other = only_entry(cache).read_bytes()
    cache.clear()
    wanted = load_model(model, device='cpu')
    overwrite(only_entry(cache), other)
    assert_same(load_model(model, device='cpu'), wanted)
    assert len(reads) == 3
    assert 'of another name' in caplog.text


@pytest.mark.parametrize('change', [
    lambda state: {**state, 'more': torch.zeros(1)},
    lambda state: dict(list(state.items())[1:]),
    lambda state: {name: each.half() for name, each in state.items()},
    lambda state: {name: each[..., None] for name, each in state.items()},
])
def test_an_entry_that_does_not_fit_the_networks_is_replaced(reads, model, cache, caplog, change):
    wanted = load_model(model, device='cpu')
    key = only_entry(cache).stem
    prepared = cache.read(key)
    assert cache.write(key, prepared._replace(state=change(prepared.state)), '')
    assert_same(load_model(model, device='cpu'), wanted)
    assert len(reads) == 2
    assert 'do not fit' in caplog.text


# --- no place to keep anything ----------------------------------------------------------------


@pytest.fixture()
def one_warning(model: Path, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """After the test, load a model three times, and expect a single warning."""
    yield
    caplog.clear()
    for _ in range(3):
        assert load_model(model, device='cpu').n_parameters
    warnings = [each.message for each in caplog.records if each.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert SIZE_VARIABLE in warnings[0]


@pytest.mark.usefixtures('one_warning')
def test_a_folder_that_cannot_be_made_only_costs_time(tmp_path, monkeypatch):
    (tmp_path / 'file').touch()
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))


@pytest.mark.usefixtures('one_warning')
def test_a_disk_that_is_nearly_full_is_left_alone(cache, monkeypatch):
    usage = shutil.disk_usage(cache.folder.parents[1])
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: usage._replace(free=usage.total // 100))


@pytest.mark.usefixtures('one_warning')
def test_a_limit_below_the_size_of_the_model_keeps_nothing(monkeypatch):
    monkeypatch.setenv(SIZE_VARIABLE, '1e-6')


def test_a_write_that_fails_half_way_leaves_nothing_behind(model, cache, caplog):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        load_model(model, device='cpu')
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert 'not kept' in caplog.text
    assert not entries(cache)


def test_a_user_without_a_home_has_no_cache(monkeypatch, model):
    def nobody() -> Path:
        raise RuntimeError('no home')
    monkeypatch.setenv('XDG_CACHE_HOME', 'relative/folders/do/not/count')
    assert WeightCache.from_environment().folder == Path.home() / '.cache' / 'parakeet_ros'
    monkeypatch.setattr(Path, 'home', nobody)
    assert WeightCache.from_environment() is None
    assert load_model(model, device='cpu').n_parameters


# --- how much, and for whom -------------------------------------------------------------------


def test_the_switch_turns_it_off(model, cache, reads, monkeypatch):
    monkeypatch.setenv(SIZE_VARIABLE, '0')
    for _ in range(2):
        load_model(model, device='cpu')
    assert len(reads) == 2
    assert not entries(cache)


def test_a_limit_that_is_no_number_is_refused(model, monkeypatch):
    monkeypatch.setenv(SIZE_VARIABLE, 'much')
    with pytest.raises(ValueError, match=f"{SIZE_VARIABLE} is 'much'; give"):
        load_model(model, device='cpu')


def test_small_and_gzipped_models_are_not_kept(tmp_path, cache, monkeypatch):
    load_model(pack(tmp_path / 'm.nemo', read_members(), 'w:gz'), device='cpu')
    monkeypatch.undo()
    monkeypatch.setenv('XDG_CACHE_HOME', str(cache.folder.parent))
    load_model('builtin', device='cpu')
    assert not entries(cache)


def test_what_was_unused_for_longest_goes_first(cache):
    state = {'x': torch.arange(100.0)}
    cache.write('a', Prepared({}, b'x', state), '')
    small = WeightCache(cache.folder, 3.2 * cache.size_bytes())
    for age_s, key in ((300, 'a'), (200, 'b'), (100, 'c')):
        assert small.write(key, Prepared({}, b'x', state), f'model {key}')
        when = time.time() - age_s
        os.utime(cache.folder / f'{key}.safetensors', (when, when))
    assert small.read('a') is not None  # and is the most recently used
    (cache.folder / 'notes.txt').write_text('not ours')
    assert small.write('d', Prepared({}, b'x', state), 'model d')
    kept = [entry.description for entry in small.entries()]
    assert sorted(kept) == ['model a', 'model c', 'model d']
    assert small.size_bytes() <= small.limit_bytes
    small.clear()
    assert [path.name for path in entries(cache)] == ['notes.txt']


def test_files_of_writers_that_died_are_removed(cache):
    cache.folder.mkdir(parents=True)
    old, new = (cache.folder / f'{name}.unfinished' for name in ('old', 'new'))
    for path in (old, new):
        path.touch()
    os.utime(old, (0, 0))
    cache.write('x', Prepared({}, b'x', {}), '')
    assert not old.exists()
    assert new.exists()  # its writer may live


def test_a_configuration_that_json_would_change_is_not_kept(cache):
    assert not cache.write('x', Prepared({'a': {1: 2}}, b'x', {}), '')
    assert not cache.write('x', Prepared({'a': {1, 2}}, b'x', {}), '')
    assert cache.write('x', Prepared({'a': [1, 2.5, None, 'ä']}, b'x', {}), '')


def test_readers_writers_and_deleters_do_not_disturb_each_other(model, cache):
    wanted = load_model(model, device='cpu')
    done = threading.Event()

    def delete() -> None:
        while not done.wait(0.003):
            cache.clear()
    deleter = threading.Thread(target=delete)
    deleter.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda _: load_model(model, device='cpu'), range(24)))
    finally:
        done.set()
        deleter.join()
    for each in found:
        assert_same(each, wanted)
    assert not [path for path in entries(cache) if path.suffix == '.unfinished']
