"""Noise, rooms and changes of clips do what they say, for any length, and repeatably."""
from hypothesis import given, settings, strategies
import numpy as np
from parakeet_ros.training.augment import (
    Augmenter,
    AugmentOptions,
    band_limited,
    CROWD,
    equalised,
    faster,
    NOISE_SHARES,
    spec_augment,
)
from parakeet_ros.training.music import music
from parakeet_ros.training.noise import coloured, murmur, NOISES
from parakeet_ros.training.rooms import reverberated, room
import pytest
import torch

RATE_HZ = 16_000
NOTHING = AugmentOptions(
    speed_share=0, early_s=0, silence_s=(0, 0), long_silence_share=0,
    equalised_share=0, room_share=0, noise_share=0, silent_floor_share=1, band_share=0,
    peak=(0.5, 0.5), clipped_share=0)


def tone(duration_s: float = 1.0, pitch_hz: float = 440.0) -> np.ndarray:
    time_s = np.arange(int(duration_s * RATE_HZ)) / RATE_HZ
    return (0.5 * np.sin(2 * np.pi * pitch_hz * time_s)).astype(np.float32)


def only(**changes: object) -> AugmentOptions:
    return AugmentOptions(**{**vars(NOTHING), **changes})


def power_at(sound: np.ndarray, low_hz: float, high_hz: float) -> float:
    frequency_hz = np.fft.rfftfreq(len(sound), 1 / RATE_HZ)
    spectrum = np.abs(np.fft.rfft(sound)) ** 2
    return float(spectrum[(frequency_hz >= low_hz) & (frequency_hz < high_hz)].sum())


@pytest.fixture(scope='module')
def augmenter() -> Augmenter:
    return Augmenter(pieces=2)


def with_options(augmenter: Augmenter, options: AugmentOptions) -> Augmenter:
    """Return an augmenter with the same banks and other options."""
    other = object.__new__(Augmenter)
    other.__dict__.update(vars(augmenter), options=options)
    return other


@pytest.mark.parametrize('kind', [*NOISES, 'music'])
@settings(max_examples=8, deadline=None)
@given(n_samples=strategies.integers(2, 40_000), seed=strategies.integers(0, 99))
def test_noise_is_finite_and_as_loud_as_promised(kind: str, n_samples: int, seed: int) -> None:
    sound = {**NOISES, 'music': music}[kind](n_samples, np.random.default_rng(seed))
    assert sound.shape == (n_samples,) and sound.dtype == np.float32
    assert np.isfinite(sound).all()
    assert np.sqrt(np.square(sound).mean()) == pytest.approx(1, abs=1e-3)


def test_the_colour_of_noise_is_its_slope() -> None:
    rng = np.random.default_rng(0)
    for exponent in (0, 1, 2):
        sound = coloured(160_000, exponent, rng)
        # an octave of white noise has twice the power of the one below
        octaves = power_at(sound, 800, 1600) / power_at(sound, 400, 800)
        assert octaves == pytest.approx(2 ** (1 - exponent), rel=0.1)


def test_an_untouched_clip_only_gets_its_level(augmenter: Augmenter) -> None:
    changed, = with_options(augmenter, NOTHING)([tone()], np.random.default_rng(0))
    np.testing.assert_allclose(changed, tone(), atol=1e-4)


def test_the_same_generator_gives_the_same_clip_and_another_a_different_one(
        augmenter: Augmenter) -> None:
    first, again, other = (augmenter([tone()], np.random.default_rng(seed))[0]
                           for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert len(first) != len(other) or not np.allclose(first, other)


def test_the_same_seed_gives_the_same_noise() -> None:
    first, again = (Augmenter(3, pieces=1).background(5000, np.random.default_rng(0))
                    for _ in range(2))
    np.testing.assert_array_equal(first, again)


@settings(max_examples=30, deadline=None)
@given(n_samples=strategies.integers(1, 8000), seed=strategies.integers(0, 10 ** 6))
def test_every_clip_stays_finite_and_within_full_scale(
        augmenter: Augmenter, n_samples: int, seed: int) -> None:
    changed, = augmenter([tone()[:n_samples]], np.random.default_rng(seed))
    assert changed.dtype == np.float32 and np.isfinite(changed).all()
    assert np.abs(changed).max(initial=0) <= 1


def test_silence_becomes_a_clip_of_noise(augmenter: Augmenter) -> None:
    options = only(noise_share=1, silent_floor_share=0)
    noise, = with_options(augmenter, options)(
        [np.zeros(8000, np.float32)], np.random.default_rng(0))
    assert np.square(noise).mean() > 1e-5


@pytest.mark.parametrize('kind', NOISE_SHARES)
def test_noise_has_the_wanted_ratio_to_the_speech(kind: str) -> None:
    options = only(noise_share=1, silent_floor_share=0, snr_db=(10, 10), peak=(0.4, 0.4),
                   noise_shares={kind: 1})
    noisy = Augmenter(options=options, pieces=1, babble=[tone(0.5, 300)])
    changed, = noisy([tone(4)], np.random.default_rng(5))
    fit = np.dot(changed, tone(4)) / np.dot(tone(4), tone(4))
    noise = changed - fit * tone(4)
    ratio_db = 10 * np.log10(np.square(fit * tone(4)).sum() / np.square(noise).sum())
    assert ratio_db == pytest.approx(10, abs=0.5)


def test_noise_is_of_the_kinds_that_have_a_share() -> None:
    options = only(noise_share=1, silent_floor_share=0, noise_shares={'motor': 1, CROWD: 1})
    noisy = Augmenter(options=options, pieces=1, babble=[tone(0.5, 300)])
    drawn = [noisy([np.zeros(800, np.float32)], np.random.default_rng(seed))[0]
             for seed in range(40)]
    tonal = [power_at(sound, 280, 320) > 0.9 * power_at(sound, 0, 8000) for sound in drawn]
    assert 10 < sum(tonal) < 30  # a crowd of one tone, and a motor


def test_the_start_takes_every_phase_of_an_encoder_frame(augmenter: Augmenter) -> None:
    placing = with_options(augmenter, only(early_s=0.08, silence_s=(0.3, 0.3)))
    impulse = np.zeros(RATE_HZ, np.float32)
    impulse[4000] = 1
    starts = [int(np.argmax(placing([impulse], np.random.default_rng(seed))[0])) - 4000
              for seed in range(300)]
    assert min(starts) < -0.07 * RATE_HZ and max(starts) > 0.29 * RATE_HZ
    phases = np.bincount(np.array(starts) % 1280 // 160, minlength=8)
    assert (phases > 10).all()


def test_a_batch_has_one_length_and_all_that_was_said(augmenter: Augmenter) -> None:
    placing = with_options(augmenter, only(silence_s=(0.2, 0.6)))
    clips = [tone(duration_s) for duration_s in (0.8, 1.0, 0.9)]
    lengths = set()
    for seed in range(20):
        placed = placing(clips, np.random.default_rng(seed))
        length, = {len(waveform) for waveform in placed}
        lengths.add(length)
        for clip, waveform in zip(clips, placed):
            assert np.count_nonzero(waveform) == pytest.approx(np.count_nonzero(clip), abs=1)
    assert 1.2 * RATE_HZ <= min(lengths) < 1.3 * RATE_HZ < 1.5 * RATE_HZ < max(lengths)


def test_views_of_a_clip_have_its_words_at_the_same_place(augmenter: Augmenter) -> None:
    clips = [tone(0.5), tone(0.4)]
    placing = with_options(augmenter, only(
        speed_share=1.0, silence_s=(0.5, 0.5), early_s=0.08))
    for seed in range(10):
        one, two, *others = placing(clips, np.random.default_rng(seed), 2)
        assert np.array_equal(one, others[0]) and np.array_equal(two, others[1])
        single = placing(clips, np.random.default_rng(seed))
        assert len(others) == len(single) == 2 and np.array_equal(one, single[0])
    noisy = with_options(augmenter, only(
        silence_s=(0.5, 0.5), silent_floor_share=0.0, noise_share=1.0))
    one, _, other, _ = noisy(clips, np.random.default_rng(0), 2)
    assert len(one) == len(other) and not np.allclose(one, other, atol=0.01)


def test_a_room_rings_after_the_sound_and_dies_away() -> None:
    click = np.zeros(2 * RATE_HZ, np.float32)
    click[1000] = 1
    for seed in range(20):
        wet = reverberated(click, room(np.random.default_rng(seed)))
        assert int(np.argmax(np.abs(wet))) == 1000 and np.abs(wet[:990]).max() < 1e-4
        early = np.square(wet[1000:1800]).sum()
        late = np.square(wet[7400:8200]).sum()
        assert 0 < late < 0.1 * early
        assert np.square(wet).sum() == pytest.approx(1, rel=1e-3)


def test_a_band_limit_removes_what_lies_outside() -> None:
    sound = tone(1, 100) + tone(1, 1000) + tone(1, 6000)
    limited = band_limited(sound, 300, 3400)
    assert power_at(limited, 950, 1050) > 0.8 * power_at(sound, 950, 1050)
    assert power_at(limited, 50, 150) < 0.02 * power_at(sound, 50, 150)
    assert power_at(limited, 5900, 6100) < 1e-3 * power_at(sound, 5900, 6100)


def test_octaves_get_their_gains_and_the_loudness_stays() -> None:
    sound = np.concatenate([tone(1, 4000), tone(1, 1000)])
    shrill = equalised(sound, np.array([9.0, 6.0, 3.0, 0.0, 0.0]))
    assert np.square(shrill).sum() == pytest.approx(np.square(sound).sum(), rel=1e-3)
    ratio = power_at(shrill, 3900, 4100) / power_at(shrill, 950, 1050)
    assert 10 * np.log10(ratio) == pytest.approx(6, abs=0.2)
    assert power_at(equalised(np.zeros(100, np.float32), np.ones(3)), 0, 8000) == 0


def test_half_of_the_clips_get_other_octaves(augmenter: Augmenter) -> None:
    sound = tone(1, 4000) + tone(1, 500)
    equalising = with_options(augmenter, only(equalised_share=0.5))
    clips = [equalising([sound], np.random.default_rng(seed))[0] for seed in range(60)]
    ratios = [power_at(clip, 3900, 4100) / power_at(clip, 450, 550) for clip in clips]
    changed = [ratio for ratio in ratios if not 0.999 < ratio < 1.001]
    assert 15 < len(changed) < 45 and min(changed) < 0.3 < 3 < max(changed)


def test_clips_are_tilted_by_as_much_from_each_octave_to_the_next(augmenter: Augmenter) -> None:
    sound = tone(1, 4000) + tone(1, 2000) + tone(1, 1000)
    tilting = with_options(augmenter, only(equalised_share=1, octave_db=0, tilt_db=3))
    slopes_db = []
    for seed in range(20):
        clip = tilting([sound], np.random.default_rng(seed))[0]
        high, middle, low = (10 * np.log10(power_at(clip, hz - 50, hz + 50))
                             for hz in (4000, 2000, 1000))
        assert high - middle == pytest.approx(middle - low, abs=0.3)
        slopes_db.append(high - middle)
    assert min(slopes_db) < -1 < 1 < max(slopes_db)


def test_faster_is_shorter_and_higher() -> None:
    quick = faster(tone(1, 1000), 1.1)
    assert len(quick) == pytest.approx(RATE_HZ / 1.1, abs=2)
    assert power_at(quick, 1080, 1120) > 0.8 * power_at(quick, 0, 8000)


def test_a_murmur_fills_its_length_with_several_clips() -> None:
    crowd = murmur([tone(0.5, 300), tone(0.4, 500)], 30_000, np.random.default_rng(0))
    assert len(crowd) == 30_000 and np.abs(crowd[-1000:]).max() > 0.1
    assert power_at(crowd, 280, 320) > 0 and power_at(crowd, 480, 520) > 0


def test_spec_augment_blanks_stripes_within_the_valid_frames() -> None:
    features, lengths = torch.ones(16, 80, 200), torch.full((16,), 100)
    hidden = spec_augment(features, lengths, torch.Generator().manual_seed(0)) == 0
    bands, gaps = hidden.all(2), hidden[:, :, :100].all(1)
    assert (bands.sum(1) <= 24).all() and bands.any() and not bands.all(1).any()
    assert (gaps.sum(1) <= 16).all() and gaps.any()
    assert not hidden[:, :, 100:].all(1).any(), 'gaps lie in the valid frames'
    assert (features == 1).all(), 'the input is left as it was'
