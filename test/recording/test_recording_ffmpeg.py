"""What ffmpeg reads stays at its time, and is said to be damaged where it is."""

from __future__ import annotations

from pathlib import Path
import subprocess

import numpy as np
from parakeet_ros.ffmpeg import FfmpegFile
from parakeet_ros.recording import read_audio, read_blocks
import pytest
import soundfile

RATE = 48_000
SPEECH_S = (1.0, 9.0)  # bursts of noise, 0.5 s each, in a file of 10 s


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """Write two bursts of noise over a hum."""
    samples = 0.01 * np.sin(2 * np.pi * 100 * np.arange(10 * RATE) / RATE)
    for start_s in SPEECH_S:
        burst = slice(round(start_s * RATE), round((start_s + 0.5) * RATE))
        samples[burst] += 0.2 * np.random.default_rng(0).standard_normal(RATE // 2)
    soundfile.write(tmp_path / 'sound.wav', samples, RATE)
    return tmp_path / 'sound.wav'


def encode(ffmpeg: str, *arguments: object) -> Path:
    """Run ffmpeg and return the file that it writes, the last of the arguments."""
    subprocess.run([ffmpeg, '-v', 'error', '-y', *map(str, arguments)], check=True)
    return Path(str(arguments[-1]))


def starts_s(path: Path) -> list[float]:
    """Return where bursts begin."""
    waveform = np.concatenate(list(read_blocks(path, 16_000)))
    loud = np.abs(waveform).reshape(-1)[:len(waveform) // 160 * 160].reshape(-1, 160).max(1) > 0.1
    begins = [i for i in np.flatnonzero(loud) if not loud[max(0, i - 20):i].any()]
    return [i / 100 for i in begins]


@pytest.mark.parametrize('suffix', ['m4a', 'webm', 'mka', 'mp3', 'aac', 'ts', 'wma', 'ogg'])
def test_an_intact_file_gives_every_sample_of_ffmpeg_and_no_other(
        tmp_path, ffmpeg, sound, suffix):
    path = encode(ffmpeg, '-i', sound, tmp_path / f'a.{suffix}')
    plain = encode(ffmpeg, '-i', path, '-c:a', 'pcm_f32le', tmp_path / 'plain.wav')
    with FfmpegFile(path) as file:
        found = file.read(20 * RATE, 'float32', True)
        assert np.array_equal(found, read_audio(plain)[0])
        assert not file.complaint()


@pytest.mark.parametrize('suffix', ['mkv', 'mp4'])
def test_sound_that_begins_late_in_a_video_is_late(tmp_path, ffmpeg, sound, suffix):
    path = encode(ffmpeg, '-f', 'lavfi', '-i', 'testsrc=d=15:s=64x64:r=5', '-itsoffset', '3.5',
                  '-i', sound, '-map', '0', '-map', '1', tmp_path / f'late.{suffix}')
    assert starts_s(path) == pytest.approx([3.5 + start_s for start_s in SPEECH_S], abs=0.05)


@pytest.mark.parametrize('suffix, codec', [('m4a', 'aac'), ('ts', 'mp2'), ('mka', 'aac')])
def test_what_follows_a_damaged_middle_stays_at_its_time_and_it_is_said(
        tmp_path, ffmpeg, sound, caplog, suffix, codec):
    path = encode(ffmpeg, '-i', sound, '-c:a', codec, *(
        ('-cluster_time_limit', '500') if suffix == 'mka' else ()), tmp_path / f'a.{suffix}')
    assert starts_s(path) == pytest.approx(SPEECH_S, abs=0.05)
    assert not caplog.text
    content = path.read_bytes()
    middle = slice(len(content) * 35 // 100, len(content) * 55 // 100)
    noise = np.random.default_rng(0).bytes(middle.stop - middle.start)
    path.write_bytes(content[:middle.start] + noise + content[middle.stop:])
    assert starts_s(path) == pytest.approx(SPEECH_S, abs=0.11)
    if suffix != 'mka':  # of which old versions leave blocks out and say nothing
        assert 'some of' in caplog.text and f'a.{suffix} may be missing (ffmpeg: ' in caplog.text


def test_a_file_that_breaks_off_is_heard_that_far_and_it_is_said(
        tmp_path, ffmpeg, sound, caplog):
    path = encode(ffmpeg, '-i', sound, '-movflags', 'faststart', tmp_path / 'a.m4a')
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])
    assert starts_s(path) == pytest.approx(SPEECH_S[:1], abs=0.05)
    assert 'a.m4a may be missing (ffmpeg: ' in caplog.text


@pytest.mark.parametrize('suffix', ['mka', 'webm'])
def test_nothing_is_lost_or_put_in_where_times_begin_again(
        tmp_path, ffmpeg, sound, caplog, suffix):
    path = encode(ffmpeg, '-i', sound, tmp_path / f'one.{suffix}')
    path.write_bytes(2 * path.read_bytes())
    expected = [10 * i + start_s for i in range(2) for start_s in SPEECH_S]
    assert starts_s(path) == pytest.approx(expected, abs=0.05)
    assert not caplog.text


def test_other_channels_from_some_time_on_put_nothing_in(tmp_path, ffmpeg, sound, caplog):
    parts = [encode(ffmpeg, '-i', sound, '-ac', n, tmp_path / f'{n}.ts') for n in (1, 2)]
    path = tmp_path / 'both.ts'
    path.write_bytes(b''.join(part.read_bytes() for part in parts))
    expected = [10 * i + start_s for i in range(2) for start_s in SPEECH_S]
    assert starts_s(path) == pytest.approx(expected, abs=0.1)
    assert not caplog.text
