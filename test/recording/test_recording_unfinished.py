"""Files whose recorder was stopped before it wrote their length are heard whole, or refused."""

from __future__ import annotations

import os
from pathlib import Path
import struct

import numpy as np
from parakeet_ros import unfinished_wav
from parakeet_ros.recording import read_blocks
import pytest
import soundfile

RATE = 16_000
NOISE = 0.1 * np.random.default_rng(0).standard_normal(2 * RATE)


def write(path: Path, samples: np.ndarray = NOISE) -> bytearray:
    """Write a sound file, named after its format, and return its content."""
    soundfile.write(path, samples, RATE, subtype='PCM_16', format=path.suffix[1:].upper())
    return bytearray(path.read_bytes())


def heard(path: Path) -> np.ndarray:
    """Read and join all blocks."""
    return np.concatenate([np.zeros(0, np.float32), *read_blocks(path, RATE)])


def test_a_wav_too_large_for_its_header_is_finished_as_rf64(tmp_path, monkeypatch, caplog):
    path = tmp_path / 'a.wav'
    content = write(path)
    whole = heard(path)
    position = content.index(b'data') + 4
    content[position:position + 4] = bytes(4)
    path.write_bytes(content)
    monkeypatch.setattr(unfinished_wav, '_MOST', 10_000)
    with unfinished_wav.finish(path) as copy:
        assert soundfile.info(copy.name).format == 'RF64'
        assert soundfile.info(copy.name).frames == len(NOISE)
    assert np.array_equal(heard(path), whole)
    assert 'a.wav was not finished' in caplog.text


def test_the_header_of_five_gigabytes_tells_all_of_them(tmp_path):
    form = struct.pack('<4sIHHIIHH', b'fmt ', 16, 1, 1, RATE, 2 * RATE, 2, 16)
    n_bytes = 5 * 2**30
    path = tmp_path / 'large.wav'
    header = unfinished_wav._header(form, n_bytes)
    path.write_bytes(header)
    os.truncate(path, len(header) + n_bytes)  # a hole, which takes no room on the disk
    assert soundfile.info(path).frames == n_bytes // 2


@pytest.mark.parametrize('told', [0, 3_200, 2**64 - 1])
@pytest.mark.parametrize('ds64', [b'ds64', b'JUNK'])  # which is reserved, and not written over yet
def test_an_rf64_is_heard_whole_and_it_is_said(tmp_path, monkeypatch, caplog, told, ds64):
    path = tmp_path / 'a.rf64'
    content = write(path)
    whole = heard(path)
    assert len(whole) == len(NOISE) and not caplog.text
    content[12:16] = ds64
    content[20:44] = 3 * told.to_bytes(8, 'little')
    path.write_bytes(content)
    for most in (2**32 - 1, 10_000):
        monkeypatch.setattr(unfinished_wav, '_MOST', most)
        caplog.clear()
        assert np.array_equal(heard(path), whole)
        assert 'a.rf64 was not finished' in caplog.text


@pytest.mark.parametrize('n_samples', [0, 2 * RATE])
def test_a_finished_rf64_is_left_as_it_is(tmp_path, caplog, n_samples):
    path = tmp_path / 'a.rf64'
    content = write(path, NOISE[:n_samples])
    picture = np.random.default_rng(0).bytes(20_000)
    for rest in (b'', b'LIST' + struct.pack('<I', len(picture)) + picture):
        path.write_bytes(content + rest)
        assert len(heard(path)) == n_samples
        assert unfinished_wav.finish(path) is None
    assert not caplog.text
