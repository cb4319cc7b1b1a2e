"""
From bytes to results: the audio stream, the worker, and what is counted on the way. No ROS.

All methods belong to one thread, the executor's; only `on_done` is called from the worker's.
"""

from collections.abc import Callable
from dataclasses import dataclass
import time
from typing import Any

from parakeet_ros.audio import AudioFormat, AudioStream, SegmenterConfig, StreamUtterance
from parakeet_ros.counters import Counters
from parakeet_ros.worker import Engine, Outcome, Worker


@dataclass(frozen=True)
class Pending:
    """What is known of an utterance when it goes to the engine."""

    utterance_id: int
    utterance: StreamUtterance
    closed_ns: int  # steady clock


@dataclass(frozen=True)
class Result:
    """
    An utterance that the engine is done with.

    `timings` holds `audio_s`, then in ms `endpoint` (end of speech to end of utterance),
    `queue`, `features`, `encoder`, `decoder`, `total` (end of utterance to result) and
    `latency` (end of speech to result), then `rtfx`; it is empty where the engine failed.
    """

    utterance_id: int
    utterance: StreamUtterance
    transcript: Any | None
    error: Exception | None
    timings: dict[str, float]


class Recognizer:
    """
    Segment one audio stream and have the engine transcribe its utterances.

    :param channel: the channel that is listened to, -1 for all.
    :param capacity: utterances that may wait for the engine.
    :param on_done: called in the worker's thread when `take_results` has something.
    """

    def __init__(self, engine: Engine, channel: int, config: SegmenterConfig, capacity: int,
                 on_done: Callable[[], None]) -> None:
        self._channel = channel
        self._config = config
        self._worker = Worker(engine, capacity, on_done)
        self._stream: AudioStream | None = None
        self._last_id = 0
        self.counters = Counters()

    @property
    def is_speaking(self) -> bool:
        """Return whether the segmenter is inside speech."""
        return self._stream is not None and self._stream.is_speaking

    @property
    def stream(self) -> AudioStream | None:
        """Return the stream that is listened to, None before the first audio."""
        return self._stream

    @property
    def queue_depth(self) -> int:
        """Return how many utterances wait for the engine or are in it."""
        return self._worker.depth

    def set_config(self, config: SegmenterConfig) -> None:
        """Change the segmenter's settings; they take effect between utterances."""
        self._config = config
        if self._stream is not None:
            self._stream.set_config(config)

    def push(self, audio_format: AudioFormat, data: memoryview, stamp_ns: int,
             arrival_ns: int) -> None:
        """
        Take a chunk of the stream.

        :param stamp_ns: audio time of its first sample.
        :param arrival_ns: steady clock, for the latency only.
        :raises AudioFormatError: if the format has no such channel.
        """
        if self._stream is None or self._stream.audio_format != audio_format:
            stream = AudioStream(audio_format, self._channel, self._config)
            self.flush()
            self._stream = stream
        self._submit(self._stream.push(data, stamp_ns, arrival_ns))

    def flush(self) -> None:
        """Close an open utterance: the stream has ended or pauses."""
        if self._stream is not None:
            self._submit(self._stream.flush())

    def finish(self, timeout_s: float) -> bool:
        """Flush, and wait for everything accepted; false if the time ran out."""
        in_time = self._worker.drain(timeout_s)
        self.flush()
        self._stream = None
        return self._worker.drain(timeout_s) and in_time

    def close(self, timeout_s: float = 2.0) -> bool:
        """End the worker; false if it is still busy after the time."""
        return self._worker.stop(timeout_s)

    def take_results(self) -> list[Result]:
        """Return the results that came since the last call, in the order of the stream."""
        return [self._result(outcome) for outcome in self._worker.take_outcomes()]

    def _submit(self, utterances: list[StreamUtterance]) -> None:
        for utterance in utterances:
            self._last_id += 1
            self.counters.utterances += 1
            pending = Pending(self._last_id, utterance, time.monotonic_ns())
            if not self._worker.submit(utterance.waveform, pending):
                self.counters.dropped += 1
                self.counters.last_drop_ns = pending.closed_ns

    def _result(self, outcome: Outcome) -> Result:
        pending: Pending = outcome.job.context
        transcript = outcome.transcript
        timings: dict[str, float] = {}
        if transcript is None:
            self.counters.failed += 1
        else:
            timings = _timings(pending, outcome, time.monotonic_ns())
            self.counters.count(bool(transcript.text), timings, transcript.timings.total_ms)
        return Result(pending.utterance_id, pending.utterance, transcript, outcome.error, timings)


def _timings(pending: Pending, outcome: Outcome, now_ns: int) -> dict[str, float]:
    engine = outcome.transcript.timings
    speech_end_ns = pending.utterance.speech_end_arrival_ns
    return {
        'audio_s': outcome.transcript.audio_s,
        'endpoint_ms': (pending.closed_ns - speech_end_ns) / 1e6,
        'queue_ms': outcome.queue_ms,
        'features_ms': engine.features_ms,
        'encoder_ms': engine.encoder_ms,
        'decoder_ms': engine.decoder_ms,
        'total_ms': (now_ns - pending.closed_ns) / 1e6,
        'latency_ms': (now_ns - speech_end_ns) / 1e6,
        'rtfx': 1e3 * outcome.transcript.audio_s / engine.total_ms,
    }
