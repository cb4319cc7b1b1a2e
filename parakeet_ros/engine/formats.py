"""
Choosing the encoder's number format, and checking that it is there.

On a CPU, ``auto`` takes the first of float32, bfloat16 and int8 that no later one beats by far.
That is measured, on one layer like those of the 0.6B models and the frames of 3 s, since
instructions tell little: bfloat16 may be 4 times as fast as float32, or slower.  Small models stay
in float32: their weights fit into caches, and there is nothing to gain.
"""

from __future__ import annotations

from functools import cache
import logging

import torch

from .errors import DeviceError
from .linear import MEASURING, packs, PreparedLinear
from .stopwatch import shortest_s

_DTYPES = {'float32': torch.float32, 'float16': torch.float16, 'bfloat16': torch.bfloat16,
           'int8': torch.int8}
_CPU_FORMATS = (torch.float32, torch.bfloat16, torch.int8)  # the less exact later
_SMALL_MODEL_BYTES = 50_000_000  # of a file, in whatever format
# A less exact format must be so many times faster than what it takes the place of.  int8 is 1.4
# to 1.8 times as fast as bfloat16 with AVX-512's instructions for both, 4 times as float32
# with those for int8 alone: nearer to either, a restarted node would take now one, now another.
_WORTH_IT = {torch.bfloat16: 1.4, torch.int8: 2.2}
_SHAPE = (4096, 1024)
_N_FRAMES = 38

_logger = logging.getLogger(__name__)


def check_dtype(name: str, device: torch.device) -> None:
    """
    Look whether there is such a format.

    :raises DeviceError: the name is unknown, or the device does not have the format.
    """
    if name == 'auto':
        return
    if name not in _DTYPES:
        raise DeviceError(f"unknown dtype '{name}'; give auto, {', '.join(_DTYPES)}")
    if name == 'bfloat16' and device.type == 'cuda' and not torch.cuda.is_bf16_supported():
        raise DeviceError(f"dtype 'bfloat16': {device} does not have it; use auto or float16")
    if name == 'int8' and device.type != 'cpu':
        raise DeviceError(f"dtype 'int8' is for the CPU, not for {device}; use auto or float16")
    if name == 'int8' and not packs(torch.int8):
        raise DeviceError(f"dtype 'int8': torch {torch.__version__} has no integer products for "
                          'this processor; use auto')


def resolve_dtype(name: str, device: torch.device, model_bytes: int) -> torch.dtype:
    """
    Return the encoder's number format.

    ``auto`` is float16 on CUDA; on a CPU the fastest, but float32 for a small model.

    :param model_bytes: size of the model's file.
    :raises DeviceError: as ``check_dtype``.
    """
    check_dtype(name, device)
    if name != 'auto':
        return _DTYPES[name]
    if device.type != 'cpu':
        return torch.float16
    return torch.float32 if model_bytes < _SMALL_MODEL_BYTES else fastest_format()


def fastest_format() -> torch.dtype:
    """Return the format in which this processor should run large models; once, in 0.1 s."""
    with MEASURING:
        return _fastest_format()


@cache
def _fastest_format() -> torch.dtype:
    times_ms = {number_format: _time_ms(number_format)
                for number_format in _CPU_FORMATS if packs(number_format)}
    chosen = choose(times_ms)
    _logger.info('a layer takes %s: taking %s', ', '.join(
        f'{ms:.2f} ms in {format_name(number_format)}' for number_format, ms in times_ms.items()),
        format_name(chosen))
    return chosen


def choose(times_ms: dict[torch.dtype, float]) -> torch.dtype:
    """Return the most exact format, or a less exact one that is much faster than all before."""
    chosen = torch.float32
    for number_format, ms in times_ms.items():
        if ms * _WORTH_IT.get(number_format, 1.0) < times_ms[chosen]:
            chosen = number_format
    return chosen


def format_name(number_format: torch.dtype) -> str:
    """Return the name that ``load_model`` takes."""
    return str(number_format).removeprefix('torch.')


def _time_ms(number_format: torch.dtype) -> float:
    """Return how long a layer takes."""
    weight, x = torch.full(_SHAPE, 0.01), torch.full((1, _N_FRAMES, _SHAPE[1]), 0.1)
    layer = PreparedLinear(weight, None, number_format)
    layer.pack()
    return 1e3 * shortest_s(lambda: layer(x))
