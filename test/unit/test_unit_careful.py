"""A bad waveform, or too little memory, spoils no other."""

from collections.abc import Sequence
import gc
from typing import Any
import weakref

from heldout import Clip
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray
from parakeet_ros.careful import is_out_of_memory, MIN_PIECE_S, transcribe_each
from parakeet_ros.engine import Transcriber
from parakeet_ros.steered_engine import SteeredEngine
import pytest

SECOND = 16_000
CUDA_OOM = 'CUDA out of memory. Tried to allocate 2.00 GiB.'


class Tensors:
    """Something large that a run of the engine holds."""


class LimitedEngine:
    """Fail on waveforms that begin with a 1, and on batches and waveforms over a limit."""

    def __init__(self, limit: int = 10**9) -> None:
        self.limit = limit  # samples at once
        self.pieces_s: list[float] = []
        self.leaked: list[weakref.ref[Tensors]] = []

    def transcribe_batch(self, waveforms: Sequence[NDArray[Any]]) -> list[str]:
        """Return the lengths as texts."""
        assert all(ref() is None for ref in self.leaked), 'a failed run still holds its memory'
        tensors = Tensors()
        self.leaked.append(weakref.ref(tensors))
        if sum(map(len, waveforms)) > self.limit:
            raise RuntimeError(CUDA_OOM)
        if any(len(waveform) and waveform[0] for waveform in waveforms):
            raise RuntimeError('bad')
        return [str(len(waveform)) for waveform in waveforms]

    def transcribe_in_pieces(self, waveform: NDArray[Any], piece_s: float) -> str:
        """Return the length as text."""
        assert piece_s >= MIN_PIECE_S
        self.pieces_s.append(piece_s)
        if piece_s * SECOND > self.limit:
            raise RuntimeError(CUDA_OOM)
        return str(len(waveform))


@given(st.lists(st.booleans(), min_size=1, max_size=9), st.integers(1, 9))
def test_only_the_bad_ones_fail_however_small_the_memory(bad: list[bool], fit: int) -> None:
    gc.disable()  # what is freed is freed by its references alone
    waveforms = [np.full(100 + i, is_bad, np.float32) for i, is_bad in enumerate(bad)]
    outcomes = transcribe_each(LimitedEngine(limit=110 * fit), waveforms)
    gc.enable()
    for i, (outcome, is_bad) in enumerate(zip(outcomes, bad, strict=True)):
        assert str(outcome) == ('bad' if is_bad else str(100 + i))
        assert isinstance(outcome, Exception) == is_bad


@pytest.mark.parametrize(('fits_s', 'tried_s'), [
    (30.0, []), (16.0, [15.0]), (5.0, [15.0, 7.5]), (8.0, [15.0, 7.5])])
def test_where_memory_is_short_a_waveform_is_halved_until_it_fits(
        fits_s: float, tried_s: list[float]) -> None:
    engine = LimitedEngine(limit=round(fits_s * SECOND))
    [outcome] = transcribe_each(engine, [np.zeros(30 * SECOND, np.float32)])
    assert engine.pieces_s == tried_s
    assert isinstance(outcome, Exception) == (fits_s < 7.5)
    assert not isinstance(outcome, Exception) or is_out_of_memory(outcome)


@pytest.mark.parametrize('error', [
    MemoryError(), RuntimeError(CUDA_OOM), RuntimeError('CUBLAS_STATUS_ALLOC_FAILED when calling'),
    RuntimeError('cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED'),
    RuntimeError('GET was unable to find an engine to execute this computation'),
    RuntimeError('NVML_SUCCESS == r INTERNAL ASSERT FAILED at "CUDACachingAllocator.cpp"'),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")])
def test_running_out_of_memory_is_recognised(error: Exception) -> None:
    assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError('shape mismatch'))


def test_an_error_that_is_kept_keeps_no_frames() -> None:
    [error] = transcribe_each(LimitedEngine(), [np.ones(3, np.float32)])
    assert error.__traceback__ is None and error.__context__ is None


def test_the_real_engine_transcribes_in_pieces_on_one_clock(
        engine: Transcriber, easy_clip: Clip) -> None:
    apart = np.zeros(8 * SECOND - len(easy_clip.waveform), np.float32)
    waveform = np.concatenate([easy_clip.waveform, apart, easy_clip.waveform])
    transcript = SteeredEngine(engine, ()).transcribe_in_pieces(waveform, 4.0)
    first, second = (
        [word.text for word in transcript.words if (word.start_s > 7.5) == is_second]
        for is_second in (False, True))
    assert first == second == easy_clip.text.split()
    assert transcript.audio_s == pytest.approx(len(waveform) / SECOND)


def test_memory_that_cannot_be_given_back_now_is_no_failure(
        monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = pytest.importorskip('torch').cuda

    def refuse() -> None:  # as torch does while another thread captures a graph
        calls.append(1)
        raise RuntimeError('captures_underway.empty() INTERNAL ASSERT FAILED')

    calls: list[int] = []
    monkeypatch.setattr(cuda, 'is_available', lambda: True)
    monkeypatch.setattr(cuda, 'is_initialized', lambda: True)
    monkeypatch.setattr(cuda, 'empty_cache', refuse)
    silence = np.zeros(SECOND, np.float32)
    assert transcribe_each(LimitedEngine(limit=SECOND), [silence] * 2) == ['16000', '16000']
    assert calls
