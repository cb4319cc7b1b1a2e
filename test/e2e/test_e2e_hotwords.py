"""Hotwords, set at the start and while the node runs, change the next utterance."""

from clips import SHORT_CLIPS, spoken
from probe import Microphone, pcm_info
import pytest

CLIP = next(clip for clip in SHORT_CLIPS if clip.text == 'where is the tool')
STEERED = 'where is the table'  # what a weight of 12 on the last word makes of it


def test_a_word_changes_after_param_set_while_running(start_asr, probe):
    start_asr()
    probe.until_active()
    microphone = Microphone(probe, info=pcm_info())
    microphone.until_heard()
    expected = []
    for hotwords, text in (([''], CLIP.text), (['table:12'], STEERED),
                           (['tray', 'table:13'], STEERED), ([''], CLIP.text)):
        assert probe.set_parameter('hotwords', hotwords) == (True, '')
        for bad, words in ((['Zoë'], ['Zoë', 'vocabulary']), (['tool:x'], ["'x'", 'above 0'])):
            taken, reason = probe.set_parameter('hotwords', bad)
            assert not taken and all(word in reason for word in words), reason
        microphone.say(spoken(CLIP))
        expected.append(text)
        probe.until(lambda: probe.texts == expected, text)


def test_hotwords_are_taken_at_the_start(start_asr, probe):
    start_asr(hotwords=['tray', 'table:12'])
    probe.until_active()
    microphone = Microphone(probe, info=pcm_info())
    microphone.until_heard()
    microphone.say(spoken(CLIP))
    probe.until(lambda: probe.texts == [STEERED], STEERED)


@pytest.mark.parametrize('hotwords', [['tool:-1'], ['tray', 'tool:much']])
def test_a_bad_weight_at_the_start_is_named(start_asr, hotwords):
    asr = start_asr(hotwords=hotwords)
    assert asr.wait() == 2
    assert 'hotwords' in asr.output and hotwords[-1] in asr.output
    assert 'Traceback' not in asr.output


def test_characters_outside_the_vocabulary_are_a_problem_until_they_are_mended(start_asr, probe):
    start_asr(hotwords=['Zoë'])
    probe.until_problem('recognizer', 'Zoë', 'vocabulary')
    assert probe.state() == 'unconfigured'
    assert probe.set_parameter('hotwords', ['tool']) == (True, '')
    assert probe.transition('configure')
