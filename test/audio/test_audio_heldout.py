"""Real clips come out whole, one utterance for each command."""
from parakeet_ros.audio import Segmenter, SegmenterConfig
import pytest

SPEECH_MARGIN_S = 0.15  # the short clips have this much background before and after the speech


def segment(waveform, config=None):
    """Return the utterances of a whole recording."""
    segmenter = Segmenter(config)
    return segmenter.process(waveform) + segmenter.flush()


@pytest.mark.parametrize('noise_rms', [0.0, 3e-4])
def test_each_short_clip_on_a_time_line_is_one_utterance(short_clips, lay_out, noise_rms):
    line, spans = lay_out([clip.waveform for clip in short_clips], 0.8, noise_rms)
    # one of the clips has a pause of 0.63 s
    utterances = segment(line, SegmenterConfig(hangover_s=0.7))
    assert len(utterances) == len(spans) == 54
    margin = round(SPEECH_MARGIN_S * 16_000)
    for utterance, (start, end) in zip(utterances, spans, strict=True):
        assert utterance.start_sample <= start + margin
        assert utterance.end_sample >= end - margin


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
