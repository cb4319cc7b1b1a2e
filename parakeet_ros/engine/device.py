"""Choosing the device, and checking that it is there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import logging

import torch
from torch import Tensor

from .errors import DeviceError

_logger = logging.getLogger(__name__)


def resolve_device(name: str) -> torch.device:
    """
    Return the device for ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    :raises DeviceError: the name is another one, or the device is not there.
    """
    if name == 'auto':
        name = 'cuda' if torch.cuda.is_available() else 'cpu'
    if name == 'cpu':
        return torch.device('cpu')
    kind, _, index = name.partition(':')
    if kind != 'cuda' or (name != 'cuda' and not (index.isascii() and index.isdecimal())):
        raise DeviceError(f"unknown device '{name}'; give auto, cpu, cuda or cuda:N")
    if not torch.cuda.is_available():
        reason = ('is a build without CUDA' if torch.version.cuda is None
                  else 'finds no usable NVIDIA GPU or driver')
        raise DeviceError(
            f"device '{name}': CUDA is not available, torch {torch.__version__} {reason}; use "
            'device cpu, or install a CUDA build of torch and a driver (nvidia-smi shows it)'
        )
    n_devices = torch.cuda.device_count()
    if int(index or 0) >= n_devices:
        raise DeviceError(
            f"device '{name}': this machine has {n_devices} CUDA device(s), counted from cuda:0"
        )
    return torch.device('cuda', int(index or 0))


def transducer_dtype(encoder_dtype: torch.dtype, device: torch.device) -> torch.dtype:
    """
    Return the number format of prediction network and joint beside an encoder in some format.

    A step on a GPU takes as long as its weights take to be read, so there it is float16 unless
    the encoder is exact: with an encoder in float16 or bfloat16 that changed none of commands-v0's
    54 held-out clips.  Transducers in bfloat16 changed one, by near-ties between tokens.
    """
    is_half = device.type == 'cuda' and encoder_dtype != torch.float32
    return torch.float16 if is_half else torch.float32


def warn_of_rounding(device: torch.device) -> None:
    """Log where a GPU rounds the factors of float32 products to TF32: then they are not exact."""
    if device.type != 'cuda':
        return
    try:
        is_exact = torch.get_float32_matmul_precision() == 'highest'
    except RuntimeError:  # somebody has used the switches of torch 2.9, which this one ignores
        is_exact = False
    if not is_exact:
        _logger.warning(
            'float32 is not exact here: torch lets %s round the factors of products to TF32; '
            "unset TORCH_ALLOW_TF32_CUBLAS_OVERRIDE, which NVIDIA's containers set, call "
            "torch.set_float32_matmul_precision('highest'), or set fp32_precision to 'ieee' where "
            "a program has set it to 'tf32'", device)


def avoid_cudnn_attention(device: torch.device) -> None:
    """
    Keep torch, in the whole process, from cuDNN's fused attention.

    torch 2.5.0, of which JetPack 6 has a wheel, prefers it, and it refuses float16 with a mask.
    The other fused ones and the plain one stay.
    """
    if device.type == 'cuda' and hasattr(torch.backends.cuda, 'enable_cudnn_sdp'):
        torch.backends.cuda.enable_cudnn_sdp(False)


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor on a device; a copy from the host is queued, not awaited."""
    if device.type == 'cuda' and tensor.device.type == 'cpu':
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


class OwnStream:
    """A queue of the engine's own on a GPU: who waits for it waits for nobody else's work."""

    def __init__(self, device: torch.device) -> None:
        """Make the queue; on the CPU there is none."""
        self._stream: torch.cuda.Stream | None = None
        if device.type == 'cuda':
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    @contextmanager
    def use(self) -> Iterator[None]:
        """Queue what the block launches, behind what the caller has launched so far."""
        if self._stream is None:
            yield
            return
        self._stream.wait_stream(torch.cuda.current_stream(self._stream.device))
        with torch.cuda.stream(self._stream):
            yield
