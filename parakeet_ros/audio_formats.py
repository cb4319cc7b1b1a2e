"""Which format a chunk of audio has, when it is told apart from the audio. No ROS."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from parakeet_ros.audio import AudioFormat, AudioFormatError
from parakeet_ros.audio.sniff import coding_of
from parakeet_ros.audio_messages import Chunk, coded_audio_message, format_from_info

SNIFFED_MESSAGES = 10  # the first ones of a stream are searched for coded audio
# A chunk and an audio_info may overtake each other by so much; the times at which they were sent
# tell which was first. A larger difference is that of two clocks.
IN_FLIGHT_NS = 5_000_000_000
# Audio is kept while audio_info is announced but has not come. Old drivers repeat it every 5 s;
# a bag that is played from an offset has left it behind, and it never comes.
HELD_BYTES = 1 << 23  # more than 6 s of six channels of S32LE at 48 kHz
HELD_NS = 6_000_000_000


@dataclass(frozen=True)
class Arrival:
    """A chunk and its times."""

    chunk: Chunk
    sent_ns: int  # clock of the publisher's machine
    stamp_ns: int  # of its first sample; of its arrival where the chunk has no stamp
    arrival_ns: int  # steady clock
    received_ns: int = 0  # when the middleware had it, on its clock


class FormatFinder:
    """
    Find the format of each chunk: its own, that of audio_info, or the fallback.

    :param fallback: the format of audio that nothing describes.
    """

    def __init__(self, fallback: AudioFormat) -> None:
        self._fallback = fallback
        self._info: Any = None
        self._former_info: Any = None  # what was true until _since_ns
        self._since_ns = 0
        self._sniffed = 0

    @property
    def has_info(self) -> bool:
        """Return whether an audio_info has come."""
        return self._info is not None

    def announce(self, info: Any, sent_ns: int) -> bool:
        """Take an audio_info and when it was sent; return whether it says something new."""
        if info == self._info:
            return False
        self._former_info, self._info, self._since_ns = self._info, info, sent_ns
        self._sniffed = 0
        return True

    def format_of(self, chunk: Chunk, sent_ns: int) -> AudioFormat:
        """
        Return the format of a chunk that was sent at some time.

        :raises AudioFormatError: if it cannot be read, saying what to do about it.
        """
        if chunk.audio_format is not None:
            return chunk.audio_format
        if self._info is not None:
            was_in_flight = 0 < self._since_ns - sent_ns < IN_FLIGHT_NS
            return format_from_info(self._former_info if was_in_flight and self._former_info
                                    else self._info)
        if self._sniffed < SNIFFED_MESSAGES:
            self._sniffed += 1
            coding = coding_of(chunk.data)
            if coding is not None:
                self._sniffed = 0
                raise AudioFormatError(coded_audio_message(coding))
        return self._fallback


class AudioReader:
    """
    Give each chunk its format; the first ones wait while an audio_info is expected.

    :param fallback: the format of audio that nothing describes.
    """

    def __init__(self, fallback: AudioFormat) -> None:
        self._formats = FormatFinder(fallback)
        self._held: list[Arrival] = []
        self.gave_up = False  # no audio_info came in time

    @property
    def is_holding(self) -> bool:
        """Return whether audio waits."""
        return bool(self._held)

    def announce(self, info: Any, sent_ns: int) -> bool:
        """Take an audio_info and when it was sent; return whether it says something new."""
        return self._formats.announce(info, sent_ns)

    def hold(self, arrival: Arrival, is_info_expected: bool) -> bool:
        """Take a chunk, and return whether an audio_info may still come in time for it."""
        self._held.append(arrival)
        if self._formats.has_info or self.gave_up or not is_info_expected:
            return False
        self.gave_up = sum(len(each.chunk.data) for each in self._held) >= HELD_BYTES
        return not self.gave_up and not self.expire(arrival.arrival_ns)

    def expire(self, now_ns: int) -> bool:
        """Give up on an audio_info for which audio has waited too long; return whether so."""
        self.gave_up = self.gave_up or bool(
            self._held and not self._formats.has_info
            and now_ns - self._held[0].arrival_ns >= HELD_NS)
        return self.gave_up and bool(self._held)

    def release(self) -> Iterator[tuple[Arrival, AudioFormat | AudioFormatError]]:
        """Yield what was held with its format, or with the reason why it cannot be read."""
        held, self._held = self._held, []
        for arrival in held:
            try:
                yield arrival, self._formats.format_of(arrival.chunk, arrival.sent_ns)
            except AudioFormatError as error:
                yield arrival, error

    def discard(self) -> int:
        """Forget what is held, and return how many chunks that was."""
        count, self._held = len(self._held), []
        return count
