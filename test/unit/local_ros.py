"""A ROS domain of the test's own, in the test's process."""

from collections.abc import Callable
import itertools
import os
from pathlib import Path
import time
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

TIMEOUT_S = 30.0  # of anything that should happen soon, on a loaded machine
DOMAINS = itertools.count(os.getpid())

# Fast DDS 2 reads another variable than 3, which warns of that one
fast_dds = 'FASTRTPS' if os.environ.get('ROS_DISTRO') in ('humble', 'jazzy') else 'FASTDDS'
os.environ.setdefault(f'{fast_dds}_DEFAULT_PROFILES_FILE',
                      str(Path(__file__).with_name('as_between_processes.xml')))


def next_domain() -> int:
    """Return a ROS domain of its own: nodes of the test before are known for a while."""
    return 1 + next(DOMAINS) % 100  # 0 to 101 are safe on Linux


class LocalRos:
    """Nodes in one context, spun by `until`; a test uses it as a context manager."""

    def __init__(self) -> None:
        # the default context, since AudioPlayer is an executable's node and uses no other
        self.domain = next_domain()
        rclpy.init(args=[], domain_id=self.domain)
        self._executor = SingleThreadedExecutor()
        self._nodes: list[Node] = []
        # DDS allows a participant one type a topic: a second one stands for another process
        self._other = rclpy.Context()
        rclpy.init(args=[], context=self._other, domain_id=self.domain)
        self._strangers: list[Node] = []

    def __enter__(self) -> 'LocalRos':
        return self

    def __exit__(self, *_: object) -> None:
        for node in list(self._nodes):
            self.remove(node)
        self._executor.shutdown()
        for node in self._strangers:
            node.destroy_node()
        rclpy.try_shutdown(context=self._other)
        rclpy.try_shutdown()

    def add(self, node: Node) -> Any:
        """Spin a node with the others, and destroy it at the end."""
        self._nodes.append(node)
        self._executor.add_node(node)
        return node

    def remove(self, node: Node) -> None:
        """Destroy a node before the end."""
        self._nodes.remove(node)
        self._executor.remove_node(node)
        node.destroy_node()

    def node(self, name: str, *arguments: str) -> Node:
        """Create a node with command-line arguments such as `-r audio:=/mic`."""
        ros_arguments = ['--ros-args', *arguments] if arguments else []
        return self.add(rclpy.create_node(name, cli_args=ros_arguments))

    def stranger(self, name: str) -> Node:
        """Create a node as if in another process; it is not spun, so it can only publish."""
        self._strangers.append(rclpy.create_node(name, context=self._other))
        return self._strangers[-1]

    def spin(self, seconds: float) -> None:
        """Handle what arrives for some time."""
        deadline = time.monotonic() + seconds
        while (left_s := deadline - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left_s)

    def until(self, condition: Callable[[], Any], what: str) -> None:
        """Handle what arrives until the condition holds."""
        deadline = time.monotonic() + TIMEOUT_S
        while not condition():
            assert time.monotonic() < deadline, f'{what}: not within {TIMEOUT_S} s'
            self._executor.spin_once(timeout_sec=0.05)
