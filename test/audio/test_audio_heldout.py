"""Real clips come out whole, one utterance for each command."""
from parakeet_ros.audio import Segmenter
import pytest

SPEECH_MARGIN_S = 0.15  # the short clips have this much background before and after the speech
PAUSING = 'short_kokoro_am_michael_1x0.flac'  # has a pause of 0.65 s, longer than the hangover


def segment(waveform):
    """Return the utterances of a whole recording."""
    segmenter = Segmenter()
    return segmenter.process(waveform) + segmenter.flush()


@pytest.mark.parametrize('noise_rms', [0.0, 3e-4])
def test_each_short_clip_on_a_time_line_is_one_utterance(short_clips, lay_out, noise_rms):
    line, spans = lay_out([clip.waveform for clip in short_clips], 0.8, noise_rms)
    utterances = segment(line)
    margin = round(SPEECH_MARGIN_S * 16_000)
    for clip, (start, end) in zip(short_clips, spans, strict=True):
        own = [utterances.pop(0) for _ in range(2 if clip.name == PAUSING else 1)]
        assert start - margin < own[0].start_sample <= start + margin, clip.name
        assert end - margin <= own[-1].end_sample < end + margin + 0.1 * 16_000, clip.name
    assert not utterances


def test_each_command_of_the_long_clips_lies_within_an_utterance_of_its_own(long_clips):
    for clip in long_clips:
        utterances = segment(clip.waveform)
        assert len(utterances) == len(clip.commands), clip.name
        for utterance, (start_s, end_s) in zip(utterances, clip.commands, strict=True):
            assert utterance.start_sample <= start_s * 16_000, clip.name
            assert utterance.end_sample >= end_s * 16_000, clip.name


@pytest.mark.parametrize('clip_index', range(0, 54, 9))
def test_a_clip_cut_to_its_speech_is_heard_from_first_to_last_sample(short_clips, clip_index):
    margin = round(SPEECH_MARGIN_S * 16_000)
    speech = short_clips[clip_index].waveform[margin:-margin]
    utterances = segment(speech)
    assert utterances[0].start_sample == 0
    assert utterances[-1].end_sample == len(speech)
