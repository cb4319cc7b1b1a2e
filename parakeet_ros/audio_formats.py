"""Which format a chunk of audio has, when it is told apart from the audio. No subscriptions."""

from typing import Any

from parakeet_ros.audio import AudioFormat, AudioFormatError
from parakeet_ros.audio.sniff import coding_of
from parakeet_ros.audio_messages import Chunk
from parakeet_ros.conversions import coded_audio_message, format_from_info

SNIFFED_MESSAGES = 10  # the first ones of a stream are searched for coded audio
# A chunk and an audio_info may overtake each other by so much; the times at which they were sent
# tell which was first. A larger difference is that of two clocks.
IN_FLIGHT_NS = 5_000_000_000


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
