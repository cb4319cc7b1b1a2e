"""
Which way a transducer decodes, and the buffers and graphs that it keeps between utterances.

- With hotwords: the steps of ``decoding.py``, on CUDA queued a round ahead.
- On the CPU: the steps of ``label_loop.py``, leaving out what the last decisions make needless.
- On CUDA: ``STEPS`` of them at a time as one graph, the host a round ahead of what it has read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

from .arrival import Arrival
from .buckets import batch_bucket, MAX_ENCODER_FRAMES
from .cuda_graph import CUDAGraphed, GraphPool
from .decoding import DecodingOptions, greedy_decode, Hypothesis
from .device import to_device
from .hotwords import Hotwords
from .label_loop import Decision, LabelLoop, LoopState
from .queued_steps import decode_ahead, STEPS
from .transducer import Transducer

_MOST_OPTIONS = 4  # choices of options that buffers are kept for

Report = NDArray[np.float32]


class TransducerDecoder:
    """Decodes with one transducer; for one thread at a time."""

    def __init__(self, transducer: Transducer) -> None:
        """Wrap a transducer; constants are computed at the first use of its weights."""
        self._transducer = transducer
        self._loops: dict[tuple[int, str], LabelLoop] = {}
        self._rounds: dict[tuple[LabelLoop, int], RoundLoop] = {}
        self._last_hotwords: tuple[Hotwords, Hotwords] | None = None

    def decode(
        self, encoded: Tensor, lengths: Tensor, options: DecodingOptions, pool: GraphPool
    ) -> list[Hypothesis]:
        """
        Decode a padded batch.

        :param encoded: encoder output ``[B, T, D]``, on the pool's device.
        :param lengths: valid encoder frames int64 ``[B]``; on the host they cost no wait.
        """
        encoded = encoded.to(self._transducer.joint.encoder.weight.dtype)
        if options.hotwords:
            decode = decode_ahead if pool.host_runs_ahead else greedy_decode
            return decode(self._transducer, encoded, to_device(lengths, encoded.device),
                          replace(options, hotwords=self._hotwords(options.hotwords)))
        loop = self._loop(options)
        if not pool.host_runs_ahead:
            return decode_on_host(loop, encoded, lengths.tolist())
        return self._round_loop(loop, encoded, pool).decode(encoded, lengths.tolist())

    def _hotwords(self, hotwords: Hotwords) -> Hotwords:
        """Return hotwords with their tables on the device, where those last used stay."""
        if self._last_hotwords is None or self._last_hotwords[0] is not hotwords:
            device = self._transducer.joint.encoder.weight.device
            self._last_hotwords = hotwords, hotwords.to(device)
        return self._last_hotwords[1]

    def _loop(self, options: DecodingOptions) -> LabelLoop:
        """Return the steps for some options."""
        key = options.max_symbols or self._transducer.config.max_symbols, options.confidence
        loop = self._loops.get(key) or LabelLoop(self._transducer, *key)
        if len(self._loops) < _MOST_OPTIONS:
            self._loops[key] = loop
        return loop

    def _round_loop(self, loop: LabelLoop, encoded: Tensor, pool: GraphPool) -> RoundLoop:
        """Return buffers for a batch, kept unless it is too long or has rare options."""
        n, n_frames, _ = encoded.shape
        n_rows = batch_bucket(n)
        if loop not in self._loops.values() or n_frames > MAX_ENCODER_FRAMES:
            return RoundLoop(loop, n, n * n_frames, GraphPool(pool.device, limit=0))
        if (loop, n_rows) not in self._rounds:
            self._rounds[loop, n_rows] = RoundLoop(loop, n_rows, n_rows * MAX_ENCODER_FRAMES, pool)
        return self._rounds[loop, n_rows]


def decode_on_host(loop: LabelLoop, encoded: Tensor, lengths: Sequence[int]) -> list[Hypothesis]:
    """
    Decode where a look at a value costs nothing: stop at the end, skip predictions of no use.

    :param encoded: ``[B, T, D]``.
    """
    n, n_frames, _ = encoded.shape
    starts = [row * n_frames for row in range(n)]
    frames = _with_rows_to_overrun(loop, loop.transducer.joint.encoder(encoded).flatten(0, 1))
    place = torch.tensor([[start, 0] for start in starts])
    end = torch.tensor([start + length for start, length in zip(starts, lengths, strict=True)])
    state, reports = loop.start(place), []
    while bool((state.place.select(1, 0) < end).any()):
        decisions: list[Decision] = []
        while len(decisions) < STEPS and bool((state.place.select(1, 0) < end).any()):
            state, decision = loop.search(frames, end, state)
            if bool(decision.found.any()):
                state = loop.predict(state, decision)
            decisions.append(decision)
        reports.append(loop.report(decisions, state).numpy())
    return loop.read(reports, starts) if reports else [Hypothesis.empty() for _ in lengths]


def _with_rows_to_overrun(loop: LabelLoop, frames: Tensor) -> Tensor:
    """Append the rows that steps may look at after the last utterance's end."""
    return torch.cat((frames, frames.new_zeros(loop.most_ahead, frames.shape[1])))


@dataclass(frozen=True)
class Round:
    """Some steps as one function without arguments, on storage that stays where it is."""

    loop: LabelLoop
    frames: Tensor  # [N, J] as ``LabelLoop.search`` takes them
    end: Tensor  # int64 [B] as well
    state: LoopState

    def advance(self) -> Tensor:
        """Take ``STEPS`` steps; return their report."""
        state, decisions = self.state, []
        for _ in range(STEPS):
            state, decision = self.loop.search(self.frames, self.end, state)
            state = self.loop.predict(state, decision)
            decisions.append(decision)
        report = self.loop.report(decisions, state)
        _assign(self.state, state)
        return report


class RoundLoop:
    """
    Decodes batches of up to some size in rounds, on storage that is kept.

    A round is queued, then another, and only then is the first looked at: the device never waits
    for the host.  So one round is decoded in vain; its steps change nothing.
    """

    def __init__(self, loop: LabelLoop, n_rows: int, n_frames: int, pool: GraphPool) -> None:
        """
        Reserve buffers.

        :param n_rows: the most utterances, and ``n_frames`` the most encoder frames of all.
        """
        self._loop = loop
        end = torch.zeros(n_rows, dtype=torch.int64, device=loop.device)
        self.round = Round(
            loop, torch.zeros(n_frames + loop.most_ahead, loop.transducer.config.joint_size,
                              dtype=loop.dtype, device=loop.device),
            end, loop.start(end.unsqueeze(1).repeat(1, 2)))
        self._advance = CUDAGraphed(
            self.round.advance, pool, f'decoding of {n_rows} utterance(s)')

    def decode(self, encoded: Tensor, lengths: Sequence[int]) -> list[Hypothesis]:
        """Decode a padded batch ``[B, T, D]`` with its lengths in encoder frames."""
        n, n_frames, _ = encoded.shape
        starts = [row * n_frames for row in range(n)]
        self.begin(encoded, starts, lengths)
        end = np.array([start + length for start, length in zip(starts, lengths, strict=True)])
        reports = []
        for report in self._reports():
            reports.append(report[:, :, :n])
            if (report[_AFTER, -1, :n] >= end).all():
                break
        return self._loop.read(reports, starts)

    def begin(self, encoded: Tensor, starts: Sequence[int], lengths: Sequence[int]) -> None:
        """Put a batch in place; rows that it does not fill have ended."""
        n_idle = len(self.round.end) - len(starts)
        projected = self._loop.transducer.joint.encoder(encoded).flatten(0, 1)
        self.round.frames.narrow(0, 0, len(projected)).copy_(projected)
        places = [[start, 0] for start in starts] + [[0, 0]] * n_idle
        ends = [start + length for start, length in zip(starts, lengths, strict=True)]
        fresh = self._loop.start(to_device(torch.tensor(places), encoded.device))
        _assign(self.round.state, fresh)
        self.round.end.copy_(to_device(torch.tensor(ends + [0] * n_idle), encoded.device))

    def _reports(self) -> Iterator[Report]:
        """Yield the rounds' reports as they arrive, one round being queued ahead."""
        underway: deque[Arrival] = deque()
        while True:
            underway.append(Arrival(self._advance()))
            if len(underway) > 1:
                yield underway.popleft().wait()


_AFTER = 3  # index of the row after the decision in a report


def _assign(target: LoopState, source: LoopState) -> None:
    """Change a state in place."""
    for own, new in ((target.place, source.place), (target.memory, source.memory),
                     (target.prediction, source.prediction)):
        own.copy_(new)
