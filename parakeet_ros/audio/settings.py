"""Sample clock of the audio stages and the settings of voice activity detection."""
from dataclasses import dataclass, field, fields
from typing import Any

SAMPLE_RATE_HZ = 16_000  # what the recogniser hears, whatever the microphone gives
FRAME_MS = 10
FRAME_SAMPLES = SAMPLE_RATE_HZ * FRAME_MS // 1000


def _setting(default: float, low: float, high: float, description: str) -> Any:
    """Declare one setting: its default, its inclusive range and what it means."""
    return field(default=default, metadata={'description': description, 'range': (low, high)})


@dataclass(frozen=True)
class SegmenterConfig:
    """
    Hold every setting of `EnergyVad` and `Segmenter`; their only home.

    Descriptions and ranges are read from the field metadata by whatever offers these settings to
    a user. Times are rounded to whole frames of 10 ms. Raises `ValueError` naming field, value
    and bounds when a value or a combination makes no sense.
    """

    onset_db: float = _setting(
        7.0, 3.0, 40.0, 'Level above the noise floor at which speech begins, in dB.')
    offset_db: float = _setting(
        4.0, 1.0, 40.0, 'Level above the noise floor below which speech ends, in dB.')
    floor_min_db: float = _setting(
        -76.0, -100.0, -20.0,
        'Lowest noise floor in dBFS; below it everything counts as equally silent.')
    floor_window_s: float = _setting(
        2.0, 0.5, 10.0, 'Time in which the noise floor learns a louder background, in seconds.')
    min_speech_s: float = _setting(
        0.08, 0.03, 1.0, 'Speech needed to begin an utterance, in seconds; shorter is a click.')
    hangover_s: float = _setting(
        0.6, 0.1, 5.0, 'Silence awaited before an utterance ends, in seconds.')
    pre_roll_s: float = _setting(
        0.23, 0.0, 2.0, 'Audio kept before the first speech, in seconds.')
    post_roll_s: float = _setting(
        0.25, 0.0, 5.0, 'Audio kept after the last speech, in seconds; at most hangover_s.')
    max_utterance_s: float = _setting(
        30.0, 2.0, 120.0, 'Longest utterance, in seconds; longer speech is cut at a quiet point.')
    max_gap_s: float = _setting(
        0.5, 0.0, 10.0, 'Longest gap in the stamps that is filled with silence, in seconds; a '
        'longer one ends the utterance.')

    def __post_init__(self) -> None:
        """Refuse values out of range and combinations that contradict each other."""
        check_ranges(self)
        if self.offset_db > self.onset_db:
            raise ValueError(
                f'offset_db is {self.offset_db}: set it to at most onset_db ({self.onset_db})')
        if self.post_roll_s > self.hangover_s:
            raise ValueError(
                f'post_roll_s is {self.post_roll_s}: '
                f'set it to at most hangover_s ({self.hangover_s})')
        # The cut of an over-long utterance must fall after the frames that began it.
        lead_s = self.pre_roll_s + 2 * self.min_speech_s
        if lead_s > self.max_utterance_s / 2:
            raise ValueError(
                f'max_utterance_s is {self.max_utterance_s}: set it to at least {2 * lead_s:g}, '
                'twice pre_roll_s + 2 * min_speech_s')


def check_ranges(settings: Any) -> None:
    """
    Check the fields of a dataclass whose metadata gives a range.

    :raises ValueError: naming the field, its value and the bounds.
    """
    for spec in fields(settings):
        value, bounds = getattr(settings, spec.name), spec.metadata.get('range')
        if bounds is not None and not bounds[0] <= value <= bounds[1]:  # also true of NaN
            raise ValueError(f'{spec.name} is {value}: set it between {bounds[0]} and {bounds[1]}')


def to_frames(duration_s: float) -> int:
    """Return the whole number of 10 ms frames nearest to a time in seconds."""
    return round(duration_s * 1000 / FRAME_MS)
