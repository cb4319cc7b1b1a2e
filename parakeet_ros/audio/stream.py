"""One microphone: stamped chunks of bytes in, utterances with their times out."""
from dataclasses import dataclass
import math

import numpy as np
from parakeet_ros.audio.buffer import Waveform
from parakeet_ros.audio.condition import SignalCondition
from parakeet_ros.audio.observer import Level, StreamObserver
from parakeet_ros.audio.pcm import AudioFormat, Bytes, MIX_DOWN, PcmDecoder
from parakeet_ros.audio.resample import Resampler
from parakeet_ros.audio.segmenter import Segmenter, Utterance
from parakeet_ros.audio.settings import FRAME_SAMPLES, SAMPLE_RATE_HZ, SegmenterConfig
from parakeet_ros.audio.stamps import StampLine
from parakeet_ros.audio.stream_statistics import RecentShare, StreamStatistics
from parakeet_ros.audio.timeline import NS_PER_S, Timeline
from parakeet_ros.audio.vad import EnergyVad

# Stamps jitter and clocks are slewed; further back than this the recording has been restarted.
BACKWARD_TOLERANCE_NS = 100_000_000
REPEAT_NS = 1_000_000_000  # the same after a break, when another machine's clock may go on
# The floor is the quiet edge of a steady background. What is inserted lies a little above it: at
# the floor, its own quiet edge would lie lower, and gap after gap would drag the floor down.
FILL_ABOVE_FLOOR_DB = 1.5


@dataclass(frozen=True)
class StreamUtterance:
    """
    Hold an utterance and when it was said, in nanoseconds of the clock that stamps the audio.

    :param speech_end_arrival_ns: when the chunk with the last sample of the speech arrived, on the
        clock of the caller's `arrival_ns`; for figures of latency, nothing is decided by it.
    """

    utterance: Utterance
    start_ns: int
    end_ns: int
    speech_start_ns: int
    speech_end_ns: int
    speech_end_arrival_ns: int

    @property
    def waveform(self) -> Waveform:
        """Return the audio as float32 mono `[n_samples]` at 16 kHz."""
        return self.utterance.waveform


class AudioStream:
    """
    Decode, resample and segment one stream, and keep its times.

    A run of audio with consistent stamps is one stretch of samples from 0 on. Where stamps show
    that audio is missing, silence as loud as the background takes its place, so that times stay
    right and the noise floor where it is. A longer gap (`max_gap_s`), or a stamp that goes
    backwards as when a recording is played in a loop, ends the stretch: what was accepted is
    flushed, and a new stretch begins with that chunk. After a gap the background stays known, in
    a loop everything is forgotten.
    """

    def __init__(self, audio_format: AudioFormat, channel: int = MIX_DOWN,
                 config: SegmenterConfig | None = None,
                 observer: StreamObserver | None = None) -> None:
        """
        Prepare for audio of one format.

        :param observer: sees the sound, every frame and every gap.
        :raises AudioFormatError: when the format has no such channel.
        """
        self._format = audio_format
        self._decoder = PcmDecoder(audio_format, channel)
        self._resampler = Resampler(audio_format.sample_rate)
        self._observer = observer
        self._segmenter = Segmenter(config, self._observe) if observer else Segmenter(config)
        self._condition = SignalCondition(audio_format.sample_rate)
        self._chunks = self._samples = self._utterances = 0
        self._backward_stamps = self._still_stamps = self._gaps = self._inserted_samples = 0
        self._overrun_ns = 0
        self._overrun = RecentShare()
        self._gap_sample = -math.inf  # how much had been heard at the latest gap
        self.reset()

    def reset(self) -> None:
        """Forget the audio, its times and the background; keep format, settings and counts."""
        self._segmenter.reset()
        self._decoder.reset()
        self._forget_audio()
        self._published_ns: int | None = None  # the latest stamp of the publisher's

    def _forget_audio(self) -> None:
        """Forget the audio and its times, but for an incomplete frame."""
        self._resampler.reset()
        # In samples as they arrive, so that no rounding of a resampled position adds up.
        self._stamps = Timeline(self._format.sample_rate)
        self._arrivals = Timeline(self._format.sample_rate)
        self._line = StampLine(self._format.sample_rate)
        self._noise = np.random.default_rng(0)  # fills gaps, the same in every stretch
        self._stretch_samples = 0
        self._last_stamp_ns: int | None = None

    def set_config(self, config: SegmenterConfig) -> None:
        """Change the settings, at once or when the utterance that is going on has ended."""
        self._segmenter.set_config(config)

    @property
    def is_speaking(self) -> bool:
        """Whether an utterance is going on, its hangover included."""
        return self._segmenter.is_speaking

    @property
    def audio_format(self) -> AudioFormat:
        """Return the format of the bytes."""
        return self._format

    @property
    def statistics(self) -> StreamStatistics:
        """Return the counts up to now."""
        return StreamStatistics(
            chunks=self._chunks,
            seconds=self._seconds,
            utterances=self._utterances,
            bad_samples=self._decoder.bad_samples,
            clipped_samples=self._decoder.clipped_samples,
            backward_stamps=self._backward_stamps,
            still_stamps=self._still_stamps,
            gaps=self._gaps,
            seconds_since_gap=(self._samples - self._gap_sample) / self._format.sample_rate,
            inserted_seconds=self._inserted_samples / self._format.sample_rate,
            overrun_seconds=self._overrun_ns / NS_PER_S,
            overrun_share=self._overrun.share,
            level_db=self._segmenter.level_db,
            noise_floor_db=self._segmenter.noise_floor_db,
            faults=self._condition.faults)

    def push(self, data: Bytes, stamp_ns: int, arrival_ns: int | None = None,
             stamped: bool = True) -> list[StreamUtterance]:
        """
        Hear one chunk and return the utterances that it ended.

        :param stamp_ns: time of the chunk's first sample. A stamp that is the same as the one
            before says nothing: the samples are counted on from there.
        :param arrival_ns: when the chunk arrived, on a steady clock; by default `stamp_ns`.
        :param stamped: false if `stamp_ns` is when the chunk arrived because it has no stamp; then
            it gives the stretch its time, and nothing else is decided by it.
        """
        ended: list[StreamUtterance] = []
        if stamped:
            ended = self._bridge(stamp_ns)
            self._published_ns = stamp_ns
        first_sample = self._next_sample
        if not stamped:
            self._follow_arrival(first_sample, stamp_ns)
        elif stamp_ns != self._last_stamp_ns:
            self._stamps.anchor(first_sample, stamp_ns)
        self._last_stamp_ns = stamp_ns
        self._arrivals.anchor(first_sample, stamp_ns if arrival_ns is None else arrival_ns)
        waveform = self._decode(data)
        self._stretch_samples += len(waveform)
        ended += self._stamp(self._segment(waveform))
        if not self.is_speaking:
            self._forget_times()
        return ended

    def pending(self) -> StreamUtterance | None:
        """
        Return what will be emitted if the present pause lasts, as `Segmenter.pending` does.

        The `utterance` in it is the same object in every answer about one pause and when it is
        emitted, so `is` tells whether a text found early still holds.
        """
        utterance = self._segmenter.pending()
        return None if utterance is None else self._stamp_one(utterance)

    def partial(self) -> StreamUtterance | None:
        """Return what has been heard of the utterance that is going on, or None."""
        utterance = self._segmenter.partial()
        return None if utterance is None else self._stamp_one(utterance)

    def skip(self, data: Bytes) -> None:
        """Leave out a chunk that is not to be heard, after a flush."""
        self._decoder.skip(data)

    def flush(self, is_break: bool = False) -> list[StreamUtterance]:
        """
        End the stretch: return the utterance that is going on, if any, and start anew.

        The background stays known: after a break it is that of the same room.

        :param is_break: the bytes that follow do not go on where those before ended, which may be
            within a frame.
        """
        utterances = self._segment(self._decoder.decode(b''), last=True)
        ended = self._stamp(utterances + self._segmenter.flush())
        self._segmenter.restart()
        if is_break:
            self._decoder.reset()
        self._forget_audio()
        return ended

    @property
    def _seconds(self) -> float:
        """Return how much has been heard since the stream was made."""
        return self._samples / self._format.sample_rate

    @property
    def _next_sample(self) -> int:
        """Return where the next chunk begins; a sample it completes belongs to the last one."""
        return self._stretch_samples + (self._decoder.pending_bytes > 0)

    def _decode(self, data: Bytes) -> Waveform:
        """Decode a chunk, and look at what it holds."""
        clipped = self._decoder.clipped_samples
        waveform = self._decoder.decode(data)
        self._chunks += 1
        self._samples += len(waveform)
        self._overrun.update(self._seconds, self._overrun_ns / NS_PER_S)
        clipped = self._decoder.clipped_samples - clipped
        self._condition.hear(waveform, clipped / max(1, len(waveform) * self._format.channels))
        return waveform

    def _bridge(self, stamp_ns: int) -> list[StreamUtterance]:
        """Fill what is missing before a stamp, or end the stretch if that cannot be."""
        last_ns, published_ns = self._last_stamp_ns, self._published_ns
        tolerance_ns = REPEAT_NS if last_ns is None else BACKWARD_TOLERANCE_NS
        if published_ns is not None and stamp_ns < published_ns - tolerance_ns:
            self._backward_stamps += 1
            self._observe_gap(stamp_ns, stamp_ns - published_ns)
            ended = self._begin_stretch(stamp_ns)
            self._segmenter.reset()  # a recording is played again, and is to give the same
            return ended
        if last_ns == stamp_ns:
            self._still_stamps += 1
            return []
        self._still_stamps = 0
        missing_ns = self._line.follow(self._next_sample, stamp_ns)
        if missing_ns <= 0:
            self._overrun_ns -= missing_ns
            return []
        self._observe_gap(stamp_ns, missing_ns)
        self._gaps += 1
        self._gap_sample = self._samples
        if missing_ns > self._segmenter.config.max_gap_s * NS_PER_S:
            return self._begin_stretch(stamp_ns)
        self._decoder.reset()  # the other half of a sample is among what is missing
        n_samples = missing_ns * self._format.sample_rate // NS_PER_S
        self._inserted_samples += n_samples
        self._stretch_samples += n_samples
        self._line.restart(self._stretch_samples, stamp_ns)
        silence = self._silence(n_samples)
        return self._stamp(self._segment(silence))

    def _segment(self, waveform: Waveform, last: bool = False) -> list[Utterance]:
        """Resample and segment samples as they arrived."""
        resampled = self._resampler.process(waveform, last=last)
        if self._observer is not None:
            self._observer.on_audio(self._stamps.stamp_ns(
                self._input_sample(self._segmenter.position_samples)), resampled)
        return self._segmenter.process(resampled)

    def _observe(self, vad: EnergyVad) -> None:
        """Tell the observer of the latest frame."""
        assert self._observer is not None
        sample = self._input_sample((vad.n_frames - 1) * FRAME_SAMPLES)
        self._observer.on_level(Level(
            self._stamps.stamp_ns(sample), vad.level_db, vad.noise_floor_db,
            vad.onset_threshold_db, vad.offset_threshold_db, vad.is_speech))

    def _observe_gap(self, stamp_ns: int, missing_ns: int) -> None:
        if self._observer is not None:
            self._observer.on_gap(stamp_ns, missing_ns)

    def _silence(self, n_samples: int) -> Waveform:
        """Return noise as loud as the background: true silence would drag the floor down."""
        rms = 10 ** ((self._segmenter.noise_floor_db + FILL_ABOVE_FLOOR_DB) / 20)
        # of white noise the resampler keeps only the part below its new Nyquist frequency
        rms *= max(1.0, self._format.sample_rate / SAMPLE_RATE_HZ) ** 0.5
        silence: Waveform = self._noise.standard_normal(n_samples, dtype=np.float32)
        silence *= np.float32(rms)
        return silence

    def _begin_stretch(self, stamp_ns: int) -> list[StreamUtterance]:
        """Flush, and take a stamp as the first of a new stretch."""
        ended = self.flush(is_break=True)
        self._line.restart(0, stamp_ns)
        return ended

    def _follow_arrival(self, sample: int, arrival_ns: int) -> None:
        """Time a chunk without a stamp by its arrival, where counting samples went astray."""
        is_astray = self._line.is_astray(sample, arrival_ns, self._last_stamp_ns)
        if is_astray and not self.is_speaking:
            self._line.restart(sample, arrival_ns)
            self._stamps.anchor(sample, arrival_ns)
            self._stamps.forget_before(sample)  # what is kept for a pre-roll is counted from here

    def _stamp(self, utterances: list[Utterance]) -> list[StreamUtterance]:
        """Add the times to utterances."""
        self._utterances += len(utterances)
        return [self._stamp_one(utterance) for utterance in utterances]

    def _stamp_one(self, utterance: Utterance) -> StreamUtterance:
        """Add the times to one utterance."""
        return StreamUtterance(
            utterance=utterance,
            start_ns=self._stamps.stamp_ns(self._input_sample(utterance.start_sample)),
            end_ns=self._stamps.stamp_ns(self._input_sample(utterance.end_sample)),
            speech_start_ns=self._stamps.stamp_ns(
                self._input_sample(utterance.speech_start_sample)),
            speech_end_ns=self._stamps.stamp_ns(self._input_sample(utterance.speech_end_sample)),
            speech_end_arrival_ns=self._arrivals.chunk_stamp_ns(
                self._input_sample(utterance.speech_end_sample - 1)))

    def _input_sample(self, sample: int) -> int:
        """Return the sample, as it arrived, at the position of a 16 kHz sample."""
        return sample * self._format.sample_rate // SAMPLE_RATE_HZ

    def _forget_times(self) -> None:
        """Forget the chunks too old to hold the beginning of the next utterance."""
        oldest = self._input_sample(max(0, self._segmenter.oldest_sample))
        self._stamps.forget_before(oldest)
        self._arrivals.forget_before(oldest)
