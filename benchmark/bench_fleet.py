"""
An archive of bags on Ray, with murder: the output is that of one process, nothing is done twice.

Makes bags of the held-out clips (one sentence or a few each, 16 kHz, 20 ms a message, mcap), and
transcribes them with `parakeet-ros bag transcribe --format json` as a user would:

- *one process*: the reference, with one thread. Its processor time, start included, gives what an
  hour of bags costs. What of it is not the engine's is measured once more by itself: the bags are
  read, decoded and segmented with an engine that does nothing.
- *Ray, a worker killed*: two workers on this machine; when a quarter of the outputs is there, one
  of them gets a SIGKILL.
- *Ray, all killed*: when half of the outputs is there, the command and all its processes get one;
  then the same command runs again. *Done twice* counts outputs that had been recorded before the
  kill and were written again.

*Same* counts the outputs that equal the reference byte for byte. RTFx is seconds of bags per
second of wall time, the start of Python, Ray and model included. Needs Ray: pip install ray.
"""
import argparse
from collections.abc import Callable, Iterator, Sequence
import json
import os
from pathlib import Path
import resource
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np
from parakeet_ros.audio_messages import ROS_DRIVERS
from parakeet_ros.bags.definitions import our_types
from parakeet_ros.bags.finding import find_bags
from parakeet_ros.bags.settings import read_parameters
from parakeet_ros.cli.bag_job import BagJob, transcribe_bag
from parakeet_ros.engine import Timings, Transcript
from parakeet_ros.recording import read_audio
from report import finish, machine, print_table
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores

ROOT = Path(__file__).parents[1]
HELDOUT = ROOT / 'test' / 'data' / 'heldout'
RATE_HZ = 16_000
CHUNK_SAMPLES = RATE_HZ // 50
PAUSE_S = 1.0
START_NS = 1_700_000_000_000_000_000
KIND = 'audio_common_msgs/msg/AudioDataStamped'
WORKER = b'ray::Hearer'  # how the process of a worker is called
POLL_S = 0.02


def make_bags(folder: Path, count: int, sentences: int) -> float:
    """Write bags with so many sentences each, and return their length in seconds."""
    entries = [json.loads(line) for line in
               (HELDOUT / 'manifest.jsonl').read_text('utf-8').splitlines()]
    clips = [read_audio(HELDOUT / entry['path'])[0][:, 0] for entry in entries
             if 'commands' not in entry]
    rng, seconds = np.random.default_rng(0), 0.0
    for number in range(count):
        parts = []
        for index in rng.integers(len(clips), size=sentences):
            room = rng.normal(0, 3e-4, round(PAUSE_S * RATE_HZ)).astype(np.float32)
            parts += [room, clips[index]]
        samples = np.round(np.clip(np.concatenate([*parts, room]), -1, 1) * 32767).astype('<i2')
        write_bag(folder / f'robot{number % 4}' / f'bag{number:05}', samples)
        seconds += len(samples) / RATE_HZ
    return seconds


def write_bag(path: Path, samples: Any) -> None:
    """Write a bag as `ros2 bag record` would have."""
    store = get_typestore(Stores.ROS2_HUMBLE)
    store.register(our_types(ROS_DRIVERS))
    types: dict[str, Any] = {name.rpartition('/')[2]: each for name, each in store.types.items()
                             if name.startswith(('audio_common', 'std_msgs', 'builtin'))}
    path.parent.mkdir(parents=True, exist_ok=True)
    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection('/audio', KIND, typestore=store)
        for begin in range(0, len(samples), CHUNK_SAMPLES):
            stamp_ns = START_NS + begin * 10**9 // RATE_HZ
            chunk = samples[begin:begin + CHUNK_SAMPLES]
            message = types['AudioDataStamped'](
                types['Header'](types['Time'](*divmod(stamp_ns, 10**9)), 'microphone'),
                types['AudioData'](chunk.view(np.uint8)))
            writer.write(connection, stamp_ns + len(chunk) * 10**9 // RATE_HZ,
                         store.serialize_cdr(message, KIND))


def start(bags: Path, output: Path, model: str, *more: str) -> 'subprocess.Popen[bytes]':
    """Start the command."""
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': os.pathsep.join(
        [str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])])}
    return subprocess.Popen(
        [sys.executable, '-m', 'parakeet_ros', 'bag', 'transcribe', str(bags), '--model', model,
         '--device', 'cpu', '--format', 'json', '--output', str(output), *more],
        env=environment, stderr=subprocess.DEVNULL)


def outputs(folder: Path) -> dict[str, Path]:
    """Return the outputs in a folder by their names, without the records."""
    return {str(path.relative_to(folder)): path for path in folder.rglob('*.json')
            if '.parakeet' not in path.parts}


def same(folder: Path, reference: Path) -> int:
    """Count the outputs that equal those of the reference."""
    found = outputs(folder)
    return sum(name in found and found[name].read_bytes() == path.read_bytes()
               for name, path in outputs(reference).items())


def below(pid: int) -> Iterator[int]:
    """Yield the processes that a process has started, and those that they have."""
    for folder in Path('/proc').glob('[0-9]*'):
        try:
            parent = int((folder / 'stat').read_text().rpartition(')')[2].split()[1])
        except (OSError, ValueError):
            continue  # it has ended meanwhile
        if parent == pid:
            yield int(folder.name)
            yield from below(int(folder.name))


def workers(pid: int) -> list[int]:
    """Return the workers of a command."""
    return [each for each in below(pid)
            if Path(f'/proc/{each}/cmdline').read_bytes().startswith(WORKER)]


def wait_until(process: 'subprocess.Popen[bytes]', holds: Callable[[], bool]) -> None:
    """Wait until something holds while a command runs."""
    while not holds():
        if process.poll() is not None:
            sys.exit('bench_fleet: the command ended too early; is Ray installed?')
        time.sleep(POLL_S)


def run_once(bags: Path, output: Path, model: str) -> dict[str, Any]:
    """Transcribe in one process: the reference."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    start(bags, output, model).wait()
    wall_s = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    records = [json.loads(path.read_text()) for path in (output / '.parakeet').rglob('*.json')]
    return {'run': 'one process', 'wall_s': wall_s, 'killed': 0, 'done_twice': 0,
            'cpu_s': after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
            'without_engine_cpu_s': hear_without_engine(bags),
            'utterances': sum(record['utterances'] for record in records),
            'speech_s': sum(record['audio_s'] for record in records),
            'peak_mb': after.ru_maxrss / 1000, 'bags_mb': size_mb(bags),
            'outputs_mb': size_mb(output)}


def size_mb(folder: Path) -> float:
    """Return what the files below a folder take, in 10**6 bytes."""
    return sum(path.stat().st_size for path in folder.rglob('*') if path.is_file()) / 1e6


class NoEngine:
    """An engine that hears nothing, at once."""

    def transcribe_batch(self, waveforms: Sequence[Any]) -> list[Transcript]:
        """Return transcripts without words."""
        return [Transcript('', (), (), 0.0, len(waveform) / RATE_HZ, Timings())
                for waveform in waveforms]

    def transcribe_in_pieces(self, waveform: Any, piece_s: float) -> Transcript:
        """Do the same."""
        return self.transcribe_batch([waveform])[0]


def hear_without_engine(bags: Path) -> float:
    """Return the processor time of all that is not the engine's, in seconds."""
    job = BagJob('json', read_parameters(None), 'none')
    begun = time.process_time()
    for bag in find_bags([str(bags)]):
        transcribe_bag(bag, job, NoEngine())
    return time.process_time() - begun


def run_with_a_death(bags: Path, output: Path, model: str, count: int) -> dict[str, Any]:
    """Transcribe on Ray, and kill a worker on the way."""
    begun = time.perf_counter()
    process = start(bags, output, model, '--ray', '--workers', '2')
    wait_until(process, lambda: len(outputs(output)) >= count // 4)
    [victim, *_] = workers(process.pid)
    os.kill(victim, signal.SIGKILL)
    process.wait()
    return {'run': 'Ray, a worker killed', 'wall_s': time.perf_counter() - begun, 'killed': 1,
            'done_twice': 0}


def run_twice(bags: Path, output: Path, model: str, count: int) -> dict[str, Any]:
    """Transcribe on Ray, kill everything on the way, and go on."""
    begun = time.perf_counter()
    process = start(bags, output, model, '--ray', '--workers', '2')
    wait_until(process, lambda: len(outputs(output)) >= count // 2)
    victims = [process.pid, *below(process.pid)]
    for victim in victims:
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it went with another one
    process.wait()
    records = output / '.parakeet' / 'done'
    recorded = {name: path.stat().st_mtime_ns for name, path in outputs(output).items()
                if (records / name).exists()}
    start(bags, output, model, '--ray', '--workers', '2').wait()
    found = outputs(output)
    return {'run': 'Ray, all killed, again', 'wall_s': time.perf_counter() - begun,
            'killed': len(victims), 'done_before': len(recorded),
            'done_twice': sum(found[name].stat().st_mtime_ns != at
                              for name, at in recorded.items())}


def main(args: list[str] | None = None) -> int:
    """Make the bags, run all, and compare."""
    parser = argparse.ArgumentParser(
        prog='bench_fleet', description='Transcribe an archive of bags on Ray, with murder.')
    parser.add_argument('--bags', type=int, default=200, metavar='N')
    parser.add_argument('--sentences', type=int, default=1, metavar='N', help='in each bag')
    parser.add_argument('--model', default='builtin')
    parser.add_argument('--output', type=Path, help='append the line of JSON to this file')
    options = parser.parse_args(args)
    with tempfile.TemporaryDirectory() as folder:
        bags, places = Path(folder) / 'bags', [Path(folder) / name for name in 'abc']
        seconds = make_bags(bags, options.bags, options.sentences)
        rows = [run_once(bags, places[0], options.model),
                run_with_a_death(bags, places[1], options.model, options.bags),
                run_twice(bags, places[2], options.model, options.bags)]
        for row, place in zip(rows, places, strict=True):
            row['same'] = same(place, places[0])
            row['rtfx'] = seconds / row['wall_s']
    print(f'{options.bags} bags, {seconds / 60:.1f} minutes, {rows[0]["utterances"]} utterances')
    print_table(rows, {'run': 'run', 'same': 'same', 'done_twice': 'done twice',
                       'killed': 'killed', 'wall_s': 'wall s', 'rtfx': 'RTFx'})
    once = rows[0]
    print(f'one process: {3600 * once["cpu_s"] / seconds:.0f} s of processor time for an hour of '
          f'bags at {once["speech_s"] / seconds:.0%} speech, '
          f'{3600 * once["without_engine_cpu_s"] / seconds:.0f} s without the engine')
    finish({'benchmark': 'fleet', 'model': options.model, 'bags': options.bags,
            'seconds': seconds, **machine(), 'runs': rows}, options.output)
    return 0 if all(row['same'] == options.bags and not row['done_twice'] for row in rows) else 1


if __name__ == '__main__':
    sys.exit(main())
