"""Whether the robot speaks itself: what its speech synthesis says on `robot_speaking`."""

from collections.abc import Callable, Mapping
from typing import Any

from parakeet_ros.message_info import with_info
from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import Bool


class RobotVoice:
    """
    Follow the topic. Who said that the robot speaks, and is gone, can no longer take it back.

    :param on_change: is told whether the robot speaks, at every message.
    """

    def __init__(self, node: LifecycleNode, on_change: Callable[[bool], None]) -> None:
        self.speaks = False
        self._node = node
        self._on_change = on_change
        self._speaker: bytes | None = None  # of the last message, where that is known
        self._subscription = node.create_subscription(
            Bool, 'robot_speaking', with_info(self._on_message), 10)

    def watch(self) -> None:
        """Look whether the publisher is still there; call it now and then."""
        if not self.speaks:
            return
        listed = self._listed()
        if self._speaker not in listed if self._speaker else not listed:
            self._set(False)

    def _on_message(self, message: Bool, info: Mapping[str, Any]) -> None:
        gid = info.get('publisher_gid')
        speaker = bytes(gid['data']) if gid else None
        # an RMW may name it otherwise here than there
        self._speaker = speaker if speaker in self._listed() else None
        self._set(message.data)

    def _set(self, speaks: bool) -> None:
        self.speaks = speaks
        self._on_change(speaks)

    def _listed(self) -> list[bytes]:
        return [bytes(p.endpoint_gid)
                for p in self._node.get_publishers_info_by_topic(self._subscription.topic_name)]
