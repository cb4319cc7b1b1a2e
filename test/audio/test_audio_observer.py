"""Whoever watches a stream sees its sound, each frame and each gap, and changes nothing."""
import numpy as np
from parakeet_ros.audio import AudioFormat, AudioStream, Level
import pytest

RATE = 48_000
BASE_NS = 1_700_000_000_000_000_000


class Notes:
    """What was seen."""

    def __init__(self):
        self.levels: list[Level] = []
        self.sound: list[tuple[int, np.ndarray]] = []
        self.gaps: list[tuple[int, int]] = []

    def on_audio(self, time_ns, waveform):
        self.sound.append((time_ns - BASE_NS, waveform))

    def on_level(self, level):
        self.levels.append(level)

    def on_gap(self, stamp_ns, missing_ns):
        self.gaps.append((stamp_ns - BASE_NS, missing_ns))


def chunks():
    """Yield 20 ms chunks with their stamps: 1 s quiet, 0.5 s loud, 1 s quiet."""
    rng = np.random.default_rng(5)
    parts = [rms * rng.standard_normal(round(RATE * s)) for s, rms in (
        (1, 20), (0.5, 6_000), (1, 20))]
    samples = np.concatenate(parts).astype('<i2')
    for begin in range(0, len(samples), RATE // 50):
        yield samples[begin:begin + RATE // 50].tobytes(), BASE_NS + begin * 10**9 // RATE


def play(stream, pairs):
    """Push chunks and return what was heard, with the flush."""
    return [u for data, stamp_ns in pairs for u in stream.push(data, stamp_ns)] + stream.flush()


def test_every_frame_is_seen_at_its_time_with_the_thresholds_that_decided():
    notes = Notes()
    [heard] = play(AudioStream(AudioFormat(RATE, 1, 'S16LE'), observer=notes), chunks())
    times_ms = [(level.time_ns - BASE_NS) / 1e6 for level in notes.levels]
    assert times_ms == pytest.approx([10 * i for i in range(250)], abs=0.01)
    # during loud speech the offset threshold may lie above that of an onset
    assert all(level.offset_db < level.onset_db for level in notes.levels if not level.is_speech)
    assert all(level.noise_floor_db < level.offset_db for level in notes.levels)
    loud = [level for level in notes.levels
            if heard.speech_start_ns <= level.time_ns < heard.speech_end_ns - 30_000_000]
    assert len(loud) > 40 and all(
        level.level_db > max(level.onset_db, level.offset_db) for level in loud)
    spoken_ms = [t for t, level in zip(times_ms, notes.levels) if level.is_speech]
    assert 1000 < spoken_ms[0] < 1200 and 2000 < spoken_ms[-1] < 2200, 'with its hangover'


def test_the_sound_is_that_of_the_utterances_at_its_times():
    notes = Notes()
    [heard] = play(AudioStream(AudioFormat(RATE, 1, 'S16LE'), observer=notes), chunks())
    sound = np.concatenate([waveform for _, waveform in notes.sound])
    assert len(sound) == pytest.approx(2.5 * 16_000, abs=2)
    begin = heard.utterance.start_sample
    np.testing.assert_array_equal(sound[begin:heard.utterance.end_sample], heard.waveform)
    position = 0
    for time_ns, waveform in notes.sound:
        assert time_ns == pytest.approx(position / 16_000 * 1e9, abs=1e5)
        position += len(waveform)


def test_an_observer_changes_nothing():
    alone = play(AudioStream(AudioFormat(RATE, 1, 'S16LE')), chunks())
    watched = play(AudioStream(AudioFormat(RATE, 1, 'S16LE'), observer=Notes()), chunks())
    assert [(u.start_ns, u.end_ns) for u in watched] == [(u.start_ns, u.end_ns) for u in alone]
    np.testing.assert_array_equal(watched[0].waveform, alone[0].waveform)


@pytest.mark.parametrize(('missing', 'shift_s'), [(10, 0.0), (0, 5.0), (0, -1.0)])
def test_gaps_and_restarts_are_told(missing, shift_s):
    notes, shift_ns = Notes(), round(shift_s * 1e9)
    pairs = list(chunks())
    later = [(data, stamp + shift_ns) for data, stamp in pairs[50 + missing:]]
    play(AudioStream(AudioFormat(RATE, 1, 'S16LE'), observer=notes), pairs[:50] + later)
    [(at_ns, missing_ns)] = notes.gaps
    assert at_ns == (50 + missing) * 20_000_000 + shift_ns
    expected_ns = missing * 20_000_000 + shift_ns
    # a stamp that goes back is compared with the one before it, a later one with the audio's end
    assert missing_ns == expected_ns + (20_000_000 if shift_ns < 0 else 0)
