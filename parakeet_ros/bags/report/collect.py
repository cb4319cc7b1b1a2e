"""The sound, the levels and the gaps of a bag, gathered while it is heard."""
from __future__ import annotations

from array import array
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from parakeet_ros.audio import FRAME_SAMPLES, Level, SAMPLE_RATE_HZ, Waveform
from parakeet_ros.audio.settings import FRAME_MS
from parakeet_ros.audio.timeline import NS_PER_S
from parakeet_ros.bags.report.line import Line
from parakeet_ros.bags.report.track import CURVES, envelope, level_codes, Track

FRAME_S = FRAME_MS / 1000
BREAK_NS = 100_000_000  # what is off by more begins a stretch; stamps jitter by less
Samples = npt.NDArray[np.int16]


@dataclass
class _Stretch:
    """The samples of a stretch, 16 kHz, and of each of its frames the levels and `is_speech`."""

    start_ns: int
    follows: bool  # as that of `line.Stretch`
    parts: list[Samples] = field(default_factory=list)
    n_samples: int = 0
    levels_db: array[float] = field(default_factory=lambda: array('f'))
    speech: bytearray = field(default_factory=bytearray)

    @property
    def end_ns(self) -> int:
        """Return where the next sample is expected."""
        return self.start_ns + self.n_samples * NS_PER_S // SAMPLE_RATE_HZ


@dataclass(frozen=True)
class Collected:
    """
    What was gathered.

    :param sounds: of each stretch of the line, int16 at 16 kHz.
    :param gaps: stamps, and how many ns are missing before each; negative where they went back.
    """

    line: Line
    track: Track
    sounds: list[Samples]
    gaps: list[tuple[int, int]]

    def cut(self, start_s: float, end_s: float) -> Samples | None:
        """Return the sound between two positions of the line; None where there is none."""
        found: list[Samples] = []
        for stretch, sound in zip(self.line.stretches, self.sounds):
            if found and not stretch.follows:
                break
            first = max(0, round((start_s - stretch.line_s) * SAMPLE_RATE_HZ))
            last = round((end_s - stretch.line_s) * SAMPLE_RATE_HZ)
            if first < min(last, len(sound)):
                found.append(sound[first:last])
        return np.concatenate(found) if found else None


class Collector:
    """
    Watch a stream, as a `StreamObserver`, and keep what a report shows of it.

    Memory: 122 MB for an hour.
    """

    def __init__(self) -> None:
        """Start with nothing."""
        self._stretches: list[_Stretch] = []
        self._gaps: list[tuple[int, int]] = []

    def on_audio(self, time_ns: int, waveform: Waveform) -> None:
        """Keep the samples in 16 bits."""
        if not len(waveform):
            return
        last = self._stretches[-1] if self._stretches else None
        off_ns = abs(time_ns - last.end_ns) if last is not None else 0
        if last is None or off_ns > BREAK_NS:
            is_told = bool(self._gaps) and abs(self._gaps[-1][0] - time_ns) <= BREAK_NS
            drifted = last is not None and off_ns <= 2 * BREAK_NS and not is_told
            last = _Stretch(time_ns, follows=drifted)
            self._stretches.append(last)
        scaled = np.nan_to_num(waveform) * 32768
        last.parts.append(np.clip(np.round(scaled), -32768, 32767).astype(np.int16))
        last.n_samples += len(waveform)

    def on_level(self, level: Level) -> None:
        """Keep a frame's levels; they come in the order of the samples."""
        last = self._stretches[-1]
        last.levels_db.extend(
            (level.level_db, level.noise_floor_db, level.onset_db, level.offset_db))
        last.speech.append(level.is_speech)

    def on_gap(self, stamp_ns: int, missing_ns: int) -> None:
        """Keep a gap."""
        self._gaps.append((stamp_ns, missing_ns))

    def finish(self) -> Collected:
        """Return what was gathered; what is shorter than a frame is left out."""
        line, sounds, kept = Line(), [], []
        for stretch in self._stretches:
            if stretch.n_samples >= FRAME_SAMPLES:
                line.add(stretch.start_ns, stretch.n_samples / SAMPLE_RATE_HZ, stretch.follows)
                sounds.append(np.concatenate(stretch.parts))
                kept.append(stretch)
        return Collected(line, _track(line, kept, sounds), sounds, self._gaps)


def _track(line: Line, stretches: list[_Stretch], sounds: list[Samples]) -> Track:
    """Lay the frames of the stretches on the line."""
    n_frames = round(line.end_s / FRAME_S)
    low, high = np.zeros(n_frames, np.int8), np.zeros(n_frames, np.int8)
    curves = {name: np.zeros(n_frames, np.uint8) for name in CURVES}
    speech = np.zeros(n_frames, np.uint8)
    for place, stretch, sound in zip(line.stretches, stretches, sounds):
        begin = round(place.line_s / FRAME_S)
        levels_db = np.frombuffer(stretch.levels_db, np.float32).reshape(-1, len(CURVES))
        n = min(len(sound) // FRAME_SAMPLES, len(levels_db), n_frames - begin)
        here = slice(begin, begin + n)
        low[here], high[here] = envelope(sound[:n * FRAME_SAMPLES], FRAME_SAMPLES)
        for name, values in zip(CURVES, levels_db.T):
            curves[name][here] = level_codes(values[:n])
        speech[here] = np.frombuffer(stretch.speech, np.uint8)[:n]
    return Track(FRAME_S, low, high, curves, speech)
