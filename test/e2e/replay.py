"""Play a bag as `ros2 bag play` does: its bytes, at their times, with a clock if asked for."""

from collections.abc import Iterator
from pathlib import Path
import time
from typing import Any

from audio_common_msgs import msg as audio_messages
from parakeet_ros.bags.reading import open_bag
from parakeet_ros.conversions import ns_to_time
from probe import LATCHED, Probe
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock

CLOCK_PERIOD_S = 0.005  # of the machine's time; `ros2 bag play --clock 200`


class Player:
    """The publishers of a bag's audio topics, in the test's process."""

    def __init__(self, probe: Probe, path: Path, has_clock: bool = False) -> None:
        self._probe = probe
        with open_bag(path) as bag:
            topics = {*bag.audio_topics, '/audio_info'} & bag.topics.keys()
            self._messages = [(c.topic, t, bytes(data)) for c, t, data in bag.raw_messages(topics)]
            self.start_ns = bag.start_ns
            self._publishers: dict[str, Any] = {
                name: probe.node.create_publisher(
                    getattr(audio_messages, bag.topics[name].type_name.rpartition('/')[2]), name,
                    LATCHED if name == '/audio_info' else QoSProfile(depth=1000))
                for name in topics}
        self._clock = probe.node.create_publisher(Clock, '/clock', 10) if has_clock else None

    def __enter__(self) -> 'Player':
        [audio] = (p for name, p in self._publishers.items() if name != '/audio_info')
        self._probe.until(audio.get_subscription_count, 'the node listens')
        if self._clock is not None:
            self._probe.until(self._clock.get_subscription_count, 'the node takes the time')
        return self

    def __exit__(self, *_: object) -> None:
        for publisher in (*self._publishers.values(), self._clock):
            if publisher is not None:
                self._probe.node.destroy_publisher(publisher)

    def play(self, rate: float, start_s: float = 0.0, latched: bool = True) -> None:
        """
        Publish everything from an offset on, `rate` times as fast as it was recorded.

        :param latched: publish the audio_info too that lies before the offset.
        """
        start_ns = self.start_ns + round(start_s * 1e9)
        begin_s = time.monotonic()
        for topic, time_ns, data in self._messages:
            if latched and topic == '/audio_info' and time_ns < start_ns:
                self._publishers[topic].publish(data)
        for now_ns in self._ticks(begin_s, start_ns, rate):
            if self._clock is not None:
                self._clock.publish(Clock(clock=ns_to_time(now_ns)))

    def _ticks(self, begin_s: float, start_ns: int, rate: float) -> Iterator[int]:
        """Publish the messages when they are due, and yield the time of the bag on the way."""
        for topic, time_ns, data in self._messages:
            if time_ns < start_ns:
                continue
            due_s = begin_s + (time_ns - start_ns) / 1e9 / rate
            while (left_s := due_s - time.monotonic()) > 0:
                yield time_ns - round(left_s * rate * 1e9)
                self._probe.spin(min(left_s, CLOCK_PERIOD_S))
            yield time_ns
            self._publishers[topic].publish(data)
