"""Measure a model: how many words it gets wrong, and how many it writes where none are."""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
import json
from pathlib import Path

import jiwer
import numpy as np
from parakeet_ros.engine import Transcriber
from parakeet_ros.training.augment import Augmenter
from parakeet_ros.training.corpus import Corpus, SAMPLE_RATE_HZ, Waveform
import soundfile

NOISE_SEED = 10  # of a bank that no training uses
GAP_FLOOR = 3e-4  # full scale 1.0: a quiet room, as behind the recordings of the tests


@dataclass(frozen=True)
class Score:
    """
    What a model made of a set of clips.

    ``word_errors`` counts substituted, lost and inserted words, also those written for clips
    without words; ``inserted`` counts the inserted ones alone.
    """

    clips: int
    audio_s: float
    words: int
    word_errors: int
    inserted: int
    right: int

    @property
    def wer_percent(self) -> float:
        """Return the word error rate; not a number where nothing was said."""
        return 100 * self.word_errors / self.words if self.words else float('nan')

    @property
    def inserted_per_minute(self) -> float:
        """Return the words per minute that were written without being said."""
        return 60 * self.inserted / self.audio_s if self.audio_s else 0.0

    @property
    def right_percent(self) -> float:
        """Return the share of clips whose text is exactly right."""
        return 100 * self.right / self.clips if self.clips else 0.0


def compare(said: list[str], heard: list[str], audio_s: float) -> Score:
    """Count the errors in texts; an empty text is a clip without words."""
    spoken = [(text, other) for text, other in zip(said, heard, strict=True) if text]
    for_nothing = sum(len(other.split()) for text, other in zip(said, heard) if not text)
    errors = inserted = 0
    if spoken:
        counts = jiwer.process_words([text for text, _ in spoken], [other for _, other in spoken])
        errors = counts.substitutions + counts.deletions + counts.insertions
        inserted = counts.insertions
    return Score(
        clips=len(said), audio_s=audio_s, words=sum(len(text.split()) for text in said),
        word_errors=errors + for_nothing, inserted=inserted + for_nothing,
        right=sum(text == other for text, other in zip(said, heard)))


def transcribe(engine: Transcriber, waveforms: Iterable[Waveform]) -> list[str]:
    """Return the text of each clip, decoded alone and whole."""
    return [engine.transcribe(waveform).text for waveform in waveforms]


def measure(engine: Transcriber, corpus: Corpus, snr_db: float | None = None,
            noise_seed: int = NOISE_SEED, kind: str = '') -> Score:
    """Transcribe every clip of a corpus, in noise if a ratio is given, and count the errors."""
    heard = transcribe(engine, recordings(corpus, snr_db, noise_seed, kind))
    return compare([clip.text for clip in corpus.clips], heard, corpus.duration_s)


def recordings(corpus: Corpus, snr_db: float | None = None, noise_seed: int = NOISE_SEED,
               kind: str = '') -> Iterator[Waveform]:
    """
    Yield the clips of a corpus over the floor of a quiet room, or in noise of this ratio.

    The noise is the same for the same seed: of all kinds of `BACKGROUNDS`, or of one, but other
    pieces than training hears.
    """
    rng = np.random.default_rng(noise_seed)
    noises = Augmenter(noise_seed, pieces=3) if snr_db is not None else None
    for index in range(len(corpus)):
        waveform = corpus.waveform(index)
        if noises is None or snr_db is None:
            noise = GAP_FLOOR * rng.standard_normal(len(waveform))
        else:
            rms = np.sqrt(np.square(waveform).mean())
            noise = rms * 10 ** (-snr_db / 20) * noises.background(len(waveform), rng, kind)
        yield np.clip(waveform + noise.astype(np.float32), -1, 1)


def write_recordings(corpus: Corpus, folder: Path, snr_db: float | None = None,
                     noise_seed: int = NOISE_SEED, kind: str = '') -> None:
    """Write what `recordings` yields as FLAC, with the manifest of ``benchmark/bench_wer.py``."""
    folder.mkdir(parents=True)
    lines = []
    for index, waveform in enumerate(recordings(corpus, snr_db, noise_seed, kind)):
        clip, name = corpus.clips[index], f'{index:04d}.flac'
        soundfile.write(folder / name, waveform, SAMPLE_RATE_HZ, subtype='PCM_16')
        lines.append(json.dumps({'path': name, 'text': clip.text, 'voice': clip.voice,
                                 'duration': round(clip.duration_s, 3)}))
    (folder / 'manifest.jsonl').write_text(''.join(f'{line}\n' for line in lines))
