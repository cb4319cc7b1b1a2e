"""What can be watched while a stream is heard: its sound, its levels and its gaps."""
from dataclasses import dataclass
from typing import Protocol

from parakeet_ros.audio.buffer import Waveform


@dataclass(frozen=True)
class Level:
    """
    Hold what the detector knew after one frame of 10 ms; levels in dBFS.

    :param time_ns: of the frame's first sample, in audio time.
    :param onset_db: threshold above which speech begins.
    :param offset_db: threshold below which it ends.
    """

    time_ns: int
    level_db: float
    noise_floor_db: float
    onset_db: float
    offset_db: float
    is_speech: bool


class StreamObserver(Protocol):
    """Whoever wants to see more of a stream than its utterances."""

    def on_audio(self, time_ns: int, waveform: Waveform) -> None:
        """
        Be told of the next samples, before their frames, what fills gaps included.

        :param time_ns: of the first of them, in audio time.
        :param waveform: float32 `[n]` at 16 kHz.
        """

    def on_level(self, level: Level) -> None:
        """Be told of a frame."""

    def on_gap(self, stamp_ns: int, missing_ns: int) -> None:
        """Be told that so much is missing before a stamp; negative where stamps went back."""
