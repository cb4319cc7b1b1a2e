"""Which format a chunk has, and that it is never read in another."""

from types import SimpleNamespace

from audio_common_msgs.msg import AudioInfo
import numpy as np
from parakeet_ros.audio import AudioFormat, AudioFormatError
from parakeet_ros.audio_formats import (
    Arrival,
    AudioReader,
    FormatFinder,
    HELD_BYTES,
    HELD_NS,
    IN_FLIGHT_NS,
)
from parakeet_ros.audio_messages import Chunk, unpack
import pytest

FALLBACK = AudioFormat(16_000, 1, 'S16LE')
CHUNK = Chunk(memoryview(b'abcd'), 0, None)
ARRAYS = ('float32_data', 'int32_data', 'int16_data', 'int8_data', 'uint8_data')


def info(rate: int) -> AudioInfo:
    """Return an audio_info of mono S16LE."""
    return AudioInfo(channels=1, sample_rate=rate, sample_format='S16LE')


def test_chunks_that_were_sent_before_a_change_keep_their_format() -> None:
    formats = FormatFinder(FALLBACK)
    assert formats.format_of(CHUNK, 5) == FALLBACK
    assert formats.announce(info(48_000), 10)
    assert formats.format_of(CHUNK, 5).sample_rate == 48_000, 'it was the first to be told'
    assert not formats.announce(info(48_000), 50), 'it is only repeated'
    assert formats.announce(info(8_000), 100)
    assert [formats.format_of(CHUNK, sent_ns).sample_rate for sent_ns in (99, 100, 101)] == [
        48_000, 8_000, 8_000]


def test_two_clocks_are_not_taken_for_a_chunk_in_flight() -> None:
    formats = FormatFinder(FALLBACK)
    formats.announce(info(48_000), 10)
    formats.announce(info(8_000), 10 + IN_FLIGHT_NS)
    assert formats.format_of(CHUNK, 10).sample_rate == 8_000
    assert formats.format_of(CHUNK, 11).sample_rate == 48_000


def test_a_format_in_the_message_beats_every_other() -> None:
    formats, own = FormatFinder(FALLBACK), AudioFormat(44_100, 2, 'F32LE')
    formats.announce(info(48_000), 10)
    assert formats.format_of(Chunk(CHUNK.data, 0, own), 11) == own


# --- messages that hold typed samples: of another package than the one installed here -----------


def typed(number: int, field: str, samples: object, channels: int = 1) -> SimpleNamespace:
    """Return something like an AudioStamped of mgonzs13/audio_common."""
    arrays = {name: [] for name in ARRAYS} | {field: samples}
    return SimpleNamespace(
        header=SimpleNamespace(stamp=SimpleNamespace(sec=3, nanosec=4)),
        audio=SimpleNamespace(
            audio_data=SimpleNamespace(**arrays),
            info=SimpleNamespace(format=number, channels=channels, rate=44_100, chunk=512)))


@pytest.mark.parametrize(('number', 'field', 'dtype', 'name'), [
    (1, 'float32_data', '<f4', 'F32LE'), (2, 'int32_data', '<i4', 'S32LE'),
    (8, 'int16_data', '<i2', 'S16LE'), (16, 'int8_data', 'i1', 'S8'),
    (32, 'uint8_data', 'u1', 'U8')])
def test_typed_samples_become_bytes_of_the_format_that_they_name(
        number: int, field: str, dtype: str, name: str) -> None:
    samples = np.array([0, 1, 100, 127, 3, 2]).astype(dtype)
    chunk = unpack(typed(number, field, samples.tolist(), channels=2))
    assert chunk.audio_format == AudioFormat(44_100, 2, name)
    assert bytes(chunk.data) == samples.tobytes()
    assert chunk.stamp_ns == 3_000_000_004


def test_a_message_without_samples_is_empty() -> None:
    assert bytes(unpack(typed(8, 'int16_data', [])).data) == b''


@pytest.mark.parametrize(('number', 'field', 'words'), [
    (4, 'int32_data', ['format 4', '8 (S16LE)']),
    (8, 'float32_data', ['int16_data', 'float32_data', 'info.format'])])
def test_samples_of_an_unknown_or_another_type_are_refused(
        number: int, field: str, words: list[str]) -> None:
    with pytest.raises(AudioFormatError) as raised:
        unpack(typed(number, field, [1, 2]))
    assert all(word in str(raised.value) for word in words)


@pytest.mark.parametrize(('n_bytes', 'step_ns'), [(HELD_BYTES // 4, 1), (2, HELD_NS // 4)])
def test_audio_waits_for_an_info_that_is_expected_but_not_for_ever(
        n_bytes: int, step_ns: int) -> None:
    reader = AudioReader(FALLBACK)
    waits = []
    for number in range(6):
        chunk = Chunk(memoryview(bytes(n_bytes)), 0, None)
        waits.append(reader.hold(Arrival(chunk, 0, number, number * step_ns), True))
        assert reader.gave_up is not waits[-1]
    assert waits[:3] == [True] * 3 and waits[-1] is False
    released = list(reader.release())
    assert [arrival.stamp_ns for arrival, _ in released] == list(range(6))
    assert {audio_format for _, audio_format in released} == {FALLBACK}
    assert list(reader.release()) == []


def test_audio_waits_no_longer_where_nothing_follows() -> None:
    reader = AudioReader(FALLBACK)
    assert not reader.expire(10 * HELD_NS), 'nothing waits'
    reader.hold(Arrival(CHUNK, 0, 0, 5), True)
    assert not reader.expire(HELD_NS)
    assert reader.expire(HELD_NS + 5)
    assert len(list(reader.release())) == 1
    assert not reader.expire(3 * HELD_NS)


def test_audio_that_waited_has_the_format_that_came() -> None:
    reader = AudioReader(FALLBACK)
    assert reader.hold(Arrival(CHUNK, 0, 0, 0), True)
    assert reader.announce(info(48_000), 1)
    assert not reader.hold(Arrival(CHUNK, 0, 1, 1), True)
    assert [audio_format.sample_rate for _, audio_format in reader.release()] == [48_000] * 2


def test_audio_that_nothing_describes_does_not_wait() -> None:
    reader = AudioReader(FALLBACK)
    assert not reader.hold(Arrival(CHUNK, 0, 0, 0), False)
    [(arrival, audio_format)] = reader.release()
    assert (arrival.chunk, audio_format, reader.discard()) == (CHUNK, FALLBACK, 0)
