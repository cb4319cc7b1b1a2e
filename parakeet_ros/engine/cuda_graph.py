"""
CUDA graphs: a function of tensors recorded once and replayed with a single launch.

The function must be fit for it: fixed shapes, no look at a value, no copy from ordinary host
memory.  What it changes in place must have fixed storage.  Nothing here is specific to speech.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
import logging
import os
import threading

import torch
from torch import Tensor

VARIABLE = 'PARAKEET_ROS_CUDA_GRAPHS'
_MOST_GRAPHS = 64
# Of all models: torch begins a capture by waiting for the device, and CUDA forbids that while
# another thread captures.  Nor may a graph be replayed meanwhile: up to torch 2.11 one that is
# captured has the device's only generator of random numbers, at which every replay looks.
_capturing = threading.Lock()
# Devices on which a capture could not even be ended: up to torch 2.11 their generators stay taken,
# and no graph can be replayed any more.
_broken: set[torch.device] = set()

_logger = logging.getLogger(__name__)


class GraphPool:
    """
    What the graphs of one model share: scratch memory and a limit.

    Replays follow each other on one stream and every result is kept by its graph, so graphs may
    use the same scratch memory whatever their order.  They are captured on that stream, too, for
    cuBLAS keeps a workspace for each stream: that of the first eager call outlives all graphs,
    while one allocated in a capture dies with it (pytorch issue 193402).  No graph is given up
    before the whole pool is, not even one whose capture has failed: that would free the workspace
    of the stream, which the others go on using.
    """

    def __init__(self, device: torch.device, limit: int | None = None) -> None:
        """Make a pool for at most ``limit`` graphs, by default ``allowed_graphs()``."""
        is_cuda = device.type == 'cuda'
        self.device = device
        self.host_runs_ahead = is_cuda  # so that to look at a value is to wait
        self.n_free = (allowed_graphs() if limit is None else limit) if is_cuda else 0
        self._handle = torch.cuda.graph_pool_handle() if self.n_free else None
        self._failed: torch.cuda.CUDAGraph | None = None

    def capture(self, function: Callable[[], Tensor], name: str) -> Capture | None:
        """
        Record what a function launches, without running it; None where that cannot be.

        The current stream must not be the default one.  Other threads may go on using the GPU:
        only what this thread must not do breaks a capture.  After a failure, such as a lack of
        memory, there are no further attempts; the log says why.  After one that leaves the
        device's graphs unusable the functions run as they are.

        :param name: what the function is called in the log.
        """
        if self.n_free == 0 or self.is_broken:
            return None
        graph = torch.cuda.CUDAGraph()
        failure: RuntimeError | None = None
        try:
            # What torch makes in its first capture is for all code in the process: outside of
            # inference mode none could use it if it were made in there.
            with _capturing, torch.inference_mode(False), torch.no_grad(), torch.cuda.graph(
                    graph, self._handle, torch.cuda.current_stream(self.device),
                    capture_error_mode='thread_local'):
                try:
                    with torch.inference_mode():
                        output = function()
                except RuntimeError as error:
                    failure = error
                    raise
        except RuntimeError as error:  # OutOfMemoryError is one
            self.n_free = 0
            self._failed = graph
            if error is not failure:  # it comes from the end of the capture
                _broken.add(self.device)
            reason = str(error.__context__ or error).partition('\n')[0]
            _logger.warning('no CUDA graph for %s, nor for what comes up later, so that it takes '
                            'longer: %s', name, reason)
            return None
        self.n_free -= 1
        return Capture(graph, output)

    @property
    def is_broken(self) -> bool:
        """Tell whether the device's graphs cannot be used any more."""
        return self.device in _broken

    def replay(self, capture: Capture) -> Tensor:
        """Run what was recorded, and return where its result is."""
        with _capturing:
            capture.graph.replay()
        return capture.output


def allowed_graphs() -> int:
    """Return how many graphs a model may have: none if the environment variable is 0."""
    return 0 if os.environ.get(VARIABLE) == '0' else _MOST_GRAPHS


@dataclass(frozen=True)
class Capture:
    """A graph and the tensor that a replay leaves its result in."""

    graph: torch.cuda.CUDAGraph
    output: Tensor


class CUDAGraphed:
    """
    A function that runs as a CUDA graph from its second call on, with the shapes of the first.

    The first call runs it as it is, which also readies caches, and the handles of cuBLAS and
    cuDNN, which cannot be made during a capture.  As each thread has handles of its own, a thread
    captures only what it has run.  Where there is no CUDA, or capturing fails, all calls run the
    function as it is.  For one thread at a time, always on one stream.
    """

    def __init__(self, function: Callable[..., Tensor], pool: GraphPool, name: str) -> None:
        """
        Wrap a function of tensors on the pool's device that returns one tensor.

        :param name: what it is called in messages.
        """
        self._function = function
        self._pool = pool
        self._name = name
        self._inputs: list[Tensor] | None = None
        self._capture: Capture | None = None
        self._here = threading.local()  # not by their numbers, which are used again

    @property
    def is_captured(self) -> bool:
        """Tell whether calls replay a graph."""
        return self._capture is not None and not self._pool.is_broken

    def __call__(self, *arguments: Tensor) -> Tensor:
        """
        Return the function's result, valid until the next call.

        :raises ValueError: the number of arguments, or the shape or dtype of one, is not that of
            the first call.
        """
        if self._inputs is None:
            self._inputs = [torch.empty_like(argument) for argument in arguments]
        self._check(arguments)
        if self._capture is None and getattr(self._here, 'is_warm', False):
            self._capture = self._pool.capture(
                partial(self._function, *self._inputs), self._name)
        if self._capture is None or self._pool.is_broken:
            result = self._function(*arguments)
            self._here.is_warm = True  # not if it failed
            return result
        for own, given in zip(self._inputs, arguments, strict=True):
            own.copy_(given)
        return self._pool.replay(self._capture)

    def _check(self, arguments: Sequence[Tensor]) -> None:
        """Refuse arguments that the graph was not made for."""
        assert self._inputs is not None
        if len(arguments) != len(self._inputs):
            raise ValueError(f'{self._name}: called with {len(arguments)} arguments, the first '
                             f'time with {len(self._inputs)}; make a CUDAGraphed for each')
        for number, (own, given) in enumerate(zip(self._inputs, arguments, strict=True)):
            if given.shape != own.shape or given.dtype != own.dtype:
                raise ValueError(
                    f'{self._name}: argument {number} is {given.dtype} {list(given.shape)}, the '
                    f'first time {own.dtype} {list(own.shape)}; make a CUDAGraphed for each')
