"""
From bytes to results: one audio stream and its place in the queue of the engine. No ROS.

All methods belong to one thread, the executor's. The worker, which many recognizers share, calls
back from its own thread when something is done; `take_results` then finds it.
"""

from collections import deque
from dataclasses import dataclass, replace

from parakeet_ros.ahead import Ahead
from parakeet_ros.audio import (
    AudioFormat,
    AudioStream,
    SegmenterConfig,
    StreamObserver,
    StreamUtterance,
)
from parakeet_ros.audio.segmenter import EndReason
from parakeet_ros.counters import Counters
from parakeet_ros.results import Part, Partial, Result, result_of
from parakeet_ros.worker import Ticket, Transcribing

MAX_PARTS = 20  # of one utterance; who speaks on begins another, so that memory stays bounded


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

    def end(self, reason: EndReason, closed_ns: int) -> None:
        """Say why and when no part comes any more, where the last one was cut at the limit."""
        last = self.parts[-1]
        if last.utterance.utterance.end_reason == 'max_length' and not self.is_whole:
            utterance = replace(last.utterance.utterance, end_reason=reason)
            self.parts[-1] = replace(
                last, utterance=replace(last.utterance, utterance=utterance), closed_ns=closed_ns)
        self.is_whole = True


class Recognizer:
    """
    Segment one audio stream and have the engine transcribe its utterances.

    :param worker: runs the engine; others may use it too.
    :param lane: this stream's lane in it.
    :param channel: the channel that is listened to, -1 for all.
    :param partial_interval_s: seconds of audio between two looks at an open utterance; 0: none.
    :param observer: sees every frame and every gap of the stream.
    """

    def __init__(self, worker: Transcribing, lane: str, channel: int, config: SegmenterConfig,
                 partial_interval_s: float = 0.0,
                 observer: StreamObserver | None = None) -> None:
        self._worker = worker
        self._lane = lane
        self._channel = channel
        self._config = config
        self._observer = observer
        self._stream: AudioStream | None = None
        self._open: deque[Open] = deque()
        self._last_id = 0
        self.counters = Counters()
        self._ahead = Ahead(worker, lane, self.counters, partial_interval_s)

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

    @property
    def partial_interval_s(self) -> float:
        """Return the seconds of audio between two looks at an utterance; 0 for none."""
        return self._ahead.partial_interval_s

    @partial_interval_s.setter
    def partial_interval_s(self, interval_s: float) -> None:
        self._ahead.partial_interval_s = interval_s

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
        stream = self._stream_of(audio_format)
        self._end(stream.push(data, stamp_ns, arrival_ns, stamped), 'pause')
        self._ahead.follow(stream, audio_format.duration_s(len(data)))

    def skip(self, audio_format: AudioFormat, data: memoryview) -> None:
        """
        Leave out a chunk that is not to be heard, after a flush.

        :raises AudioFormatError: as in `push`.
        """
        self._stream_of(audio_format).skip(data)

    def flush(self, is_break: bool = False) -> None:
        """
        Close an open utterance: the stream has ended or pauses.

        :param is_break: what follows is not the continuation of the same bytes.
        """
        if self._stream is not None:
            self._end(self._stream.flush(is_break), 'flush')
            self._ahead.forget()

    def _stream_of(self, audio_format: AudioFormat) -> AudioStream:
        """Return the stream; another format that can be heard ends it, and begins a new one."""
        if self._stream is None or self._stream.audio_format != audio_format:
            stream = AudioStream(audio_format, self._channel, self._config, self._observer)
            self.flush()
            self._stream = stream
        return self._stream

    def abandon(self) -> None:
        """Give up the audio that has not become an utterance: something failed in it."""
        self.counters.faults += 1
        self._ahead.forget()
        self._close_last()
        self._stream = None

    def take_results(self) -> list[Result]:
        """Return the results that came since the last call, in the order of the stream."""
        results = []
        while self._open and self._open[0].is_done:
            results.append(self._result(self._open.popleft()))
        return results

    def take_partial(self) -> Partial | None:
        """Return the latest look at the utterance that is going on, once."""
        look = self._ahead.take_look()
        if look is None or not look.words:
            return None
        before: list[Part] = []
        if look.utterance.utterance.continues and self._is_going_on:
            before = self._open[-1].parts
        if not all(part.ticket.done for part in before):
            return None
        words = [word for part in before if part.ticket.transcript is not None
                 for word in part.ticket.transcript.text.split()]
        return Partial(
            utterance_id=self._last_id if before else self._last_id + 1,
            start_ns=(before[0].utterance if before else look.utterance).start_ns,
            end_ns=look.utterance.end_ns,
            text=' '.join(words + look.words),
            stable_words=len(words) + look.stable_words)

    # --- utterances ------------------------------------------------------------------------

    def _end(self, utterances: list[StreamUtterance], reason: EndReason) -> None:
        """Give what has ended to the engine; where only silence is left, `reason` tells why."""
        for utterance in utterances:
            ticket, closed_ns = self._accept(utterance), self._worker.now_ns()
            part = Part(utterance, ticket, closed_ns) if ticket is not None else None
            if part is None:
                self.counters.last_drop_ns = closed_ns
            if utterance.utterance.continues and self._is_going_on:
                self._add_part(part)
            else:
                self._begin(part)
            if utterance.utterance.end_reason != 'max_length':
                self._end_last(utterance.utterance.end_reason)
        if not self.is_speaking:  # where one was cut, nothing was said after the cut
            self._end_last(reason)

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

    def _end_last(self, reason: EndReason) -> None:
        """Say that the latest utterance has ended."""
        if self._open:
            self._open[-1].end(reason, self._worker.now_ns())

    def _close_last(self) -> None:
        """Say that no part will come to the latest utterance."""
        if self._open:
            self._open[-1].is_whole = True

    @property
    def _is_going_on(self) -> bool:
        """Return whether a part may come to the latest utterance."""
        last = self._open[-1] if self._open else None
        return last is not None and not last.is_whole and len(last.parts) < MAX_PARTS

    def _accept(self, utterance: StreamUtterance) -> Ticket | None:
        """Confirm the guess if it was right, else queue the utterance; None if it was refused."""
        guess = self._ahead.claim(utterance)
        if guess is None:
            return self._worker.submit(self._lane, utterance.waveform)
        return guess if self._worker.confirm(guess) else None

    def _result(self, utterance: Open) -> Result:
        finished_ns = self._worker.finished_ns([part.ticket for part in utterance.parts])
        result = result_of(utterance.utterance_id, utterance.parts, finished_ns)
        if result.error is None and result.transcript is not None:
            self.counters.count(
                bool(result.text), result.timings, result.transcript.timings.total_ms)
        else:
            self.counters.failed += 1
        return result
