"""Recordings of any format become float32 mono at 16 kHz, block by block, or are refused."""

from __future__ import annotations

import io
import os
from pathlib import Path
import subprocess
import sys
import tracemalloc

from hypothesis import given, HealthCheck, settings
from hypothesis import strategies as st
import numpy as np
from parakeet_ros.recording import duration_s, MAX_SAMPLE, read_blocks, RecordingError
import pytest
import soundfile

RATE = 16_000


def tone(seconds: float, sample_rate: int, channels: int = 1) -> np.ndarray:
    """Return 440 Hz at half of full scale, the same in all channels: ``[n, channels]``."""
    times = np.arange(round(seconds * sample_rate)) / sample_rate
    return np.repeat(0.5 * np.sin(2 * np.pi * 440 * times)[:, None], channels, axis=1)


def write(path: Path, samples: np.ndarray, sample_rate: int, **form: str) -> Path:
    """Write a sound file."""
    soundfile.write(path, samples, sample_rate, **form)
    return path


def read(source: str | os.PathLike[str], sample_rate: int = RATE) -> np.ndarray:
    """Read and join all blocks."""
    blocks = list(read_blocks(source, sample_rate))
    assert all(block.dtype == np.float32 and block.ndim == 1 for block in blocks)
    return np.concatenate([np.zeros(0, np.float32), *blocks])


@pytest.mark.parametrize('suffix, tolerance', [
    ('wav', 1e-4), ('flac', 1e-4), ('aiff', 1e-4), ('au', 1e-4), ('caf', 1e-4), ('w64', 1e-4),
    ('ogg', 0.05), ('mp3', 0.05)])
def test_every_format_of_libsndfile_gives_the_same(tmp_path, suffix, tolerance):
    file = write(tmp_path / f'a.{suffix}', tone(1.0, RATE), RATE)
    np.testing.assert_allclose(read(file)[:RATE], tone(1.0, RATE)[:, 0], atol=tolerance)


@given(sample_rate=st.sampled_from([8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000]),
       channels=st.integers(1, 4), n_samples=st.integers(0, 150_000))
@settings(max_examples=30, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_rate_channels_and_length_keep_their_time(tmp_path, sample_rate, channels, n_samples):
    samples = tone(n_samples / sample_rate, sample_rate, channels)
    file = write(tmp_path / 'a.wav', samples, sample_rate, subtype='FLOAT')
    found = read(file)
    assert len(found) == pytest.approx(n_samples * RATE / sample_rate, abs=1)
    inner = slice(200, len(found) - 200)  # the resampler's filter rings at the ends
    expected = tone(len(found) / RATE, RATE)[:, 0]
    np.testing.assert_allclose(found[inner], expected[:len(found)][inner], atol=2e-3)
    assert duration_s(file) == n_samples / sample_rate


def test_channels_are_mixed_by_their_mean(tmp_path):
    samples = tone(0.5, RATE, 2) * [1.0, -0.5]
    file = write(tmp_path / 'a.wav', samples, RATE, subtype='FLOAT')
    np.testing.assert_allclose(read(file), samples.mean(axis=1), atol=1e-6)


def test_samples_that_are_not_finite_count_as_silence_and_are_reported(tmp_path, caplog):
    samples = tone(0.5, RATE)
    samples[1000:1010] = np.nan
    samples[2000] = np.inf
    found = read(write(tmp_path / 'a.wav', samples, RATE, subtype='FLOAT'))
    samples[~np.isfinite(samples)] = 0.0
    np.testing.assert_allclose(found, samples[:, 0], atol=1e-6)
    assert 'a.wav has 11 samples that are not finite' in caplog.text


def test_samples_too_large_to_add_up_count_as_silence_and_are_reported(tmp_path, caplog):
    samples = tone(0.5, RATE, 2)
    samples[1000:1010] = 3e38
    samples[2000] = [-1e20, MAX_SAMPLE]
    found = read(write(tmp_path / 'a.wav', samples, RATE, subtype='FLOAT'))
    samples[np.abs(samples) > MAX_SAMPLE] = 0.0
    np.testing.assert_allclose(found, samples.mean(axis=1), rtol=1e-6, atol=1e-6)
    assert 'a.wav has 21 samples that are not finite, or beyond 1e+09' in caplog.text


def test_a_long_file_takes_no_more_memory_than_a_short_one(tmp_path):
    def peak(seconds: float) -> int:
        file = write(tmp_path / 'a.flac', tone(seconds, 48_000, 2), 48_000)
        tracemalloc.start()
        n_samples = sum(len(block) for block in read_blocks(file))
        assert n_samples == pytest.approx(seconds * RATE, abs=1)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(60.0) < 1.2 * peak(6.0)


def test_a_file_that_is_no_sound_names_the_file_and_the_remedy(tmp_path, no_ffmpeg):
    (tmp_path / 'talk.m4a').write_bytes(b'no audio here')
    with pytest.raises(RecordingError, match=r'talk\.m4a is not audio .* install ffmpeg'):
        read_blocks(tmp_path / 'talk.m4a')


@pytest.mark.parametrize('name', ['empty.wav', 'headerless.raw'])
def test_a_file_without_header_is_refused(tmp_path, no_ffmpeg, name):
    (tmp_path / name).write_bytes(b'' if name.startswith('empty') else bytes(3200))
    with pytest.raises(RecordingError, match=name):
        read_blocks(tmp_path / name)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / 'gone.wav', tmp_path):
        with pytest.raises(FileNotFoundError, match=str(path)):
            read_blocks(path)


def test_a_pipe_with_a_name_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / 'pipe.wav')
    assert duration_s(tmp_path / 'pipe.wav') is None
    with pytest.raises(RecordingError, match=r'pipe\.wav is not a file; pipe it in and give -'):
        read_blocks(tmp_path / 'pipe.wav')


def test_an_absurd_sample_rate_is_refused(tmp_path):
    file = write(tmp_path / 'a.wav', tone(0.1, RATE), 20)
    with pytest.raises(RecordingError, match=r'a\.wav has a sample rate of 20 Hz'):
        read_blocks(file)


def test_a_truncated_file_gives_what_is_there_and_says_so(tmp_path, caplog):
    noise = 0.1 * np.random.default_rng(0).standard_normal(4 * RATE)
    file = write(tmp_path / 'a.mp3', noise, RATE)
    whole = file.read_bytes()
    file.write_bytes(whole[:len(whole) // 2])
    found = read(file)
    assert RATE < len(found) <= 2 * RATE
    assert 'a.mp3 is truncated' in caplog.text


@pytest.mark.parametrize('told', [0, 3_200])
@pytest.mark.parametrize('subtype', ['PCM_16', 'PCM_24', 'FLOAT'])
def test_a_wav_whose_recorder_was_killed_is_heard_whole_and_said(
        tmp_path, caplog, monkeypatch, told, subtype):
    file = write(tmp_path / 'a.wav', tone(2.0, RATE), RATE, subtype=subtype)
    whole = read(file)
    content = bytearray(file.read_bytes())
    position = content.index(b'data') + 4
    content[position:position + 4] = told.to_bytes(4, 'little')
    file.write_bytes(content)
    assert not caplog.text
    assert np.array_equal(read(file), whole)
    assert 'a.wav was not finished' in caplog.text
    monkeypatch.setattr(sys, 'stdin', _Stdin(file.read_bytes()))
    assert np.array_equal(read('-'), whole)


def test_what_follows_the_sound_of_a_finished_wav_is_not_heard(tmp_path, caplog):
    picture = np.random.default_rng(0).bytes(20_000)
    chunk = b'LIST' + len(picture).to_bytes(4, 'little') + picture
    for n_samples in (8000, 8001):
        file = write(tmp_path / 'a.wav', tone(1.0, RATE)[:n_samples], RATE, subtype='PCM_U8')
        whole, content = read(file), file.read_bytes()
        content = content[:44 + n_samples]  # without pad byte
        for rest in (chunk, b'\0' * (n_samples % 2) + chunk, b'ID3\x03' + picture,
                     b'TAG' + bytes(125)):
            file.write_bytes(content + rest)
            assert np.array_equal(read(file), whole)
    assert not caplog.text


def test_a_file_that_breaks_off_is_refused_by_name(tmp_path):
    noise = 0.1 * np.random.default_rng(0).standard_normal(20 * RATE)
    file = write(tmp_path / 'a.flac', noise, RATE)
    file.write_bytes(file.read_bytes()[:file.stat().st_size // 2])
    with pytest.raises(RecordingError, match=r'a\.flac breaks off after \d'):
        read(file)


def test_a_damaged_file_is_read_or_refused_but_never_worse(tmp_path):
    file = write(tmp_path / 'a.flac', tone(2.0, RATE), RATE)
    whole = file.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(50):
        content = bytearray(whole)
        for place in rng.integers(0, len(whole), 20):
            content[place] = rng.integers(256)
        file.write_bytes(bytes(content[:rng.integers(len(whole))]))
        try:
            assert len(read(file)) <= 40 * RATE
        except RecordingError as error:
            assert 'a.flac' in str(error)


class _Stdin:
    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


def test_standard_input_is_read_like_a_file(tmp_path, monkeypatch):
    file = write(tmp_path / 'a.wav', tone(1.0, 44_100, 2), 44_100)
    monkeypatch.setattr(sys, 'stdin', _Stdin(file.read_bytes()))
    assert np.array_equal(read('-'), read(file))


def test_nothing_on_standard_input_is_refused(monkeypatch, no_ffmpeg):
    monkeypatch.setattr(sys, 'stdin', _Stdin(b''))
    with pytest.raises(RecordingError, match='standard input'):
        read_blocks('-')


# --- ffmpeg -------------------------------------------------------------------------------------


@pytest.mark.parametrize('suffix', ['m4a', 'mp4', 'webm', 'mka', 'aac'])
def test_ffmpeg_reads_what_libsndfile_does_not(tmp_path, ffmpeg, suffix):
    source = write(tmp_path / 'a.wav', tone(2.0, 44_100, 2), 44_100)
    file = tmp_path / f'a name with "quotes".{suffix}'
    subprocess.run([ffmpeg, '-v', 'error', '-i', source, file], check=True)
    found = read(file)
    assert len(found) == pytest.approx(2 * RATE, rel=0.05)
    spectrum = np.abs(np.fft.rfft(found[RATE // 2:3 * RATE // 2]))
    assert np.argmax(spectrum) == 440
    assert np.abs(found[RATE // 2:3 * RATE // 2]).max() == pytest.approx(0.5, abs=0.05)


def test_ffmpegs_own_words_are_passed_on(tmp_path, ffmpeg):
    (tmp_path / 'talk.m4a').write_bytes(b'no audio here' * 100)
    with pytest.raises(RecordingError, match=r'talk\.m4a is not readable sound \(ffmpeg: .+'):
        read(tmp_path / 'talk.m4a')


def test_ffmpeg_ends_when_the_reader_stops(tmp_path, ffmpeg):
    source = write(tmp_path / 'a.wav', tone(60.0, 48_000, 2), 48_000)
    file = tmp_path / 'a.mka'
    subprocess.run([ffmpeg, '-v', 'error', '-i', source, '-c:a', 'pcm_s16le', file], check=True)
    blocks = read_blocks(file)
    assert len(next(blocks)) > 0
    blocks.close()
    children = Path(f'/proc/{os.getpid()}/task/{os.getpid()}/children').read_text().split()
    assert not children


def test_a_playlist_cannot_make_ffmpeg_use_the_network(tmp_path, ffmpeg):
    (tmp_path / 'a.m3u8').write_text(
        '#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n')
    with pytest.raises(RecordingError, match=r'a\.m3u8'):
        read(tmp_path / 'a.m3u8')
