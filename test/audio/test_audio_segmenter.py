"""Utterances depend on the audio alone, and no sample of speech is lost or doubled."""
from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from parakeet_ros.audio import Segmenter, SegmenterConfig
import pytest
from sounds import identity, pieces_of_sound, SHORT, sound


def segment(waveform, config=None, chunk_sizes=None):
    """Segment a waveform, whole or in chunks of the sizes given in turn."""
    segmenter = Segmenter(config)
    sizes, utterances, begin = chunk_sizes or [max(1, len(waveform))], [], 0
    while begin < len(waveform):
        for size in sizes:
            utterances += segmenter.process(waveform[begin:begin + size])
            begin += size
    return utterances + segmenter.flush()


@settings(max_examples=60, deadline=None)
@given(pieces_of_sound, st.lists(st.sampled_from([1, 7, 160, 161, 512, 4_800, 10**6]),
                                 min_size=1, max_size=5))
def test_any_chunking_gives_identical_utterances(pieces, chunk_sizes):
    waveform = sound([(0.1, -60), *pieces])
    if min(chunk_sizes) == max(chunk_sizes) == 1:
        waveform = waveform[:32_000]  # sample by sample takes its time
    whole = [identity(utterance) for utterance in segment(waveform, SHORT)]
    assert [identity(u) for u in segment(waveform, SHORT, chunk_sizes)] == whole


@settings(max_examples=60, deadline=None)
@given(pieces_of_sound)
def test_utterances_are_pieces_of_the_stream_in_order(pieces):
    waveform = sound([(0.1, -60), *pieces])
    utterances = segment(waveform, SHORT)
    for utterance in utterances:
        start, end = utterance.start_sample, utterance.end_sample
        np.testing.assert_array_equal(utterance.waveform, waveform[start:end])
        assert start <= utterance.speech_start_sample < utterance.speech_end_sample <= end
        assert end - start <= 2 * 16_000
    for before, after in pairwise(utterances):
        assert before.end_sample <= after.start_sample
        if after.continues:
            assert before.end_reason == 'max_length'
            assert before.end_sample == after.start_sample


def syllables(count, seed=0):
    """Return fluent speech-like sound: loud syllables of 0.2 s, dips of 0.05 s to -55 dBFS."""
    return sound([(0.5, -60), *[(0.2, -15), (0.05, -55)] * count, (1.5, -60)], seed)


def test_overlong_speech_is_cut_in_dips_and_loses_no_sample():
    waveform = syllables(40)
    utterances = segment(waveform, SHORT)
    assert [u.end_reason for u in utterances[:-1]] == ['max_length'] * (len(utterances) - 1)
    assert len(utterances) >= 5 and utterances[-1].end_reason == 'pause'
    assert all(a.end_sample == b.start_sample for a, b in pairwise(utterances))
    assert [u.continues for u in utterances] == [False] + [True] * (len(utterances) - 1)
    for utterance in utterances[:-1]:
        in_cycle = (utterance.end_sample - 8_000) % 4_000  # a dip is 3200..4000
        assert 3_200 <= in_cycle <= 4_000


def test_a_cut_into_the_final_silence_adds_no_empty_utterance():
    config = replace(SHORT, hangover_s=1.0)
    utterances = segment(sound([(0.5, -60), (1.6, -15), (3, -60)]), config)
    assert [u.end_reason for u in utterances] == ['max_length']


def test_a_hangover_longer_than_an_utterance_adds_no_empty_one():
    config = replace(SHORT, hangover_s=5.0)
    words = [(0.5, -60), (1.0, -15), (4.5, -60), (1.0, -15), (6, -60)]
    utterances = segment(sound(words), config)
    assert all(u.speech_start_sample < u.speech_end_sample for u in utterances)
    assert not utterances[0].continues and {u.end_reason for u in utterances} == {'max_length'}


@pytest.mark.parametrize('waveform', [
    np.zeros(80_000, np.float32), np.full(80_000, 0.5, np.float32), np.zeros(0, np.float32)])
def test_silence_has_no_utterances(waveform):
    assert segment(waveform) == []


@pytest.mark.parametrize('level_db', [-70, -50, -30])
def test_half_an_hour_of_noise_holds_no_segment_open_and_starts_none(level_db):
    minute, segmenter = sound([(60, level_db)]), Segmenter()
    for _ in range(30):
        assert segmenter.process(minute) == []
        assert not segmenter.is_speaking
    assert segmenter.position_samples == 30 * 60 * 16_000


def test_a_fan_switched_on_is_no_utterance_and_speech_over_it_is():
    fan, words = (3.5, -40), (0.8, -15)
    utterances = segment(sound([(3, -65), fan, words, fan, (3, -65), words, (3, -65)]))
    assert [round(u.speech_start_sample / 16_000, 1) for u in utterances] == [6.5, 13.8]


def test_memory_is_bounded_while_nobody_speaks():
    segmenter = Segmenter()
    for _ in range(200):
        segmenter.process(sound([(1, -60)]))
    assert segmenter.position_samples - segmenter.oldest_sample < 16_000
    assert len(segmenter._buffer._data) < 10 * 16_000


def test_pre_roll_and_post_roll_surround_the_speech():
    config = SegmenterConfig(pre_roll_s=0.25, post_roll_s=0.4)
    [utterance] = segment(sound([(2, -65), (0.5, -15), (2, -65)]), config)
    assert utterance.speech_start_sample - utterance.start_sample == 4_000
    assert utterance.end_sample - utterance.speech_end_sample == 6_400


def test_the_end_of_the_stream_ends_speech_with_its_last_sample():
    waveform = sound([(1, -65), (0.5, -15)])[:-77]
    [utterance] = segment(waveform)
    assert (utterance.end_reason, utterance.end_sample) == ('flush', len(waveform))


def test_speaking_lasts_from_the_word_to_the_end_of_the_hangover():
    segmenter, speaking = Segmenter(), []
    waveform = sound([(1, -65), (0.5, -15), (1.5, -65)])
    for begin in range(0, len(waveform), 1_600):
        segmenter.process(waveform[begin:begin + 1_600])
        speaking.append(segmenter.is_speaking)
    assert speaking == [False] * 10 + [True] * 10 + [False] * 10


def test_settings_change_between_utterances_never_within():
    segmenter = Segmenter(SegmenterConfig(post_roll_s=0.1))
    word, later = sound([(1, -65), (0.5, -15)]), replace(segmenter.config, post_roll_s=0.3)
    segmenter.process(word)
    segmenter.set_config(later)
    assert segmenter.config.post_roll_s == 0.1
    [first] = segmenter.process(sound([(1, -65)]))
    assert segmenter.config is later
    [second] = segmenter.process(np.concatenate([word, sound([(1, -65)])]))
    rolls = [u.end_sample - u.speech_end_sample for u in (first, second)]
    assert rolls == [1_600, 4_800]


@pytest.mark.parametrize('chunk', [160, 1_600, 16_000])
def test_a_longer_pre_roll_reaches_no_further_back_than_what_is_kept(chunk):
    segmenter = Segmenter()
    quiet = sound([(5, -65)])
    for begin in range(0, len(quiet), chunk):
        segmenter.process(quiet[begin:begin + chunk])
    kept = segmenter.oldest_sample
    segmenter.set_config(replace(segmenter.config, pre_roll_s=2.0))
    [first] = segmenter.process(sound([(0.3, -65), (0.5, -15), (1, -65)]))
    assert len(quiet) > first.start_sample == kept
    [second] = segmenter.process(sound([(4, -65), (0.5, -15), (1, -65)]))
    assert second.speech_start_sample - second.start_sample == 2 * 16_000


def test_a_reset_segmenter_is_as_new():
    waveform = sound([(0.3, -50), (0.5, -15), (1, -65)])
    segmenter = Segmenter()
    segmenter.process(waveform[:9_000])
    segmenter.reset()
    assert [identity(u) for u in segmenter.process(waveform)] == [
        identity(u) for u in segment(waveform)]


@pytest.mark.parametrize('bad', [np.zeros(10), np.zeros((10, 2), np.float32)])
def test_what_is_not_a_waveform_is_refused(bad):
    with pytest.raises(ValueError, match=r'float32 \[n_samples\]'):
        Segmenter().process(bad)


@pytest.mark.parametrize('gap_s', [0.05, 0.06, 0.07, 0.08, 0.1, 0.15])
def test_a_sound_that_begins_faintly_just_after_a_noise_has_stopped_is_heard(gap_s):
    [utterance] = segment(sound(
        [(3, -35), (gap_s, -70), (0.01, -58), (0.5, -25), (1.5, -70)]))[-1:]
    assert utterance.speech_start_sample == pytest.approx(16_000 * (3.01 + gap_s), abs=1_600)


@given(script=st.lists(st.tuples(
    pieces_of_sound, st.sampled_from([3.0, 7.0, 40.0]), st.sampled_from([0.05, 0.12, 0.25]),
    st.sampled_from([0.0, 0.3, 2.0])), max_size=6))
@settings(max_examples=60, deadline=None)
def test_settings_may_change_at_any_moment(script):
    segmenter, end = Segmenter(), 0
    for pieces, onset_db, min_speech_s, pre_roll_s in script:
        segmenter.set_config(replace(
            SHORT, onset_db=onset_db, offset_db=2.0, min_speech_s=min_speech_s,
            pre_roll_s=pre_roll_s, max_utterance_s=5.0))
        waveform = sound([(0.1, -70), *pieces])
        for begin in range(0, len(waveform), 800):
            for utterance in segmenter.process(waveform[begin:begin + 800]):
                assert end <= utterance.start_sample < utterance.end_sample
                assert len(utterance.waveform) == utterance.end_sample - utterance.start_sample
                end = utterance.end_sample
            segmenter.pending(), segmenter.partial()
