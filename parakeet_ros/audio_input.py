"""
The audio topic: finds out its type, reliability and format, and hands on raw PCM.

A topic has one of several types, so the node subscribes to the one that is published, and looks
again while it runs.
"""

from collections.abc import Callable, Hashable, Mapping
import time
from typing import Any

from parakeet_ros.audio import AudioFormat, AudioFormatError
from parakeet_ros.audio_formats import Arrival, AudioReader
from parakeet_ros.audio_messages import unpack
from parakeet_ros.audio_topics import (
    choose_reliability,
    choose_type,
    crowd_complaint,
    info_topic,
    qos_complaint,
    silence_reason,
    topic_of,
    type_complaint,
)
from parakeet_ros.audio_types import INFO_TYPE, TYPES
from parakeet_ros.diagnostics import AUDIO_INPUT, ERROR, Problems, WARN
from parakeet_ros.message_info import received_at_ns, Senders, with_info
from parakeet_ros.quiet_events import NO_INPUT_EVENTS
from parakeet_ros.talker import Talker, Verdict
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.topic_endpoint_info import TopicEndpointInfo

QUEUE_DEPTH = 500  # messages; 10 s of 20 ms chunks while the cores are busy, or in a transition
WATCH_PERIOD_S = 0.5
# A message that was latched needs the first, a publisher that does not latch the second. The third
# hears one that is best effort, and may lose what a reliable one says once.
INFO_QOS = (
    QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL),
    QoSProfile(depth=1),
    QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT),
)
PROBLEMS = ('audio type', 'audio QoS', 'audio publishers', 'audio format', 'audio info')


class AudioInput:
    """
    Subscribe to `audio` and `audio_info`, and report what is wrong with them.

    :param fallback: the format of audio that nothing describes.
    :param on_audio: called in the executor thread with the format of each message and the message
        (where the publisher gives no stamp, `stamp_ns` is the arrival on the node's clock).
    :param problems: told what is wrong and when it is mended.
    :param prefix: of the topics: `front` for `front/audio`.
    :param on_break: called when what follows does not continue what came before.
    """

    def __init__(self, node: Node, fallback: AudioFormat,
                 on_audio: Callable[[AudioFormat, Arrival], None],
                 problems: Problems, prefix: str = '',
                 on_break: Callable[[], None] = lambda: None) -> None:
        self._node = node
        self._on_audio = on_audio
        self._on_break = on_break
        self._problems = problems
        self._reader = AudioReader(fallback)
        self._senders = Senders()
        self._talker = Talker()
        self._is_crowded = False
        self._subscription: Any = None
        self._qos: QoSProfile | None = None
        self.topic = node.resolve_topic_name(topic_of(prefix))
        # rclpy remaps every name that it is given: one that is remapped already must not be
        self._name = node.resolve_topic_name(topic_of(prefix), only_expand=True)
        self.type_name = next(iter(TYPES))  # that is subscribed to
        self.publishers = 0  # of that type
        self.messages = 0
        self.refused = 0  # messages that could not be read, or came from one publisher too many
        self._last_arrival_ns = time.monotonic_ns()
        self._info_topic = info_topic(node, prefix)
        self._info_subscriptions = [
            node.create_subscription(
                INFO_TYPE, self._info_topic, with_info(self._on_info),
                qos, event_callbacks=NO_INPUT_EVENTS)
            for qos in INFO_QOS if INFO_TYPE is not None]
        self._watch()
        self._timer = node.create_timer(
            WATCH_PERIOD_S, self._watch, clock=Clock(clock_type=ClockType.STEADY_TIME))

    @property
    def age_s(self) -> float:
        """Return the seconds since the last message, or since the start."""
        return (time.monotonic_ns() - self._last_arrival_ns) / 1e9

    @property
    def is_holding(self) -> bool:
        """Return whether audio waits for its audio_info."""
        return self._reader.is_holding

    def silence_reason(self) -> str:
        """Say why no message may be coming."""
        return silence_reason(self._node, self.topic, self._listed())

    def close(self) -> None:
        """Unsubscribe; audio that still waits for its audio_info is handed on first."""
        self._hand_on_held()
        self._node.destroy_timer(self._timer)
        for subscription in (self._subscription, *self._info_subscriptions):
            self._node.destroy_subscription(subscription)
        self._problems.clear(*PROBLEMS)

    # --- who publishes -------------------------------------------------------------------------

    def _watch(self) -> None:
        """Subscribe as the publishers publish; say so if that cannot be done."""
        publishers = self._listed()
        types = {p.topic_type for p in publishers}
        type_name = choose_type(types, self.type_name)
        readable = [p for p in publishers if p.topic_type == type_name]
        self.publishers = len(readable)
        reliability = choose_reliability(readable, self._qos.reliability if self._qos else None)
        qos = QoSProfile(depth=QUEUE_DEPTH, reliability=reliability)
        if self._qos is None or (type_name, reliability) != (
                self.type_name, self._qos.reliability):
            self._subscribe(type_name, qos)
        self._report('audio type', type_complaint(self.topic, types, type_name),
                     WARN if readable else ERROR)
        self._report('audio QoS', qos_complaint(self.topic, readable, qos))
        if len(readable) <= 1 and self._is_crowded:
            self._talker.settle()
            self._is_crowded = False
            self._problems.clear('audio publishers')
        if self._reader.expire(time.monotonic_ns()):
            self._report_no_info()
            self._hand_on_held()

    def _listed(self) -> list[TopicEndpointInfo]:
        """Return the publishers that the graph has."""
        return self._node.get_publishers_info_by_topic(self._name)

    def _report(self, key: str, complaint: str | None, level: bytes = ERROR) -> None:
        """Report a problem, or clear it where there is none."""
        if complaint is None:
            self._problems.clear(key)
        else:
            self._problems.report(key, AUDIO_INPUT, level, complaint)

    def _subscribe(self, type_name: str, qos: QoSProfile) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._subscription = self._node.create_subscription(
            TYPES[type_name], self._name, with_info(self._on_message), qos,
            event_callbacks=NO_INPUT_EVENTS)
        self.type_name, self._qos = type_name, qos
        self._node.get_logger().info(
            f'Listening to {self.topic} as {type_name}, {qos.reliability.name.lower()}.')

    def _judge(self, sender: Hashable, arrival_ns: int) -> bool:
        """Return whether a message is heard, or is one of several publishers', and say so."""
        if sender is not None:
            verdict = self._talker.judge(sender, arrival_ns)
        else:  # nothing tells whose it is, so all that are listed count
            verdict = Verdict.REFUSED if self.publishers > 1 else Verdict.SAME
        is_crowded = verdict is Verdict.REFUSED
        if verdict is Verdict.NEW or is_crowded and not self._is_crowded:
            self._on_break()
        if is_crowded != self._is_crowded:
            self._is_crowded = is_crowded
            self._report('audio publishers', crowd_complaint(
                self.topic, self._listed(), are_known=sender is not None) if is_crowded else None)
        return not is_crowded

    # --- what they send ------------------------------------------------------------------------

    def _on_info(self, info: Any, message_info: Mapping[str, Any]) -> None:
        if self._reader.announce(info, message_info.get('source_timestamp', 0)):
            self._problems.clear('audio info')
        self._hand_on_held()

    def _on_message(self, message: Any, message_info: Mapping[str, Any]) -> None:
        self._last_arrival_ns = arrival_ns = time.monotonic_ns()
        self.messages += 1
        # messages that waited for a busy executor are judged by when they came
        received_ns = received_at_ns(message_info)
        if not self._judge(self._senders.of(message_info), received_ns):
            self.refused += 1 + self._reader.discard()
            return
        try:
            chunk = unpack(message)
        except AudioFormatError as error:
            self._refuse(error)
            return
        stamp_ns = chunk.stamp_ns or self._node.get_clock().now().nanoseconds
        had_given_up = self._reader.gave_up
        if self._reader.hold(
                Arrival(chunk, message_info.get('source_timestamp', 0), stamp_ns, arrival_ns,
                        received_ns),
                self._is_info_announced()):
            return
        if self._reader.gave_up and not had_given_up:
            self._report_no_info()
        self._hand_on_held()

    def _report_no_info(self) -> None:
        self._problems.report(
            'audio info', AUDIO_INPUT, WARN,
            f'{self._info_topic} has a publisher but no message came; the format is taken '
            'from the parameters sample_rate, channels and sample_format.')

    def _is_info_announced(self) -> bool:
        return INFO_TYPE is not None and self._node.count_publishers(self._info_topic) > 0

    def _hand_on_held(self) -> None:
        for arrival, audio_format in self._reader.release():
            if isinstance(audio_format, AudioFormatError):
                self._refuse(audio_format)
                continue
            try:
                self._on_audio(audio_format, arrival)
            except AudioFormatError as error:
                self._refuse(error)
            else:
                self._problems.clear('audio format')

    def _refuse(self, error: AudioFormatError) -> None:
        self.refused += 1
        self._problems.report(
            'audio format', AUDIO_INPUT, ERROR, f'{self.topic} cannot be read: {error}.')
