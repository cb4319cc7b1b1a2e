"""Audio that is readable and yet wrong: the node says what, and hears again when it is mended."""

from clips import EASY, OTHER, silence, spoken
from diagnostic_msgs.msg import DiagnosticStatus
import numpy as np
from probe import Microphone, pcm_info
import pytest

S = 16_000


@pytest.mark.parametrize('sound, words', [
    (np.zeros(6 * S), ['same sample', 'wrong sound card']),
    (np.clip(8 * np.sin(np.arange(2 * S)), -1, 1), ['clipped', 'gain']),
    (silence(6.0) + 0.2, ['DC offset', 'sample_format']),
], ids=['digital silence', 'clipping', 'offset'])
def test_what_is_wrong_with_the_sound_is_said_once_until_it_is_mended(
        start_asr, probe, sound, words):
    asr = start_asr()
    probe.until_active()
    microphone = Microphone(probe, info=pcm_info())
    microphone.until_heard()
    microphone.say(sound, rate=16.0)
    probe.until(lambda: all(word in probe.health['audio input'].message for word in words),
                f'a warning with {words}')
    assert probe.health['audio input'].level == DiagnosticStatus.WARN
    message = probe.health['audio input'].message
    probe.spin(2.5)  # some more reports
    assert asr.output.count(message) == 1
    probe.texts.clear()
    microphone.say(np.concatenate([silence(10.0), spoken(EASY)]), rate=16.0)
    probe.until(lambda: EASY.text in probe.texts, EASY.text)
    probe.until(lambda: probe.health['audio input'].level == DiagnosticStatus.OK, 'mended')


def test_two_microphones_on_one_topic_are_refused_until_one_is_left(start_asr, probe):
    asr = start_asr()
    probe.until_active()
    first, second = Microphone(probe, info=pcm_info()), Microphone(probe)
    first.until_heard()
    second.until_heard()
    for chunk in np.split(np.round(spoken(EASY)[:S] * 32767).astype('<i2'), 50):
        first.send(chunk.tobytes(), 0.02)
        second.send(chunk.tobytes(), 0.02)
        probe.spin(0.02)
    message = probe.until_problem('audio input', 'several publishers', '/probe', 'streams')
    assert asr.output.count(message) == 1
    # not all of 100: DDS may deliver one publisher's first messages before the other's
    probe.until(lambda: int(probe.value('audio input', 'refused messages')) >= 50, 'refusals')
    second.close()
    probe.until(lambda: probe.health['audio input'].level == DiagnosticStatus.OK, 'mended')
    assert probe.texts == []
    first.say(spoken(OTHER))
    probe.until(lambda: probe.texts == [OTHER.text], 'the text of the one that is left')


def test_lost_chunks_are_counted_and_move_no_time(start_asr, probe):
    start_asr()
    probe.until_active()
    microphone = Microphone(probe, info=pcm_info())
    microphone.until_heard()
    line = spoken(EASY)
    begin_ns, lost = microphone.next_ns, slice(round(0.2 * S), round(0.4 * S))
    microphone.say(line[:lost.start])
    microphone.next_ns += 200_000_000
    microphone.say(line[lost.stop:])
    probe.until(lambda: probe.results, EASY.text)
    assert probe.texts == [EASY.text]
    start = probe.results[0]['speech_start']
    start_s = (start['sec'] * 10**9 + start['nanosec'] - begin_ns) / 1e9
    # 0.6 s of pause, and 0.15 s of the clip before its speech
    assert start_s == pytest.approx(0.75, abs=0.03)
    probe.until(lambda: probe.value('audio input', 'gaps') == '1', 'the gap is counted')
    assert float(probe.value('audio input', 'inserted silence s')) == pytest.approx(0.2, abs=1e-3)
    assert 'gaps' in probe.health['audio input'].message


def test_a_gap_that_is_too_long_ends_the_utterance(start_asr, probe):
    start_asr(vad__hangover_s=3.0, end_of_stream_s=30.0)
    probe.until_active()
    microphone = Microphone(probe, info=pcm_info())
    microphone.until_heard()
    microphone.say(spoken(EASY)[:-round(0.7 * S)])
    probe.until(lambda: probe.speaking[-1:] == [True], 'speaking')
    microphone.next_ns += 2_000_000_000
    microphone.say(silence(0.5))
    probe.until(lambda: probe.results, 'the result')
    assert probe.texts == [EASY.text]
    assert probe.results[0]['end_reason'] == 'flush'
