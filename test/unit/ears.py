"""An audio input in the test's process, with what it handed on and what it complained of."""

from audio_common_msgs.msg import AudioData, AudioDataStamped
from local_ros import LocalRos
from parakeet_ros.audio import AudioFormat
from parakeet_ros.audio_formats import Arrival
from parakeet_ros.audio_input import AudioInput
from parakeet_ros.conversions import ns_to_time
from parakeet_ros.diagnostics import AUDIO_INPUT, Problems, worst
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile

FALLBACK = AudioFormat(16_000, 1, 'S16LE')


class Ears:
    """An audio input, what it handed on and what it complained of; and a microphone."""

    def __init__(self, ros: LocalRos, *arguments: str) -> None:
        self.ros = ros
        self.heard: list[tuple[AudioFormat, bytes, int]] = []  # format, data, stamp in ns
        self.breaks: list[int] = []  # how much had been heard at each
        self.log: list[str] = []
        self.problems = Problems(lambda level, message: self.log.append(message))
        self.node = ros.node('ears', *arguments)
        self.microphone = ros.stranger('microphone')
        self.input = AudioInput(self.node, FALLBACK, self._on_audio, self.problems,
                                on_break=lambda: self.breaks.append(len(self.heard)))

    def _on_audio(self, audio_format: AudioFormat, arrival: Arrival) -> None:
        self.heard.append((audio_format, bytes(arrival.chunk.data), arrival.stamp_ns))

    def publisher(self, kind: type = AudioDataStamped,
                  qos: QoSProfile | int = 1000) -> Publisher:
        """Publish on the audio topic, once the input listens."""
        publisher = self.microphone.create_publisher(kind, 'audio', qos)
        self.ros.until(publisher.get_subscription_count, 'the input subscribes')
        return publisher

    def publishers(self, count: int) -> list[Publisher]:
        """Return publishers of a topic that all of them are known to be on."""
        publishers = [self.publisher() for _ in range(count)]

        def names() -> list[str]:
            return [p.node_name for p in self.node.get_publishers_info_by_topic('audio')]
        self.ros.until(lambda: names().count('microphone') == self.input.publishers == count,
                       f'{count} are listed by name')
        return publishers

    def until_heard(self, count: int) -> None:
        """Wait for so many messages."""
        self.ros.until(lambda: len(self.heard) >= count, f'{count} messages')

    def complaint(self) -> tuple[bytes, str]:
        """Return the level and the messages of what is wrong."""
        return worst([self.problems], AUDIO_INPUT, 'fine')


def stamped(data: bytes, stamp_ns: int = 10**9) -> AudioDataStamped:
    """Return a message with a stamp."""
    message = AudioDataStamped(audio=AudioData(data=data))
    message.header.stamp = ns_to_time(stamp_ns)
    return message
