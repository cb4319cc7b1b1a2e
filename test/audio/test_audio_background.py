"""The background is told from the speech in front of it, and its swing from its floor."""
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from parakeet_ros.audio import EnergyVad, Segmenter, SegmenterConfig
from parakeet_ros.audio.background import Background, SlidingQuantile
from parakeet_ros.audio.vad import frame_powers
import pytest
from sounds import sound

CONFIG = SegmenterConfig()


def swinging(seconds, low_db, high_db):
    """Return noise that alternates between two levels, 0.3 s each, as music does."""
    return sound([(0.3, low_db), (0.3, high_db)] * round(seconds / 0.6))


@given(st.lists(st.floats(-100, 0), min_size=1, max_size=60), st.integers(1, 20),
       st.sampled_from([0.05, 0.15, 0.5]))
def test_a_sliding_quantile_is_that_of_the_latest_values(values, size, quantile):
    sliding = SlidingQuantile(quantile, size, values[:1])
    for value in values[1:]:
        sliding.push(value)
    latest = values[-size:]
    assert sliding.history == latest
    assert sliding.value == sorted(latest)[int(quantile * len(latest))]


@pytest.mark.parametrize('swing_db', [0.0, 6.0, 12.0])
def test_the_swing_is_how_far_the_background_rises(swing_db):
    background = Background(-50.0, 200)
    for frame in range(1_500):
        background.learn(-50.0 + swing_db * (frame // 30 % 2))
    assert (background.floor_db, background.swing_db) == (-50.0, swing_db)


def test_speech_with_pauses_is_not_taken_for_the_swing_of_the_background():
    background = Background(-50.0, 200)
    for frame in range(3_000):  # 2 s of speech, 1.6 s of pause
        background.learn(-20.0 if frame % 360 < 200 else -50.0)
    assert background.swing_db == 0.0


def test_a_level_that_jumps_does_not_change_the_swing():
    background = Background(-50.0, 200)
    for level_db in (-50.0, -20.0, -40.0):
        for _ in range(1_000):
            background.learn(level_db)
            assert background.swing_db == 0.0


def test_a_swinging_background_becomes_no_speech_and_speech_over_it_is_heard():
    music, word = swinging(12, -50, -40), swinging(0.6, -15, -15)
    segmenter = Segmenter()
    segmenter.process(music)
    assert not segmenter.is_speaking
    [utterance] = segmenter.process(np.concatenate([word, music]))
    assert utterance.speech_start_sample == pytest.approx(len(music), abs=800)
    assert utterance.speech_end_sample == pytest.approx(len(music) + len(word), abs=800)


def test_thresholds_follow_the_settings_over_a_steady_background():
    vad = EnergyVad(CONFIG)
    for power in frame_powers(sound([(5, -40)])).tolist():
        vad.step(power)
    above_db = vad.onset_threshold_db - vad.noise_floor_db
    assert above_db == pytest.approx(CONFIG.onset_db, abs=1.5)
    assert vad.noise_floor_db < vad.offset_threshold_db < vad.onset_threshold_db


def test_a_loud_voice_lifts_the_thresholds_of_a_swinging_background_further():
    def onset_above_db(voice_db):
        vad = EnergyVad(CONFIG)
        line = [swinging(12, -60, -48), sound([(1, voice_db)]), swinging(1.8, -60, -48)]
        for power in frame_powers(np.concatenate(line)).tolist():
            vad.step(power)
        return vad.onset_threshold_db - vad.noise_floor_db
    assert onset_above_db(-10) > onset_above_db(-40) + 2


@pytest.mark.parametrize('jump_db', [10, 20, 30])
def test_a_background_that_gets_louder_is_no_speech_after_two_seconds(jump_db):
    segmenter = Segmenter()
    segmenter.process(sound([(5, -60)]))
    assert segmenter.process(sound([(2, -60 + jump_db)], seed=1)) == []
    assert not segmenter.is_speaking


def test_an_hour_of_swinging_noise_holds_no_segment_open():
    minute, segmenter, first_minute = swinging(60, -50, -38), Segmenter(), True
    for _ in range(60):
        ended = segmenter.process(minute)
        assert first_minute or ended == []
        assert not segmenter.is_speaking
        first_minute = False


def test_speech_that_a_swinging_background_prolongs_ends_all_the_same():
    segmenter, music = Segmenter(), swinging(30, -50, -38)
    ended = segmenter.process(np.concatenate([music, sound([(1, -30)]), music]))
    assert not segmenter.is_speaking
    [utterance] = [u for u in ended if u.speech_end_sample > len(music)]
    assert utterance.speech_start_sample == pytest.approx(len(music), abs=8_000)
    assert utterance.end_sample < len(music) + 16 * 16_000
