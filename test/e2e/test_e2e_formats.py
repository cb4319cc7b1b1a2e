"""The formats in which a microphone may come."""

from audio_common_msgs.msg import AudioData, AudioDataStamped
from clips import EASY, OTHER, spoken
import numpy as np
from probe import Microphone, pcm_info
import pytest
from rclpy.qos import QoSProfile, ReliabilityPolicy
import soxr


@pytest.mark.parametrize('kind', [AudioData, AudioDataStamped])
def test_both_message_types_are_heard(start_asr, probe, kind):
    start_asr()
    probe.until_active()
    microphone = Microphone(probe, kind)
    microphone.until_heard()
    microphone.say(spoken(EASY))
    probe.until(lambda: probe.texts == [EASY.text], EASY.text)


def test_a_channel_of_a_48_khz_array_is_heard_as_audio_info_says(start_asr, probe):
    start_asr(channel=1)
    probe.until_active()
    microphone = Microphone(probe, info=pcm_info(channels=2, sample_rate=48_000))
    microphone.until_heard()
    waveform = soxr.resample(spoken(EASY), 16_000, 48_000)
    noise = np.random.default_rng(2).normal(0, 0.1, len(waveform))
    microphone.say(np.stack([noise, waveform], axis=1), 48_000)
    probe.until(lambda: probe.texts == [EASY.text], EASY.text)


def test_the_format_may_change_on_the_way(start_asr, probe):
    start_asr()
    probe.until_active()
    microphone = Microphone(probe, info=pcm_info())
    microphone.until_heard()
    microphone.say(spoken(EASY))
    probe.until(lambda: probe.texts == [EASY.text], EASY.text)
    microphone.announce(pcm_info(sample_rate=44_100))
    probe.spin(0.5)
    microphone.say(soxr.resample(spoken(OTHER), 16_000, 44_100), 44_100)
    probe.until(lambda: probe.texts == [EASY.text, OTHER.text], OTHER.text)


def test_the_format_of_audio_without_audio_info_comes_from_the_parameters(start_asr, probe):
    start_asr(sample_rate=8000, sample_format='S16LE')
    probe.until_active()
    microphone = Microphone(probe)
    microphone.until_heard()
    microphone.say(soxr.resample(spoken(EASY), 16_000, 8000), 8000)
    probe.until(lambda: probe.value('audio input', 'sample rate Hz') == '8000', 'its rate')
    probe.until(lambda: probe.results, 'a result')


def test_a_best_effort_publisher_is_heard(start_asr, probe):
    start_asr()
    probe.until_active()
    microphone = Microphone(probe)
    probe.node.destroy_publisher(microphone._audio)
    microphone._audio = probe.node.create_publisher(
        AudioDataStamped, 'audio',
        QoSProfile(depth=100, reliability=ReliabilityPolicy.BEST_EFFORT))
    microphone.until_heard()
    microphone.say(spoken(EASY))
    probe.until(lambda: probe.texts == [EASY.text], EASY.text)
