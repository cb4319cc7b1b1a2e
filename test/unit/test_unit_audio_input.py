"""The audio topic: whatever is published on it, and however, is heard or complained about."""

import io

from audio_common_msgs.msg import AudioData, AudioDataStamped, AudioInfo
from ears import Ears, FALLBACK, stamped
from local_ros import LocalRos
import numpy as np
from parakeet_ros.audio import AudioFormat
from parakeet_ros.audio_formats import HELD_BYTES
from parakeet_ros.audio_topics import info_topic
from parakeet_ros.diagnostics import ERROR, OK
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
import soundfile
from std_msgs.msg import String

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
VOLATILE = QoSProfile(depth=1)
BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
STEREO = AudioInfo(channels=2, sample_rate=48_000, sample_format='S16LE', coding_format='wave')


@pytest.fixture
def ears(ros: LocalRos) -> Ears:
    """Return an audio input in a domain of its own."""
    return Ears(ros)


def test_stamped_audio_is_handed_on_with_its_stamp_in_order(ears: Ears) -> None:
    publisher = ears.publisher()
    for number in range(50):
        publisher.publish(stamped(bytes([number] * 7), 10**9 + number))
    ears.until_heard(50)
    assert ears.heard == [(FALLBACK, bytes([n] * 7), 10**9 + n) for n in range(50)]
    assert (ears.input.messages, ears.input.refused) == (50, 0)
    assert ears.input.age_s < 30 and ears.complaint() == (OK, 'fine')


@pytest.mark.parametrize('kind', [AudioData, AudioDataStamped])
def test_audio_without_a_stamp_gets_the_time_of_its_arrival(ears: Ears, kind: type) -> None:
    publisher = ears.publisher(kind)
    before_ns = ears.node.get_clock().now().nanoseconds
    publisher.publish(AudioData(data=b'ab') if kind is AudioData else stamped(b'ab', 0))
    ears.until_heard(1)
    assert ears.heard[0][:2] == (FALLBACK, b'ab')
    assert before_ns <= ears.heard[0][2] <= ears.node.get_clock().now().nanoseconds
    assert ears.input.type_name == f'audio_common_msgs/msg/{kind.__name__}'


@pytest.mark.parametrize('reliability', [
    ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE])
def test_a_publisher_is_heard_whatever_its_reliability(
        ears: Ears, reliability: ReliabilityPolicy) -> None:
    publisher = ears.publisher(qos=QoSProfile(depth=10, reliability=reliability))
    ears.ros.until(
        lambda: [s.qos_profile.reliability
                 for s in ears.node.get_subscriptions_info_by_topic('/audio')] == [reliability],
        'the subscription adapts')
    ears.ros.until(publisher.get_subscription_count, 'the new subscription is found')
    publisher.publish(stamped(b'ab'))
    ears.until_heard(1)


@pytest.mark.parametrize('qos', [LATCHED, VOLATILE, BEST_EFFORT])
def test_the_format_is_taken_from_audio_info_before_and_while_it_plays(
        ears: Ears, qos: QoSProfile) -> None:
    info = ears.microphone.create_publisher(AudioInfo, 'audio_info', qos)
    ears.ros.until(lambda: info.get_subscription_count() >= 1, 'the input subscribes to info')
    publisher = ears.publisher()
    publisher.publish(stamped(b'first'))
    ears.ros.until(lambda: ears.input.messages == 1, 'the message arrives')
    assert ears.heard == [], 'it waits for the format that is announced'
    info.publish(STEREO)
    ears.until_heard(1)
    publisher.publish(stamped(b'second'))
    ears.until_heard(2)
    stereo = AudioFormat(48_000, 2, 'S16LE')
    assert [heard[:2] for heard in ears.heard] == [(stereo, b'first'), (stereo, b'second')]
    info.publish(AudioInfo(channels=1, sample_rate=8000, sample_format='U8'))
    ears.ros.spin(0.3)
    publisher.publish(stamped(b'third'))
    ears.until_heard(3)
    assert ears.heard[2][0] == AudioFormat(8_000, 1, 'U8')


def test_audio_info_that_never_comes_is_not_waited_for_for_ever(ears: Ears) -> None:
    info = ears.microphone.create_publisher(AudioInfo, 'audio_info', LATCHED)
    ears.ros.until(info.get_subscription_count, 'the input subscribes to info')
    publisher = ears.publisher()
    for _ in range(4):
        publisher.publish(stamped(bytes(HELD_BYTES // 4)))
    ears.until_heard(4)
    assert 'sample_rate' in ears.complaint()[1]
    publisher.publish(stamped(b'live'))
    ears.until_heard(5)
    assert ears.heard[4][:2] == (FALLBACK, b'live')
    info.publish(STEREO)
    ears.ros.until(lambda: ears.complaint() == (OK, 'fine'), 'the complaint is withdrawn')
    publisher.publish(stamped(b'stereo'))
    ears.until_heard(6)
    assert ears.heard[5][0] == AudioFormat(48_000, 2, 'S16LE')


def test_another_type_is_named_until_it_is_gone(ears: Ears) -> None:
    wrong = ears.microphone.create_publisher(String, 'audio', 10)
    ears.ros.until(lambda: ears.complaint()[0] == ERROR, 'an error')
    assert 'std_msgs/msg/String' in ears.complaint()[1]
    assert 'AudioDataStamped' in ears.complaint()[1]
    ears.microphone.destroy_publisher(wrong)
    ears.ros.until(lambda: ears.complaint() == (OK, 'fine'), 'the error is withdrawn')


@pytest.mark.parametrize('coding', ['FLAC', 'OGG'])
def test_coded_audio_is_refused_until_samples_come(ears: Ears, coding: str) -> None:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(1000), 16_000, format=coding)
    publisher = ears.publisher()
    publisher.publish(stamped(file.getvalue()))
    ears.ros.until(lambda: ears.input.refused == 1, 'the message is refused')
    level, message = ears.complaint()
    assert level == ERROR and 'format:=wave' in message and '/audio' in message
    publisher.publish(stamped(b'abcd'))
    ears.until_heard(1)
    assert ears.heard[0][1] == b'abcd' and ears.complaint() == (OK, 'fine')


def test_audio_info_that_says_mp3_has_every_message_refused(ears: Ears) -> None:
    info = ears.microphone.create_publisher(AudioInfo, 'audio_info', LATCHED)
    info.publish(AudioInfo(channels=1, sample_rate=16_000, coding_format='mp3'))
    publisher = ears.publisher()
    for _ in range(3):
        publisher.publish(stamped(b'abcd'))
    ears.ros.until(lambda: ears.input.refused == 3, 'the messages are refused')
    assert ears.heard == [] and "'mp3'" in ears.complaint()[1]


def test_closing_hands_on_what_waits_and_hears_no_more(ears: Ears) -> None:
    info = ears.microphone.create_publisher(AudioInfo, 'audio_info', LATCHED)
    ears.ros.until(info.get_subscription_count, 'the input subscribes to info')
    publisher = ears.publisher()
    publisher.publish(stamped(b'held'))
    ears.ros.until(lambda: ears.input.messages == 1, 'the message arrives')
    ears.input.close()
    assert [data for _, data, _ in ears.heard] == [b'held']
    ears.ros.until(lambda: not (publisher.get_subscription_count()
                                or info.get_subscription_count()), 'nobody listens')


@pytest.mark.parametrize(('arguments', 'expected'), [
    ((), '/audio_info'),
    (('-r', 'audio:=/front/audio'), '/front/audio_info'),
    (('-r', 'audio:=mic/audio', '-r', '__ns:=/robot1'), '/robot1/mic/audio_info'),
    (('-r', 'audio:=/front/audio', '-r', 'audio_info:=/format'), '/format'),
    (('-r', '__ns:=/robot1'), '/robot1/audio_info')])
def test_audio_info_is_beside_the_audio_unless_it_is_remapped(
        ros: LocalRos, arguments: tuple[str, ...], expected: str) -> None:
    assert info_topic(ros.node('ears', *arguments)) == expected
