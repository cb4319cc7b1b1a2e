"""The lifecycle, parameters that change, and the ways to end."""

import signal
import time

from clips import EASY, OTHER, silence, spoken
from probe import Microphone, pcm_info
import pytest


def test_a_full_cycle_transcribes_before_and_after(start_asr, probe):
    asr = start_asr(autostart=False)
    assert probe.state() == 'unconfigured'
    microphone = Microphone(probe, info=pcm_info())
    for clip in (EASY, OTHER):
        assert probe.transition('configure')
        assert probe.state() == 'inactive'
        assert probe.transition('activate')
        microphone.until_heard()
        probe.texts.clear()
        microphone.say(spoken(clip))
        probe.until(lambda: probe.texts, clip.text)
        assert probe.texts == [clip.text]
        assert probe.transition('deactivate')
        assert probe.state() == 'inactive'
        assert probe.transition('cleanup')
        assert probe.state() == 'unconfigured'
    assert asr.interrupt() == 0
    assert 'Traceback' not in asr.output
    assert asr.output.count('[asr]: loaded builtin: ') == 2  # what the engine logs


def test_a_transition_that_the_state_does_not_allow_is_refused(start_asr, probe):
    asr = start_asr()
    probe.until_active()
    for name in ('configure', 'activate', 'cleanup'):
        assert not probe.transition(name)
    assert probe.state() == 'active'
    microphone = Microphone(probe, info=pcm_info())
    microphone.until_heard()
    microphone.say(spoken(EASY))
    probe.until(lambda: probe.texts == [EASY.text], 'it hears as before')
    assert asr.interrupt() == 0


def test_deactivating_in_the_middle_publishes_what_was_accepted(start_asr, probe):
    start_asr()
    probe.until_active()
    microphone = Microphone(probe, info=pcm_info())
    microphone.until_heard()
    microphone.say(spoken(EASY)[:-round(0.9 * 16_000)])
    probe.until(lambda: probe.speaking[-1:] == [True], 'speaking')
    assert probe.transition('deactivate')
    probe.until(lambda: probe.texts == [EASY.text] and probe.results, 'the open utterance')
    assert probe.results[0]['end_reason'] == 'flush'
    probe.until(lambda: probe.speaking[-1:] == [False], 'not speaking')
    assert probe.transition('cleanup') and probe.state() == 'unconfigured'
    probe.spin(0.5)
    assert len(probe.results) == 1


def test_a_microphone_that_vanishes_in_a_word_leaves_all_that_it_has_sent(start_asr, probe):
    start_asr()
    probe.until_active()
    microphone = Microphone(probe, info=pcm_info())
    microphone.until_heard()
    microphone.say(spoken(EASY)[:round(1.7 * 16_000)])  # 'tray' ends at 1.9 s
    sent_ns = microphone.next_ns
    microphone.close()
    probe.until(lambda: probe.results and probe.texts, 'the open utterance')
    [result] = probe.results
    assert probe.texts[0].startswith('can you see the')
    assert result['end_reason'] == 'flush'
    assert result['end']['sec'] * 10**9 + result['end']['nanosec'] == sent_ns, 'to the last sample'
    again = Microphone(probe, info=pcm_info())
    again.until_heard()
    again.say(spoken(OTHER))
    probe.until(lambda: probe.texts[1:] == [OTHER.text], 'the text after the return')


def test_thresholds_change_while_running_and_bad_values_are_refused_with_a_reason(
        start_asr, probe):
    start_asr(vad__hangover_s=5.0)
    probe.until_active()
    microphone = Microphone(probe, info=pcm_info())
    microphone.until_heard()
    assert probe.set_parameter('vad.hangover_s', 0.3) == (True, '')
    assert probe.set_parameter('vad.onset_db', 12) == (True, '')  # an integer will do
    for name, value, words in (
            ('vad.hangover_s', -1.0, ['vad.hangover_s']),
            ('vad.offset_db', 30.0, ['offset_db', 'onset_db']),
            ('queue_size', 9, ['queue_size', 'unconfigured']),
            ('autostart', False, ['autostart'])):
        taken, reason = probe.set_parameter(name, value)
        assert not taken
        assert all(word in reason for word in words), reason
    microphone.say(spoken(EASY))
    probe.until(lambda: probe.texts == [EASY.text] and probe.results, EASY.text)
    assert probe.results[0]['end_reason'] == 'pause', 'that after the clip is 1 s'


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize('busy', [False, True], ids=['idle', 'mid-utterance'])
def test_a_signal_ends_it_cleanly(start_asr, probe, number, busy):
    asr = start_asr()
    probe.until_active()
    if busy:
        microphone = Microphone(probe, info=pcm_info())
        microphone.until_heard()
        microphone.say(spoken(EASY)[:16_000])
    asr.signal(number)
    assert asr.wait() == 0
    assert 'Traceback' not in asr.output


@pytest.mark.parametrize('after_s', [0.3, 0.9, 1.5, 2.1])
def test_ctrl_c_during_the_start_ends_it_without_a_traceback(start_asr, after_s):
    asr = start_asr()
    time.sleep(after_s)
    status = asr.interrupt()
    if 'Loading' in asr.output:  # before that Python itself was still starting
        assert status == 0 and 'Traceback' not in asr.output


def test_silence_gives_no_text(start_asr, probe):
    start_asr()
    probe.until_active()
    microphone = Microphone(probe, info=pcm_info())
    microphone.until_heard()
    microphone.say(silence(5.0))
    probe.spin(2.0)
    assert probe.results == []
