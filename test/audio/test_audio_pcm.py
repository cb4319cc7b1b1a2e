"""PCM bytes become the same waveform however they are split."""
from itertools import pairwise
import struct

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from parakeet_ros.audio import AudioFormat, AudioFormatError, MIX_DOWN, PcmDecoder, SAMPLE_FORMATS
import pytest


def plain_sample(raw: bytes, name: str) -> float:
    """Decode one sample in plain Python."""
    if name == 'F32LE':
        value = struct.unpack('<f', raw)[0]
        return float(np.clip(value, -1, 1)) if np.isfinite(value) else 0.0
    if name == 'U8':
        return (raw[0] - 128) / 128
    return int.from_bytes(raw, 'little', signed=True) / (1 << (8 * len(raw) - 1))


def plain_decode(raw: bytes, name: str, channels: int, channel: int) -> np.ndarray:
    """Decode and mix in plain Python, float64."""
    size = SAMPLE_FORMATS[name]
    values = [plain_sample(raw[i:i + size], name) for i in range(0, len(raw) - size + 1, size)]
    frames = np.array(values[:len(values) // channels * channels]).reshape(-1, channels)
    return frames.mean(axis=1) if channel == MIX_DOWN else frames[:, channel]


@given(data=st.data(), name=st.sampled_from(sorted(SAMPLE_FORMATS)),
       channels=st.integers(1, 5), raw=st.binary(max_size=200))
def test_any_split_of_the_bytes_decodes_as_the_plain_reference(data, name, channels, raw):
    channel = data.draw(st.integers(MIX_DOWN, channels - 1))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    decoder = PcmDecoder(AudioFormat(16_000, channels, name), channel)
    pieces = [raw[a:b] for a, b in pairwise([0, *cuts, len(raw)])]
    waveform = np.concatenate([decoder.decode(piece) for piece in pieces])
    assert waveform.dtype == np.float32
    np.testing.assert_allclose(waveform, plain_decode(raw, name, channels, channel), atol=1e-6)
    assert decoder.pending_bytes == len(raw) % (SAMPLE_FORMATS[name] * channels)


@pytest.mark.parametrize('kind', [
    bytes, bytearray, memoryview, lambda raw: np.frombuffer(raw, np.uint8)])
def test_every_kind_of_byte_string_is_accepted(kind):
    decoder = PcmDecoder(AudioFormat(16_000, 1, 's16le'))
    assert decoder.decode(kind(b'\x00\x40\x00\xc0')).tolist() == [0.5, -0.5]


def test_the_same_decoder_works_on_after_an_incomplete_frame_is_reset():
    decoder = PcmDecoder(AudioFormat(16_000, 1, 'S16LE'))
    decoder.decode(b'\x01')
    decoder.reset()
    assert decoder.pending_bytes == 0
    assert decoder.decode(b'\x00\x40').tolist() == [0.5]


def test_samples_that_are_not_finite_become_zero_and_are_counted():
    decoder = PcmDecoder(AudioFormat(16_000, 1, 'F32LE'))
    raw = np.array([np.nan, 0.5, np.inf, -np.inf], '<f4').tobytes()
    assert decoder.decode(raw).tolist() == [0.0, 0.5, 0.0, 0.0]
    assert (decoder.bad_samples, decoder.clipped_samples) == (3, 0)


def test_float_samples_beyond_full_scale_are_limited_and_counted():
    decoder = PcmDecoder(AudioFormat(16_000, 1, 'F32LE'))
    assert decoder.decode(np.array([2.0, -3e38, 0.9], '<f4').tobytes()).tolist() == [
        1.0, -1.0, np.float32(0.9)]
    assert (decoder.bad_samples, decoder.clipped_samples) == (0, 2)


@pytest.mark.parametrize('name, raw', [
    ('S16LE', '0080 ff7f 0000 fe7f'), ('S24LE', '000080 ffff7f 000000 feff7f'),
    ('S32LE', '00000080 ffffff7f 00000000 feffff7f'), ('S8', '80 7f 00 7e'),
    ('U8', '00 ff 80 fe')])
def test_integer_samples_at_full_scale_count_as_clipped(name, raw):
    decoder = PcmDecoder(AudioFormat(16_000, 1, name))
    waveform = decoder.decode(bytes.fromhex(raw))
    assert waveform[0] == -1.0 and waveform[2] == 0.0
    assert decoder.clipped_samples == 2


@pytest.mark.parametrize('values, named', [
    ((16_000, 1, 'S16BE'), ['S16BE', 'S16LE', 'F32LE']), ((16_000, 1, 'mp3'), ['mp3', 'wave']),
    ((7_999, 1, 'S16LE'), ['7999', '8000']), ((192_001, 1, 'S16LE'), ['192001', '192000']),
    ((16_000, 0, 'S16LE'), ['0 channels', '64']), ((16_000, 65, 'U8'), ['65 channels', '64'])])
def test_an_unsupported_format_is_refused_by_value_and_remedy(values, named):
    with pytest.raises(AudioFormatError) as caught:
        AudioFormat(*values)
    assert all(word in str(caught.value) for word in named)


@pytest.mark.parametrize('channel', [-2, 2])
def test_a_channel_that_does_not_exist_is_refused(channel):
    with pytest.raises(AudioFormatError, match=f'channel {channel} .* 2-channel .* 0 to 1'):
        PcmDecoder(AudioFormat(16_000, 2, 'S16LE'), channel)


@pytest.mark.parametrize('skipped', [0, 1, 5, 6, 7, 100])
def test_what_follows_skipped_bytes_begins_at_a_frame(skipped):
    samples = np.arange(300, dtype='<i2').reshape(-1, 3)
    raw = samples.tobytes()
    decoder = PcmDecoder(AudioFormat(16_000, 3, 'S16LE'), channel=1)
    before = decoder.decode(raw[:10])
    decoder.skip(raw[10:10 + skipped])
    after = decoder.decode(raw[10 + skipped:])
    whole = samples[:, 1] / np.float32(1 << 15)
    assert np.array_equal(before, whole[:1])
    assert np.array_equal(after, whole[1 + (10 - 6 + skipped) // 6:])
