"""The detector follows the background and is not fooled by what is not speech."""
import numpy as np
from parakeet_ros.audio import EnergyVad, FRAME_SAMPLES, SAMPLE_RATE_HZ, SegmenterConfig
from parakeet_ros.audio.vad import frame_powers
import pytest

CONFIG = SegmenterConfig()


def noise(seconds, rms, seed=0):
    """Return white noise, float32."""
    n_samples = round(seconds * SAMPLE_RATE_HZ)
    return np.float32(rms) * np.random.default_rng(seed).standard_normal(
        n_samples, dtype=np.float32)


def hear(vad, waveform):
    """Step through a waveform; return the decision for every frame."""
    whole = len(waveform) // FRAME_SAMPLES * FRAME_SAMPLES
    return np.array([vad.step(power) for power in frame_powers(waveform[:whole]).tolist()])


def test_the_level_of_white_noise_is_its_rms_and_what_is_lower_counts_less():
    vad = EnergyVad(CONFIG)
    hear(vad, np.random.default_rng(1).normal(0, 0.1, 16_000).astype(np.float32))
    assert vad._latest[2] == pytest.approx(-20, abs=1)
    levels_db = []
    for hz in (100, 1_000, 7_000):
        hear(vad, np.sin(2 * np.pi * hz * np.arange(1_600) / 16_000).astype(np.float32))
        levels_db.append(vad.level_db)
    assert levels_db == pytest.approx([-12.4, -10.3, -0.4], abs=0.3)


def test_a_constant_offset_is_silence():
    vad = EnergyVad(CONFIG)
    assert not hear(vad, np.full(32_000, 0.7, np.float32)).any()
    assert vad.noise_floor_db == CONFIG.floor_min_db


def test_the_floor_settles_on_steady_noise():
    vad = EnergyVad(CONFIG)
    hear(vad, noise(4, 1e-2))
    assert vad.noise_floor_db == pytest.approx(-40, abs=1.5)
    assert not vad.is_speech


@pytest.mark.parametrize('step_db', [20, 45])
def test_the_floor_follows_a_louder_background_within_its_window(step_db):
    vad = EnergyVad(CONFIG)
    hear(vad, noise(5, 1e-3))
    before_db = vad.noise_floor_db
    hear(vad, noise(CONFIG.floor_window_s, 1e-3 * 10 ** (step_db / 20), seed=1))
    assert vad.noise_floor_db - before_db == pytest.approx(step_db, abs=1.5)
    assert not hear(vad, noise(3, 1e-3 * 10 ** (step_db / 20), seed=2))[-1]
    assert vad.is_noise


def test_the_floor_follows_a_quieter_background_at_once():
    vad = EnergyVad(CONFIG)
    hear(vad, noise(5, 1e-1))
    hear(vad, noise(0.2, 1e-3))
    assert vad.noise_floor_db == pytest.approx(-60, abs=1.5)


def test_digital_silence_does_not_make_a_whisper_of_noise_speech():
    vad = EnergyVad(CONFIG)
    hear(vad, np.zeros(80_000, np.float32))
    assert not hear(vad, noise(2, 10 ** (CONFIG.floor_min_db / 20))).any()


@pytest.mark.parametrize('click_samples', [1, 30, 320])
def test_a_train_of_clicks_is_not_speech(click_samples):
    waveform = noise(10, 1e-3)
    for begin in range(0, len(waveform), 4_000):
        waveform[begin:begin + click_samples] += 0.8 * np.where(
            np.arange(len(waveform[begin:begin + click_samples])) % 2, 1, -1)
    assert not hear(EnergyVad(CONFIG), waveform).any()


@pytest.mark.parametrize('burst_s, is_heard', [(0.04, False), (0.2, True)])
def test_a_sound_is_speech_when_it_lasts_long_enough(burst_s, is_heard):
    waveform = np.concatenate([noise(3, 1e-3), noise(burst_s, 0.1), noise(1, 1e-3)])
    assert hear(EnergyVad(CONFIG), waveform).any() == is_heard


def test_speech_at_the_first_sample_is_heard_from_there():
    vad = EnergyVad(CONFIG)
    assert hear(vad, noise(0.5, 0.1))[-1]
    assert vad.speech_start_frame == 0


def test_speech_is_placed_to_a_few_frames():
    vad = EnergyVad(CONFIG)
    hear(vad, np.concatenate([noise(3, 1e-3), noise(0.5, 0.1), noise(1, 1e-3)]))
    assert abs(vad.speech_start_frame - 300) <= 2
    assert abs(vad.speech_end_frame - 350) <= 2


def test_a_frame_that_is_not_finite_is_heard_as_silence_and_harms_nothing():
    vad = EnergyVad(CONFIG)
    with np.errstate(all='raise'):
        hear(vad, np.full(3_200, np.nan, np.float32))
        hear(vad, np.full(160, np.inf, np.float32))
    assert not vad.is_speech
    hear(vad, noise(3, 1e-3))
    assert vad.noise_floor_db == pytest.approx(-60, abs=1.5)
