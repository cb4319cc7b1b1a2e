"""
Latency from the end of speech to the text, through the real node over DDS.

The node runs in a process of its own. This process is the microphone, which publishes recordings
in real time in messages of 20 ms, with faint noise between them, and the listener on
`speech/text`. For each utterance the latency runs from the publication of the message that holds
the last sample of speech, as the node's `speech/result` names it, to the arrival of the text,
both on this process's steady clock. Its parts:

- *hangover*: silence that the node awaits before it takes the speech for ended, and the rest of
  the message in which it ends;
- *after_pause*: from there to the result; near 0 where the engine, which starts when the pause
  begins, is done by then;
- *transport*: the rest, DDS in both directions and the executors at both ends.

*engine*, features, encoder and decoder, is shown beside them: it runs while the pause lasts.

Reported are p50, p95 and p99 of each over all utterances: parts of one percentile come from
different utterances and do not add up. Lost: recordings in which no text was heard. One stream.

Prints a table and, as its last line, one JSON object; `--output` appends that line to a file.
Needs ROS 2 and audio_common_msgs: run `scripts/setup` and use its `.venv/bin/python`.
"""

import argparse
from dataclasses import dataclass, field
import json
from pathlib import Path
import sys
import time
from typing import Any

from live_node import add_node_options, Bench, live_node
import numpy as np
from numpy.typing import NDArray
from parakeet_ros.conversions import ns_to_time
from parakeet_ros.recording import read_blocks
from report import finish, machine, percentile, print_table
import torch

try:
    from audio_common_msgs.msg import AudioData, AudioDataStamped
    import rclpy
    from std_msgs.msg import String
except ModuleNotFoundError as error:
    sys.exit(f'bench_latency: {error}; run scripts/setup and use .venv/bin/python')

HELDOUT = Path(__file__).parents[1] / 'test' / 'data' / 'heldout'
SAMPLE_RATE = 16_000
CHUNK_SAMPLES = SAMPLE_RATE // 50
GAP_S = 1.0
NOISE = 3e-4  # RMS between the recordings: a room is never digitally silent
SETTLE_S = 30.0
BEGIN_NS = 1_000_000_000_000  # stamp of the first sample
PARTS = ('latency', 'hangover', 'after_pause', 'transport', 'engine')


@dataclass
class Track:
    """The recordings one after another, and where each lies in samples."""

    samples: NDArray[np.int16]
    spans: list[tuple[int, int]]


@dataclass
class Heard:
    """What arrived, and when on this process's steady clock."""

    text_ns: list[int] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)


class Microphone(Bench):
    """Microphone and listener in one node."""

    def __init__(self) -> None:
        super().__init__('bench_latency')
        self.heard = Heard()
        self.published_ns: list[int] = []  # when each message went out
        self.audio = [self.create_publisher(AudioDataStamped, 'audio', 1000)]
        self.create_subscription(String, 'speech/text', self._on_text, 100)
        self.create_subscription(String, 'speech/result', self._on_result, 100)

    def play(self, samples: NDArray[np.int16]) -> None:
        """Publish in real time, each message when its last sample has been said."""
        begin_s = time.monotonic()
        for start in range(0, len(samples), CHUNK_SAMPLES):
            chunk = samples[start:start + CHUNK_SAMPLES]
            due_s = begin_s + (start + len(chunk)) / SAMPLE_RATE
            while (wait_s := due_s - time.monotonic()) > 0:
                rclpy.spin_once(self, timeout_sec=wait_s)
            message = AudioDataStamped(audio=AudioData(data=chunk.tobytes()))
            message.header.stamp = ns_to_time(BEGIN_NS + start * 1_000_000_000 // SAMPLE_RATE)
            self.published_ns.append(time.monotonic_ns())
            self.audio[0].publish(message)

    def _on_text(self, message: String) -> None:
        self.heard.text_ns.append(time.monotonic_ns())

    def _on_result(self, message: String) -> None:
        result = json.loads(message.data)
        if result['text']:  # then there is one text for it, in the same order
            self.heard.results.append(result)


def make_track(files: list[Path]) -> Track:
    """
    Join recordings with pauses of faint noise.

    :raises FileNotFoundError: there is no such file.
    :raises RecordingError: a file is not readable sound.
    """
    noise = np.random.default_rng(0)
    pause = noise.normal(0, NOISE, round(GAP_S * SAMPLE_RATE)).astype(np.float32)
    parts, spans, position = [pause], [], len(pause)
    for file in files:
        waveform = np.concatenate(list(read_blocks(file, SAMPLE_RATE)))
        spans.append((position, position + len(waveform)))
        parts += [waveform, pause]
        position += len(waveform) + len(pause)
    joined = np.clip(np.concatenate([*parts, pause]), -1, 1)
    return Track(np.round(joined * 32_767).astype('<i2'), spans)


def latencies(heard: Heard, published_ns: list[int]) -> list[dict[str, float]]:
    """Return the latency of each utterance and its parts, in ms."""
    rows = []
    for arrived_ns, result in zip(heard.text_ns, heard.results):  # both in order
        last_sample = _sample(result['speech_end']) - 1
        spoken_ns = published_ns[min(last_sample // CHUNK_SAMPLES, len(published_ns) - 1)]
        timings = result['timings']
        engine_ms = sum(timings[f'{stage}_ms'] for stage in ('features', 'encoder', 'decoder'))
        latency_ms = (arrived_ns - spoken_ns) / 1e6
        rows.append({
            'latency': latency_ms, 'hangover': timings['endpoint_ms'],
            'after_pause': timings['total_ms'],
            'transport': latency_ms - timings['latency_ms'], 'engine': engine_ms})
    return rows


def count_lost(track: Track, results: list[dict[str, Any]]) -> int:
    """Return in how many recordings nothing was heard."""
    heard = [(_sample(result['speech_start']), _sample(result['speech_end']))
             for result in results]
    return sum(all(end <= first or last <= start for start, end in heard)
               for first, last in track.spans)


def _sample(stamp: dict[str, int]) -> int:
    """Return the sample of the track that a stamp names."""
    stamp_ns = stamp['sec'] * 1_000_000_000 + stamp['nanosec'] - BEGIN_NS
    return round(stamp_ns * SAMPLE_RATE / 1e9)


def run(options: argparse.Namespace, track: Track) -> Microphone:
    """
    Play the track to a node of our own and return who listened.

    :raises RuntimeError: the node does not come up.
    """
    with live_node(options, Microphone, dtype=options.dtype) as (bench, _):
        bench.play(track.samples)
        deadline = time.monotonic() + SETTLE_S
        while count_lost(track, bench.heard.results) and time.monotonic() < deadline:
            bench.listen(0.1)
        bench.listen(0.5)
        return bench


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog='bench_latency', description='Latency through the node, end of speech to text.')
    parser.add_argument('files', nargs='*', type=Path, metavar='FILE',
                        help='recordings of one utterance each (default: the held-out clips)')
    parser.add_argument('--clips', type=int, default=40, metavar='N',
                        help='how many of the held-out clips (default: 40)')
    parser.add_argument('--dtype', default='auto', help='of the node')
    add_node_options(parser, device='auto', domain=77)
    options = parser.parse_args(arguments)
    for name, low, high in (('clips', 1, 10_000), ('threads', 1, 1024), ('domain', 0, 101)):
        if not low <= getattr(options, name) <= high:
            parser.error(f'--{name} is {getattr(options, name)}; give {low} to {high}')
    options.files = options.files or sorted(HELDOUT.glob('short_*.flac'))[:options.clips]
    return options


def main(arguments: list[str] | None = None) -> int:
    """Measure, and print what came out."""
    options = parse_arguments(arguments)
    try:
        track = make_track(options.files)
        bench = run(options, track)
    except (ValueError, OSError, RuntimeError) as error:
        print(f'bench_latency: {error}', file=sys.stderr)
        return 2
    rows = latencies(bench.heard, bench.published_ns)
    on_gpu = options.device.startswith('cuda') or (
        options.device == 'auto' and torch.cuda.is_available())
    record = {
        'benchmark': 'latency', 'model': Path(options.model).name, 'dtype': options.dtype,
        'threads': options.threads, 'streams': 1,
        'recordings': len(track.spans), 'utterances': len(rows),
        'lost': count_lost(track, bench.heard.results),
        'audio_s': len(track.samples) / SAMPLE_RATE, **machine('cuda' if on_gpu else 'cpu'),
        'ms': {part: {f'p{percent}': percentile([row[part] for row in rows], percent)
                      for percent in (50, 95, 99)} for part in PARTS if rows}}
    print(f'{record["model"]} on {record["device"]}: {record["recordings"]} recordings, '
          f'{len(rows)} utterances, {record["lost"]} lost, {record["audio_s"]:.0f} s\n')
    print_table([{'ms': part, **values} for part, values in record['ms'].items()],
                {'ms': 'ms', 'p50': 'p50', 'p95': 'p95', 'p99': 'p99'})
    finish(record, options.output)
    return 0 if not record['lost'] else 1


if __name__ == '__main__':
    sys.exit(main())
