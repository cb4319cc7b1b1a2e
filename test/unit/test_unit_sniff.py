"""Coded audio is recognised by its first bytes, and samples are never taken for it."""

import io

from heldout import all_clips
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray
from parakeet_ros.audio.sniff import coding_of
import pytest
import soundfile

MP3_RATES_HZ = [8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000]
needs_mp3 = pytest.mark.skipif(
    'MP3' not in soundfile.available_formats(), reason='this libsndfile writes no MP3')


def encoded(name: str, sample_rate: int = 16_000, seconds: float = 1.0) -> bytes:
    """Return noise as a file of that format."""
    noise = np.random.default_rng(3).normal(0, 0.1, round(seconds * sample_rate))
    file = io.BytesIO()
    soundfile.write(file, noise, sample_rate, format=name)
    return file.getvalue()


def frames(mp3: bytes) -> list[bytes]:
    """Cut an MP3 file at its frame headers, all of which begin like the first one."""
    sync = mp3[:2]
    starts = [i for i in range(len(mp3) - 1) if mp3[i:i + 2] == sync]
    return [mp3[a:b] for a, b in zip(starts, [*starts[1:], len(mp3)])]


@pytest.mark.parametrize(('name', 'coding'), [('WAV', 'wav'), ('FLAC', 'flac'), ('OGG', 'ogg')])
def test_a_file_in_a_message_is_recognised(name: str, coding: str) -> None:
    data = encoded(name)
    assert coding_of(data) == coding
    assert coding_of(memoryview(data)[:100]) == coding


@needs_mp3
@pytest.mark.parametrize('sample_rate', MP3_RATES_HZ)
def test_mp3_is_recognised_whatever_its_sample_rate(sample_rate: int) -> None:
    assert coding_of(encoded('MP3', sample_rate)) == 'mp3'


@needs_mp3
@pytest.mark.parametrize('sample_rate', MP3_RATES_HZ)
def test_mp3_cut_at_any_frame_is_recognised(sample_rate: int) -> None:
    mp3 = encoded('MP3', sample_rate)
    found = [frame for frame in frames(mp3) if coding_of(frame) == 'mp3']
    # a sync pattern inside a frame cuts it in two: few frames may be missed that way
    assert len(found) >= 0.8 * len(frames(mp3)) > 5
    assert b''.join(frames(mp3)) == mp3


@needs_mp3
def test_an_mp3_with_tags_before_it_is_recognised() -> None:
    tag = b'ID3\x04\x00\x00\x00\x00\x00\x0a' + bytes(10)
    assert coding_of(tag + encoded('MP3')) == 'mp3'


@given(seed=st.integers(0, 2**32), n_samples=st.integers(0, 3200))
@settings(max_examples=300)
def test_noise_is_not_taken_for_coded_audio(seed: int, n_samples: int) -> None:
    noise = np.random.default_rng(seed).bytes(2 * n_samples)
    assert coding_of(noise) is None


@given(data=st.binary(max_size=4))
def test_messages_too_short_for_a_header_are_no_mp3(data: bytes) -> None:
    assert coding_of(data) != 'mp3' or data.startswith(b'ID3')


@given(value=st.integers(-2**15, 2**15 - 1), n_samples=st.integers(0, 2000))
def test_a_constant_is_not_taken_for_coded_audio(value: int, n_samples: int) -> None:
    assert coding_of(np.full(n_samples, value, '<i2').tobytes()) is None


@given(frequency_hz=st.floats(20, 7900), amplitude=st.floats(0, 1), phase=st.floats(0, 7),
       n_samples=st.integers(1, 3200), dtype=st.sampled_from(['<i2', '<i4', '<f4']))
@settings(max_examples=300)
def test_a_sine_is_not_taken_for_coded_audio(
        frequency_hz: float, amplitude: float, phase: float, n_samples: int, dtype: str) -> None:
    sine = amplitude * np.sin(2 * np.pi * frequency_hz / 16_000 * np.arange(n_samples) + phase)
    assert coding_of(pcm(sine, dtype)) is None


@given(begin=st.integers(-2**15, 2**15 - 1), step=st.integers(-300, 300),
       n_samples=st.integers(1, 3200))
@settings(max_examples=300)
def test_a_ramp_is_not_taken_for_coded_audio(begin: int, step: int, n_samples: int) -> None:
    ramp = (begin + step * np.arange(n_samples) + 2**15) % 2**16 - 2**15
    assert coding_of(ramp.astype('<i2').tobytes()) is None


@pytest.mark.parametrize('dtype', ['<i2', '<i4', '<f4', 'i1'])
@pytest.mark.parametrize('chunk_samples', [320, 512, 1764])
def test_speech_is_not_taken_for_coded_audio(dtype: str, chunk_samples: int) -> None:
    chunks = 0
    for clip in all_clips():
        data = pcm(clip.waveform.astype(np.float64), dtype)
        size = chunk_samples * np.dtype(dtype).itemsize
        for start in range(0, len(data), size):
            assert coding_of(data[start:start + size]) is None
            chunks += 1
    assert chunks > 1000


def pcm(waveform: NDArray[np.float64], dtype: str) -> bytes:
    """Return samples in [-1, 1] as bytes of that type."""
    kind = np.dtype(dtype)
    scale = 1.0 if kind.kind == 'f' else np.iinfo(kind).max
    return (waveform * scale).astype(kind).tobytes()
