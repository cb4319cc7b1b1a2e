"""
Damaged model files either load unharmed or raise CheckpointError naming the file.

Each run draws the same damage; PARAKEET_FUZZ_EXAMPLES makes it draw more of it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
import random
import shutil
from typing import Any

from archives import pack, read_members, read_zip, SOURCE, write_zip
from engine_oracle import DATA
from parakeet_ros.engine import CheckpointError, load_model
from parakeet_ros.engine.checkpoint import CONFIG_FILE, WEIGHTS_FILE
import pytest
import torch
import yaml

N_EXAMPLES = int(os.environ.get('PARAKEET_FUZZ_EXAMPLES', '60'))
FOLDER = DATA / 'transformers' / 'tdt'
EXAMPLES = range(N_EXAMPLES)
HOSTILE_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2, 7, 999_999, 10**18, -0.5, float('inf'), float('nan'), '', 'x',
    '../..', '\0', '%s', [], [[]], [1] * 50, ['x'], {}, {'x': {}}, [0, 0, 0, 0, 0],
    [-1, 0, 1, 2, 3])


def damage(content: bytes, rng: random.Random) -> bytes:
    """Return the bytes with one to four places spoilt, each in one of the usual ways."""
    spoilt = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        start = rng.randrange(len(spoilt) + 1)
        length = rng.choice((1, 2, 4, 8, 100, 5000))
        end = start + length
        way = rng.randrange(6)
        if way == 0 and start < len(spoilt):
            spoilt[start] ^= 1 << rng.randrange(8)
        elif way == 1:
            spoilt[start:end] = rng.randbytes(min(length, len(spoilt) - start))
        elif way == 2:
            spoilt[start:end] = rng.choice((b'\0', b'\xff', b'9')) * length
        elif way == 3:
            del spoilt[start:end]
        elif way == 4:
            spoilt[start:start] = spoilt[rng.randrange(len(spoilt) + 1):][:length]
        elif way == 5:
            del spoilt[start if rng.random() < 0.3 else len(spoilt):]
    return bytes(spoilt)


def spoil_value(raw: Any, rng: random.Random) -> None:
    """Replace, remove or add one value somewhere in nested mappings and lists."""
    while True:
        keys = list(raw) if isinstance(raw, dict) else list(range(len(raw)))
        if not keys:
            return
        key = rng.choice(keys)
        if isinstance(raw[key], (dict, list)) and raw[key] and rng.random() < 0.8:
            raw = raw[key]
            continue
        if rng.random() < 0.2:
            del raw[key]
        else:
            raw[key] = rng.choice(HOSTILE_VALUES)
        return


def loads_or_is_refused(path: Path) -> bool:
    """Load the model; false where it is refused as it has to be."""
    try:
        model = load_model(path, device='cpu')
    except CheckpointError as error:
        assert path.name in str(error)
        assert len(str(error)) < 2000
        return False
    model.transcribe(torch.zeros(3200), model.sample_rate)
    return True


@pytest.fixture(scope='module')
def members() -> dict[str, bytes]:
    """Return the members of a sound archive."""
    return read_members()


@pytest.fixture(scope='module')
def sound_state() -> dict[str, torch.Tensor]:
    """Return the weights of the sound archive."""
    return load_model(SOURCE, device='cpu').model.state_dict()


@pytest.mark.parametrize('mode', ['w', 'w:gz'])
def test_a_damaged_archive_loads_the_right_weights_or_none(tmp_path, members, sound_state, mode):
    content = pack(tmp_path / 'sound.nemo', members, mode).read_bytes()
    path = tmp_path / 'damaged.nemo'
    for seed in EXAMPLES:
        path.write_bytes(damage(content, random.Random(seed)))
        if loads_or_is_refused(path):
            state = load_model(path, device='cpu').model.state_dict()
            assert all(torch.equal(state[name], sound_state[name]) for name in sound_state), seed


@pytest.mark.parametrize('kind', ['yaml', 'tokenizer.model', 'ckpt'])
def test_an_archive_with_a_damaged_member_loads_or_is_refused(tmp_path, members, kind):
    name = next(each for each in members if each.endswith(kind))
    for seed in EXAMPLES:
        spoilt = damage(members[name], random.Random(seed))
        loads_or_is_refused(pack(tmp_path / 'damaged.nemo', {**members, name: spoilt}))


def test_a_damaged_pickle_with_sound_checksums_loads_or_is_refused(tmp_path, members):
    records = read_zip(members[WEIGHTS_FILE])
    name = next(each for each in records if each.endswith('data.pkl'))
    for seed in EXAMPLES:
        spoilt = {**records, name: damage(records[name], random.Random(seed))}
        path = pack(tmp_path / 'damaged.nemo', {**members, WEIGHTS_FILE: write_zip(spoilt)})
        loads_or_is_refused(path)


def test_a_config_with_wrong_values_loads_or_is_refused(tmp_path, members):
    for seed in EXAMPLES:
        config = yaml.safe_load(members[CONFIG_FILE])
        spoil_value(config, random.Random(seed))
        content = yaml.safe_dump(config).encode()
        loads_or_is_refused(pack(tmp_path / 'odd.nemo', {**members, CONFIG_FILE: content}))


@pytest.mark.parametrize('name', [
    'config.json', 'tokenizer.json', 'processor_config.json', 'model.safetensors'])
def test_a_folder_with_a_damaged_file_loads_or_is_refused(tmp_path, name):
    folder = shutil.copytree(FOLDER, tmp_path / 'damaged')
    content = (FOLDER / name).read_bytes()
    for seed in EXAMPLES:
        rng = random.Random(seed)
        if seed % 2 and name.endswith('.safetensors'):  # the header, not the weights
            spoilt = damage(content[:3000], rng) + content[3000:]
        elif seed % 2:
            raw = json.loads(content)
            spoil_value(raw, rng)
            spoilt = json.dumps(raw).encode()
        else:
            spoilt = damage(content, rng)
        (folder / name).write_bytes(spoilt)
        loads_or_is_refused(folder)
