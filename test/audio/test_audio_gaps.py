"""Chunks that are lost on the way, and stamps that say nothing."""
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from parakeet_ros.audio import AudioFormat, AudioStream, SegmenterConfig
import pytest

RATE, CHUNK_S = 16_000, 0.02
BASE_NS = 1_700_000_000_000_000_000
SPEECH_S = [(1.0, 2.0), (4.0, 5.0)]
LENGTH_S = 7.0


def recording():
    """Return float32 `[n]`: noise at -50 dBFS with two bursts of a loud one."""
    rng = np.random.default_rng(5)
    waveform = 10 ** (-50 / 20) * rng.standard_normal(round(LENGTH_S * RATE))
    for start_s, end_s in SPEECH_S:
        waveform[round(start_s * RATE):round(end_s * RATE)] *= 100
    return waveform.astype(np.float32)


def chunks(rate=RATE):
    """Yield the recording as S16LE in chunks of 20 ms, each with its time in s."""
    waveform = np.repeat(recording(), rate // RATE)
    step = round(CHUNK_S * rate)
    for index, begin in enumerate(range(0, len(waveform), step)):
        samples = (waveform[begin:begin + step] * 32767).astype('<i2')
        yield index * CHUNK_S, samples.tobytes()


def play(stream, lost_s=(0.0, 0.0), rate=RATE, stamp_of=lambda time_s: round(time_s * 1e9),
         **options):
    """Push what is not lost; return the utterances."""
    found = []
    for time_s, data in chunks(rate):
        if not lost_s[0] <= time_s < lost_s[1] - 1e-9:
            found += stream.push(data, BASE_NS + stamp_of(time_s), **options)
    return found + stream.flush()


def speech_s(utterances):
    """Return when the speech of utterances begins and ends."""
    return [((u.speech_start_ns - BASE_NS) / 1e9, (u.speech_end_ns - BASE_NS) / 1e9)
            for u in utterances]


def stream_of(rate=RATE, **config):
    """Return a stream of S16LE mono."""
    return AudioStream(AudioFormat(rate, 1, 'S16LE'), config=SegmenterConfig(**config))


@pytest.mark.parametrize('rate', [16_000, 48_000])
@pytest.mark.parametrize('lost_s', [(0.5, 0.6), (1.4, 1.6), (1.9, 2.3), (2.9, 3.4)])
def test_times_stay_right_and_words_together_over_a_gap(rate, lost_s):
    stream = stream_of(rate)
    found = play(stream, lost_s, rate)
    expected = [(start, min(end, lost_s[0]) if end < lost_s[1] else end)
                for start, end in SPEECH_S]
    assert speech_s(found) == pytest.approx(np.array(expected), abs=0.05)
    assert [u.utterance.end_reason for u in found] == ['pause', 'pause']
    assert stream.statistics.gaps == 1
    assert stream.statistics.seconds_since_gap == pytest.approx(LENGTH_S - lost_s[1])
    assert stream.statistics.inserted_seconds == pytest.approx(lost_s[1] - lost_s[0], abs=0.001)
    for u in found:  # every sample of an utterance has the time that its stamps say
        assert len(u.waveform) / RATE == pytest.approx((u.end_ns - u.start_ns) / 1e9, abs=0.001)


@pytest.mark.parametrize('rate', [16_000, 48_000])
@pytest.mark.parametrize('lost_of_10', [1, 4])
def test_gaps_that_never_cease_neither_lower_the_floor_nor_start_speech(lost_of_10, rate):
    stream, rng = stream_of(rate), np.random.default_rng(5)
    step = round(CHUNK_S * rate)
    for index in range(30 * 50):
        noise = 10 ** (-50 / 20) * 32767 * rng.standard_normal(step)
        if index // 5 % 10 >= lost_of_10:  # 100 ms and more are lost at a time
            stamp_ns = BASE_NS + round(index * CHUNK_S * 1e9)
            assert stream.push(noise.astype('<i2').tobytes(), stamp_ns) == []
    assert stream.statistics.gaps == 30 - 1  # one a second; the first is before the first sample
    assert not stream.is_speaking
    band_db = 10 * np.log10(rate / RATE)  # of white noise, above what is heard
    assert stream.statistics.noise_floor_db == pytest.approx(-50 - band_db, abs=1.5)


@pytest.mark.parametrize(('max_gap_s', 'lost_s', 'inserted_s'), [
    (0.5, (1.5, 2.1), 0.0), (0.0, (1.5, 1.6), 0.0), (0.7, (1.5, 2.1), 0.6)])
def test_a_gap_beyond_the_limit_ends_the_utterance_where_the_audio_ends(
        max_gap_s, lost_s, inserted_s):
    stream = stream_of(max_gap_s=max_gap_s)
    found = play(stream, lost_s)
    assert stream.statistics.gaps == 1
    assert stream.statistics.inserted_seconds == pytest.approx(inserted_s, abs=0.001)
    assert found[0].utterance.end_reason == ('pause' if inserted_s else 'flush')
    if not inserted_s:
        assert (found[0].end_ns - BASE_NS) / 1e9 == pytest.approx(1.5, abs=0.001)
    assert speech_s(found)[-1] == pytest.approx(SPEECH_S[1], abs=0.03)


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False))
def test_jittery_stamps_move_no_sample(random):
    stream, expected = stream_of(), play(stream_of())
    found = play(stream, stamp_of=lambda s: round(s * 1e9) + random.randint(-20, 20) * 10**6)
    assert (stream.statistics.gaps, stream.statistics.backward_stamps) == (0, 0)
    assert len(found) == 2
    for u, steady in zip(found, expected, strict=True):
        np.testing.assert_array_equal(u.waveform, steady.waveform)
        assert abs(u.start_ns - steady.start_ns) <= 40_000_000


@pytest.mark.parametrize('constant', [0, 123])
def test_stamps_that_stand_still_are_counted_on_in_samples(constant):
    stream = stream_of()
    found = play(stream, stamp_of=lambda s: constant)
    assert speech_s(found) == pytest.approx(np.array(SPEECH_S), abs=0.03)
    assert (stream.statistics.gaps, stream.statistics.seconds_since_gap) == (0, float('inf'))
    assert stream.statistics.still_stamps == stream.statistics.chunks - 1


def test_audio_without_stamps_is_timed_by_its_samples_from_its_first_arrival():
    # it comes at ten times its speed, then in a burst; only the first arrival counts
    stream = stream_of()
    found = play(stream, stamp_of=lambda s: 5_000_000 + round(min(s, 3) * 1e8), stamped=False)
    assert speech_s(found) == pytest.approx(np.array(SPEECH_S) + 0.005, abs=0.03)
    assert (stream.statistics.gaps, stream.statistics.backward_stamps) == (0, 0)


def test_audio_without_stamps_catches_up_with_its_arrivals_between_utterances():
    stream = stream_of()
    found = play(stream, (2.6, 3.9), stamped=False)
    assert speech_s(found) == pytest.approx(np.array(SPEECH_S), abs=0.03)
    assert stream.statistics.gaps == 0


def assert_no_time_is_torn(found):
    """Assert that every utterance lasts as long as its samples."""
    for u in found:
        assert len(u.waveform) / RATE == pytest.approx((u.end_ns - u.start_ns) / 1e9, abs=0.001)


@pytest.mark.parametrize(('back_s', 'moved'), [(0.5, [1, 1]), (1.5, [0, 1]), (3.9, [0, 1])])
def test_audio_without_stamps_goes_back_with_its_clock_between_utterances(back_s, moved):
    found = play(stream_of(), stamped=False, stamp_of=lambda s: round(
        (s if s < back_s - 1e-9 else s - 3600) * 1e9))
    assert speech_s(found) == pytest.approx(
        np.array(SPEECH_S) - 3600 * np.array(moved)[:, None], abs=0.03)
    assert_no_time_is_torn(found)


def test_audio_without_stamps_that_came_at_once_runs_ahead_until_live_audio_has_followed():
    # in rounds of 7 s: after 2.6 s of the first its next 6 s are held up, and then come at once
    def arrival_ns(time_s):
        return round((8.6 if 2.6 <= time_s < 8.6 else time_s) * 1e9)

    stream, found = stream_of(), []
    for turn in range(3):
        for time_s, data in chunks():
            time_s += turn * LENGTH_S
            found += stream.push(data, BASE_NS + arrival_ns(time_s), stamped=False)
    times = np.array(speech_s(found))
    true = np.array([(a + turn * LENGTH_S, b + turn * LENGTH_S)
                     for turn in range(3) for a, b in SPEECH_S])
    ahead_s = np.array([0, 6, 6, 6, 0, 0])[:, None]
    assert times == pytest.approx(true + ahead_s, abs=0.03), 'and never to and fro'
    assert_no_time_is_torn(found)


@pytest.mark.parametrize('speed', [1.5, 8])
def test_times_of_a_fast_replay_without_stamps_never_go_back(speed):
    stream, found = stream_of(), []
    for turn in range(9):
        for time_s, data in chunks():
            stalled_s = 0.2 if turn > 3 else 0  # the player is held up for a while
            arrival_ns = round(((time_s + turn * LENGTH_S) / speed + stalled_s) * 1e9)
            found += stream.push(data, BASE_NS + arrival_ns, stamped=False)
    assert np.diff(speech_s(found), axis=0).min() == pytest.approx(3.0, abs=0.03)
    assert_no_time_is_torn(found)


def test_half_a_sample_before_a_gap_is_not_joined_to_what_follows():
    stream = AudioStream(AudioFormat(RATE, 1, 'S16LE'))
    stream.push(b'\0\0' * 3199 + b'\x11', BASE_NS)
    stream.push(b'\0\x40\0\xc0' * 1600, BASE_NS + 400_000_000)
    found = stream.push(b'\0\0' * 16_000, BASE_NS + 600_000_000)
    assert len(found) == 1
    loud = found[0].waveform[np.abs(found[0].waveform) > 0.1]
    np.testing.assert_array_equal(loud, np.tile(np.float32([0.5, -0.5]), 1600))
