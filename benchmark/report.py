"""What the benchmarks share: the machine's name, medians, tables, and the JSON line at the end."""

from collections.abc import Callable, Sequence
from datetime import datetime, timezone
import json
import os
from pathlib import Path
import platform
import statistics
import time
from typing import Any

import torch


def machine(device: torch.device | str = 'cpu') -> dict[str, Any]:
    """Name what figures depend on."""
    return {
        'device': device_name(torch.device(device)), 'cpu': cpu_name(),
        'instructions': instructions(), 'cores': len(os.sched_getaffinity(0)),
        'python': platform.python_version(), 'torch': torch.__version__,
        'date': datetime.now(timezone.utc).strftime('%Y-%m-%d')}


def device_name(device: torch.device) -> str:
    """Return the name of the GPU or of the processor."""
    return torch.cuda.get_device_name(device) if device.type == 'cuda' else cpu_name()


def cpu_name() -> str:
    """Return the processor's name and, where it has them, the numbers that tell its kind."""
    fields = _cpuinfo()
    name = fields.get('model name') or platform.processor() or platform.machine()
    if 'cpu family' not in fields:
        return name
    return f'{name}, family {fields["cpu family"]} model {fields.get("model")}'


def instructions() -> list[str]:
    """Return which of the instructions that matter for low precision the processor has."""
    wanted = ('avx2', 'avx512f', 'avx512_bf16', 'avx512_fp16', 'avx_vnni', 'avx512_vnni',
              'amx_bf16', 'amx_int8', 'asimddp', 'bf16', 'i8mm')
    fields = _cpuinfo()
    present = (fields.get('flags') or fields.get('Features') or '').split()
    return [name for name in wanted if name in present]


def _cpuinfo() -> dict[str, str]:
    """Return Linux's description of the first processor."""
    try:
        first = Path('/proc/cpuinfo').read_text('utf-8').split('\n\n', 1)[0]
    except OSError:
        return {}
    pairs = (line.partition(':') for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def measure(work: Callable[[], object], repeats: int,
            wait: Callable[[], object]) -> dict[str, float]:
    """
    Run a few times; return the medians ``wall_s`` and ``cpu_s`` (all threads of the process).

    :param wait: returns when the device has done all that it was given.
    """
    wall_s, cpu_s = [], []
    for _ in range(repeats):
        wait()
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        wait()
        wall_s.append(time.perf_counter() - wall)
        cpu_s.append(time.process_time() - cpu)
    return {'wall_s': statistics.median(wall_s), 'cpu_s': statistics.median(cpu_s)}


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least ``percent`` of the values do not exceed."""
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)  # rounded up
    return ordered[max(0, int(rank) - 1)]


def print_table(rows: Sequence[dict[str, Any]], columns: dict[str, str]) -> None:
    """
    Print rows for people.

    :param columns: key of a row -> heading; a value that a row lacks is shown as -.
    """
    cells = [list(columns.values())]
    cells += [[_cell(row.get(key)) for key in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        first, *others = (
            text.ljust(width) if number == 0 else text.rjust(width)
            for number, (text, width) in enumerate(zip(line, widths, strict=True)))
        print('  '.join([first, *others]).rstrip())


def _cell(value: Any) -> str:
    if value is None:
        return '-'
    if isinstance(value, float):
        return f'{value:.0f}' if abs(value) >= 1000 else f'{value:.3g}'
    return str(value)


def finish(record: dict[str, Any], output: Path | None) -> None:
    """Print the record as one line of JSON and append it to ``output``."""
    line = json.dumps(_rounded(record), ensure_ascii=False)
    print(f'\n{line}')
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        with output.open('a', encoding='utf-8') as file:
            file.write(line + '\n')


def _rounded(value: Any) -> Any:
    """Keep five digits of each float: no timing has more."""
    if isinstance(value, float):
        return float(f'{value:.5g}')
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return value
