"""
Recordings for training: a folder with a manifest and one file of samples.

``manifest.jsonl`` has one JSON object per clip, ``audio.s16`` the samples of all clips one after
another: 16 kHz, mono, int16, little-endian, no header. A corpus is written under a name of its own
that ends in ``.partial`` and gets its real name when it is whole, so that a reader never meets
half of one.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
import json
import os
from pathlib import Path
import shutil
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 16_000
FULL_SCALE = 32768

Waveform = NDArray[np.float32]


class CorpusError(ValueError):
    """A corpus that is missing, damaged, or asked for what it must not hold."""


@dataclass(frozen=True)
class Clip:
    """
    One recording in a corpus.

    ``voice`` is unique among all engines, such as ``flite:rms``; ``licence`` is that of the audio;
    ``split`` is train, dev or test; ``kind`` is command, words, digits, word, sentence, noise or
    music. The text is lower case, and empty where nothing is said.
    """

    offset_samples: int
    n_samples: int
    text: str
    voice: str
    engine: str
    licence: str
    split: str
    kind: str

    @property
    def duration_s(self) -> float:
        """Return the length in seconds."""
        return self.n_samples / SAMPLE_RATE_HZ


class CorpusWriter:
    """
    A corpus that is being written, to be used as a context manager.

    It appears under its name when the block ends, and not at all if the block raises.
    """

    def __init__(self, folder: Path) -> None:
        if folder.exists():
            raise CorpusError(f'{folder} exists already; give another name, or remove it')
        self.n_clips = 0
        self._n_samples = 0
        self._folder = folder
        self._partial = folder.with_name(f'{folder.name}.partial')
        shutil.rmtree(self._partial, ignore_errors=True)
        self._partial.mkdir(parents=True)
        self._audio = (self._partial / 'audio.s16').open('wb')
        self._manifest = (self._partial / 'manifest.jsonl').open('w')

    @property
    def duration_s(self) -> float:
        """Return the length of all clips so far in seconds."""
        return self._n_samples / SAMPLE_RATE_HZ

    def add(self, waveform: Waveform, *, text: str, voice: str, engine: str, licence: str,
            split: str, kind: str) -> None:
        """Append a clip; the waveform is float32 ``[n_samples]`` at 16 kHz, clipped to 1.0."""
        assert waveform.ndim == 1 and len(waveform), 'a clip is mono and not empty'
        if not np.isfinite(waveform).all():
            raise CorpusError(f'the audio of {text!r} by {voice} has NaN or infinite samples')
        scaled = np.rint(waveform * FULL_SCALE)
        samples = np.clip(scaled, -FULL_SCALE, FULL_SCALE - 1).astype('<i2')
        clip = Clip(self._audio.tell() // samples.itemsize, len(samples), text, voice, engine,
                    licence, split, kind)
        self._audio.write(samples.tobytes())
        row = {**asdict(clip), 'duration_s': round(clip.duration_s, 3)}
        self._manifest.write(json.dumps(row) + '\n')
        self.n_clips += 1
        self._n_samples += len(samples)

    def __enter__(self) -> CorpusWriter:
        """Begin."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        """Give the folder its name, or remove it after an error, such as that of a full disk."""
        try:
            with self._manifest, self._audio:
                pass  # closes both even if what is left to be written does not fit
            if kind is None:
                self._partial.rename(self._folder)
        finally:
            shutil.rmtree(self._partial, ignore_errors=True)  # not there where all went well


class Corpus:
    """A whole corpus on disk; the audio is memory-mapped and read clip by clip."""

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        try:
            lines = (folder / 'manifest.jsonl').read_text().splitlines()
            self.clips = [_clip(line) for line in lines]
            self._samples = _mapped(folder / 'audio.s16')
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CorpusError(f'{folder} is no whole corpus ({error}); make it again') from error
        end = max((clip.offset_samples + clip.n_samples for clip in self.clips), default=0)
        if end > len(self._samples):
            raise CorpusError(f'{folder}/audio.s16 has {len(self._samples)} samples, its manifest '
                              f'needs {end}; make the corpus again')

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self.clips)

    @property
    def duration_s(self) -> float:
        """Return the length of all clips in seconds."""
        return sum(clip.n_samples for clip in self.clips) / SAMPLE_RATE_HZ

    def waveform(self, index: int) -> Waveform:
        """Read the audio of a clip: float32 ``[n_samples]``, 16 kHz, full scale 1.0."""
        clip = self.clips[index]
        samples = self._samples[clip.offset_samples:clip.offset_samples + clip.n_samples]
        scaled: Waveform = samples.astype(np.float32) / np.float32(FULL_SCALE)
        return scaled


def corpora(root: Path) -> Iterator[Corpus]:
    """Read every whole corpus below a folder, also behind links, in the order of their names."""
    for folder in sorted(Path(folder) for folder, _, files in os.walk(root, followlinks=True)
                         if 'manifest.jsonl' in files):
        if not any(part.endswith('.partial') for part in folder.parts):
            yield Corpus(folder)


def _mapped(path: Path) -> NDArray[np.int16]:
    """Map a file of samples into memory; an empty one cannot be, so it is read."""
    if not path.stat().st_size:
        return np.zeros(0, np.int16)
    return np.memmap(path, '<i2', 'r')


def _clip(line: str) -> Clip:
    """Read a line of the manifest; what is derived in it is left out."""
    row = json.loads(line)
    del row['duration_s']
    return Clip(**row)
