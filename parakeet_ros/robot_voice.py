"""Whether the robot speaks itself: what its speech synthesis says on `robot_speaking`."""

from collections.abc import Callable, Mapping
from typing import Any

from parakeet_ros.message_info import received_at_ns, with_info
from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import Bool


class RobotVoice:
    """
    Follow the topic. Who said that the robot speaks, and is gone, can no longer take it back.

    Where messages do not tell whose they are it may have been any of the publishers: the robot is
    rather taken for silent when one of them is gone than for one that speaks for ever.

    :param on_change: is told whether the robot speaks, at every message, and when the middleware
        had received that, as `received_at_ns` tells; 0 where there was no message.
    """

    def __init__(self, node: LifecycleNode, on_change: Callable[[bool, int], None]) -> None:
        self.speaks = False
        self._node = node
        self._on_change = on_change
        self._is_known = False  # who sent the last message
        self._speakers: set[bytes] = set()  # it is one of them
        self._subscription = node.create_subscription(
            Bool, 'robot_speaking', with_info(self._on_message), 10)

    def watch(self) -> None:
        """Look whether the publisher is still there; call it now and then."""
        if not self.speaks:
            return
        listed = self._listed()
        if not self._is_known:
            self._speakers |= listed  # a message may be faster than what is known of its publisher
        if not listed or self._speakers - listed:
            self._set(False)

    def _on_message(self, message: Bool, info: Mapping[str, Any]) -> None:
        gid = info.get('publisher_gid')
        speaker = bytes(gid['data']) if gid else b''
        listed = self._listed()
        # an RMW may name it otherwise here than there
        self._is_known = speaker in listed
        self._speakers = {speaker} if speaker in listed else listed
        self._set(message.data, received_at_ns(info))

    def _set(self, speaks: bool, received_ns: int = 0) -> None:
        self.speaks = speaks
        self._on_change(speaks, received_ns)

    def _listed(self) -> set[bytes]:
        return {bytes(p.endpoint_gid)
                for p in self._node.get_publishers_info_by_topic(self._subscription.topic_name)}
