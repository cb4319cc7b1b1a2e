"""
CUDA graphs: a function of tensors recorded once and replayed with a single launch.

The function must be fit for it: fixed shapes, no look at a value, no copy from ordinary host
memory.  What it changes in place must have fixed storage.  Nothing here is specific to speech.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import logging

import torch
from torch import Tensor

_logger = logging.getLogger(__name__)


class GraphPool:
    """
    What the graphs of one device share: memory, the stream that they are captured on, a limit.

    Replays never overlap and every result is kept by its graph, so that graphs may use the same
    scratch memory whatever the order of their replays.  Graphs live as long as the pool.
    """

    def __init__(self, device: torch.device, limit: int = 64) -> None:
        """Make a pool for at most ``limit`` graphs; without CUDA there never is one."""
        self.device = device
        self.n_total = self.n_free = limit if device.type == 'cuda' else 0
        if self.n_total:
            self._handle = torch.cuda.graph_pool_handle()
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    @contextmanager
    def capture(self, graph: torch.cuda.CUDAGraph) -> Iterator[None]:
        """
        Record into ``graph`` what the block launches.

        Other threads may go on using the GPU: only what this one must not do breaks a capture.
        """
        # The outer context brings the stream back where a failure keeps the inner one from it.
        with torch.cuda.stream(torch.cuda.current_stream(self.device)):
            with torch.cuda.graph(graph, pool=self._handle, stream=self._stream,
                                  capture_error_mode='thread_local'):
                yield


class CUDAGraphed:
    """
    A function that runs as a CUDA graph from its second call on, with the shapes of the first.

    The first call runs it as it is, which also readies libraries and caches.  Where there is no
    CUDA, or capturing fails, all calls do; the log says why once.  Not for several threads.
    """

    def __init__(
        self, function: Callable[..., Tensor], pool: GraphPool, name: str
    ) -> None:
        """
        Wrap a function of tensors on the pool's device that returns one tensor.

        :param name: what it is called in messages.
        """
        self._function = function
        self._pool = pool
        self._name = name
        self._shapes: list[tuple[torch.Size, torch.dtype]] | None = None
        self._inputs: list[Tensor] = []
        self._output: Tensor | None = None
        self._graph: torch.cuda.CUDAGraph | None = None
        self._is_eager = pool.n_total == 0

    @property
    def is_captured(self) -> bool:
        """Tell whether calls replay a graph."""
        return self._graph is not None

    def __call__(self, *arguments: Tensor) -> Tensor:
        """
        Return the function's result, valid until the next call.

        :raises ValueError: the shape or dtype of an argument is not that of the first call.
        """
        if self._is_eager:
            return self._function(*arguments)
        if self._shapes is None:
            self._shapes = [(argument.shape, argument.dtype) for argument in arguments]
            return self._function(*arguments)
        self._check(arguments)
        if self._graph is None and not self._try_capture(arguments):
            return self._function(*arguments)
        assert self._graph is not None and self._output is not None
        for own, given in zip(self._inputs, arguments, strict=True):
            own.copy_(given)
        self._graph.replay()
        return self._output

    def _check(self, arguments: tuple[Tensor, ...]) -> None:
        """Refuse arguments that the graph was not made for."""
        assert self._shapes is not None
        if len(arguments) != len(self._shapes):
            raise ValueError(f'{self._name} was first called with {len(self._shapes)} arguments '
                             f'and now with {len(arguments)}; make another CUDAGraphed')
        for number, ((shape, dtype), given) in enumerate(
                zip(self._shapes, arguments, strict=True)):
            if given.shape != shape or given.dtype != dtype:
                raise ValueError(
                    f'argument {number} of {self._name} is {given.dtype} {list(given.shape)} but '
                    f'was {dtype} {list(shape)} at first; make a CUDAGraphed for each shape')

    def _try_capture(self, arguments: tuple[Tensor, ...]) -> bool:
        """Record the function; tell whether that went well."""
        if self._pool.n_free == 0:
            self._is_eager = True
            return False
        graph = torch.cuda.CUDAGraph()
        try:
            # Outside of the pool, whose memory may be another graph's scratch between replays.
            self._inputs = [argument.clone() for argument in arguments]
            with self._pool.capture(graph):
                self._output = self._function(*self._inputs)
        except RuntimeError as error:  # also when memory runs out
            self._is_eager, self._inputs, self._output = True, [], None
            _logger.warning('%s runs without a CUDA graph, more slowly: %s', self._name,
                            str(error).partition('\n')[0])
            return False
        self._graph = graph
        self._pool.n_free -= 1
        return True
