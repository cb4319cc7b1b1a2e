"""Files whose recorder was stopped before it wrote their length are heard whole, or refused."""

from __future__ import annotations

import os
from pathlib import Path
import struct

import numpy as np
from parakeet_ros import unfinished_wav
from parakeet_ros.recording import read_blocks
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
