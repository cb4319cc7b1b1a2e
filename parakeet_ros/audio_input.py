"""
The audio topic: finds out its type, reliability and format, and hands on raw PCM.

Two types can come: `AudioDataStamped` and `AudioData`. A topic has one of them, so the node
subscribes to the one that is published, and looks again while it runs.
"""

from collections.abc import Callable
import time
from typing import Any

from audio_common_msgs.msg import AudioData, AudioDataStamped, AudioInfo
from parakeet_ros.audio import AudioFormat, AudioFormatError
from parakeet_ros.audio.sniff import coding_of
from parakeet_ros.conversions import coded_audio_message, format_from_info, time_to_ns
from parakeet_ros.diagnostics import AUDIO_INPUT, ERROR, Problems, WARN
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

TYPES = {
    'audio_common_msgs/msg/AudioDataStamped': AudioDataStamped,
    'audio_common_msgs/msg/AudioData': AudioData,
}
QUEUE_DEPTH = 100  # messages; 2 s of 20 ms chunks while the executor is in a transition
WATCH_PERIOD_S = 0.5
HELD_BYTES = 1 << 20  # audio kept while audio_info is announced but has not come
SNIFFED_MESSAGES = 10  # the first ones of a stream are searched for coded audio


class AudioInput:
    """
    Subscribe to `audio` and `audio_info`, and report what is wrong with them.

    :param fallback: the format of audio that no audio_info describes.
    :param on_audio: called in the executor thread with each message's format, its bytes, the
        stamp of its first sample and its arrival on the steady clock, both in ns.
    :param problems: told what is wrong and when it is mended.
    """

    def __init__(self, node: Node, fallback: AudioFormat,
                 on_audio: Callable[[AudioFormat, memoryview, int, int], None],
                 problems: Problems, prefix: str = '') -> None:
        self._node = node
        self._fallback = fallback
        self._on_audio = on_audio
        self._problems = problems
        self._info: AudioInfo | None = None
        self._waits_for_info = True  # where it is announced, until it is given up
        self._held: list[tuple[memoryview, int, int]] = []
        self._sniffed = 0
        self._subscription: Any = None
        self._subscribed_as: tuple[str, ReliabilityPolicy] | None = None
        self.topic = node.resolve_topic_name(f'{prefix}/audio' if prefix else 'audio')
        self.messages = 0
        self.refused = 0  # messages that could not be read
        self._last_arrival_ns = time.monotonic_ns()
        self._info_topic = info_topic(node, prefix)
        self._info_subscriptions = [
            node.create_subscription(
                AudioInfo, self._info_topic, self._on_info,
                QoSProfile(depth=1, durability=durability))
            # a latched message needs the one, a publisher that does not latch the other
            for durability in (DurabilityPolicy.TRANSIENT_LOCAL, DurabilityPolicy.VOLATILE)]
        self._watch()
        self._timer = node.create_timer(
            WATCH_PERIOD_S, self._watch, clock=Clock(clock_type=ClockType.STEADY_TIME))

    @property
    def age_s(self) -> float:
        """Return the seconds since the last message, or since the start."""
        return (time.monotonic_ns() - self._last_arrival_ns) / 1e9

    @property
    def type_name(self) -> str:
        """Return the type that is subscribed to."""
        return self._subscribed_as[0]

    def close(self) -> None:
        """Unsubscribe; audio that still waits for its audio_info is handed on first."""
        self._hand_on_held()
        self._node.destroy_timer(self._timer)
        for subscription in (self._subscription, *self._info_subscriptions):
            self._node.destroy_subscription(subscription)
        self._problems.clear('audio type', 'audio format', 'audio info')

    def _watch(self) -> None:
        """Subscribe as the publishers publish; say so if that cannot be done."""
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        types = {p.topic_type for p in publishers}
        readable = types & TYPES.keys()
        if types and not readable:
            self._problems.report(
                'audio type', AUDIO_INPUT, ERROR,
                f'{self.topic} has type {", ".join(sorted(types))}; publish one of '
                f'{", ".join(TYPES)}, or remap audio to a topic of that type.')
        elif len(types) > 1:
            self._problems.report(
                'audio type', AUDIO_INPUT, WARN,
                f'{self.topic} is published with several types, {", ".join(sorted(types))}; '
                f'only one of them is heard.')
        else:
            self._problems.clear('audio type')
        current = self._subscribed_as[0] if self._subscribed_as else next(iter(TYPES))
        wanted = current if current in readable or not readable else sorted(readable)[0]
        # best effort receives from every publisher, reliable loses nothing
        best_effort = any(p.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
                          for p in publishers if p.topic_type == wanted)
        self._subscribe(wanted, ReliabilityPolicy.BEST_EFFORT if best_effort
                        else ReliabilityPolicy.RELIABLE)

    def _subscribe(self, type_name: str, reliability: ReliabilityPolicy) -> None:
        if (type_name, reliability) == self._subscribed_as:
            return
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._subscription = self._node.create_subscription(
            TYPES[type_name], self.topic, self._on_message,
            QoSProfile(depth=QUEUE_DEPTH, reliability=reliability))
        self._subscribed_as = (type_name, reliability)
        self._node.get_logger().info(
            f'Listening to {self.topic} as {type_name}, {reliability.name.lower()}.')

    def _on_info(self, info: AudioInfo) -> None:
        if info != self._info:
            self._info = info
            self._sniffed = 0
            self._problems.clear('audio info')
        self._hand_on_held()

    def _on_message(self, message: AudioData | AudioDataStamped) -> None:
        self._last_arrival_ns = arrival_ns = time.monotonic_ns()
        self.messages += 1
        stamp_ns, data = 0, message
        if isinstance(message, AudioDataStamped):
            stamp_ns, data = time_to_ns(message.header.stamp), message.audio
        if stamp_ns == 0:
            stamp_ns = self._node.get_clock().now().nanoseconds
        self._held.append((memoryview(data.data), stamp_ns, arrival_ns))
        if (self._info is None and self._waits_for_info
                and self._node.count_publishers(self._info_topic) > 0):
            if sum(len(chunk) for chunk, _, _ in self._held) < HELD_BYTES:
                return
            self._waits_for_info = False
            self._problems.report(
                'audio info', AUDIO_INPUT, WARN,
                f'{self._info_topic} has a publisher but no message came; the format is taken '
                'from the parameters sample_rate, channels and sample_format.')
        self._hand_on_held()

    def _hand_on_held(self) -> None:
        held, self._held = self._held, []
        for data, stamp_ns, arrival_ns in held:
            try:
                audio_format = self._format(data)
                self._on_audio(audio_format, data, stamp_ns, arrival_ns)
            except AudioFormatError as error:
                self.refused += 1
                self._problems.report(
                    'audio format', AUDIO_INPUT, ERROR, f'{self.topic} cannot be read: {error}.')
            else:
                self._problems.clear('audio format')

    def _format(self, data: memoryview) -> AudioFormat:
        if self._info is not None:
            return format_from_info(self._info)
        if self._sniffed < SNIFFED_MESSAGES:
            self._sniffed += 1
            coding = coding_of(data)
            if coding is not None:
                self._sniffed = 0
                raise AudioFormatError(coded_audio_message(coding))
        return self._fallback


def info_topic(node: Node, prefix: str = '') -> str:
    """Return where audio_info is expected: beside the audio topic, unless it is remapped."""
    audio, info = (f'{prefix}/{n}' if prefix else n for n in ('audio', 'audio_info'))
    resolved = node.resolve_topic_name(info)
    if resolved != node.resolve_topic_name(info, only_expand=True):
        return resolved
    return node.resolve_topic_name(audio).rpartition('/')[0] + '/audio_info'
