"""Files of which libsndfile hears a part are heard to their end, or it is said they are not."""

from __future__ import annotations

import logging
from pathlib import Path
import subprocess

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from parakeet_ros.joined_files import is_joined, is_length_guessed
from parakeet_ros.recording import duration_s, read_audio, read_blocks
import pytest
import soundfile

RATE = 16_000
FORMATS = [('ogg', 'VORBIS'), ('ogg', 'OPUS'), ('mp3', 'MPEG_LAYER_III')]


def sound(folder: Path, suffix: str, subtype: str, pitch_hz: float = 440.0) -> bytes:
    """Return the content of a file with three seconds of a tone."""
    if suffix.upper() not in soundfile.available_formats():
        pytest.skip(f'this libsndfile has no {suffix}')
    tone = 0.3 * np.sin(2 * np.pi * pitch_hz * np.arange(3 * RATE) / RATE)
    path = folder / f'part.{suffix}'
    soundfile.write(path, tone, RATE, subtype=subtype)
    return path.read_bytes()


def tag(size: int) -> bytes:
    """Return an ID3v2 tag with so many bytes of content."""
    return b'ID3\x04\x00\x00' + bytes(size >> 7 * i & 127 for i in (3, 2, 1, 0)) + bytes(size)


@pytest.mark.parametrize('suffix, subtype', FORMATS)
def test_a_single_file_is_not_joined(tmp_path, suffix, subtype):
    content = sound(tmp_path, suffix, subtype)
    for i, other in enumerate([content, content[:-3], content[:40], content + bytes(500)]):
        path = tmp_path / f'{i}.{suffix}'
        path.write_bytes(other)
        assert not is_joined(path)


@pytest.mark.parametrize('suffix, subtype', FORMATS)
def test_two_files_in_one_are(tmp_path, suffix, subtype):
    path = tmp_path / f'two.{suffix}'
    first, second = (sound(tmp_path, suffix, subtype, pitch_hz) for pitch_hz in (440, 880))
    path.write_bytes(first + second)
    assert is_joined(path)
    path.write_bytes(first + first)  # the same serial number in an OGG chain
    assert is_joined(path)


def test_tags_of_mp3_files_are_no_sound(tmp_path):
    content, path = sound(tmp_path, 'mp3', 'MPEG_LAYER_III'), tmp_path / 'a.mp3'
    for other, joined in ((tag(300) + content, False), (content + b'TAG' + bytes(125), False),
                          (content + b'APETAGEX' + bytes(99), False),
                          (tag(300) + content + tag(200) + content, True)):
        path.write_bytes(other)
        assert is_joined(path) == joined


def test_streams_side_by_side_are_no_chain(tmp_path):
    content, path = sound(tmp_path, 'ogg', 'VORBIS'), tmp_path / 'a.ogg'
    first_page = content[:58]
    assert content[58:62] == b'OggS'
    path.write_bytes(first_page + content)
    assert not is_joined(path)


@settings(max_examples=200, deadline=None)
@given(start=st.sampled_from([b'OggS', b'ID3', b'\xff\xfb\x90\x00' + bytes(32) + b'Xing', b'']),
       rest=st.binary(max_size=200))
def test_damaged_files_are_looked_at_without_a_fall(tmp_path_factory, start, rest):
    path = tmp_path_factory.getbasetemp() / 'damaged'
    path.write_bytes(start + rest)
    assert is_joined(path) in (True, False) and is_length_guessed(path) in (True, False)


@pytest.mark.parametrize('suffix, subtype', FORMATS)
def test_without_ffmpeg_it_is_said_that_only_the_first_is_heard(
        tmp_path, no_ffmpeg, caplog, suffix, subtype):
    path = tmp_path / f'two.{suffix}'
    path.write_bytes(2 * sound(tmp_path, suffix, subtype))
    with caplog.at_level(logging.WARNING):
        n_samples = sum(map(len, read_blocks(path)))
    assert n_samples == pytest.approx(3 * RATE, rel=0.05)
    assert f'two.{suffix} was joined from several files, of which only the first' in caplog.text


def test_who_reads_a_whole_file_without_ffmpeg_is_told_too(tmp_path, no_ffmpeg, caplog):
    path = tmp_path / 'two.ogg'
    path.write_bytes(2 * sound(tmp_path, 'ogg', 'VORBIS'))
    samples, _ = read_audio(path)
    assert len(samples) == pytest.approx(3 * RATE, rel=0.05)
    assert 'only the first is heard; install ffmpeg' in caplog.text
    caplog.clear()
    read_audio(tmp_path / 'part.ogg')
    assert not caplog.text


@pytest.mark.parametrize('suffix, subtype', FORMATS)
def test_ffmpeg_reads_them_all(tmp_path, ffmpeg, caplog, suffix, subtype):
    assert subprocess.run([ffmpeg, '-version'], capture_output=True, check=True)
    path = tmp_path / f'two.{suffix}'
    path.write_bytes(sound(tmp_path, suffix, subtype) + sound(tmp_path, suffix, subtype, 880))
    found = np.concatenate(list(read_blocks(path)))
    assert len(found) == pytest.approx(6 * RATE, rel=0.05)
    for start_s, pitch_hz in ((1, 440), (4, 880)):
        spectrum = np.abs(np.fft.rfft(found[start_s * RATE:(start_s + 1) * RATE]))
        assert np.argmax(spectrum) == pytest.approx(pitch_hz, abs=1)
    assert not caplog.text


# --- MP3 without a length -----------------------------------------------------------------------


def mp3_without_a_length(folder: Path, ffmpeg: str, first_is_loud: bool) -> Path:
    """Write 60 s of an MP3 of which one half takes more bytes a second than the other."""
    noise = 0.3 * np.random.default_rng(0).standard_normal(30 * RATE)
    halves = [noise, np.zeros(30 * RATE)] if first_is_loud else [np.zeros(30 * RATE), noise]
    soundfile.write(folder / 'a.wav', np.concatenate(halves), RATE)
    path = folder / 'a.mp3'
    subprocess.run([ffmpeg, '-v', 'error', '-i', folder / 'a.wav', '-q:a', '4',
                    '-write_xing', '0', path], check=True)
    if 'MP3' not in soundfile.available_formats():
        pytest.skip('this libsndfile has no MP3')
    return path


@pytest.mark.parametrize('first_is_loud', [False, True])
def test_an_mp3_that_does_not_tell_its_length_is_heard_whole(
        tmp_path, ffmpeg, caplog, first_is_loud):
    path = mp3_without_a_length(tmp_path, ffmpeg, first_is_loud)
    assert sum(map(len, read_blocks(path))) == pytest.approx(60 * RATE, rel=0.01)
    assert not caplog.text


@pytest.mark.parametrize('first_is_loud', [False, True])
def test_without_ffmpeg_it_is_said_that_its_end_may_be_missing(
        tmp_path, ffmpeg, no_ffmpeg, caplog, first_is_loud):
    path = mp3_without_a_length(tmp_path, ffmpeg, first_is_loud)
    n_samples = sum(map(len, read_blocks(path)))
    assert n_samples < 50 * RATE if first_is_loud else n_samples > 59 * RATE
    [message] = caplog.messages
    assert message.startswith(f'{path} does not tell its length, so that its end may not be heard;'
                              ' install ffmpeg')


def test_a_length_is_known_from_xings_tag_alone(tmp_path, ffmpeg):
    path = mp3_without_a_length(tmp_path, ffmpeg, True)
    assert is_length_guessed(path) and not is_joined(path) and duration_s(path) is None
    for name, flags, is_guessed in ((b'Info', 1, False), (b'Xing', 3, False), (b'Xing', 2, True),
                                    (b'VBRI', 1, True)):  # which libsndfile does not know
        content = bytearray(path.read_bytes())
        start = content.index(b'\xff\xf3') + 36
        content[start:start + 8] = name + bytes((0, 0, 0, flags))
        (tmp_path / 'b.mp3').write_bytes(content)
        assert is_length_guessed(tmp_path / 'b.mp3') == is_guessed
