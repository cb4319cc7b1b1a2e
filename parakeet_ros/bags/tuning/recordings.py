"""Recordings that are heard again and again, by engines that hear no waveform twice."""
from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
import json
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from parakeet_ros.audio import AudioFormat, AudioStream, SegmenterConfig
from parakeet_ros.audio.timeline import NS_PER_S
from parakeet_ros.bags.errors import BagError
from parakeet_ros.bags.hearing import BagListener, no_audio
from parakeet_ros.bags.reading import Bag, BagMessage
from parakeet_ros.bags.tuning.references import Reference, reference_of, ReferencesError
from parakeet_ros.bags.tuning.score import Said, Score, score
from parakeet_ros.careful import Engine
from parakeet_ros.parameters import Parameters
from parakeet_ros.recording import read_audio

CHUNK_S = 1.0  # of a sound file that stands for a stream; no chunking changes the utterances
MANIFEST = 'manifest.jsonl'


class Recording(Protocol):
    """
    A stream that was recorded, and what was said in it.

    :param complaints: what was wrong with the audio when it was last heard, in sentences.
    """

    references: Sequence[Reference]
    complaints: Sequence[str]

    def score(self, config: SegmenterConfig, engine: Engine) -> Score:
        """Hear it with these settings, and compare that with what was said."""


class KnowingEngine:
    """Transcribe each waveform once: segments that two settings share cost nothing again."""

    def __init__(self, engine: Engine) -> None:
        """Wrap an engine, with nothing known."""
        self._engine = engine
        self._known: dict[bytes, Any] = {}

    @property
    def transcribed(self) -> int:
        """Return how many different waveforms were transcribed."""
        return len(self._known)

    def transcribe_batch(self, waveforms: Sequence[NDArray[Any]]) -> list[Any]:
        """Turn waveforms `[n_samples]` into as many transcripts, each as if it were alone."""
        return [self._transcribe(waveform) for waveform in waveforms]

    def transcribe_in_pieces(self, waveform: NDArray[Any], piece_s: float) -> Any:
        """Turn a waveform into one transcript, in less memory; this is not remembered."""
        return self._engine.transcribe_in_pieces(waveform, piece_s)

    def _transcribe(self, waveform: NDArray[Any]) -> Any:
        key = blake2b(np.ascontiguousarray(waveform).tobytes(), digest_size=16).digest()
        if key not in self._known:
            [self._known[key]] = self._engine.transcribe_batch([waveform])
        return self._known[key]


class BagRecording:
    """
    One audio topic of a bag, its messages kept in memory: 0.3 GB for an hour in chunks of 20 ms.

    :raises BagError: the bag has no audio on the topic.
    """

    def __init__(self, bag: Bag, topic: str, parameters: Parameters,
                 references: Sequence[Reference]) -> None:
        """Read the bag, which may be closed then."""
        self._topic, self._parameters = topic, parameters
        self._bag = _BagInMemory(**vars(bag))
        self._bag.read({topic, *filter(None, (
            bag.info_topic(topic), bag.robot_speaking_topic(topic)))})
        origin_s = self._find_origin() / NS_PER_S
        self.references = [each.since(origin_s) for each in references]
        self.complaints: Sequence[str] = ()

    def score(self, config: SegmenterConfig, engine: Engine) -> Score:
        """
        Hear it as the node would, and compare that with what was said.

        :raises BagError: nothing can be heard.
        """
        listener = BagListener(
            self._bag, self._topic, replace(self._parameters, vad=config), engine)
        said = []
        for heard in listener.hear():
            first, last = heard.result.parts[0], heard.result.parts[-1]
            begins_s = listener.begins_s(heard)
            start_s, end_s = (begins_s + (stamp_ns - heard.start_ns) / NS_PER_S
                              for stamp_ns in (first.speech_start_ns, last.speech_end_ns))
            said.append(Said(heard.text, start_s, end_s,
                             end_s + _wait_s(last.utterance.end_reason, config)))
        self.complaints = listener.complaints
        if listener.statistics is None:
            raise no_audio(self._bag, self._topic, self.complaints)
        return score(said, self.references, listener.statistics.seconds)

    def _find_origin(self) -> int:
        """Return the beginning of the bag on the clock that stamps the audio."""
        for message in self._bag.messages({self._topic}):
            since_ns = message.receive_ns - self._bag.start_ns
            return (message.stamp_ns or message.receive_ns) - since_ns
        raise BagError(f'{self._bag.path} has no messages on {self._topic}')


@dataclass
class _BagInMemory(Bag):
    """A bag whose messages are read once."""

    def read(self, topics: Collection[str]) -> None:
        """Read the messages of some topics; there are no others then."""
        self._kept = list(super().messages(topics))

    def messages(self, topics: Collection[str], start_ns: int | None = None,
                 ) -> Iterator[BagMessage]:
        """Yield the messages of some of the topics that were read."""
        assert start_ns is None, 'it is always heard from the beginning'
        return (message for message in self._kept if message.topic in topics)


class SoundRecording:
    """The first channel of a sound file, as if it were a stream."""

    complaints: Sequence[str] = ()

    def __init__(self, path: Path, references: Sequence[Reference]) -> None:
        """
        Read the file.

        :raises OSError: there is none.
        :raises RecordingError: it is not readable sound.
        """
        samples, self._rate_hz = read_audio(path)
        self._samples = np.ascontiguousarray(samples[:, 0])
        self.references = references

    def score(self, config: SegmenterConfig, engine: Engine) -> Score:
        """Hear it as the node would, and compare that with what was said."""
        stream = AudioStream(AudioFormat(self._rate_hz, 1, 'F32LE'), 0, config)
        step, heard = round(CHUNK_S * self._rate_hz), []
        for begin in range(0, len(self._samples), step):
            heard += stream.push(self._samples[begin:begin + step].tobytes(),
                                 begin * NS_PER_S // self._rate_hz)
        heard += stream.flush()
        said: list[Said] = []
        for each in heard:
            text = engine.transcribe_batch([each.waveform])[0].text
            start_s, end_s = each.speech_start_ns / NS_PER_S, each.speech_end_ns / NS_PER_S
            if each.utterance.continues and said:  # the node gives both parts one id
                before = said.pop()
                text, start_s = f'{before.text} {text}'.strip(), before.start_s
            said.append(Said(text, start_s, end_s,
                             end_s + _wait_s(each.utterance.end_reason, config)))
        return score(said, self.references, len(self._samples) / self._rate_hz)


def read_labelled_folder(folder: Path) -> list[SoundRecording]:
    """
    Read the sound files that a `manifest.jsonl` names, as `benchmark/make_noisy_set.py` writes it.

    Each line has `path`, and `commands`: objects with `text`, `start` and `end` in seconds.

    :raises ReferencesError: a line is not as it must be, or there is none.
    :raises OSError: a file is missing.
    """
    path = folder / MANIFEST
    recordings = []
    for number, line in enumerate(path.read_text('utf-8').splitlines(), start=1):
        where = f'{path}, line {number}'
        try:
            entry = json.loads(line)
            name, commands = str(entry['path']), list(entry['commands'])
        except (json.JSONDecodeError, KeyError, TypeError):
            raise ReferencesError(f'{where}: give an object with "path" and "commands"') from None
        recordings.append(SoundRecording(
            folder / name, [reference_of(command, where) for command in commands]))
    if not recordings:
        raise ReferencesError(f'{path} names no recording')
    return recordings


def _wait_s(end_reason: str, config: SegmenterConfig) -> float:
    """Return how long after its speech an utterance ends; at the end of a recording, would."""
    return 0.0 if end_reason == 'max_length' else config.hangover_s
