"""
Time and memory of the engine, stage by stage, over clip lengths and batch sizes.

Each case is one call of `transcribe_batch`: waveforms in host memory to transcripts. After a
warm-up call of the same shape, on CUDA three because the second captures graphs, it is repeated,
the device drained around each call, and medians are reported:

- *features, encoder, decoder*: the engine's own clock, for the whole batch: marks on the device
  between the stages, and the decoder's end when the host has its results.
- *total*: wall time of the call. *CPU*: CPU time of all threads in it, which on a busy machine
  says more than wall time. RTFx: seconds of audio in the batch per second of wall time.
- *host*: peak resident memory of the process during the case, weights included; the kernel's
  high-water mark, reset before each case (Linux). *device*: peak memory that torch took on the
  GPU, that of its graphs too, after it gave back what the case before had left.
- *launches, syncs, copies*: of one further call under torch's profiler: kernels and graphs
  launched, waits of the host for the device, and copies between them; the JSON line has every
  call by name, and among them one wait for the whole device by the profiler. They are left out
  where the profiler may not look at the GPU. On a CPU *launches* counts top-level torch operations
  instead.

Prints a table and, as its last line, one JSON object; `--output` appends that line to a file.
"""

import argparse
from collections import Counter
from dataclasses import asdict, fields
from pathlib import Path
import statistics
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from parakeet_ros.careful import is_out_of_memory, release_cached_memory
from parakeet_ros.engine import load_model, Timings, Transcriber
from report import finish, machine, measure, print_table
from speech import clip, read_speech, SAMPLE_RATE, SPEECH
import torch

LENGTHS_S = (1.0, 3.0, 6.0, 12.0, 30.0)
BATCHES = {'cpu': (1,), 'cuda': (1, 8, 32, 128)}
COLUMNS = {
    'clip_s': 'clip s', 'batch': 'batch', 'features_ms': 'features ms',
    'encoder_ms': 'encoder ms', 'decoder_ms': 'decoder ms', 'wall_ms': 'total ms',
    'cpu_ms': 'CPU ms', 'rtfx': 'RTFx', 'tokens': 'tokens', 'host_mb': 'host MB',
    'device_mb': 'device MB', 'launches': 'launches', 'syncs': 'syncs', 'copies': 'copies',
    'failure': 'failure'}
_WARM_UPS = {'cpu': 1, 'cuda': 3}
_LAUNCHES = ('cudaLaunchKernel', 'cudaLaunchKernelExC', 'cuLaunchKernel', 'cuLaunchKernelEx',
             'cudaGraphLaunch')
_SYNCS = ('cudaStreamSynchronize', 'cudaEventSynchronize', 'cudaMemcpy')
_COPIES = ('Memcpy HtoD', 'Memcpy DtoH')  # how the names of what the device does begin


def run_case(engine: Transcriber, speech: NDArray[np.float32], clip_s: float, batch: int,
             repeats: int) -> dict[str, Any]:
    """Measure one length and batch size; where that fails, as for want of memory, say so."""
    waveforms = make_batch(speech, clip_s, batch)
    row: dict[str, Any] = {'clip_s': clip_s, 'batch': batch}
    try:
        for _ in range(_WARM_UPS[engine.device.type]):
            engine.transcribe_batch(waveforms)
        _reset_peaks(engine.device)
        row.update(_times(engine, waveforms, repeats), **_peaks(engine.device))
    except RuntimeError as error:
        if engine.device.type == 'cuda':
            release_cached_memory()
        row['failure'] = ('out of memory' if is_out_of_memory(error) else
                          str(error).partition('\n')[0])
    return row


def make_batch(speech: NDArray[np.float32], clip_s: float,
               batch: int) -> list[NDArray[np.float32]]:
    """Return clips of one length; each row starts a little later and so says something else."""
    waveform = clip(speech, clip_s)
    return [np.roll(waveform, -row * SAMPLE_RATE // 5) for row in range(batch)]


def _times(engine: Transcriber, waveforms: list[NDArray[np.float32]],
           repeats: int) -> dict[str, Any]:
    """Return the medians, and what was decoded."""
    calls: list[dict[str, float]] = []
    decoded: list[int] = []

    def call() -> None:
        transcripts = engine.transcribe_batch(waveforms)
        calls.append({field.name: sum(getattr(t.timings, field.name) for t in transcripts)
                      for field in fields(Timings)})
        decoded[:] = [len(t.tokens) for t in transcripts]

    times = measure(call, repeats, lambda: _wait(engine.device))
    stages = {name: statistics.median(c[name] for c in calls) for name in asdict(Timings())}
    stages.pop('total_ms')
    audio_s = sum(map(len, waveforms)) / SAMPLE_RATE
    return {**stages, 'wall_ms': 1e3 * times['wall_s'], 'cpu_ms': 1e3 * times['cpu_s'],
            'rtfx': audio_s / times['wall_s'], 'tokens': sum(decoded)}


def _wait(device: torch.device) -> None:
    """Wait until the device has done all that it was given."""
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def _reset_peaks(device: torch.device) -> None:
    """Start the high-water marks again."""
    if device.type == 'cuda':
        release_cached_memory()
        torch.cuda.reset_peak_memory_stats(device)
    try:
        Path('/proc/self/clear_refs').write_text('5')
    except OSError:
        pass  # the mark then covers the whole process so far: still an upper bound


def _peaks(device: torch.device) -> dict[str, float]:
    """Return the high-water marks in MB (1e6 bytes)."""
    peaks = {}
    try:
        status = Path('/proc/self/status').read_text()
        peaks['host_mb'] = int(status.partition('VmHWM:')[2].split()[0]) * 1024 / 1e6
    except OSError:
        pass
    if device.type == 'cuda':
        peaks['device_mb'] = torch.cuda.max_memory_reserved(device) / 1e6
    return peaks


def count_calls(engine: Transcriber,
                waveforms: list[NDArray[np.float32]]) -> dict[str, Any]:
    """Count what one call asks of the device, or of the CPU."""
    on_gpu = engine.device.type == 'cuda'
    kinds = [torch.profiler.ProfilerActivity.CPU]
    if on_gpu:
        kinds.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=kinds) as profiler:
        engine.transcribe_batch(waveforms)
    events = profiler.events() or []
    if not on_gpu:
        return {'launches': sum(event.name.startswith('aten::') and event.cpu_parent is None
                                for event in events)}
    return count_cuda_calls([event.name for event in events])


def count_cuda_calls(names: list[str]) -> dict[str, Any]:
    """Count calls of CUDA, and what the device did, by the names of a profile's events."""
    calls = Counter(name for name in names if name.startswith('cu'))
    if not calls:  # a Jetson lets only some users look
        return {}
    return {
        'launches': sum(calls[name] for name in _LAUNCHES),
        'syncs': sum(calls[name] for name in _SYNCS),
        'copies': sum(name.startswith(_COPIES) for name in names),
        'calls': dict(calls)}


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog='bench_engine', description='Time and memory of the engine, stage by stage.')
    parser.add_argument('model', nargs='?', default='builtin',
                        help='a model as load_model takes it, such as a .nemo file of '
                             'make_checkpoint (default: %(default)s)')
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    parser.add_argument('--dtype', default='auto', help='number format, as load_model takes it')
    parser.add_argument('--threads', type=int, default=1, metavar='N',
                        help='of the CPU (default: 1)')
    parser.add_argument('--lengths', type=float, nargs='+', default=LENGTHS_S, metavar='S',
                        help='clip lengths in seconds (default: 1 3 6 12 30)')
    parser.add_argument('--batches', type=int, nargs='+', metavar='N',
                        help='batch sizes (default: 1 on a CPU, 1 8 32 128 on a GPU)')
    parser.add_argument('--repeats', type=int, default=5, help='of each case (default: 5)')
    parser.add_argument('--speech', type=Path, default=SPEECH, metavar='FILE',
                        help='recording to cut the clips from (default: one of the tests)')
    parser.add_argument('--no-profile', action='store_true', help='count no launches and syncs')
    parser.add_argument('--output', type=Path, metavar='FILE', help='append the JSON line to it')
    options = parser.parse_args(arguments)
    for name in ('threads', 'repeats'):
        if not 1 <= getattr(options, name) <= 1024:
            parser.error(f'--{name} is {getattr(options, name)}; give 1 to 1024')
    if not all(0.1 <= length <= 3600 for length in options.lengths):
        parser.error(f'--lengths is {options.lengths}; give seconds from 0.1 to 3600')
    if not all(batch >= 1 for batch in options.batches or ()):
        parser.error(f'--batches is {options.batches}; give at least 1')
    return options


def main(arguments: list[str] | None = None) -> int:
    """Measure every case, and print what came out."""
    options = parse_arguments(arguments)
    torch.set_num_threads(options.threads)
    try:
        speech = read_speech(options.speech)
        engine = load_model(options.model, device=options.device, dtype=options.dtype)
    except (ValueError, OSError) as error:
        print(f'bench_engine: {error}', file=sys.stderr)
        return 2
    batches = options.batches or BATCHES[engine.device.type]
    rows = []
    for clip_s in options.lengths:
        for batch in batches:
            print(f'{clip_s:g} s x {batch} ...', file=sys.stderr)
            rows.append(run_case(engine, speech, clip_s, batch, options.repeats))
    if not options.no_profile:  # after all cases: what the profiler keeps would count as theirs
        for row in rows:
            if 'failure' not in row:
                row.update(count_calls(
                    engine, make_batch(speech, row['clip_s'], row['batch'])))
    record = {'benchmark': 'engine', 'model': Path(options.model).name,
              'dtype': str(engine.dtype).removeprefix('torch.'), 'threads': options.threads,
              'repeats': options.repeats, **machine(engine.device), 'cases': rows}
    print(f'{record["model"]}, {record["dtype"]}, on {record["device"]}, '
          f'{options.threads} thread(s), torch {record["torch"]}\n')
    print_table(rows, {key: heading for key, heading in COLUMNS.items()
                       if any(key in row for row in rows)})
    finish(record, options.output)
    return 0


if __name__ == '__main__':
    sys.exit(main())
