"""
Run an engine so that one bad waveform, or too little memory, spoils no other. Knows no ROS.

What fails is tried again in halves: first of the batch, and then, where memory was short, of the
waveform. What remains is reported.
"""

from collections.abc import Sequence
from contextlib import suppress
import logging
import sys
from typing import Any, Protocol

from numpy.typing import NDArray
from parakeet_ros.audio import SAMPLE_RATE_HZ

MIN_PIECE_S = 4.0  # shorter pieces save little memory and lose words
# of CUDA and cuBLAS; of cuDNN, and of torch that had no memory for any of its engines; of torch's
# allocator on the CPU; of that on a Jetson, which up to torch 2.12 fails as it asks NVML, of which
# that has little, how much memory others take
OUT_OF_MEMORY = ('out of memory', 'ALLOC_FAILED', 'ALLOCATION_FAILED',
                 'unable to find an engine', "can't allocate memory", 'NVML_SUCCESS')


class Engine(Protocol):
    """What is needed of an engine."""

    def transcribe_batch(self, waveforms: Sequence[NDArray[Any]]) -> list[Any]:
        """Turn waveforms `[n_samples]` into as many transcripts."""

    def transcribe_in_pieces(self, waveform: NDArray[Any], piece_s: float) -> Any:
        """Turn a waveform `[n_samples]` into one transcript, in less memory."""


def is_out_of_memory(error: Exception) -> bool:
    """Return whether less work at once might not have failed."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in OUT_OF_MEMORY)


def transcribe_each(engine: Engine, waveforms: Sequence[NDArray[Any]]) -> list[Any]:
    """
    Return the transcript of each waveform, or the error where there is none.

    :returns: transcripts and exceptions, in the order of the waveforms.
    """
    try:
        return engine.transcribe_batch(waveforms)
    except Exception as raised:  # whatever it is, the others are not to blame
        error = _without_frames(raised)
    # outside the clause above, whose traceback holds the tensors of what has failed
    if is_out_of_memory(error):
        release_cached_memory()
    half = len(waveforms) // 2
    if half:
        logging.getLogger(__name__).warning(
            'a batch of %d failed (%s); trying its halves', len(waveforms), error)
        return [*transcribe_each(engine, waveforms[:half]),
                *transcribe_each(engine, waveforms[half:])]
    return [_transcribe_in_pieces(engine, waveforms[0], error)
            if is_out_of_memory(error) else error]


def _transcribe_in_pieces(engine: Engine, waveform: NDArray[Any], error: Exception) -> Any:
    """Return the transcript of a waveform for which memory was short, or the last error."""
    piece_s = len(waveform) / SAMPLE_RATE_HZ / 2
    while piece_s >= MIN_PIECE_S and is_out_of_memory(error):
        logging.getLogger(__name__).warning(
            'memory was short (%s); trying pieces of %.0f s', error, piece_s)
        try:
            return engine.transcribe_in_pieces(waveform, piece_s)
        except Exception as raised:
            error = _without_frames(raised)
        release_cached_memory()
        piece_s /= 2
    return error


def _without_frames(error: Exception) -> Exception:
    """Return the error alone: who keeps it would keep every tensor of the frames it came from."""
    logging.getLogger(__name__).debug('the engine failed', exc_info=error)
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def release_cached_memory() -> None:
    """Give back what torch holds for later, in blocks that may be too small for what comes."""
    torch = sys.modules.get('torch')
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        with suppress(RuntimeError):  # while another thread captures a graph
            torch.cuda.empty_cache()
