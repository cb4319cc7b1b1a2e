"""What is wrong with the sound itself: a dead, overdriven, shifted or far too quiet microphone."""
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np
from parakeet_ros.audio.buffer import Waveform

BLOCK_S = 1.0  # the signal is judged in blocks of at least this
DEAD_S = 5.0  # without any change of the samples
CLIPPED_SHARE = 0.01  # of the samples of a block; a hot microphone clips a few now and then
CLIPPED_S = 10.0  # the complaint lasts so long after the latest clipped block
OFFSET = 0.05  # of full scale; sound cards have a tenth of it
OFFSET_S = 5.0
# The loudest second of a minute lies below this only where nobody could be heard: the detector's
# lowest threshold is about there, and a voice at arm's length lies 30 dB above it.
FAINT_DB = -65.0
FAINT_S = 60.0


class Fault(Enum):
    """A lasting fault of the sound."""

    DEAD = 'every sample is the same'
    CLIPPED = 'clipped'
    OFFSET = 'a DC offset'
    FAINT = 'too quiet'


@dataclass(frozen=True)
class _Block:
    """What is kept of a second of sound."""

    seconds: float
    dead: bool
    clipped: bool
    mean: float
    level_db: float  # RMS around the mean, dBFS


class SignalCondition:
    """
    Judge the sound of one stream, by seconds of audio and never by those of a clock.

    A fault is found when it has lasted, and is gone as soon as the sound is right again; clipping,
    which comes and goes with the speech, stays for `CLIPPED_S`.
    """

    def __init__(self, sample_rate: int) -> None:
        """Start with nothing heard; the rate is in Hz."""
        self._sample_rate = sample_rate
        self._parts: list[Waveform] = []
        self._samples = self._clipped = 0  # of the block that is being heard
        self._blocks: deque[_Block] = deque(maxlen=round(FAINT_S / BLOCK_S))
        self._faults: frozenset[Fault] = frozenset()

    @property
    def faults(self) -> frozenset[Fault]:
        """Return what is wrong now."""
        return self._faults

    @property
    def offset(self) -> float:
        """Return the mean of the latest block, of full scale."""
        return self._blocks[-1].mean if self._blocks else 0.0

    def hear(self, waveform: Waveform, clipped_share: float) -> None:
        """
        Take the next samples, float32 mono `[n]` as they were decoded.

        :param clipped_share: how much of it was clipped, over all channels, 0 to 1.
        """
        if not len(waveform):
            return
        self._parts.append(waveform)
        self._samples += len(waveform)
        self._clipped += round(clipped_share * len(waveform))
        if self._samples >= BLOCK_S * self._sample_rate:
            self._blocks.append(self._judge(np.concatenate(self._parts)))
            self._faults = frozenset(self._find_faults())
            self._parts, self._samples, self._clipped = [], 0, 0

    def _judge(self, block: Waveform) -> _Block:
        mean = float(block.mean(dtype=np.float64))
        power = float(np.square(block - np.float32(mean)).mean(dtype=np.float64))
        return _Block(
            seconds=len(block) / self._sample_rate,
            dead=bool(np.min(block) == np.max(block)),
            clipped=self._clipped > CLIPPED_SHARE * self._samples,
            mean=mean, level_db=10 * float(np.log10(max(power, 1e-20))))

    def _find_faults(self) -> list[Fault]:
        faults = []
        if self._lasts(DEAD_S, lambda block: block.dead):
            faults.append(Fault.DEAD)
        if any(block.clipped for block in self._latest(CLIPPED_S)):
            faults.append(Fault.CLIPPED)
        if self._lasts(OFFSET_S, lambda block: abs(block.mean) > OFFSET):
            faults.append(Fault.OFFSET)
        if Fault.DEAD not in faults and self._lasts(
                FAINT_S, lambda block: block.level_db < FAINT_DB):
            faults.append(Fault.FAINT)
        return faults

    def _latest(self, seconds: float) -> list[_Block]:
        """Return the latest blocks that together last so long, or all."""
        latest: list[_Block] = []
        for block in reversed(self._blocks):
            latest.append(block)
            seconds -= block.seconds
            if seconds <= 0:
                break
        return latest

    def _lasts(self, seconds: float, holds: Callable[[_Block], bool]) -> bool:
        """Return whether something has held in all of the latest blocks for so long."""
        latest = self._latest(seconds)
        return sum(block.seconds for block in latest) >= seconds and all(map(holds, latest))
