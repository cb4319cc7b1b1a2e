"""
Many microphones at once: latency, loss, processor time and memory of the real node over DDS.

The node runs in a process of its own. This process is all the microphones: each plays recordings
in real time in messages of 20 ms, shifted against each other, with faint noise between them.

- *from end of speech*: the node's `latency_ms`, from the arrival of the last sample of speech;
- *from end of pause*: its `total_ms`, from when the pause has lasted `vad.hangover_s`;
- *lost messages*: published, but not received, as the node counts them; *dropped*: utterances;
- *cores*: processor time of the node per second, all threads;
- *growth*: of the node's resident memory over the second half, per minute.

Prints a table and, as its last line, one JSON object; `--output` appends that line to a file.
Needs ROS 2 and audio_common_msgs: run `scripts/setup` and use its `.venv/bin/python`.
"""

import argparse
from contextlib import ExitStack
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import time
from typing import Any

from bench_latency import BEGIN_NS, CHUNK_SAMPLES, HELDOUT, make_track, SAMPLE_RATE
from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
from numpy.typing import NDArray
from parakeet_ros.conversions import ns_to_time
from report import finish, machine, percentile, print_table

try:
    from audio_common_msgs.msg import AudioData, AudioDataStamped
    import rclpy
    from rclpy.node import Node
    from std_msgs.msg import String
except ModuleNotFoundError as error:
    sys.exit(f'bench_live: {error}; run scripts/setup and use .venv/bin/python')

START_TIMEOUT_S = 120.0
SETTLE_S = 3.0
CHUNK_S = CHUNK_SAMPLES / SAMPLE_RATE
TICKS_PER_S = os.sysconf('SC_CLK_TCK')


class Bench(Node):
    """All the microphones, and who listens to the results and diagnostics."""

    def __init__(self, names: list[str]) -> None:
        super().__init__('bench_live')
        self.results: list[dict[str, Any]] = []
        self.values: dict[str, dict[str, str]] = {}  # of the diagnostics, by name of the status
        self.published = 0
        self._audio = [self.create_publisher(AudioDataStamped, f'{name}/audio', 1000)
                       for name in names]
        for name in names:
            self.create_subscription(
                String, f'{name}/speech/result',
                lambda message: self.results.append(json.loads(message.data)), 100)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)

    def wait_for_node(self, process: 'subprocess.Popen[bytes]') -> None:
        """
        Wait until the node listens to every microphone.

        :raises RuntimeError: it ended, or took too long.
        """
        deadline = time.monotonic() + START_TIMEOUT_S
        while not all(audio.get_subscription_count() for audio in self._audio):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError('the node does not listen; its output above says why')
            rclpy.spin_once(self, timeout_sec=0.05)

    def play(self, samples: NDArray[np.int16], chunks: range) -> None:
        """Publish chunks of the samples in real time; each microphone begins elsewhere in them."""
        n_chunks = len(samples) // CHUNK_SAMPLES
        begin_s = time.monotonic()
        for count, chunk in enumerate(chunks):
            self.listen(begin_s + count * CHUNK_S - time.monotonic())
            stamp = ns_to_time(BEGIN_NS + round(chunk * CHUNK_S * 1e9))
            for number, audio in enumerate(self._audio):
                start = (chunk + number * n_chunks // len(self._audio)) % n_chunks * CHUNK_SAMPLES
                message = AudioDataStamped()
                message.header.stamp = stamp
                message.audio = AudioData(data=samples[start:start + CHUNK_SAMPLES].tobytes())
                audio.publish(message)
        self.published += len(chunks) * len(self._audio)

    def listen(self, seconds: float) -> None:
        """Handle what arrives for some time."""
        deadline = time.monotonic() + seconds
        while (left_s := deadline - time.monotonic()) > 0:
            rclpy.spin_once(self, timeout_sec=left_s)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.values[status.name] = {value.key: value.value for value in status.values}


def processor_s(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f'/proc/{pid}/stat').read_text('ascii').rpartition(') ')[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    pages = int(Path(f'/proc/{pid}/statm').read_text('ascii').split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE') / 1e6


def run(options: argparse.Namespace, samples: NDArray[np.int16], streams: int) -> dict[str, Any]:
    """
    Play to a node of our own with so many microphones, and return what was measured.

    :raises RuntimeError: the node does not come up.
    """
    names = [f'microphone{number}' for number in range(streams)]
    with ExitStack() as stack:
        process = subprocess.Popen(
            [sys.executable, '-m', 'parakeet_ros.node', '--ros-args', '--log-level', 'warn',
             '-p', f'model:={options.model}', '-p', f'device:={options.device}',
             '-p', f'streams:={names}'], stdin=subprocess.DEVNULL, stdout=sys.stderr)
        stack.callback(process.wait)
        stack.callback(process.send_signal, signal.SIGINT)
        rclpy.init()
        stack.callback(rclpy.try_shutdown)
        bench = Bench(names)
        stack.callback(bench.destroy_node)
        bench.wait_for_node(process)
        bench.listen(1.0)
        n_chunks = round(options.seconds / CHUNK_S)
        begin_s = processor_s(process.pid)
        bench.play(samples, range(n_chunks // 2))
        half_mb = memory_mb(process.pid)
        bench.play(samples, range(n_chunks // 2, n_chunks))
        cores = (processor_s(process.pid) - begin_s) / options.seconds
        growth_mb = (memory_mb(process.pid) - half_mb) / (options.seconds / 2 / 60)
        bench.listen(SETTLE_S)
        return summary(bench, streams) | {
            'cores': cores, 'memory_mb': memory_mb(process.pid), 'growth_mb_per_min': growth_mb}


def summary(bench: Bench, streams: int) -> dict[str, Any]:
    """Return what the node has heard and how late it was."""
    recognizer = bench.values['asr: recognizer']
    received = sum(int(values['messages']) for name, values in bench.values.items()
                   if name.endswith('audio input'))
    # at the end of the stream there is no pause to guess at
    timings = [result['timings'] for result in bench.results
               if result['timings'] and result['end_reason'] == 'pause']
    row: dict[str, Any] = {
        'streams': streams, 'utterances': len(timings), 'messages': bench.published,
        'lost_messages': bench.published - received, 'dropped': int(recognizer['dropped']),
        'failed': int(recognizer['failed']), 'guessed': int(recognizer['guessed']),
        'discarded': int(recognizer['discarded guesses'])}
    for key, name in (('latency_ms', 'from_speech_ms'), ('total_ms', 'from_pause_ms')):
        values = [each[key] for each in timings]
        row[name] = {f'p{p}': percentile(values, p) for p in (50, 95, 99)} if values else {}
    return row


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog='bench_live', description='Latency, loss and memory with many microphones.')
    parser.add_argument('--streams', type=int, nargs='+', default=[1, 8, 32], metavar='N',
                        help='numbers of microphones (default: 1 8 32)')
    parser.add_argument('--seconds', type=float, default=60.0, help='each (default: 60)')
    parser.add_argument('--model', default='builtin', help='of the node (default: builtin)')
    parser.add_argument('--device', default='cpu', help='of the node (default: cpu)')
    parser.add_argument('--threads', type=int, default=1,
                        help='CPU threads of the engine (default: 1)')
    parser.add_argument('--domain', type=int, default=78,
                        help='ROS_DOMAIN_ID, one that nobody uses (default: 78)')
    parser.add_argument('--output', type=Path, metavar='FILE', help='append the JSON line to it')
    options = parser.parse_args(arguments)
    if min(options.streams) < 1 or options.seconds < 4:
        parser.error('give at least one stream and 4 seconds')
    return options


def main(arguments: list[str] | None = None) -> int:
    """Measure, and print what came out."""
    options = parse_arguments(arguments)
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    os.environ['ROS_DOMAIN_ID'] = str(options.domain)
    os.environ['OMP_NUM_THREADS'] = str(options.threads)
    track = make_track(sorted(HELDOUT.glob('short_*.flac')))
    try:
        rows = [run(options, track.samples, streams) for streams in options.streams]
    except RuntimeError as error:
        print(f'bench_live: {error}', file=sys.stderr)
        return 2
    flat = [row | {f'{name} {p}': value for name in ('from_speech_ms', 'from_pause_ms')
                   for p, value in row[name].items()} for row in rows]
    print_table(flat, {
        'streams': 'streams', 'utterances': 'utterances', 'lost_messages': 'lost messages',
        'dropped': 'dropped', 'from_pause_ms p50': 'pause to text p50, ms',
        'from_pause_ms p95': 'p95', 'from_pause_ms p99': 'p99',
        'from_speech_ms p50': 'speech to text p50, ms', 'from_speech_ms p95': 'p95 ',
        'cores': 'cores', 'memory_mb': 'MB', 'growth_mb_per_min': 'MB/min'})
    finish({'benchmark': 'live', 'model': Path(options.model).name, 'threads': options.threads,
            'seconds': options.seconds, **machine(options.device), 'runs': rows},
           options.output)
    return 0 if not any(row['lost_messages'] + row['dropped'] for row in rows) else 1


if __name__ == '__main__':
    sys.exit(main())
