"""
Energy voice activity detection: speech is what stands out of the background.

Each frame of 10 ms has a level in dBFS (0 dBFS is an RMS of 1, so a full-scale sine has -3), its
mean removed so that a microphone's DC offset does not count. Three ideas do the rest:

- A frame is judged by the median of the five levels around it. A click of 20 ms leaves no trace,
  and the chance peaks and dips of noise shrink.
- The noise floor is the 5th percentile of the last `floor_window_s` of these levels. Even fluent
  speech comes near the background for about that share of the time (closures, gaps between words),
  so the floor stays under speech; a quieter background pulls it down within a twentieth of the
  window, a louder one lifts it when it has filled the rest. A stream begins as if a quiet room
  had preceded it, so that speech at its first sample is heard.
- Speech begins when enough frames lie `onset_db` above the floor and ends when none has been
  `offset_db` above it for `hangover_s`.

A background that gets louder looks like speech until the floor has learnt it. `is_noise` tells
the two apart afterwards: then hardly a frame stands out of the floor as now known.
"""
from bisect import bisect_left, insort
from collections import deque
import heapq
from math import log10

import numpy as np
import numpy.typing as npt
from parakeet_ros.audio.buffer import Waveform
from parakeet_ros.audio.settings import FRAME_SAMPLES, SegmenterConfig, to_frames

FLOOR_QUANTILE = 0.05
INITIAL_FLOOR_DB = -50.0  # above most rooms as microphones give them, well below speech
JUDGED_FRAMES = 5  # a frame is judged by the median level of this many
DELAY_FRAMES = JUDGED_FRAMES // 2  # they lie around it, so the judgement comes late
ACCEPT_WINDOW = 2  # the frames that begin speech may be spread over twice their number


def frame_powers(waveform: Waveform) -> npt.NDArray[np.float32]:
    """Return the mean square of each frame around its mean: `[n * FRAME_SAMPLES]` -> `[n]`."""
    frames = waveform.reshape(-1, FRAME_SAMPLES)
    with np.errstate(invalid='ignore', over='ignore'):  # not finite: see EnergyVad.step
        centred = frames - frames.mean(axis=1, keepdims=True)
        powers: npt.NDArray[np.float32] = np.square(centred, out=centred).mean(axis=1)
    return powers


class EnergyVad:
    """Tell speech from background, one frame after the other."""

    def __init__(self, config: SegmenterConfig) -> None:
        """Start as if a quiet room had preceded the first frame."""
        self.is_speech = False  # from acceptance to the end of the hangover
        self.n_frames = 0  # frames heard
        self.speech_start_frame = 0  # first frame of the latest speech
        self.speech_end_frame = 0  # one past its last
        self.level_db = config.floor_min_db
        initial_db = max(config.floor_min_db, INITIAL_FLOOR_DB)
        self._latest = deque([initial_db] * JUDGED_FRAMES, maxlen=JUDGED_FRAMES)
        self._history = deque([initial_db] * to_frames(config.floor_window_s))
        self._sorted = list(self._history)
        self._loud_bits = 0  # bit k: the frame k frames ago was loud enough to begin speech
        self._loudest: list[float] = []  # heap of the loudest frames of the latest speech
        self.configure(config)

    def configure(self, config: SegmenterConfig) -> None:
        """Judge the next frames by other settings; what is known of the background stays."""
        self._config = config
        self._needed_frames = to_frames(config.min_speech_s)
        self._accept_frames = ACCEPT_WINDOW * self._needed_frames
        self._accept_mask = (1 << self._accept_frames) - 1
        self._hangover_frames = to_frames(config.hangover_s)
        history = list(self._history)[-to_frames(config.floor_window_s):]
        missing = to_frames(config.floor_window_s) - len(history)
        self._history = deque([self.noise_floor_db] * missing + history)
        self._sorted = sorted(self._history)

    @property
    def noise_floor_db(self) -> float:
        """Level of the background in dBFS, as now known."""
        quantile = self._sorted[int(FLOOR_QUANTILE * len(self._sorted))]
        return max(quantile, self._config.floor_min_db)

    @property
    def lookback_frames(self) -> int:
        """Count how far before the present frame speech may begin when it is accepted."""
        return self._accept_frames + DELAY_FRAMES

    @property
    def is_noise(self) -> bool:
        """Whether the latest speech does not stand out of the background as now known."""
        return self._loudest[0] < self.noise_floor_db + self._config.onset_db

    @property
    def is_pause(self) -> bool:
        """Whether speech is going on, but the latest frame judged does not belong to it."""
        return self.is_speech and self.n_frames - DELAY_FRAMES > self.speech_end_frame

    def step(self, power: float) -> bool:
        """Hear one frame, given its power (see `frame_powers`); return `is_speech`."""
        config = self._config
        # max() keeps its first argument when the second is NaN: such a frame is silence.
        self.level_db = 10.0 * log10(max(1e-20, power))
        self._latest.append(max(config.floor_min_db, self.level_db))
        judged_db = sorted(self._latest)[DELAY_FRAMES]
        self._learn(judged_db)
        above_db = judged_db - self.noise_floor_db
        if self.is_speech:
            self._continue(judged_db, above_db)
        else:
            self._seek(above_db)
        self.n_frames += 1
        return self.is_speech

    def end_speech(self) -> None:
        """Stop waiting for more of the speech that is going on or may be beginning."""
        self.is_speech = False
        self._loud_bits = 0

    def _learn(self, judged_db: float) -> None:
        """Replace the oldest level of the floor's window by a new one."""
        del self._sorted[bisect_left(self._sorted, self._history.popleft())]
        insort(self._sorted, judged_db)
        self._history.append(judged_db)

    def _seek(self, above_db: float) -> None:
        """Begin speech when enough of the latest frames are loud; short dips are tolerated."""
        loud = above_db >= self._config.onset_db
        self._loud_bits = (self._loud_bits << 1 | loud) & self._accept_mask
        if self._loud_bits.bit_count() < self._needed_frames:
            return
        oldest_loud = self.n_frames - self._loud_bits.bit_length() + 1
        self.is_speech = True
        self.speech_start_frame = max(0, oldest_loud - DELAY_FRAMES)
        self.speech_end_frame = self.n_frames + 1 - DELAY_FRAMES
        latest = list(self._history)[-self._accept_frames:]
        self._loudest = heapq.nlargest(self._needed_frames, latest)
        heapq.heapify(self._loudest)

    def _continue(self, judged_db: float, above_db: float) -> None:
        """Prolong speech by a frame above the lower threshold, or end it after the hangover."""
        heapq.heappushpop(self._loudest, judged_db)
        if above_db >= self._config.offset_db:
            self.speech_end_frame = self.n_frames + 1 - DELAY_FRAMES
        elif self.n_frames + 1 - self.speech_end_frame >= self._hangover_frames:
            self.end_speech()
