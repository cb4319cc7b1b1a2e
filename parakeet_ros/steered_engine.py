"""An engine whose hotwords may change between two batches; importing it imports torch."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray
from parakeet_ros.engine import DecodingOptions, Transcriber, Transcript
from parakeet_ros.engine.joining import join
from parakeet_ros.hotword_syntax import parse_hotword


class SteeredEngine:
    """
    Decode with the hotwords of the moment.

    One thread transcribes, another may set the hotwords; a batch has one list or the other.
    """

    def __init__(self, engine: Transcriber, hotwords: Sequence[str]) -> None:
        self._engine = engine
        self.set_hotwords(hotwords)

    def set_hotwords(self, hotwords: Sequence[str]) -> None:
        """
        Take these from the next batch on, each `phrase` or `phrase:weight`.

        :raises ValueError: one of them cannot be used, named in the message; the old ones stay.
        """
        phrases = [parse_hotword(text) for text in hotwords]
        self._options = DecodingOptions(
            hotwords=self._engine.hotwords(phrases) if phrases else None)

    def transcribe_batch(self, waveforms: Sequence[NDArray[Any]]) -> list[Transcript]:
        """Turn waveforms `[n_samples]` into as many transcripts."""
        return self._engine.transcribe_batch(waveforms, options=self._options)

    def transcribe_in_pieces(self, waveform: NDArray[Any], piece_s: float) -> Transcript:
        """Turn a waveform `[n_samples]` into one transcript, in less memory than at once."""
        return join(list(self._engine.stream(
            waveform, options=self._options, piece_s=piece_s)))
