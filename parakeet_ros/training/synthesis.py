"""Make corpora of synthetic speech, for training and for measuring."""
from __future__ import annotations

from collections.abc import Iterable
import logging
from pathlib import Path
import random
import time

from parakeet_ros.training.corpus import CorpusWriter
from parakeet_ros.training.texts import Text
from parakeet_ros.training.voices import Engine, training_voices, VoiceError

MAX_FAILURES_IN_A_ROW = 20

_log = logging.getLogger(__name__)


def synthesise(folder: Path, engine: Engine, texts: Iterable[Text], rng: random.Random, *,
               audio_s: float, limit_s: float = float('inf')) -> None:
    """
    Speak texts in random voices until there is enough audio or the time is up.

    :param folder: the corpus that is made; it must not exist
    :param audio_s: seconds of audio to make
    :param limit_s: seconds after which what there is must do
    :raises VoiceError: if the engine fails again and again
    """
    voices = training_voices(engine)
    end_s = time.monotonic() + limit_s
    failures = 0
    with CorpusWriter(folder) as writer:
        for text in texts:
            if writer.duration_s >= audio_s or time.monotonic() >= end_s:
                break
            try:
                speak(writer, engine, rng.choice(voices), text, 'train', rng)
                failures = 0
            except VoiceError as error:
                _log.warning('left out: %s', error)
                failures += 1
                if failures >= MAX_FAILURES_IN_A_ROW:
                    raise


def speak_all(folder: Path, engine: Engine, voice: str, texts: Iterable[Text], split: str) -> None:
    """Speak texts with one voice at its own speed and pitch, all of them, for measuring."""
    with CorpusWriter(folder) as writer:
        for text in texts:
            speak(writer, engine, voice, text, split)


def speak(writer: CorpusWriter, engine: Engine, voice: str, text: Text, split: str,
          rng: random.Random | None = None) -> None:
    """
    Add one clip.

    :param rng: varies speed and pitch; without it they are the voice's own
    :raises VoiceError: which names the text and the voice
    """
    name = f'{engine.name}:{voice}'
    try:
        waveform = engine.say(text.text, voice, rng).prepared()
    except VoiceError as error:
        raise VoiceError(f'{text.text!r} by {name}: {error}') from error
    writer.add(waveform, text=text.text, voice=name, split=split, engine=engine.name,
               licence=engine.licence, kind=text.kind)
