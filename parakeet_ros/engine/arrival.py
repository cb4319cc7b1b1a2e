"""Results on their way from a GPU to the host, awaited without blocking anybody."""

from __future__ import annotations

import time
from typing import Any

from numpy.typing import NDArray
import torch
from torch import Tensor

_POLL_S = 20e-6


class Arrival:
    """A small tensor on its way to the host."""

    def __init__(self, tensor: Tensor) -> None:
        """Queue the copy, behind what computes the tensor and before what overwrites it."""
        self._event: torch.cuda.Event | None = None
        if tensor.device.type == 'cuda':
            self._host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            self._host.copy_(tensor, non_blocking=True)
            self._event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._event.record(torch.cuda.current_stream(tensor.device))
        else:
            self._host = tensor.clone()

    def wait(self) -> NDArray[Any]:
        """Return it once it is there; the GPU's other users, and other threads, go on."""
        while self._event is not None and not self._event.query():  # type: ignore[no-untyped-call]
            time.sleep(_POLL_S)
        values: NDArray[Any] = self._host.numpy()
        return values
