"""
Many microphones at once: latency, loss, processor time and memory of the real node over DDS.

The node runs in a process of its own. This process is all the microphones: each plays recordings
in real time in messages of 20 ms, shifted against each other, with faint noise between them.
`--rate 8` plays eight times as fast, for much audio in little time: then latencies mean little,
for pauses pass eight times as fast, too.

- *from end of speech*: the node's `latency_ms`, from the arrival of the last sample of speech;
- *from end of pause*: its `total_ms`, from when the pause has lasted `vad.hangover_s`;
- *lost messages*: published, but not received, as the node counts them; *dropped*: utterances;
- *cores*: processor time of the node per second, all threads;
- *growth*: of the node's resident memory per minute of audio: the line nearest to what it is at
  every twentieth of the second half. Well below 15 minutes of audio it is the heap's warming up.

Prints a table and, as its last line, one JSON object; `--output` appends that line to a file.
Needs ROS 2 and audio_common_msgs: run `scripts/setup` and use its `.venv/bin/python`.
"""

import argparse
from itertools import pairwise
import json
import os
from pathlib import Path
import sys
import time
from typing import Any

from bench_latency import BEGIN_NS, CHUNK_SAMPLES, HELDOUT, make_track, SAMPLE_RATE
from live_node import add_node_options, Bench, live_node
import numpy as np
from numpy.typing import NDArray
from parakeet_ros.conversions import ns_to_time
from report import finish, machine, percentile, print_table

try:
    from audio_common_msgs.msg import AudioData, AudioDataStamped
    from diagnostic_msgs.msg import DiagnosticArray
    from std_msgs.msg import String
except ModuleNotFoundError as error:
    sys.exit(f'bench_live: {error}; run scripts/setup and use .venv/bin/python')

SETTLE_S = 3.0
POINTS = 20  # at which memory is looked at, in each half
CHUNK_S = CHUNK_SAMPLES / SAMPLE_RATE
TICKS_PER_S = os.sysconf('SC_CLK_TCK')


class Microphones(Bench):
    """All the microphones, and who listens to the results and diagnostics."""

    def __init__(self, names: list[str]) -> None:
        super().__init__('bench_live')
        self.results: list[dict[str, Any]] = []
        self.values: dict[str, dict[str, str]] = {}  # of the diagnostics, by name of the status
        self.published = 0
        self.audio = [self.create_publisher(AudioDataStamped, f'{name}/audio', 1000)
                      for name in names]
        for name in names:
            self.create_subscription(
                String, f'{name}/speech/result',
                lambda message: self.results.append(json.loads(message.data)), 100)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)

    def play(self, samples: NDArray[np.int16], chunks: range, rate: float) -> None:
        """Publish chunks of the samples on time; each microphone begins elsewhere in them."""
        n_chunks = len(samples) // CHUNK_SAMPLES
        begin_s = time.monotonic()
        for count, chunk in enumerate(chunks, start=1):  # each when its last sample has been said
            self.listen(begin_s + count * CHUNK_S / rate - time.monotonic())
            stamp = ns_to_time(BEGIN_NS + round(chunk * CHUNK_S * 1e9))
            for number, audio in enumerate(self.audio):
                start = (chunk + number * n_chunks // len(self.audio)) % n_chunks * CHUNK_SAMPLES
                message = AudioDataStamped()
                message.header.stamp = stamp
                message.audio = AudioData(data=samples[start:start + CHUNK_SAMPLES].tobytes())
                audio.publish(message)
        self.published += len(chunks) * len(self.audio)

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
    with live_node(options, lambda: Microphones(names), streams=names) as (bench, process):
        bench.listen(1.0)
        begin_s, begin_cpu_s = time.monotonic(), processor_s(process.pid)
        edges = np.linspace(0, round(options.seconds / CHUNK_S), 2 * POINTS + 1).astype(int)
        points_mb = []
        for first, last in pairwise(edges):
            bench.play(samples, range(first, last), options.rate)
            points_mb.append(memory_mb(process.pid))
        cores = (processor_s(process.pid) - begin_cpu_s) / (time.monotonic() - begin_s)
        minutes = edges[POINTS:] * CHUNK_S / 60
        growth_mb = float(np.polyfit(minutes, points_mb[POINTS - 1:], 1)[0])
        bench.listen(SETTLE_S)
        return summary(bench, streams) | {
            'cores': cores, 'memory_mb': memory_mb(process.pid), 'points_mb': points_mb,
            'growth_mb_per_min': growth_mb}


def summary(bench: Microphones, streams: int) -> dict[str, Any]:
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
    parser.add_argument('--seconds', type=float, default=60.0, help='of audio, each (default: 60)')
    parser.add_argument('--rate', type=float, default=1.0,
                        help='times real time at which it is played (default: 1)')
    add_node_options(parser, device='cpu', domain=78)
    options = parser.parse_args(arguments)
    if min(options.streams) < 1 or options.seconds < 4 or not 0.1 <= options.rate <= 100:
        parser.error('give at least one stream, 4 seconds, and a rate of 0.1 to 100')
    return options


def main(arguments: list[str] | None = None) -> int:
    """Measure, and print what came out."""
    options = parse_arguments(arguments)
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
            'seconds': options.seconds, 'rate': options.rate, **machine(options.device),
            'runs': rows}, options.output)
    return 0 if not any(row['lost_messages'] + row['dropped'] for row in rows) else 1


if __name__ == '__main__':
    sys.exit(main())
