"""What goes wrong around a robot, and that the node goes on."""

import os
from pathlib import Path
import shutil
import signal
import time

from audio_common_msgs.msg import AudioData, AudioDataStamped
from clips import EASY, OTHER, SHORT_CLIPS, silence, spoken
from diagnostic_msgs.msg import DiagnosticStatus
import numpy as np
from parakeet_ros.engine.loading import BUILTIN_MODEL
from probe import Microphone, pcm_info
import pytest
from rosgraph_msgs.msg import Clock


def until_active_and_heard(probe, **options):
    """Return a microphone that an active node listens to."""
    probe.until_active()
    microphone = Microphone(probe, info=pcm_info(), **options)
    microphone.until_heard()
    return microphone


# --- the engine ---------------------------------------------------------------------------------


def test_an_utterance_on_which_the_engine_raises_is_reported_and_the_next_is_fine(
        start_faulty, probe):
    start_faulty()
    microphone = until_active_and_heard(probe)
    for clip, gain in ((EASY, 1.0), (OTHER, 1 / np.abs(OTHER.waveform).max()), (EASY, 1.0)):
        microphone.say(gain * spoken(clip))
        probe.spin(0.2)
    probe.until(lambda: len(probe.results) == 3, 'three results')
    assert [result['error'] for result in probe.results] == [
        None, 'RuntimeError: this waveform is too loud for me', None]
    assert probe.texts == [EASY.text] * 2
    probe.until(lambda: probe.value('recognizer', 'transcribed') == '2', 'two are right')
    assert probe.value('recognizer', 'failed') == '1'


def test_a_long_utterance_that_does_not_fit_into_memory_is_transcribed_in_pieces(
        start_faulty, probe):
    asr = start_faulty(memory_s=6.5)
    microphone = until_active_and_heard(probe)
    sentence = np.concatenate([part for clip in SHORT_CLIPS[:9]
                               for part in (clip.waveform, silence(0.1))])[:10 * 16_000]
    microphone.say(np.concatenate([silence(0.6), sentence, silence(1.0)]))
    probe.until(lambda: probe.results, 'a result')
    [result] = probe.results
    assert result['error'] is None and len(result['text'].split()) > 5
    assert 'trying pieces' in asr.output


def test_where_nothing_fits_into_memory_the_remedy_is_named(start_faulty, probe):
    start_faulty(memory_s=1.2)  # enough for the warm-up
    microphone = until_active_and_heard(probe)
    microphone.say(spoken(EASY))
    assert 'max_utterance_s' in probe.until_problem('recognizer', 'out of memory')
    assert probe.results[0]['error'].startswith('OutOfMemoryError')


@pytest.mark.parametrize('content', ['garbage', 'nothing'])
def test_a_model_file_that_is_replaced_under_it_changes_nothing_until_it_is_configured_again(
        start_asr, probe, tmp_path, content):
    file = tmp_path / 'model.nemo'
    shutil.copy(BUILTIN_MODEL, file)
    start_asr(model=file)
    microphone = until_active_and_heard(probe)
    file.write_bytes(b'garbage' * 100_000 if content == 'garbage' else b'')
    microphone.say(spoken(EASY))
    probe.until(lambda: probe.texts == [EASY.text], EASY.text)
    assert probe.transition('deactivate') and probe.transition('cleanup')
    assert not probe.transition('configure')
    probe.until_problem('recognizer', str(file))
    shutil.copy(BUILTIN_MODEL, file)
    assert probe.transition('configure') and probe.transition('activate')
    microphone.until_heard()
    microphone.say(spoken(OTHER))
    probe.until(lambda: probe.texts == [EASY.text, OTHER.text], OTHER.text)


# --- signals ------------------------------------------------------------------------------------


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_however_busy_the_engine_is(start_faulty, probe, number):
    asr = start_faulty(busy_s=15.0)
    probe.until_active()
    microphone = Microphone(probe, info=pcm_info())
    microphone.until_heard()
    microphone.say(spoken(EASY))
    probe.until(lambda: probe.value('recognizer', 'queue') == '1', 'the engine is at it')
    asr.signal(number)
    assert asr.wait(10.0) == 0, 'it does not wait for the engine'
    assert 'Traceback' not in asr.output


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_what_was_said_before_a_signal_is_still_published(start_asr, probe, number):
    asr = start_asr(end_of_stream_s=5.0)
    microphone = until_active_and_heard(probe)
    microphone.say(spoken(EASY)[:-round(0.9 * 16_000)])
    probe.until(lambda: probe.speaking[-1:] == [True], 'speaking')
    microphone.until_taken()  # the pause that would end the utterance is longer
    asr.signal(number)
    probe.until(lambda: probe.texts == [EASY.text], 'the text of the open utterance')
    assert asr.wait() == 0


@pytest.mark.skipif(not Path('/dev/shm').is_dir(), reason='shared memory is not seen here')
def test_nothing_is_left_of_what_dds_shared(start_asr):
    before = set(os.listdir('/dev/shm'))
    asr = start_asr()
    deadline = time.monotonic() + 60.0
    while 'Listening to' not in asr.output:
        assert time.monotonic() < deadline, asr.output
        time.sleep(0.1)
    during = set(os.listdir('/dev/shm')) - before
    asr.signal(signal.SIGTERM)
    assert asr.wait() == 0
    assert not during & set(os.listdir('/dev/shm'))


@pytest.mark.parametrize('after_s', [0.5, 1.2, 1.9, 2.6])
def test_sigterm_during_the_start_ends_it(start_asr, after_s):
    asr = start_asr()
    time.sleep(after_s)
    asr.signal(signal.SIGTERM)
    status = asr.wait()
    assert status == 0 or status == -signal.SIGTERM and 'Loading' not in asr.output
    assert 'Traceback' not in asr.output


def test_sigterm_while_it_is_deactivated_ends_it(start_faulty, probe):
    asr = start_faulty(busy_s=15.0)
    microphone = until_active_and_heard(probe)
    microphone.say(spoken(EASY))
    probe.until(lambda: probe.value('recognizer', 'queue') == '1', 'the engine is at it')
    probe.begin_transition('deactivate')
    probe.spin(0.5)
    asr.signal(signal.SIGTERM)
    assert asr.wait(10.0) == 0
    assert 'Traceback' not in asr.output


def test_what_a_deactivation_waits_for_is_still_published_after_a_signal(start_faulty, probe):
    asr = start_faulty(busy_s=0.5, end_of_stream_s=5.0)
    microphone = until_active_and_heard(probe)
    microphone.say(spoken(EASY)[:-round(0.9 * 16_000)])
    probe.until(lambda: probe.speaking[-1:] == [True], 'speaking')
    microphone.until_taken()
    probe.begin_transition('deactivate')
    microphone.until_unheard()
    asr.signal(signal.SIGTERM)
    probe.until(lambda: probe.texts == [EASY.text], 'the text of the open utterance')
    assert asr.wait() == 0


# --- names and clocks ---------------------------------------------------------------------------


def test_two_nodes_of_one_name_are_told_until_one_is_gone(start_asr, probe):
    first, second = start_asr(autostart=False), start_asr(autostart=False)

    def level():
        status = probe.health.get('recognizer')
        return status and (status.level, 'Another node' in status.message)

    probe.until(lambda: level() == (DiagnosticStatus.WARN, True), 'a warning')
    second.interrupt()
    probe.until(lambda: level() == (DiagnosticStatus.OK, False), 'that it is mended')
    assert first.is_alive()


@pytest.mark.parametrize('stamped', [True, False])
def test_simulated_time_without_a_clock_stops_neither_text_nor_diagnostics(
        start_asr, probe, stamped):
    start_asr(use_sim_time=True)
    probe.until_active()
    microphone = until_active_and_heard(probe, kind=AudioDataStamped if stamped else AudioData)
    microphone.say(spoken(EASY))
    probe.until(lambda: probe.texts == [EASY.text], EASY.text)
    reports = probe.reports
    probe.until(lambda: probe.reports > reports + 1, 'more diagnostics')


@pytest.mark.parametrize('jump_s', [0, 3600, -3600])
def test_unstamped_audio_has_the_simulated_time_and_the_clock_may_jump(
        start_asr, probe, jump_s):
    start_asr(use_sim_time=True)
    clock = probe.node.create_publisher(Clock, '/clock', 10)
    now_s = [10_000]

    def tick():
        message = Clock()
        message.clock.sec = now_s[0]
        clock.publish(message)

    probe.node.create_timer(0.05, tick)
    probe.until_active()
    microphone = until_active_and_heard(probe, kind=AudioData)
    probe.spin(0.5)
    audio = spoken(EASY)
    microphone.say(audio[:len(audio) // 2])
    now_s[0] += jump_s  # in the middle of the utterance
    probe.spin(0.2)
    microphone.say(audio[len(audio) // 2:])
    probe.until(lambda: probe.texts == [EASY.text] and probe.results, EASY.text)
    assert abs(probe.results[0]['start']['sec'] - 10_000) < 5
