"""What a stream counts of itself."""
from dataclasses import dataclass

from parakeet_ros.audio.condition import Fault


@dataclass(frozen=True)
class StreamStatistics:
    """Count what a stream has brought since it was made; resets do not clear it."""

    chunks: int
    seconds: float  # of audio
    utterances: int
    bad_samples: int  # not finite, taken as 0
    clipped_samples: int
    backward_stamps: int
    still_stamps: int  # how many of the latest are the same as the one before
    gaps: int  # in the stamps, longer than jitter
    seconds_since_gap: float  # of audio; infinite if there was none
    inserted_seconds: float  # of silence, in gaps up to `max_gap_s`
    overrun_seconds: float  # by which the samples have run ahead of the stamps
    level_db: float  # of the latest frame, dBFS
    noise_floor_db: float  # dBFS
    faults: frozenset[Fault]  # what is wrong with the sound now
