"""What the benchmarks of the live node share: the node in a process of its own."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager, ExitStack
import os
from pathlib import Path
import signal
import subprocess
import sys
import time
from typing import TypeVar

from parakeet_ros.this_machine import stay_on_this_machine

try:
    import rclpy
    from rclpy.node import Node
    from rclpy.publisher import Publisher
except ModuleNotFoundError as error:
    sys.exit(f'{error}; run scripts/setup and use .venv/bin/python')

START_TIMEOUT_S = 120.0
END_TIMEOUT_S = 20.0

Process = subprocess.Popen[bytes]


class Bench(Node):
    """All the microphones and the listener; who derives from it makes and uses them."""

    audio: list[Publisher]  # the microphones

    def wait_for_node(self, process: Process) -> None:
        """
        Wait until the node listens to every microphone.

        :raises RuntimeError: it ended, or took too long.
        """
        deadline = time.monotonic() + START_TIMEOUT_S
        while not all(each.get_subscription_count() for each in self.audio):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError('the node does not listen; its output above says why')
            rclpy.spin_once(self, timeout_sec=0.05)

    def listen(self, seconds: float) -> None:
        """Handle what arrives for some time."""
        deadline = time.monotonic() + seconds
        while (left_s := deadline - time.monotonic()) > 0:
            rclpy.spin_once(self, timeout_sec=left_s)


AnyBench = TypeVar('AnyBench', bound=Bench)


@contextmanager
def live_node(options: argparse.Namespace, make_bench: Callable[[], AnyBench],
              **parameters: object) -> Iterator[tuple[AnyBench, Process]]:
    """
    Run the node, and in this process a bench that it listens to; end both afterwards.

    :param options: those that ``add_node_options`` adds.
    :param parameters: of the node, beside its model and device.
    :raises RuntimeError: the node does not come up.
    """
    stay_on_this_machine()
    os.environ['ROS_DOMAIN_ID'] = str(options.domain)
    os.environ['OMP_NUM_THREADS'] = str(options.threads)
    command = [sys.executable, '-m', 'parakeet_ros.node', '--ros-args', '--log-level', 'warn']
    for name, value in {'model': options.model, 'device': options.device, **parameters}.items():
        command += ['-p', f'{name}:={value}']
    with ExitStack() as stack:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr)
        stack.callback(_end, process)
        rclpy.init()
        stack.callback(rclpy.try_shutdown)
        bench = make_bench()
        stack.callback(bench.destroy_node)
        bench.wait_for_node(process)
        yield bench, process


def _end(process: Process) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def add_node_options(parser: argparse.ArgumentParser, device: str, domain: int) -> None:
    """Add what ``live_node`` takes from the command line, and where the figures go."""
    parser.add_argument('--model', default='builtin', help='of the node (default: builtin)')
    parser.add_argument('--device', default=device, help=f'of the node (default: {device})')
    parser.add_argument('--threads', type=int, default=1,
                        help='CPU threads of the engine (default: 1)')
    parser.add_argument('--domain', type=int, default=domain,
                        help=f'ROS_DOMAIN_ID, one that nobody uses (default: {domain})')
    parser.add_argument('--output', type=Path, metavar='FILE', help='append the JSON line to it')
