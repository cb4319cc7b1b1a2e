"""
From bytes to results: one audio stream and its place in the queue of the engine. No ROS.

All methods belong to one thread, the executor's. The worker, which many recognizers share, calls
back from its own thread when something is done; `take_results` then finds it.

The engine starts on an utterance as soon as the pause begins that may end it: what it finds is the
result if the pause lasts, and is thrown away, and counted, if speech goes on.
"""

from collections import deque
from dataclasses import dataclass
import time
from typing import Any

from parakeet_ros.audio import (
    AudioFormat,
    AudioStream,
    SAMPLE_RATE_HZ,
    SegmenterConfig,
    StreamUtterance,
)
from parakeet_ros.counters import Counters
from parakeet_ros.worker import Ticket, Worker


@dataclass(frozen=True)
class Part:
    """A stretch of audio that goes to the engine in one piece."""

    utterance: StreamUtterance
    ticket: Ticket
    closed_ns: int  # steady clock


@dataclass
class Open:
    """An utterance whose result is not out yet; more than one part if it was very long."""

    utterance_id: int
    parts: list[Part]
    is_whole: bool = False  # no part is to come

    @property
    def is_done(self) -> bool:
        """Return whether its result can go out."""
        return self.is_whole and all(part.ticket.done for part in self.parts)


@dataclass(frozen=True)
class Result:
    """
    An utterance that the engine is done with.

    `timings` holds `audio_s`, then in ms `endpoint` (end of speech to end of utterance),
    `queue`, `features`, `encoder`, `decoder`, `total` (end of utterance to result) and
    `latency` (end of speech to result), then `rtfx`; it is empty where the engine failed. The
    first three stages may lie before the end of the utterance, and then not within `total`.
    """

    utterance_id: int
    parts: tuple[StreamUtterance, ...]  # one, or what was cut at the limit of length
    transcript: Any | None  # times from the start of the first part
    error: Exception | None
    timings: dict[str, float]


@dataclass(frozen=True)
class Partial:
    """What the engine makes of an utterance that is still going on."""

    utterance_id: int
    utterance: StreamUtterance
    text: str
    stable_words: int  # the first words, which the look before found too


class Recognizer:
    """
    Segment one audio stream and have the engine transcribe its utterances.

    :param worker: runs the engine; others may use it too.
    :param lane: this stream's lane in it.
    :param channel: the channel that is listened to, -1 for all.
    :param partial_interval_s: seconds of audio between two looks at an open utterance; 0: none.
    """

    def __init__(self, worker: Worker, lane: str, channel: int, config: SegmenterConfig,
                 partial_interval_s: float = 0.0) -> None:
        self._worker = worker
        self._lane = lane
        self._channel = channel
        self._config = config
        self._stream: AudioStream | None = None
        self._open: deque[Open] = deque()
        self._last_id = 0
        self._guess: tuple[StreamUtterance, Ticket] | None = None
        self._look: tuple[StreamUtterance, Ticket] | None = None
        self._looked_at = 0  # end of the last look, in samples of the stream
        self._seen_words: list[str] = []  # by the last look
        self.partial_interval_s = partial_interval_s
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
    def waiting(self) -> int:
        """Return how many utterances have no result yet."""
        return len(self._open)

    def set_config(self, config: SegmenterConfig) -> None:
        """Change the segmenter's settings; they take effect between utterances."""
        self._config = config
        if self._stream is not None:
            self._stream.set_config(config)

    def push(self, audio_format: AudioFormat, data: memoryview, stamp_ns: int,
             arrival_ns: int, stamped: bool = True) -> None:
        """
        Take a chunk of the stream.

        :param stamp_ns: audio time of its first sample.
        :param arrival_ns: steady clock, for the latency only.
        :param stamped: false if `stamp_ns` is only when it arrived; see `AudioStream.push`.
        :raises AudioFormatError: if the format has no such channel.
        """
        if self._stream is None or self._stream.audio_format != audio_format:
            stream = AudioStream(audio_format, self._channel, self._config)
            self.flush()
            self._stream = stream
        self._end(self._stream.push(data, stamp_ns, arrival_ns, stamped))
        self._think_ahead(self._stream)

    def flush(self) -> None:
        """Close an open utterance: the stream has ended or pauses."""
        if self._stream is not None:
            self._end(self._stream.flush())
            self._forget_offers()

    def take_results(self) -> list[Result]:
        """Return the results that came since the last call, in the order of the stream."""
        results = []
        while self._open and self._open[0].is_done:
            results.append(self._result(self._open.popleft()))
        return results

    def take_partial(self) -> Partial | None:
        """Return the latest look at the open utterance, once."""
        if self._look is None or not self._look[1].done:
            return None
        (utterance, ticket), self._look = self._look, None
        words = ticket.transcript.text.split() if ticket.transcript is not None else []
        stable = 0
        while stable < min(len(words), len(self._seen_words)) and (
                words[stable] == self._seen_words[stable]):
            stable += 1
        self._seen_words = words
        if not words:
            return None
        return Partial(self._current_id(), utterance, ' '.join(words), stable)

    # --- utterances ------------------------------------------------------------------------

    def _end(self, utterances: list[StreamUtterance]) -> None:
        """Give what has ended to the engine."""
        for utterance in utterances:
            self._seen_words = []
            ticket, closed_ns = self._accept(utterance), time.monotonic_ns()
            part = Part(utterance, ticket, closed_ns) if ticket is not None else None
            if part is None:
                self.counters.last_drop_ns = closed_ns
            if utterance.utterance.continues and self._open and not self._open[-1].is_whole:
                self._add_part(part)
            else:
                self._begin(part)
            if utterance.utterance.end_reason != 'max_length':
                self._close_last()
        if not self.is_speaking:  # where one was cut, nothing was said after the cut
            self._close_last()

    def _begin(self, part: Part | None) -> None:
        """Count an utterance and wait for its result, unless the queue refused it."""
        self._close_last()
        self._last_id += 1
        self.counters.utterances += 1
        if part is None:
            self.counters.dropped += 1
        else:
            self._open.append(Open(self._last_id, [part]))

    def _add_part(self, part: Part | None) -> None:
        """Go on with an utterance that was cut at the limit of length."""
        if part is None:
            self.counters.dropped_parts += 1
        else:
            self._open[-1].parts.append(part)

    def _close_last(self) -> None:
        """Say that no part will come to the latest utterance."""
        if self._open:
            self._open[-1].is_whole = True

    def _accept(self, utterance: StreamUtterance) -> Ticket | None:
        """Confirm the guess if it was right, else queue the utterance."""
        guess, self._guess = self._guess, None
        if guess is not None and guess[0].utterance is utterance.utterance:
            return guess[1] if self._worker.confirm(guess[1]) else None
        if guess is not None:
            self.counters.discarded += 1
        return self._worker.submit(self._lane, utterance.waveform)

    def _current_id(self) -> int:
        """Return the id of the utterance that is going on."""
        going_on = self._open and not self._open[-1].is_whole
        return self._last_id if going_on else self._last_id + 1

    # --- what is offered to an idle engine ---------------------------------------------------

    def _think_ahead(self, stream: AudioStream) -> None:
        """Offer the utterance that a pause may end, or a look at the one that goes on."""
        pending = stream.pending()
        if self._guess is not None and (
                pending is None or pending.utterance is not self._guess[0].utterance):
            self._guess = None  # speech went on
            self._worker.withdraw(self._lane)
            self.counters.discarded += 1
        if pending is not None and self._guess is None:
            self._guess = pending, self._worker.offer(self._lane, pending.waveform)
            self._look = None
            self.counters.guessed += 1
        elif pending is None and self.partial_interval_s > 0:
            self._take_a_look(stream)

    def _take_a_look(self, stream: AudioStream) -> None:
        """Offer the open utterance so far, if enough of it is new."""
        if not stream.is_speaking:
            return
        partial = stream.partial()
        if partial is None:
            return
        end, start = partial.utterance.end_sample, partial.utterance.start_sample
        if not start < self._looked_at < end:
            self._looked_at = start  # another utterance
        if end - self._looked_at >= self.partial_interval_s * SAMPLE_RATE_HZ:
            self._looked_at = end
            self._look = partial, self._worker.offer(self._lane, partial.waveform)

    def _forget_offers(self) -> None:
        self._guess = self._look = None
        self._looked_at = 0
        self._worker.withdraw(self._lane)

    # --- results ---------------------------------------------------------------------------

    def _result(self, utterance: Open) -> Result:
        tickets = [part.ticket for part in utterance.parts]
        error = next((t.error for t in tickets if t.error is not None), None)
        transcript: Any | None = None
        timings: dict[str, float] = {}
        if error is None:
            transcript = _joined(utterance.parts)
            timings = _timings(utterance.parts, transcript, time.monotonic_ns())
            self.counters.count(bool(transcript.text), timings, transcript.timings.total_ms)
        else:
            self.counters.failed += 1
        return Result(utterance.utterance_id, tuple(p.utterance for p in utterance.parts),
                      transcript, error, timings)


def _joined(parts: list[Part]) -> Any:
    """Return one transcript of all parts, its times from the start of the first."""
    if len(parts) == 1:
        return parts[0].ticket.transcript
    from parakeet_ros.engine.joining import join, move  # not at the top: it loads torch

    first = parts[0].utterance.utterance.start_sample
    offsets_s = [(part.utterance.utterance.start_sample - first) / SAMPLE_RATE_HZ
                 for part in parts]
    return join([move(part.ticket.transcript, offset_s, 0)
                 for part, offset_s in zip(parts, offsets_s, strict=True)])


def _timings(parts: list[Part], transcript: Any, now_ns: int) -> dict[str, float]:
    """Return the timings of a result; see there."""
    last, engine = parts[-1], transcript.timings
    speech_end_ns = last.utterance.speech_end_arrival_ns
    return {
        'audio_s': transcript.audio_s,
        'endpoint_ms': (last.closed_ns - speech_end_ns) / 1e6,
        'queue_ms': last.ticket.queue_ms,
        'features_ms': engine.features_ms,
        'encoder_ms': engine.encoder_ms,
        'decoder_ms': engine.decoder_ms,
        'total_ms': (now_ns - last.closed_ns) / 1e6,
        'latency_ms': (now_ns - speech_end_ns) / 1e6,
        'rtfx': transcript.rtfx,
    }
