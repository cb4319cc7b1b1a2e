"""How well a model writes what is said, and how often it writes what is not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import jiwer
from parakeet_ros.engine import Transcriber

from .corpus import Corpus, SAMPLE_RATE_HZ


@dataclass(frozen=True)
class Score:
    """The outcome of one set of clips."""

    n_clips: int
    n_right: int  # without any error
    n_words: int  # in the reference
    n_errors: int  # substitutions, deletions and insertions
    words_per_minute: float  # written where nothing is said

    @property
    def wer_percent(self) -> float:
        """Return the word error rate; 0 where nothing is said."""
        return 100.0 * self.n_errors / self.n_words if self.n_words else 0.0

    @property
    def right_percent(self) -> float:
        """Return the share of clips without any error."""
        return 100.0 * self.n_right / self.n_clips if self.n_clips else 0.0


def measure(transcriber: Transcriber, corpora: Iterable[Corpus]) -> Score:
    """Transcribe all clips and count."""
    n_clips = n_right = n_words = n_errors = n_invented = 0
    silent_s = 0.0
    for corpus in corpora:
        for index, clip in enumerate(corpus.clips):
            text = transcriber.transcribe(corpus.waveform(index)).text
            n_clips += 1
            n_right += text == clip.text
            if not clip.text:
                silent_s += clip.n_samples / SAMPLE_RATE_HZ
                n_invented += len(text.split())
                continue
            counts = jiwer.process_words(clip.text, text)
            n_words += counts.hits + counts.substitutions + counts.deletions
            n_errors += counts.substitutions + counts.deletions + counts.insertions
    return Score(n_clips, n_right, n_words, n_errors, 60 * n_invented / max(silent_s, 1e-9))
