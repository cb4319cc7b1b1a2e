"""Random and hostile messages: the node stays, answers, and hears what comes after."""

from audio_common_msgs.msg import AudioData, AudioDataStamped, AudioInfo
from builtin_interfaces.msg import Time
from clips import EASY, silence, spoken
from hypothesis import given, HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
import numpy as np
from probe import LATCHED, Microphone, pcm_info
import pytest
from rcl_interfaces.msg import Parameter as ParameterMsg
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import SetParameters

INFOS = st.builds(
    AudioInfo, channels=st.integers(0, 255), sample_rate=st.one_of(
        st.sampled_from([0, 1, 8_000, 16_000, 192_000, 2**32 - 1]), st.integers(0, 2**32 - 1)),
    sample_format=st.sampled_from(['S16LE', 'F32LE', 'S24LE', 'U8', 'S16BE', '', 'F32LE\0']),
    bitrate=st.integers(0, 2**32 - 1), coding_format=st.sampled_from(['wave', 'mp3', '', 'WAVE']))
FLOATS = hnp.arrays('<f4', st.integers(0, 2_000), elements=st.sampled_from(
    [0.0, 1.0, -1.0, np.nan, np.inf, -np.inf, 3e38, 1e-45])).map(np.ndarray.tobytes)
DATA = st.one_of(st.binary(max_size=700), FLOATS,
                 st.integers(1, 400_000).map(lambda n: b'\x7f\x80' * n))
STAMPS = st.builds(Time, sec=st.sampled_from([0, 1, 2**31 - 1, -2**31, -1, 1_000]),
                   nanosec=st.sampled_from([0, 1, 10**9 - 1, 2**32 - 1]))


@pytest.fixture
def mouth(probe):
    """Return a function that publishes a description or audio with a stamp."""
    info = probe.node.create_publisher(AudioInfo, 'audio_info', LATCHED)
    audio = probe.node.create_publisher(AudioDataStamped, 'audio', 1000)
    probe.until(audio.get_subscription_count, 'the node subscribes to audio')

    def say(message, stamp=None):
        if isinstance(message, AudioInfo):
            info.publish(message)
            return
        stamped = AudioDataStamped(audio=AudioData(data=message))
        if stamp is not None:
            stamped.header.stamp = stamp
        audio.publish(stamped)

    return say


@given(messages=st.lists(st.one_of(st.tuples(INFOS, st.none()), st.tuples(DATA, STAMPS)),
                         min_size=1, max_size=12))
@settings(max_examples=60, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_no_message_brings_it_down(asr, mouth, probe, messages):
    for message, stamp in messages:
        mouth(message, stamp)
    answer = probe.set_parameter('robot_speaking_tail_s', 0.5)  # after the messages in its queue
    assert answer == (True, '') and asr.is_alive()
    assert 'Traceback' not in asr.output


@pytest.fixture
def asr(start_asr, probe):
    """Return a node that is active; one for all the examples of a test."""
    process = start_asr()
    probe.until_active()
    return process


@pytest.mark.parametrize('rate', [8_000, 16_000, 192_000])
def test_speech_after_samples_that_are_no_numbers_is_heard(asr, probe, rate):
    microphone = Microphone(probe, info=pcm_info(sample_format='F32LE', sample_rate=rate))
    microphone.until_heard()
    for value in (np.nan, np.inf, -np.inf, 3e38):
        microphone.send(np.full(rate // 10, value, '<f4').tobytes(), 0.1)
    microphone.announce(pcm_info())
    probe.spin(0.2)
    microphone.say(silence(3.0))
    microphone.say(spoken(EASY))
    probe.until(lambda: probe.texts[-1:] == [EASY.text], EASY.text)
    assert 'Traceback' not in asr.output and all(not r['error'] for r in probe.results)


def test_a_request_that_no_program_should_send_costs_only_its_answer(start_asr, probe):
    asr = start_asr()
    probe.until_active()
    client = probe.node.create_client(SetParameters, '/asr/set_parameters')
    probe.until(client.service_is_ready, 'the service')
    odd = ParameterMsg(name='vad.onset_db', value=ParameterValue(type=99))
    client.call_async(SetParameters.Request(parameters=[odd]))
    assert '99' in probe.until_problem('recognizer', 'callback failed')
    microphone = Microphone(probe, info=pcm_info())
    microphone.until_heard()
    microphone.say(spoken(EASY))
    probe.until(lambda: probe.texts == [EASY.text], 'it hears as before')
    assert asr.interrupt() == 0 and 'Traceback' in asr.output
