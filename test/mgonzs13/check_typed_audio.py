"""Typed audio over DDS, as mgonzs13/audio_common publishes it; `test_mgonzs13.py` runs this."""

from collections.abc import Iterator

from audio_common_msgs.msg import Audio, AudioData, AudioInfo, AudioStamped
from local_ros import LocalRos
import numpy as np
from parakeet_ros.audio import AudioFormat, AudioStream
from parakeet_ros.audio_input import AudioInput
from parakeet_ros.audio_messages import MGONZS13
from parakeet_ros.audio_types import INSTALLED
from parakeet_ros.conversions import ns_to_time
from parakeet_ros.diagnostics import AUDIO_INPUT, ERROR, OK, Problems, worst
from parakeet_ros.player import AudioPlayer
import pytest
from rclpy.qos import qos_profile_sensor_data  # what its capturer publishes with

FALLBACK = AudioFormat(8_000, 2, 'U8')  # nothing that is sent here
RATE, CHUNK = 16_000, 512
START_NS = 1_000_000_000


class Ears:
    """An audio input that hears, and the publisher of a microphone."""

    def __init__(self, ros: LocalRos) -> None:
        self.ros = ros
        self.heard: list[tuple[AudioFormat, bytes, int, bool]] = []
        self.problems = Problems(lambda level, message: None)
        self.input = AudioInput(
            ros.node('ears'), FALLBACK,
            lambda form, arrival: self.heard.append(
                (form, bytes(arrival.chunk.data), arrival.stamp_ns, arrival.chunk.stamp_ns != 0)),
            self.problems)
        self.publisher = ros.stranger('microphone').create_publisher(
            AudioStamped, 'audio', qos_profile_sensor_data)
        ros.until(lambda: self.input.publishers, 'the publisher is seen')
        ros.until(self.publisher.get_subscription_count, 'the input has adapted')

    def send(self, number: int, stamp_ns: int, **arrays: object) -> None:
        """Publish one message and let it arrive."""
        message = AudioStamped(audio=Audio(
            audio_data=AudioData(**arrays),
            info=AudioInfo(format=number, channels=1, rate=RATE, chunk=CHUNK)))
        message.header.stamp = ns_to_time(stamp_ns)
        before = self.input.messages
        self.publisher.publish(message)
        self.ros.until(lambda: self.input.messages > before, 'the message arrives')


@pytest.fixture
def ears(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ears]:
    """Return an audio input in a domain of its own."""
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    with LocalRos() as ros:
        yield Ears(ros)


def test_the_package_is_recognised(ears: Ears) -> None:
    assert INSTALLED == MGONZS13
    assert ears.input.type_name == 'audio_common_msgs/msg/AudioStamped'


@pytest.mark.parametrize(('number', 'field', 'dtype', 'name'), [
    (1, 'float32_data', '<f4', 'F32LE'), (2, 'int32_data', '<i4', 'S32LE'),
    (8, 'int16_data', '<i2', 'S16LE'), (16, 'int8_data', 'i1', 'S8'),
    (32, 'uint8_data', 'u1', 'U8')])
def test_every_array_is_handed_on_as_bytes_with_its_own_format_and_stamp(
        ears: Ears, number: int, field: str, dtype: str, name: str) -> None:
    samples = np.arange(CHUNK).astype(dtype) if number > 1 else np.linspace(
        -1, 1, CHUNK, dtype=np.float32)
    ears.send(number, 5_000_000_007, **{field: samples.tolist()})
    assert ears.heard == [
        (AudioFormat(RATE, 1, name), samples.tobytes(), 5_000_000_007, True)]
    assert worst([ears.problems], AUDIO_INPUT, 'fine') == (OK, 'fine')


def test_a_format_that_the_samples_are_not_in_is_refused_until_it_is_mended(ears: Ears) -> None:
    ears.send(8, 1, float32_data=[0.5])
    level, message = worst([ears.problems], AUDIO_INPUT, 'fine')
    assert level == ERROR and 'float32_data' in message and '/audio' in message
    assert (ears.heard, ears.input.refused) == ([], 1)
    ears.send(1, 2, float32_data=[0.5])
    assert len(ears.heard) == 1
    assert worst([ears.problems], AUDIO_INPUT, 'fine') == (OK, 'fine')


def test_speech_becomes_the_same_utterance_as_without_ros(ears: Ears) -> None:
    rng = np.random.default_rng(5)
    line = [(rms * rng.standard_normal(RATE)).astype('<i2') for rms in (20, 6000, 20)]
    samples = np.concatenate(line)
    for begin in range(0, len(samples), CHUNK):
        stamp_ns = START_NS + 10**9 * begin // RATE
        ears.send(8, stamp_ns, int16_data=samples[begin:begin + CHUNK].tolist())
    stream, direct = AudioStream(ears.heard[0][0]), AudioStream(AudioFormat(RATE, 1, 'S16LE'))
    over_dds = [u for _, data, stamp_ns, _ in ears.heard for u in stream.push(data, stamp_ns)]
    expected = direct.push(samples.tobytes(), START_NS)
    assert len(over_dds) == len(expected) == 1
    np.testing.assert_array_equal(over_dds[0].waveform, expected[0].waveform)
    assert over_dds[0].speech_start_ns == expected[0].speech_start_ns


def test_the_player_sends_what_the_node_reads(ears: Ears) -> None:
    samples = np.arange(-1000, 1000, dtype=np.int16).reshape(-1, 2)
    player = AudioPlayer(samples / np.float32(32767), RATE, stamped=True)
    try:
        ears.ros.until(lambda: ears.input.publishers == 2, 'the player is seen')
        assert player.wait_for_listener(10)
        player.play(chunk_ms=10, rate=10, loop=False, begin_ns=START_NS)
        ears.ros.until(lambda: len(ears.heard) == 7, 'every chunk')
    finally:
        player.destroy_node()
    assert {(form, stamped) for form, _, _, stamped in ears.heard} == {
        (AudioFormat(RATE, 2, 'S16LE'), True)}
    assert b''.join(data for _, data, _, _ in ears.heard) == samples.tobytes()
    assert [stamp_ns for _, _, stamp_ns, _ in ears.heard] == [
        START_NS + n * 10_000_000 for n in range(7)]
