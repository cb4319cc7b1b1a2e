"""
Hear a bag as the node would have heard it: the same stages, results, ids and stamps.

What differs from a node that is there live: nothing is dropped, whatever the speed of the engine,
and time is the recorder's. A stream has ended where no message was received for `end_of_stream_s`
beyond what the last one lasts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from parakeet_ros.audio import AudioFormat, AudioFormatError, StreamObserver, StreamStatistics
from parakeet_ros.audio.stream import BACKWARD_TOLERANCE_NS
from parakeet_ros.audio_complaints import complaints_of
from parakeet_ros.audio_formats import Arrival, AudioReader
from parakeet_ros.audio_messages import unpack
from parakeet_ros.bags.backlog import Backlog
from parakeet_ros.bags.errors import BagError
from parakeet_ros.bags.reading import Bag, BagMessage
from parakeet_ros.careful import Engine
from parakeet_ros.ear import Ear
from parakeet_ros.parameters import Parameters
from parakeet_ros.results import Result

SILENCE = np.zeros(0, np.float32)
LEAP_NS = 1_000_000_000  # of the clock that stamps the audio; less may be messages that were late


@dataclass(frozen=True)
class Heard:
    """
    An utterance that was heard in a bag; stamps in ns of audio time.

    `result.timings` are reckoned as if the engine, as fast as it was now, had run live.

    :param receive_ns: receive time of the message that ended it, in the bag's clock: when the node
        would have published it, less the time of the engine.
    """

    result: Result
    receive_ns: int

    @property
    def utterance_id(self) -> int:
        """Return the number of the utterance, counted from 1."""
        return self.result.utterance_id

    @property
    def start_ns(self) -> int:
        """Return the stamp of its first sample."""
        return self.result.parts[0].start_ns

    @property
    def end_ns(self) -> int:
        """Return the stamp of the end of its last sample."""
        return self.result.parts[-1].end_ns

    @property
    def text(self) -> str:
        """Return what was said, empty where no word was found."""
        return self.result.text

    @property
    def transcript(self) -> Any | None:
        """Return the `Transcript`, times from `start_ns`; None where the engine failed."""
        return self.result.transcript

    @property
    def engine_ms(self) -> float:
        """Return the time that the engine took."""
        return self.transcript.timings.total_ms if self.transcript is not None else 0.0


class BagListener:
    """
    Listen to one audio topic of an open bag.

    :param parameters: those of the node.
    :param engine: what transcribes: see `parakeet_ros.steered_engine`.
    :param batch_size: how many utterances the engine gets at once; results are the same.
    :param observer: sees every frame and every gap; see `parakeet_ros.audio.observer`.
    :raises BagError: the bag has no such audio topic, naming those that it has.
    """

    def __init__(self, bag: Bag, topic: str, parameters: Parameters, engine: Engine,
                 batch_size: int = 1, observer: StreamObserver | None = None) -> None:
        if topic not in bag.audio_topics:
            raise BagError(f'{bag.path} has no audio on {topic}; {describe_topics(bag)}')
        self._bag = bag
        self._topic = topic
        self._end_of_stream_ns = round(parameters.end_of_stream_s * 1e9)
        self._backlog = Backlog(engine, batch_size)
        self._ear = Ear(parameters, self._backlog, topic, observer)
        self._reader = AudioReader(parameters.audio_format)
        self._info_topic = bag.info_topic(topic)
        self._robot_topic = bag.robot_speaking_topic(topic)
        self._last_ns: int | None = None
        self._last_lasts_ns = 0
        # when noted, and where the bag begins on the clock that stamps the audio, which may leap
        self._origins: list[tuple[int, int]] = []
        self._last_message: tuple[int, int] | None = None  # its stamp, and when it was received
        self.messages = 0
        self.refused: Counter[str] = Counter()  # messages that could not be read, by the reason

    @property
    def statistics(self) -> StreamStatistics | None:
        """Return the counts of the stream, None before the first audio."""
        stream = self._ear.recognizer.stream
        return stream.statistics if stream is not None else None

    @property
    def audio_format(self) -> AudioFormat | None:
        """Return the format of the latest audio, None before the first."""
        stream = self._ear.recognizer.stream
        return stream.audio_format if stream is not None else None

    @property
    def complaints(self) -> list[str]:
        """Return what is wrong with the audio, in sentences."""
        statistics = self.statistics
        found = [f'{count} messages on {self._topic} cannot be read: {reason}'
                 for reason, count in self.refused.items()]
        if statistics is None:
            return found or [f'there is no message on {self._topic} to hear']
        if statistics.gaps:
            found.append(f'audio is missing on {self._topic} in {statistics.gaps} places, by its '
                         'stamps: messages were lost before they were recorded')
        whole = replace(statistics, overrun_share=(
            statistics.overrun_seconds / max(1.0, statistics.seconds)))
        return found + [
            f'the audio on {self._topic} {complaint}'
            for key, complaint in complaints_of(whole).items() if key != 'gaps']

    @property
    def origin_ns(self) -> int:
        """Return the bag's beginning, on the clock that stamps the audio."""
        return self._origins[0][1] if self._origins else 0

    def begins_s(self, heard: Heard) -> float:
        """
        Return how many seconds after the beginning of the bag an utterance begins.

        Its stamp alone does not tell where the clock has been set, or a recording played again.
        """
        # The message with which the clock leaps ends the utterance before it, too.
        origin_ns = next((origin_ns for noted_ns, origin_ns in reversed(self._origins)
                          if noted_ns < heard.receive_ns), self.origin_ns)
        return (heard.start_ns - origin_ns) / 1e9

    def _follow_clock(self, stamp_ns: int, received_ns: int) -> None:
        """Note where the bag begins on the clock of the stamps, which may be set meanwhile."""
        origin_ns = stamp_ns - (received_ns - self._bag.start_ns)
        if self._last_message is None:
            self._origins.append((received_ns, origin_ns))
        else:
            last_stamp_ns, last_received_ns = self._last_message
            passed_ns = stamp_ns - last_stamp_ns
            leaps = (passed_ns < -BACKWARD_TOLERANCE_NS
                     or passed_ns - (received_ns - last_received_ns) > LEAP_NS)
            # and not back to where it was, as after a message that was late
            if leaps and abs(origin_ns - self._origins[-1][1]) > LEAP_NS:
                self._origins.append((received_ns, origin_ns))
        self._last_message = stamp_ns, received_ns

    @property
    def position_s(self) -> float:
        """Return how far into the bag has been heard."""
        now_ns = min(self._backlog.time_ns, self._bag.end_ns)
        return max(0, now_ns - self._bag.start_ns) / 1e9

    def hear(self, start_s: float = 0.0) -> Iterator[Heard]:
        """
        Yield the utterances in order.

        :param start_s: seconds of the bag to leave out at its beginning; what was known by then
            (the format of the audio, whether the robot speaks) is known.
        """
        start_ns = self._bag.start_ns + round(start_s * 1e9) if start_s else None
        beside = {topic for topic in (self._info_topic, self._robot_topic) if topic}
        if start_ns is not None:
            for message in self._bag.messages(beside):
                if message.receive_ns >= start_ns:
                    break
                self._take(message)
        for message in self._bag.messages({self._topic, *beside}, start_ns):
            self._take(message)
            self._backlog.run()
            yield from self._results()
        self._hand_on()
        self._end_stream()
        self._backlog.run(all_of_them=True)
        yield from self._results()

    def _take(self, message: BagMessage) -> None:
        if message.topic == self._topic:
            self._take_audio(message)
            return
        self._backlog.time_ns = message.receive_ns
        if message.topic == self._info_topic:
            self._reader.announce(message.message, message.receive_ns)
            self._hand_on()
        else:
            self._ear.set_robot_speaks(message.message.data, message.receive_ns)
            if not self._reader.is_holding:
                self._ear.settle()

    def _take_audio(self, message: BagMessage) -> None:
        ended_ns = self._ended_ns
        if ended_ns is not None and message.receive_ns >= ended_ns:
            self._end_stream()
        self._last_ns = self._backlog.time_ns = message.receive_ns
        try:
            chunk = unpack(message.message)
        except AudioFormatError as error:
            self.refused[str(error)] += 1
            return
        except (AttributeError, TypeError) as error:  # the bag's own definition is another
            self.refused[f'its type has other fields than ours ({error})'] += 1
            return
        self.messages += 1
        received_ns = message.receive_ns
        arrival = Arrival(chunk, received_ns, chunk.stamp_ns or received_ns, received_ns,
                          received_ns)
        self._follow_clock(arrival.stamp_ns, received_ns)
        if not self._reader.hold(arrival, self._info_topic is not None):
            self._hand_on()

    def _hand_on(self) -> None:
        for arrival, audio_format in self._reader.release():
            if isinstance(audio_format, AudioFormatError):
                self.refused[str(audio_format)] += 1
                continue
            n_bytes = len(arrival.chunk.data)
            self._last_lasts_ns = round(1e9 * audio_format.duration_s(n_bytes))
            try:
                self._ear.hear(audio_format, arrival)
            except AudioFormatError as error:
                self.refused[str(error)] += 1

    @property
    def _ended_ns(self) -> int | None:
        """Return when the stream has ended if no further message comes, None before the first."""
        if self._last_ns is None:
            return None
        return self._last_ns + self._last_lasts_ns + self._end_of_stream_ns

    def _end_stream(self) -> None:
        """Close an open utterance, as late as the node would have noticed the silence."""
        ended_ns = self._ended_ns
        if ended_ns is not None:
            self._backlog.time_ns = ended_ns
        self._ear.recognizer.flush()

    def _results(self) -> Iterator[Heard]:
        for result in self._ear.recognizer.take_results():
            yield Heard(result, result.closed_ns)


def without_sound(heard: Heard) -> Heard:
    """Return what was heard without its waveforms, which take 64 kB a second."""
    parts = tuple(replace(part, utterance=replace(part.utterance, waveform=SILENCE))
                  for part in heard.result.parts)
    return replace(heard, result=replace(heard.result, parts=parts))


def no_audio(bag: Bag, topics: str, complaints: Sequence[str]) -> BagError:
    """Return the error of a bag in which nothing can be heard on topics with audio."""
    return BagError('; '.join([f'{bag.path} has no audio on {topics} that can be heard',
                               *bag.losses, *complaints]))


def describe_topics(bag: Bag) -> str:
    """Say which topics a bag has, those with audio first."""
    if bag.audio_topics:
        return f'there is audio on {", ".join(bag.audio_topics)}'
    topics = ', '.join(f'{topic.name} ({topic.type_name})' for topic in bag.topics.values())
    return f'its topics are {topics}' if topics else 'it has no topics at all'
