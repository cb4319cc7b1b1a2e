"""Bytes with stamps become utterances with times."""
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from parakeet_ros.audio import AudioFormat, AudioStream, SegmenterConfig
import pytest

BASE_NS = 1_700_000_000_000_000_000


def recording(rate, channels=1):
    """Return S16LE bytes: 1 s quiet, 0.5 s loud, 1 s quiet, twice over; all channels equal."""
    rng = np.random.default_rng(5)
    parts = [(1, 20), (0.5, 6_000), (1, 20)] * 2
    mono = np.concatenate([rms * rng.standard_normal(round(rate * s)) for s, rms in parts])
    return np.repeat(mono.astype('<i2')[:, None], channels, axis=1).tobytes()


def play(stream, raw, chunk_bytes, bytes_per_second, base_ns=BASE_NS):
    """Push a recording in chunks with true stamps, arriving 7 ms after their end."""
    utterances = []
    for begin in range(0, len(raw), chunk_bytes):
        chunk = raw[begin:begin + chunk_bytes]
        stamp_ns = base_ns + begin * 10**9 // bytes_per_second
        arrival_ns = (begin + len(chunk)) * 10**9 // bytes_per_second + 7_000_000
        utterances += stream.push(chunk, stamp_ns, arrival_ns)
    return utterances


@pytest.mark.parametrize('rate', [8_000, 16_000, 44_100, 48_000, 192_000])
@pytest.mark.parametrize('channels', [1, 2, 8])
def test_times_are_those_of_the_audio_at_any_rate(rate, channels):
    stream = AudioStream(AudioFormat(rate, channels, 'S16LE'))
    raw, bytes_per_second = recording(rate, channels), 2 * channels * rate
    found = play(stream, raw, bytes_per_second // 50, bytes_per_second) + stream.flush()
    assert len(found) == 2
    for utterance, start_s in zip(found, (1.0, 3.5), strict=True):
        speech_s = [(ns - BASE_NS) / 1e9 for ns in (
            utterance.speech_start_ns, utterance.speech_end_ns)]
        assert speech_s == pytest.approx([start_s, start_s + 0.5], abs=0.03)
        assert utterance.start_ns < utterance.speech_start_ns
        assert utterance.end_ns > utterance.speech_end_ns
        # The chunk with the last sample of the speech, 20 ms long, arrived 7 ms after its end.
        delay_s = utterance.speech_end_arrival_ns / 1e9 - speech_s[1]
        assert 0.0069 < delay_s < 0.0271
    assert stream.statistics.seconds == pytest.approx(5.0)
    assert stream.statistics.utterances == 2


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 200_000))
def test_any_chunking_gives_the_same_waveforms_and_nearly_the_same_times(chunk_bytes):
    raw = recording(16_000)
    chunk_bytes = max(chunk_bytes, 37)  # keep the number of calls reasonable
    whole = play(AudioStream(AudioFormat(16_000, 1, 'S16LE')), raw, len(raw), 32_000)
    chunked = play(AudioStream(AudioFormat(16_000, 1, 'S16LE')), raw, chunk_bytes, 32_000)
    assert len(whole) == 2
    for expected, found in zip(whole, chunked, strict=True):
        np.testing.assert_array_equal(found.waveform, expected.waveform)
        # An odd chunk begins with half a sample: its stamp is half a sample early.
        assert abs(found.start_ns - expected.start_ns) <= 62_500


@pytest.mark.parametrize('chunk_samples', [1, 50_000])
def test_chunks_of_one_sample_and_of_seconds_have_the_same_times(chunk_samples):
    raw = recording(10_000)  # 5 s
    found = play(AudioStream(AudioFormat(10_000, 1, 'S16LE')), raw, 2 * chunk_samples, 20_000)
    assert [(u.speech_start_ns - BASE_NS) / 1e9 for u in found] == pytest.approx(
        [1.0, 3.5], abs=0.03)


def test_jumping_stamps_move_only_what_follows_them():
    stream = AudioStream(AudioFormat(16_000, 1, 'S16LE'))
    raw = recording(16_000)
    half = len(raw) // 2
    first = play(stream, raw[:half], 640, 32_000)
    second = play(stream, raw[half:], 640, 32_000, BASE_NS + 3_600 * 10**9)
    assert (first[0].speech_start_ns - BASE_NS) / 1e9 == pytest.approx(1.0, abs=0.03)
    assert (second[0].speech_start_ns - BASE_NS) / 1e9 == pytest.approx(3_601.0, abs=0.03)


def test_a_looping_recording_is_flushed_and_gives_the_same_again():
    stream = AudioStream(AudioFormat(16_000, 1, 'S16LE'))
    raw = recording(16_000)[:32_000 + 16_000 - 1]  # ends within the speech and within a sample
    assert play(stream, raw, 640, 32_000) == []
    first = play(stream, raw, 640, 32_000)
    second = play(stream, raw, 640, 32_000)
    assert len(first) == len(second) == 1
    np.testing.assert_array_equal(first[0].waveform, second[0].waveform)
    assert first[0].start_ns == second[0].start_ns
    assert first[0].utterance.end_reason == 'flush'
    assert stream.statistics.backward_stamps == 2


def noisy_room(seconds, start_s):
    """Return chunks of 20 ms of a room at -30 dBFS, with their stamps."""
    rng = np.random.default_rng(round(start_s))
    for index in range(round(50 * seconds)):
        samples = (1_000 * rng.standard_normal(320)).astype('<i2')
        yield samples.tobytes(), BASE_NS + round(start_s * 1e9) + index * 20_000_000


@pytest.mark.parametrize('break_', ['flush', 'gap'])
def test_the_background_is_known_after_a_break_so_that_the_room_is_no_speech(break_):
    stream = AudioStream(AudioFormat(16_000, 1, 'S16LE'))
    for data, stamp_ns in noisy_room(5, 0):
        stream.push(data, stamp_ns)
    assert stream.statistics.noise_floor_db == pytest.approx(-30, abs=2)
    if break_ == 'flush':
        stream.flush()
    for data, stamp_ns in noisy_room(3, 60):
        assert stream.push(data, stamp_ns) == []
        assert not stream.is_speaking
        assert stream.statistics.noise_floor_db == pytest.approx(-30, abs=2)


@pytest.mark.parametrize('pauses', [False, True])
def test_the_background_is_forgotten_when_a_recording_begins_again(pauses):
    stream = AudioStream(AudioFormat(16_000, 1, 'S16LE'))
    for data, stamp_ns in noisy_room(5, 60):
        stream.push(data, stamp_ns)
    if pauses:  # the end of the stream was noticed
        stream.flush()
    stream.push(bytes(640), BASE_NS)
    assert stream.statistics.backward_stamps == 1
    assert stream.statistics.noise_floor_db < -50


def test_another_machine_whose_clock_is_a_little_behind_goes_on_in_the_same_room():
    stream = AudioStream(AudioFormat(16_000, 1, 'S16LE'))
    for data, stamp_ns in noisy_room(5, 0):
        stream.push(data, stamp_ns)
    stream.flush(is_break=True)
    for data, stamp_ns in noisy_room(2, 4.7):
        assert stream.push(data, stamp_ns) == [] and not stream.is_speaking
    assert stream.statistics.backward_stamps == 0


def test_stamps_that_jitter_backwards_a_little_restart_nothing():
    stream = AudioStream(AudioFormat(16_000, 1, 'S16LE'))
    raw = recording(16_000)
    for index, begin in enumerate(range(0, len(raw), 640)):
        stream.push(raw[begin:begin + 640], BASE_NS + index * 20_000_000 - index % 2 * 50_000_000)
    assert stream.statistics.backward_stamps == 0
    assert stream.statistics.utterances == 2


def test_statistics_count_what_was_wrong_with_the_samples():
    stream = AudioStream(AudioFormat(16_000, 1, 'F32LE'))
    stream.push(np.array([np.nan, 2.0, 0.5], '<f4').tobytes(), BASE_NS)
    stream.push(np.zeros(16_000, '<f4').tobytes(), BASE_NS)
    found = stream.statistics
    assert (found.chunks, found.bad_samples, found.clipped_samples) == (2, 1, 1)
    assert found.level_db < -70
    assert found.noise_floor_db == SegmenterConfig().floor_min_db


def test_memory_is_bounded_while_nobody_speaks():
    stream, quiet = AudioStream(AudioFormat(16_000, 1, 'U8')), bytes([128]) * 320
    for index in range(3_000):
        stream.push(quiet, BASE_NS + index * 20_000_000)
    assert len(stream._stamps._samples) < 50
    assert len(stream._arrivals._samples) < 50


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=4_000), st.integers(-2**40, 2**62)), max_size=10),
       st.sampled_from(['S16LE', 'F32LE', 'S24LE', 'U8']))
def test_hostile_bytes_and_stamps_do_no_harm(chunks, name):
    stream = AudioStream(AudioFormat(48_000, 2, name))
    for data, stamp_ns in chunks:
        stream.push(data, stamp_ns)
    for utterance in stream.flush():
        assert np.isfinite(utterance.waveform).all()
    assert stream.statistics.chunks == len(chunks)


@pytest.mark.parametrize('chunk_bytes', [641, 640, 3, 1023])
def test_chunks_that_end_within_a_sample_go_on_after_a_flush_and_skipped_chunks(chunk_bytes):
    quiet = (100 * np.random.default_rng(0).standard_normal(16_000)).astype('<i2').tobytes()
    stream, levels = AudioStream(AudioFormat(16_000, 1, 'S16LE')), []
    for number, begin in enumerate(range(0, len(quiet), chunk_bytes)):
        chunk = quiet[begin:begin + chunk_bytes]
        if number % 10 == 7:
            stream.flush()
        if number % 10 in (8, 9):
            stream.skip(chunk)
            continue
        stream.push(chunk, 10**9 + begin * 31_250)
        levels.append(stream.statistics.level_db)
    assert max(levels[5:]) < -40, 'half samples of others would be as loud as can be'
    stream.flush(is_break=True)
    stream.push(quiet[:2_000], 10**10)
    assert stream.statistics.level_db < -40
