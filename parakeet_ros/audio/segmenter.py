"""Cut a 16 kHz waveform into utterances: speech with a little of what surrounds it."""
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from parakeet_ros.audio.buffer import SampleBuffer, Waveform
from parakeet_ros.audio.settings import FRAME_SAMPLES, SAMPLE_RATE_HZ, SegmenterConfig, to_frames
from parakeet_ros.audio.vad import EnergyVad, frame_powers

EndReason = Literal['pause', 'max_length', 'flush', 'open']

CUT_SEARCH_FRACTION = 0.25  # of an over-long utterance, at its end, is searched for a quiet point
CUT_DIP_FRAMES = 9  # length of the dip looked for: about the shortest gap between words
BLOCK_SAMPLES = SAMPLE_RATE_HZ  # longer input is taken in blocks, so that memory stays bounded


@dataclass(frozen=True)
class Utterance:
    """
    Hold one utterance and where it lies; positions count samples of the 16 kHz stream.

    :param waveform: float32 `[end_sample - start_sample]`.
    :param speech_start_sample: where the detector heard the speech begin.
    :param speech_end_sample: one past the last sample of the speech.
    :param end_reason: a pause, the limit of length, the end of the stream, or `open`: none yet.
    :param continues: whether it goes on, without a gap, where the one before was cut at the limit
        of length.
    """

    waveform: Waveform
    start_sample: int
    end_sample: int
    speech_start_sample: int
    speech_end_sample: int
    end_reason: EndReason
    continues: bool = False


class Segmenter:
    """
    Find the utterances of a stream that arrives in chunks of any size.

    Every decision is counted in samples from the start of the stream, so the same audio gives the
    same utterances however it is cut into chunks. Utterances are in order and never overlap.
    Speech beyond the maximum length is cut where it is quietest near the limit; the next utterance
    begins at the cut.
    """

    def __init__(self, config: SegmenterConfig | None = None,
                 on_frame: Callable[[EnergyVad], None] = lambda vad: None) -> None:
        """Start at sample 0, with the default settings if none are given."""
        self._on_frame = on_frame  # told what the detector knows after each frame
        self._next_config = config or SegmenterConfig()
        self.reset()

    def reset(self) -> None:
        """Forget everything but the settings and start again at sample 0."""
        self._start_at_zero(EnergyVad(self._next_config))

    def restart(self) -> None:
        """Start again at sample 0, after a break in the same room: keep what is known of it."""
        self._start_at_zero(EnergyVad(self._next_config, self._vad))

    def _start_at_zero(self, vad: EnergyVad) -> None:
        self._vad = vad
        self._buffer = SampleBuffer()
        self._start = 0  # of the utterance that is going on
        self._speech_start = 0
        self._continues = False  # the utterance that is going on began with a cut
        self._pending: Utterance | None = None  # the latest answer of pending()
        self._previous_end = 0  # no later utterance may begin before this
        self._apply_config()

    def set_config(self, config: SegmenterConfig) -> None:
        """Change the settings, at once or when the utterance that is going on has ended."""
        self._next_config = config
        if not self.is_speaking:
            self._apply_config()

    @property
    def config(self) -> SegmenterConfig:
        """Return the settings in force."""
        return self._config

    @property
    def is_speaking(self) -> bool:
        """Whether an utterance is going on, its hangover included."""
        return self._vad.is_speech

    @property
    def position_samples(self) -> int:
        """Return the number of samples heard since the start or the last reset."""
        return self._buffer.end

    @property
    def oldest_sample(self) -> int:
        """Return the first sample still kept; no later utterance begins before it."""
        return self._buffer.start

    @property
    def level_db(self) -> float:
        """Level of the latest frame in dBFS."""
        return self._vad.level_db

    @property
    def noise_floor_db(self) -> float:
        """Level of the background in dBFS."""
        return self._vad.noise_floor_db

    def process(self, waveform: Waveform) -> list[Utterance]:
        """
        Hear float32 `[n]` at 16 kHz and return the utterances that ended in it.

        :raises ValueError: when the array is not one-dimensional float32.
        """
        if waveform.ndim != 1 or waveform.dtype != np.float32:
            raise ValueError(f'waveform is {waveform.dtype} {list(waveform.shape)}: '
                             'pass mono float32 [n_samples]')
        ended: list[Utterance] = []
        for begin in range(0, len(waveform), BLOCK_SAMPLES):
            self._process_block(waveform[begin:begin + BLOCK_SAMPLES], ended)
        return ended

    def flush(self) -> list[Utterance]:
        """End the utterance that is going on, if any, at the end of what was heard."""
        ended: list[Utterance] = []
        was_speaking = self.is_speaking
        self._vad.end_speech()
        if was_speaking:
            self._close('flush', ended)
        return ended

    def pending(self) -> Utterance | None:
        """
        Return the utterance that will be emitted if nobody speaks before the hangover is over.

        It is there as soon as its last sample, that of the post-roll, has been heard, so its text
        can be found while the rest of the hangover passes. What is emitted then has the same
        samples, and is even the same object; nothing is emitted where the floor has learnt
        meanwhile that it was noise. None while somebody speaks, and where the limit of length
        will be reached before the end of the hangover.
        """
        speech_end = self._vad.speech_end_frame * FRAME_SAMPLES
        end = speech_end + self._post_roll_frames * FRAME_SAMPLES
        closes_at = speech_end + to_frames(self._config.hangover_s) * FRAME_SAMPLES
        if (not self._vad.is_pause or end > self._buffer.end or not self._has_speech()
                or closes_at - self._start >= self._max_samples):
            return None
        if self._pending is None or self._pending.end_sample != end:
            self._pending = self._cut_out(end, speech_end, 'pause')
        return self._pending

    def partial(self) -> Utterance | None:
        """Return what has been heard of the utterance that is going on; None without speech."""
        if not self.is_speaking or not self._has_speech():
            return None
        return self._cut_out(self._buffer.end, self._vad.speech_end_frame * FRAME_SAMPLES, 'open')

    def _process_block(self, block: Waveform, ended: list[Utterance]) -> None:
        """Hear a short piece frame by frame, then forget the samples no longer needed."""
        self._buffer.append(block)
        heard = self._vad.n_frames * FRAME_SAMPLES
        whole = heard + (self._buffer.end - heard) // FRAME_SAMPLES * FRAME_SAMPLES
        for power in frame_powers(self._buffer.view(heard, whole)).tolist():
            self._hear(power, ended)
        lookback = (self._vad.lookback_frames + self._pre_roll_frames) * FRAME_SAMPLES
        self._buffer.drop_before(self._start if self.is_speaking else whole - lookback)

    def _hear(self, power: float, ended: list[Utterance]) -> None:
        """Follow the detector by one frame: open, close or cut an utterance."""
        was_speaking = self.is_speaking
        self._vad.step(power)
        self._on_frame(self._vad)
        if self.is_speaking and not was_speaking:
            # no further back than is kept: the settings may just have changed to a longer pre-roll
            self._start, self._continues = max(self._previous_end, self._buffer.start), False
            self._begin()
        elif was_speaking and not self.is_speaking:
            self._close('pause', ended)
        elif self.is_speaking and not self._continues:
            self._begin()
        if self.is_speaking and self._heard_samples() - self._start >= self._max_samples:
            self._cut(ended)

    def _begin(self) -> None:
        """Have the utterance begin where the detector now says that its speech does."""
        speech_start = self._vad.speech_start_frame * FRAME_SAMPLES
        self._start = max(speech_start - self._pre_roll_frames * FRAME_SAMPLES, self._start)
        self._speech_start = max(speech_start, self._start)

    def _heard_samples(self) -> int:
        """Return the position up to which the detector has heard."""
        return self._vad.n_frames * FRAME_SAMPLES

    def _close(self, reason: EndReason, ended: list[Utterance]) -> None:
        """End the utterance a little after its last speech, unless there was none."""
        speech_end = self._vad.speech_end_frame * FRAME_SAMPLES
        # not up to the end of the buffer, unless nothing follows: it is where the chunk ends
        heard = self._buffer.end if reason == 'flush' else self._heard_samples()
        end = min(speech_end + self._post_roll_frames * FRAME_SAMPLES, heard)
        if self._has_speech():
            self._emit(end, speech_end, reason, ended)
        self._apply_config()

    def _has_speech(self) -> bool:
        """
        Return whether there is speech in the utterance that is going on.

        After a cut the rest may hold none; and what the floor has learnt since the beginning may
        show that the background got louder and nobody spoke.
        """
        return (self._vad.speech_end_frame * FRAME_SAMPLES > self._speech_start
                and not self._vad.is_noise)

    def _cut(self, ended: list[Utterance]) -> None:
        """End an over-long utterance at the quietest point near its end and go on from there."""
        end = self._start + self._max_samples
        first = end - round(self._max_samples * CUT_SEARCH_FRACTION)
        n_frames = (end - first) // FRAME_SAMPLES
        powers = frame_powers(self._buffer.view(end - n_frames * FRAME_SAMPLES, end))
        floor_power = 10 ** (self._config.floor_min_db / 10)
        levels_db = 10 * np.log10(np.fmax(powers, floor_power))
        dips_db = np.convolve(levels_db, np.ones(CUT_DIP_FRAMES) / CUT_DIP_FRAMES, mode='valid')
        latest_quietest = len(dips_db) - 1 - int(np.argmin(dips_db[::-1]))
        from_end = n_frames - latest_quietest - CUT_DIP_FRAMES // 2
        cut = end - from_end * FRAME_SAMPLES
        speech_end = min(cut, self._vad.speech_end_frame * FRAME_SAMPLES)
        holds_speech = speech_end > self._speech_start  # not so deep in a very long hangover
        if holds_speech:
            self._emit(cut, speech_end, 'max_length', ended)
        self._continues = holds_speech
        self._start = self._speech_start = cut
        self._apply_config()

    def _emit(self, end: int, speech_end: int, reason: EndReason,
              ended: list[Utterance]) -> None:
        """Add the utterance that is going on to those that have ended."""
        pending = self._pending
        if pending is None or reason != 'pause' or pending.end_sample != end:
            pending = self._cut_out(end, speech_end, reason)
        ended.append(pending)
        self._pending = None
        self._previous_end = end

    def _cut_out(self, end: int, speech_end: int, reason: EndReason) -> Utterance:
        """Copy the utterance that is going on out of the buffer, up to the sample `end`."""
        return Utterance(
            waveform=self._buffer.view(self._start, end).copy(),
            start_sample=self._start, end_sample=end,
            speech_start_sample=self._speech_start, speech_end_sample=speech_end,
            end_reason=reason, continues=self._continues)

    def _apply_config(self) -> None:
        """Put the latest settings in force."""
        self._config = self._next_config
        self._vad.configure(self._config)
        self._pre_roll_frames = to_frames(self._config.pre_roll_s)
        self._post_roll_frames = to_frames(self._config.post_roll_s)
        self._max_samples = to_frames(self._config.max_utterance_s) * FRAME_SAMPLES
