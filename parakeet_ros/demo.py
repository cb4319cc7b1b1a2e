"""
The demonstration: a node, a player and a listener, each in a process of its own, over real DDS.

The listener prints each text as it arrives on `/speech/text` and a table at the end.
"""

import argparse
from dataclasses import dataclass, field
import json
from pathlib import Path
import signal
import subprocess
import sys
from threading import Event
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np
from parakeet_ros.demo_clips import Clip, demo_clips, GAP_S
from parakeet_ros.this_machine import stay_on_this_machine
import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String

START_TIMEOUT_S = 3600.0  # a large checkpoint, fetched over a slow line first
SETTLE_TIMEOUT_S = 60.0  # for the last utterances, after the player has ended
RECOGNIZER = 'asr: recognizer'


@dataclass
class Heard:
    """What the listener has heard so far."""

    texts: list[str] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)  # with a text, in order
    health: dict[str, str] = field(default_factory=dict)  # the recognizer's latest diagnostics
    health_level: bytes = DiagnosticStatus.OK
    health_message: str = ''
    reports: int = 0


class Listener(Node):
    """Listen to what the node publishes, and print each text as it arrives."""

    def __init__(self, begin_s: float, clips: list[Clip]) -> None:
        super().__init__('demo_listener')
        self.heard = Heard()
        self.interrupted = Event()
        self._begin_s = begin_s
        self._clips = clips
        self._printed = 0
        self.create_subscription(String, 'speech/text', self._on_text, 10)
        self.create_subscription(String, 'speech/result', self._on_result, 10)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)

    def _on_text(self, message: String) -> None:
        self.heard.texts.append(message.data)
        self._print_new()

    def _on_result(self, message: String) -> None:
        result = json.loads(message.data)
        if result['text']:
            self.heard.results.append(result)
        self._print_new()

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == RECOGNIZER:
                self.heard.health = {v.key: v.value for v in status.values}
                self.heard.health_level = status.level
                self.heard.health_message = status.message
                self.heard.reports += 1

    def _print_new(self) -> None:
        """Print what has arrived on both topics; each keeps its order."""
        while self._printed < min(len(self.heard.texts), len(self.heard.results)):
            text, result = self.heard.texts[self._printed], self.heard.results[self._printed]
            self._printed += 1
            timings = result['timings']
            start_s = _seconds(result['speech_start']) - self._begin_s
            end_s = _seconds(result['speech_end']) - self._begin_s
            engine_ms = sum(timings[f'{part}_ms'] for part in ('features', 'encoder', 'decoder'))
            print(f'{start_s:7.2f} - {end_s:6.2f} s  {text!r}', flush=True)
            print(f'{"":20}{timings["latency_ms"]:.0f} ms after the end of speech: pause '
                  f'{timings["endpoint_ms"]:.0f}, text {timings["total_ms"]:.1f} ms later; engine '
                  f'{engine_ms:.0f} ms (RTFx {timings["rtfx"]:.0f})'
                  f'{self._verdict(text, start_s, end_s)}', flush=True)

    def _verdict(self, text: str, start_s: float, end_s: float) -> str:
        middle_s = (start_s + end_s) / 2
        for clip in self._clips:
            if clip.start_s <= middle_s <= clip.end_s:
                return '; correct' if text == clip.text else f'; was said: {clip.text!r}'
        return ''


def main(args: list[str] | None = None) -> int:
    """Run the demonstration."""
    options = _parse_arguments(args)
    stay_on_this_machine()
    clips = [] if options.files else demo_clips()
    files = options.files or [clip.file for clip in clips]
    begin_s = float(int(time.time()))
    children: list[subprocess.Popen[bytes]] = []
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    listener = Listener(begin_s, clips)
    for number in (signal.SIGINT, signal.SIGTERM):
        # an exception at any moment could come while a child is started, and leave it behind
        signal.signal(number, lambda *_: listener.interrupted.set())
    try:
        status = _run(listener, children, options, files, begin_s)
        return 130 if listener.interrupted.is_set() else status
    except KeyboardInterrupt:
        return 130
    finally:
        for child in children:
            _end(child)
        listener.destroy_node()
        rclpy.try_shutdown()


def _run(listener: Listener, children: list['subprocess.Popen[bytes]'],
         options: argparse.Namespace, files: list[Path], begin_s: float) -> int:
    """Start the node, play to it, wait for its last utterance and print the table."""
    heard = listener.heard
    _spin_for(listener, 0.5)
    if any(name == 'asr' for name in listener.get_node_names()):
        print('A node named asr is running already; stop it, or set another ROS_DOMAIN_ID.',
              file=sys.stderr)
        return 1
    print(f'Starting the node with the model {options.model} ...', flush=True)
    node = _start('parakeet_ros.node', '--ros-args', '-p', f'model:={options.model}',
                  '-p', f'device:={options.device}', '--log-level', 'WARN')
    children.append(node)
    deadline = time.monotonic() + START_TIMEOUT_S
    while heard.health.get('state') != 'active':
        _spin_for(listener, 0.1)
        if heard.health_level == DiagnosticStatus.ERROR or node.poll() is not None:
            print(f'The node did not start: {heard.health_message}', file=sys.stderr)
            return 1
        if time.monotonic() > deadline:
            print(f'The node was not ready after {START_TIMEOUT_S / 60:.0f} min.', file=sys.stderr)
            return 1
    print(f'Playing {len(files)} recording(s) on /audio in real time; texts as they arrive on '
          '/speech/text:', flush=True)
    player = _start('parakeet_ros.player', *map(str, files), '--gap-s', str(GAP_S),
                    '--start-stamp', str(begin_s))
    children.append(player)
    while player.poll() is None:
        _spin_for(listener, 0.1)
    if player.returncode != 0:
        return player.returncode
    _settle(listener)
    _print_table(heard)
    return 0 if _end(node) == 0 else 1


def _settle(listener: Listener) -> None:
    """Wait until two reports in a row say that every utterance has been dealt with."""
    heard, deadline = listener.heard, time.monotonic() + SETTLE_TIMEOUT_S
    idle_reports, last_report = 0, heard.reports
    while idle_reports < 2 and time.monotonic() < deadline:
        _spin_for(listener, 0.1)
        if heard.reports != last_report:
            last_report = heard.reports
            idle_reports = idle_reports + 1 if heard.health['queue'] == '0' else 0


def _print_table(heard: Heard) -> None:
    timings = [result['timings'] for result in heard.results]
    if not timings:
        print('\nNo speech was found in the recording.')
        return
    audio_s = sum(t['audio_s'] for t in timings)
    engine_s = sum(t['audio_s'] / t['rtfx'] for t in timings)
    p50, p95 = np.percentile([t['latency_ms'] for t in timings], [50, 95])
    after_pause = np.percentile([t['total_ms'] for t in timings], [50, 95])
    rows = (
        ('utterances', f'{len(timings)}'),
        ('audio in them', f'{audio_s:.1f} s'),
        ('end of speech to text', f'p50 {p50:.0f} ms, p95 {p95:.0f} ms'),
        ('end of pause to text', f'p50 {after_pause[0]:.1f} ms, p95 {after_pause[1]:.1f} ms'),
        ('RTFx', f'{audio_s / engine_s:.0f}'),
        ('dropped', heard.health['dropped']),
    )
    print()
    for name, value in rows:
        print(f'{name:>22}  {value}')


def _seconds(stamp: dict[str, int]) -> float:
    return stamp['sec'] + stamp['nanosec'] / 1e9


def _spin_for(listener: Listener, seconds: float) -> None:
    """
    Handle what arrives for some time.

    :raises KeyboardInterrupt: if the user wants it to end.
    """
    deadline = time.monotonic() + seconds
    while (left_s := deadline - time.monotonic()) > 0:
        rclpy.spin_once(listener, timeout_sec=left_s)
        if listener.interrupted.is_set():
            raise KeyboardInterrupt


def _start(module: str, *arguments: str) -> 'subprocess.Popen[bytes]':
    return subprocess.Popen([sys.executable, '-m', module, *arguments])


def _end(child: 'subprocess.Popen[bytes]') -> int:
    """Interrupt a child as Ctrl-C would, and return its exit status."""
    if child.poll() is None:
        child.send_signal(signal.SIGINT)
    try:
        return child.wait(timeout=10)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def _parse_arguments(args: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='demo', description='Watch recordings on an audio topic become text.')
    parser.add_argument('files', nargs='*', type=Path, metavar='FILE',
                        help='your own WAV, FLAC or OGG; held-out clips without one')
    parser.add_argument('--model', default='builtin', help='builtin, a .nemo file, or org/name'
                        ' on the Hugging Face hub')
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    options = parser.parse_args(args)
    for file in options.files:
        if not file.is_file():
            parser.error(f'{file} is not a file')
    if Path(options.model).exists():
        options.model = str(Path(options.model).resolve())
    return options


if __name__ == '__main__':
    sys.exit(main())
