"""Files whose recorder was stopped before it wrote their length are heard whole, or refused."""

from __future__ import annotations

import os
from pathlib import Path
import struct

import numpy as np
from parakeet_ros import unfinished_wav
from parakeet_ros.recording import read_blocks, RecordingError
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


def unfinished(path: Path) -> Path:
    """Write a file whose header tells of no sound."""
    content = write(path)
    if path.suffix == '.au':
        content[8:12] = bytes(4)
    elif path.suffix == '.caf':
        position = content.index(b'data') + 4
        content[position:position + 8] = struct.pack('>Q', 4)
    else:
        content[22:26] = bytes(4)  # frames
        position = content.index(b'SSND') + 4
        content[position:position + 4] = struct.pack('>I', 8)
    path.write_bytes(content)
    assert soundfile.info(path).frames == 0
    return path


def test_ffmpeg_hears_what_the_header_does_not_tell_of(tmp_path, ffmpeg, caplog):
    found = heard(unfinished(tmp_path / 'a.caf'))
    np.testing.assert_allclose(found[:len(NOISE)], NOISE, atol=1e-4)
    assert len(found) - len(NOISE) < 10
    assert 'a.caf was not finished by its recorder: taking all' in caplog.text


def test_what_some_ffmpeg_do_not_hear_is_never_taken_for_silence(tmp_path, ffmpeg, caplog):
    path = unfinished(tmp_path / 'a.au')
    try:
        assert len(heard(path)) == len(NOISE)
        said = caplog.messages
    except RecordingError as error:
        said = [str(error)]
    assert 'a.au was not finished by its recorder' in said[0]


@pytest.mark.parametrize('suffix', ['au', 'caf', 'aiff'])
def test_without_ffmpeg_it_is_refused_with_the_remedy(tmp_path, no_ffmpeg, suffix):
    path = unfinished(tmp_path / f'a.{suffix}')
    with pytest.raises(RecordingError, match=rf'a\.{suffix} was not finished .* install ffmpeg'):
        read_blocks(path)


def test_what_ffmpeg_does_not_hear_either_is_refused_with_the_remedy(tmp_path, ffmpeg):
    path = unfinished(tmp_path / 'a.aiff')
    with pytest.raises(RecordingError, match=r'a\.aiff was .* -f s16be -ar 16000 -ac 1'):
        read_blocks(path)


@pytest.mark.parametrize('suffix', ['wav', 'rf64', 'w64', 'aiff', 'au', 'caf', 'ogg'])
def test_a_file_of_no_sound_is_empty(tmp_path, caplog, suffix):
    path = tmp_path / f'a.{suffix}'
    soundfile.write(path, NOISE[:0], RATE, format=suffix.upper())
    assert len(heard(path)) == 0
    assert not caplog.text
