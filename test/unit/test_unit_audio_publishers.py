"""Publishers that come late, come again, are too many, or are not there at all."""

from collections.abc import Callable
import time

from audio_common_msgs.msg import AudioData, AudioDataStamped, AudioInfo
from ears import Ears, stamped
from local_ros import LocalRos
from parakeet_ros import audio_input, message_info
from parakeet_ros.audio_topics import qos_complaint, type_complaint
from parakeet_ros.diagnostics import ERROR, OK
from parakeet_ros.talker import PAUSE_NS
import pytest
from rclpy.qos import DurabilityPolicy, qos_profile_sensor_data, QoSProfile
from std_msgs.msg import String

STAMPED, RAW = (f'audio_common_msgs/msg/{name}' for name in ('AudioDataStamped', 'AudioData'))


@pytest.fixture
def ears(ros: LocalRos) -> Ears:
    """Return an audio input in a domain of its own."""
    return Ears(ros)


def test_two_publishers_at_once_are_refused_until_one_leaves(ears: Ears) -> None:
    first, second = ears.publishers(2)
    first.publish(stamped(b'a1'))
    ears.until_heard(1)
    for number in range(10):
        second.publish(stamped(b'b%d' % number))
        first.publish(stamped(b'a%d' % number))
        ears.ros.spin(0.02)
    ears.ros.until(lambda: ears.input.messages == 21, 'every message arrives')
    assert ears.input.refused == 21 - len(ears.heard)
    # the first message of a newcomer may be that of a driver started again; then no more, or one
    # where messages tell only their numbers, as on Jazzy, and the two have counted alike
    heard = [data for _, data, _ in ears.heard]
    assert heard in ([b'a1', b'b0'], [b'a1', b'b0', b'a0'])
    assert ears.breaks == [0, 1, len(heard)]
    level, message = ears.complaint()
    assert level == ERROR and '/microphone' in message and 'streams' in message
    assert ears.log.count(message) == 1
    ears.microphone.destroy_publisher(second)
    ears.ros.until(lambda: ears.complaint() == (OK, 'fine'), 'the complaint is withdrawn')
    first.publish(stamped(b'alone'))
    ears.until_heard(len(heard) + 1)
    assert ears.heard[-1][1] == b'alone'


def test_publishers_that_take_turns_are_heard_though_their_messages_waited_together(
        ears: Ears) -> None:
    first, second = ears.publishers(2)
    for turn in range(4):
        for number in range(3):
            (first, second)[turn % 2].publish(stamped(b'%d%d' % (turn, number)))
        time.sleep(PAUSE_NS / 1e9 + 0.3)  # nothing is handled
    ears.until_heard(12)
    assert [data for _, data, _ in ears.heard] == [
        b'%d%d' % (turn, number) for turn in range(4) for number in range(3)]
    # where messages tell only their numbers, as on Jazzy, 4 follows 3 of either
    assert ears.breaks in ([0, 3, 6, 9], [0, 3, 9]) and ears.complaint() == (OK, 'fine')


def test_a_second_publisher_that_says_nothing_disturbs_nobody(ears: Ears) -> None:
    first, _ = ears.publishers(2)
    for _ in range(20):
        first.publish(stamped(b'ab'))
    ears.until_heard(20)
    ears.ros.spin(0.6)
    assert ears.complaint() == (OK, 'fine') and ears.input.publishers == 2


def test_where_messages_tell_only_their_numbers_publishers_are_told_apart_by_those(
        ros: LocalRos, monkeypatch: pytest.MonkeyPatch) -> None:
    def as_jazzy_does(callback: Callable[..., None]) -> Callable[..., None]:
        return lambda message, info: callback(
            message, {k: v for k, v in info.items() if k != 'publisher_gid'})

    monkeypatch.setattr(audio_input, 'with_info', as_jazzy_does)
    ears = Ears(ros)
    first, second = ears.publishers(2)
    for number in range(20):
        first.publish(stamped(b'a%d' % number))
    ears.until_heard(20)
    assert ears.complaint() == (OK, 'fine'), 'the second one says nothing'
    for number in range(10):
        second.publish(stamped(b'b%d' % number))
        first.publish(stamped(b'c%d' % number))
        ears.ros.spin(0.02)
    ears.ros.until(lambda: ears.input.messages == 40, 'every message arrives')
    assert [data for _, data, _ in ears.heard[20:]] == [b'b0'] and ears.breaks == [0, 20, 21]
    assert ears.complaint()[0] == ERROR
    ears.microphone.destroy_publisher(second)
    ears.ros.until(lambda: ears.complaint() == (OK, 'fine'), 'the complaint is withdrawn')


@pytest.mark.parametrize('kind', [AudioDataStamped, AudioData])
def test_where_callbacks_get_the_message_alone_all_publishers_that_are_listed_count(
        ros: LocalRos, monkeypatch: pytest.MonkeyPatch, kind: type) -> None:
    monkeypatch.setattr(message_info, 'IS_TOLD', False)  # as in Humble: callbacks of one argument
    ears = Ears(ros)
    info = ears.microphone.create_publisher(AudioInfo, 'audio_info', 1)
    ears.ros.until(lambda: info.get_subscription_count() >= 1, 'the input subscribes to info')
    first = ears.publisher(kind)
    ears.ros.until(lambda: ears.input.publishers == 1, 'it is listed')
    info.publish(AudioInfo(channels=1, sample_rate=8_000, sample_format='S16LE'))
    first.publish(AudioData(data=b'ab') if kind is AudioData else stamped(b'ab'))
    ears.until_heard(1)
    assert [(audio_format.sample_rate, data) for audio_format, data, _ in ears.heard] == [
        (8_000, b'ab')]
    second = ears.microphone.create_publisher(kind, 'audio', 10)
    ears.ros.until(lambda: ears.input.publishers == 2, 'both are listed')
    first.publish(AudioData(data=b'cd') if kind is AudioData else stamped(b'cd'))
    ears.ros.until(lambda: ears.input.refused, 'it is refused')
    level, message = ears.complaint()
    assert level == ERROR and 'one that is silent counts too' in message
    ears.microphone.destroy_publisher(second)
    ears.ros.until(lambda: ears.complaint() == (OK, 'fine'), 'the complaint is withdrawn')
    first.publish(AudioData(data=b'ef') if kind is AudioData else stamped(b'ef'))
    ears.until_heard(2)


def test_what_a_best_effort_publisher_has_sent_is_heard_when_it_is_gone(ears: Ears) -> None:
    publisher = ears.publisher(qos=qos_profile_sensor_data)
    ears.ros.until(lambda: ears.input.publishers, 'it is listed')
    ears.ros.until(publisher.get_subscription_count, 'the input has adapted')
    for number in range(5):
        publisher.publish(stamped(b'a%d' % number))
    time.sleep(0.3)  # they arrive, and nothing is handled
    ears.microphone.destroy_publisher(publisher)
    while ears.node.count_publishers('/audio'):
        time.sleep(0.01)
    ears.input._watch()
    ears.until_heard(5)


def test_a_publisher_that_is_started_again_is_heard_and_begins_anew(ears: Ears) -> None:
    for kind, name in ((AudioDataStamped, STAMPED), (AudioData, RAW), (AudioDataStamped, STAMPED)):
        heard = len(ears.heard)
        publisher = ears.microphone.create_publisher(kind, 'audio', 100)
        ears.ros.until(lambda: ears.input.type_name == name, f'subscribed as {name}')  # noqa: B023
        ears.ros.until(publisher.get_subscription_count, 'the input is found')
        for _ in range(3):
            publisher.publish(AudioData(data=b'ab') if kind is AudioData else stamped(b'ab'))
        ears.until_heard(heard + 3)
        ears.microphone.destroy_publisher(publisher)
        ears.ros.until(lambda: ears.input.publishers == 0, 'the publisher is gone')
    assert ears.breaks == [0, 3, 6]
    assert (ears.input.refused, ears.complaint()) == (0, (OK, 'fine'))


def test_a_chunk_in_flight_keeps_the_format_it_was_sent_in(ears: Ears) -> None:
    info = ears.microphone.create_publisher(AudioInfo, 'audio_info', 1)
    ears.ros.until(lambda: info.get_subscription_count() >= 1, 'the input subscribes to info')
    publisher = ears.publisher()
    for number, rate in enumerate((48_000, 8_000, 44_100)):
        publisher.publish(stamped(b'old'))  # of the format before, or waits for the first
        info.publish(AudioInfo(channels=1, sample_rate=rate, sample_format='S16LE'))
        ears.until_heard(1 + number)  # the info may well be handled first
        ears.ros.spin(0.3)
    assert [audio_format.sample_rate for audio_format, _, _ in ears.heard] == [
        48_000, 48_000, 8_000]


def test_the_other_package_of_the_same_name_is_named() -> None:
    other = 'audio_common_msgs/msg/AudioStamped'
    complaint = type_complaint('/audio', {other}, STAMPED)
    assert complaint and 'mgonzs13' in complaint and 'ros-drivers' in complaint
    assert type_complaint('/audio', {STAMPED}, STAMPED) is None
    assert type_complaint('/audio', set(), STAMPED) is None
    beside = type_complaint('/audio', {STAMPED, RAW}, STAMPED)
    assert beside and RAW in beside and f'beside {STAMPED}' in beside


def test_a_quality_of_service_that_does_not_fit_is_named_with_its_publisher(ears: Ears) -> None:
    ears.publisher()
    ears.ros.until(lambda: [p for p in ears.node.get_publishers_info_by_topic('/audio')
                            if p.node_name == 'microphone'], 'its name')
    offered = ears.node.get_publishers_info_by_topic('/audio')
    wanted = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    complaint = qos_complaint('/audio', offered, wanted)
    assert complaint and '/microphone' in complaint and 'Volatile' in complaint
    assert qos_complaint('/audio', offered, QoSProfile(depth=1)) is None


def test_a_name_that_is_remapped_to_another_remapped_name_is_its_own_topic(ros: LocalRos) -> None:
    ears = Ears(ros, '-r', 'audio:=/front', '-r', '/front:=/other', '-r', '/other:=/front')
    assert ears.input.topic == '/front'
    publisher = ears.microphone.create_publisher(AudioData, '/front', 10)
    ears.ros.until(lambda: ears.input.type_name == RAW, 'the type is seen')
    ears.ros.until(publisher.get_subscription_count, 'the input has adapted')
    publisher.publish(AudioData(data=b'ab'))
    ears.until_heard(1)


def test_a_name_in_the_graph_that_ros_would_not_allow_is_passed_over(
        ears: Ears, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ears.node, 'get_topic_names_and_types', lambda: [
        ('/bot-1/audio', [STAMPED]), ('/audio', [STAMPED])])
    assert 'start one' in ears.input.silence_reason()


def test_silence_is_explained_by_what_the_graph_shows(ears: Ears) -> None:
    assert 'start one' in ears.input.silence_reason()
    ears.microphone.create_publisher(String, 'chatter', 1)
    elsewhere = ears.microphone.create_publisher(AudioData, 'mic/audio', 1)
    ears.ros.until(lambda: '/mic/audio' in ears.input.silence_reason(), 'the other topic')
    assert '/chatter' not in ears.input.silence_reason()
    ears.microphone.destroy_publisher(elsewhere)
    ears.publisher()
    ears.ros.until(lambda: 'sends nothing' in ears.input.silence_reason(), 'the publisher')
    ears.ros.until(lambda: '/microphone' in ears.input.silence_reason(), 'its name')
