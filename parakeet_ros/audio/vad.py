"""
Energy voice activity detection: speech is what stands out of the background.

Each frame of 10 ms has a level in dBFS (0 dBFS is an RMS of 1), weighted by a first difference
that lowers what is below 1 kHz: most of the noise of rooms and machines is there, less of speech.
The level of white noise is left as it is; that of a voice is about 7 dB below its RMS. Ideas:

- A frame is judged by the median of the five levels around it. A click of 20 ms leaves no trace,
  and the chance peaks and dips of noise shrink.
- It is compared with the background: its floor, and how far it swings above it (`background.py`).
  A stream begins as if a quiet room had preceded it, so that speech at its first sample is heard.
  The onset threshold lies `onset_db` above the floor, the offset threshold `offset_db`; where the
  background swings by more than a fan does, both are lifted, but not so far that the voice heard
  lately would not stand out; `_lift_db` says by how much.
- It is compared with the speech itself: what is far fainter than the loudest of it is none of it,
  before it and after it.

Speech begins when enough frames reach the onset threshold and ends when none has reached the
offset threshold for `hangover_s`.

A background that gets louder looks like speech until it has been learnt. Then what was taken for
a voice does not reach the onset threshold any more, which ends the speech at once, and `is_noise`
tells that there never was any. A voice in a crowd may end so, too: its loudest frames stand out
all the same, and so it is kept.
"""
from collections import deque
import heapq
from math import log10

import numpy as np
import numpy.typing as npt
from parakeet_ros.audio.background import Background
from parakeet_ros.audio.buffer import Waveform
from parakeet_ros.audio.settings import FRAME_SAMPLES, SegmenterConfig, to_frames

PRE_EMPHASIS = np.float32(0.6)  # y[n] = x[n] - 0.6 x[n - 1]; 0.5 and 0.7 are as good, 0.9 is worse
NOISE_GAIN = np.float32(1 + 0.6 ** 2)  # of white noise, whose level stays what it is
INITIAL_FLOOR_DB = -56.0  # above most rooms as microphones give them, well below speech
JUDGED_FRAMES = 5  # a frame is judged by the median level of this many
DELAY_FRAMES = JUDGED_FRAMES // 2  # they lie around it, so the judgement comes late
STEADY_SWING_DB = 2.0  # about that of steady noise, judged by medians
MAX_LIFT_DB = 8.0  # more would lose speech that is 10 dB louder than noise
NEAR_VOICE_DB = 6.0  # a known voice stays so far above the onset threshold
TRUST_DB = 0.01  # but per frame less: a voice pauses within seconds, music taken for one does not
VOICE_RANGE_DB = 14.0  # up to this far below the voice nothing is lost, whatever the lift
START_RANGE_DB = 18.0  # speech begins where it is no more than so far below its loudest
END_RANGE_DB = 32.0  # and ends where it is further below it
OFFSET_LIFT = 0.9  # of the lift; the more, the more weak syllables are lost
VOICE_ATTACK = 0.1  # per frame, of the way up to a louder level; a bump of 80 ms makes half of it
VOICE_DECAY_DB = 0.015  # per frame: in 10 s, a voice 15 dB fainter is as good
ACCEPT_WINDOW = 2  # the frames that begin speech may be spread over twice their number


def frame_powers(waveform: Waveform) -> npt.NDArray[np.float32]:
    """
    Return the weighted mean square of each frame: `[n * FRAME_SAMPLES]` -> `[n]`.

    Not finite where a sample is not.
    """
    frames = waveform.reshape(-1, FRAME_SAMPLES)
    with np.errstate(invalid='ignore', over='ignore'):  # not finite: see EnergyVad.step
        centred = frames - frames.mean(axis=1, keepdims=True)
        weighted = centred[:, 1:] - PRE_EMPHASIS * centred[:, :-1]
        powers: npt.NDArray[np.float32] = np.square(weighted, out=weighted).mean(axis=1)
        powers /= NOISE_GAIN
    return powers


class EnergyVad:
    """Tell speech from background, one frame after the other."""

    def __init__(self, config: SegmenterConfig, before: 'EnergyVad | None' = None) -> None:
        """
        Start as if a quiet room had preceded the first frame.

        :param before: has heard the same room before a break; what it knows of it stays known.
        """
        self._config = config
        self.is_speech = False  # from acceptance to the end of the hangover
        self.n_frames = 0  # frames heard
        self.speech_start_frame = 0  # first frame of the latest speech
        self.speech_end_frame = 0  # one past its last
        self.level_db = config.floor_min_db
        initial_db = max(config.floor_min_db, INITIAL_FLOOR_DB)
        self._latest = deque([initial_db] * JUDGED_FRAMES, maxlen=JUDGED_FRAMES)
        self._background = Background(initial_db, to_frames(config.floor_window_s))
        self._voice_db = config.floor_min_db  # how loud the latest speech was, slowly forgotten
        if before is not None:
            self._background, self._voice_db = before._background, before._voice_db
            self._latest.extend([self.noise_floor_db] * JUDGED_FRAMES)
        self._ended_as_noise = False
        self._accepted_frame = 0  # in which the latest speech was accepted
        self._recent: deque[float] = deque()  # judged levels of the frames that may begin speech
        self._loud_bits = 0  # bit k: the frame k frames ago was loud enough to begin speech
        self._loudest: list[float] = []  # heap of the loudest frames of the latest speech
        # frames of the latest speech that are louder than all before them: where it may begin
        self._climb: deque[tuple[int, float]] = deque()
        self.configure(config)

    def configure(self, config: SegmenterConfig) -> None:
        """Judge the next frames by other settings; what is known of the background stays."""
        self._config = config
        self._needed_frames = to_frames(config.min_speech_s)
        self._accept_frames = ACCEPT_WINDOW * self._needed_frames
        self._accept_mask = (1 << self._accept_frames) - 1
        self._recent = deque(self._recent, maxlen=self._accept_frames)
        self._hangover_frames = to_frames(config.hangover_s)
        self._background.resize(to_frames(config.floor_window_s))

    @property
    def noise_floor_db(self) -> float:
        """Level of the background in dBFS, as now known."""
        return max(self._background.floor_db, self._config.floor_min_db)

    @property
    def onset_threshold_db(self) -> float:
        """Level in dBFS at which speech begins."""
        return self.noise_floor_db + self._config.onset_db + self._lift_db

    @property
    def offset_threshold_db(self) -> float:
        """Level in dBFS below which speech ends."""
        offset_db = self.noise_floor_db + self._config.offset_db + OFFSET_LIFT * self._lift_db
        return max(offset_db, self._loudest[0] - END_RANGE_DB) if self.is_speech else offset_db

    @property
    def _lift_db(self) -> float:
        """
        Return by how much the background's swing lifts the thresholds.

        That is the swing's excess over that of steady noise, at most `MAX_LIFT_DB`; less where a
        voice is known, which is to stay above the onset threshold, and more where it is so loud
        that it stands out all the same.
        """
        room_db = self._voice_db - self.noise_floor_db - self._config.onset_db
        most_db = MAX_LIFT_DB
        if room_db > 0:  # a voice is known
            since = max(0, self.speech_end_frame - self._accepted_frame) * self.is_speech
            most_db = min(most_db, max(0.0, room_db - NEAR_VOICE_DB) + TRUST_DB * since)
        most_db = max(most_db, room_db - VOICE_RANGE_DB)
        return max(0.0, min(self._background.swing_db - STEADY_SWING_DB, most_db))

    @property
    def lookback_frames(self) -> int:
        """Count how far before the present frame speech may begin when it is accepted."""
        return self._accept_frames + DELAY_FRAMES

    @property
    def is_noise(self) -> bool:
        """
        Whether the latest speech does not stand out of the background, as known when it ended.

        Where a voice is known, the lift does not count: it leaves no room for a fainter one.
        """
        if not self.is_speech:
            return self._ended_as_noise
        unlifted_db = self.noise_floor_db + self._config.onset_db
        has_voice = self._voice_db > unlifted_db
        return self._loudest[0] < (unlifted_db if has_voice else self.onset_threshold_db)

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
        self._recent.append(judged_db)
        self._background.learn(judged_db)
        self._follow_voice(judged_db)
        if self.is_speech:
            self._continue(judged_db)
        else:
            self._seek(judged_db)
        self.n_frames += 1
        return self.is_speech

    def end_speech(self) -> None:
        """Stop waiting for more of the speech that is going on or may be beginning."""
        if self.is_speech:
            self._ended_as_noise = self.is_noise
            if self._ended_as_noise:
                self._voice_db = self._config.floor_min_db
        self.is_speech = False
        self._loud_bits = 0

    def _follow_voice(self, judged_db: float) -> None:
        """Learn the level of speech from its louder frames."""
        if not self.is_speech:
            faded_db = self._voice_db - VOICE_DECAY_DB
            self._voice_db = max(faded_db, self._config.floor_min_db)
        elif judged_db > self._voice_db:
            self._voice_db += VOICE_ATTACK * (judged_db - self._voice_db)
        else:
            self._voice_db -= VOICE_DECAY_DB

    def _seek(self, judged_db: float) -> None:
        """Begin speech when enough of the latest frames are loud; short dips are tolerated."""
        loud = judged_db >= self.onset_threshold_db
        self._loud_bits = (self._loud_bits << 1 | loud) & self._accept_mask
        if self._loud_bits.bit_count() < self._needed_frames:
            return
        self.is_speech = True
        self._loudest = heapq.nlargest(self._needed_frames, self._recent)
        heapq.heapify(self._loudest)
        self._climb.clear()
        self._accepted_frame = self.n_frames
        first_loud = self.n_frames - self._loud_bits.bit_length() + 1
        for frame, level_db in enumerate(list(self._recent)[first_loud - self.n_frames - 1:],
                                         first_loud):
            self._prolong(frame, level_db)
        self._voice_db = max(self._voice_db, self._loudest[0])

    def _continue(self, judged_db: float) -> None:
        """Prolong speech by a frame above the lower threshold, or end it."""
        if judged_db >= self.offset_threshold_db:
            heapq.heappushpop(self._loudest, judged_db)
            self._prolong(self.n_frames, judged_db)
        elif self.n_frames + 1 - self.speech_end_frame >= self._hangover_frames:
            self.end_speech()
        if self._voice_db < self.onset_threshold_db:
            self.end_speech()
            self._voice_db = self._config.floor_min_db  # what goes on is background

    def _prolong(self, frame: int, judged_db: float) -> None:
        """Add a frame to the speech, and forget a beginning too faint for what came after."""
        if not self._climb or judged_db > self._climb[-1][1]:
            self._climb.append((frame, judged_db))
        while len(self._climb) > 1 and self._climb[0][1] < self._loudest[0] - START_RANGE_DB:
            self._climb.popleft()
        self.speech_start_frame = max(0, self._climb[0][0] - DELAY_FRAMES)
        self.speech_end_frame = frame + 1 - DELAY_FRAMES
