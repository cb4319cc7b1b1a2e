"""What every speech synthesiser offers, and what is done to the audio of all of them."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
import random
import subprocess
import tempfile
from typing import Protocol

import numpy as np
from parakeet_ros.recording import SoundError
from parakeet_ros.training.corpus import SAMPLE_RATE_HZ, Waveform
import soundfile
import soxr

SILENT = 1e-3  # of full scale: a synthesiser that gives no more has failed
AUDIBLE = 0.01  # of the peak: where speech begins and ends
MARGIN_S = 0.08  # kept around it, or added
PEAK = 0.5
TIMEOUT_S = 30
RESIZED_SHARE = 0.6  # of the clips of an engine with few speakers

# Never trained on, so that a model can be measured on voices that it has not heard. The first
# three are for tests; the last is watched while training.
WITHHELD_VOICES = frozenset({
    'kokoro:am_michael', 'kokoro:bf_emma', 'flite:slt', 'kokoro:am_fenrir'})


class VoiceError(RuntimeError):
    """A voice that is not on this machine, or that did not speak."""


@dataclass(frozen=True)
class Speech:
    """Audio as a synthesiser gives it: float ``[n_samples]`` at its own rate."""

    samples: Waveform
    rate_hz: int

    def prepared(self) -> Waveform:
        """
        Return float32 ``[n_samples]`` at 16 kHz with peak `PEAK`, cut to the speech.

        :raises VoiceError: if it is silent
        """
        waveform: Waveform = soxr.resample(
            self.samples.astype(np.float32), self.rate_hz, SAMPLE_RATE_HZ)
        peak = float(np.abs(waveform).max(initial=0))
        if not peak > SILENT:  # NaN too
            raise VoiceError('the synthesiser gave silence')
        loud = np.flatnonzero(np.abs(waveform) > AUDIBLE * peak)
        margin = int(MARGIN_S * SAMPLE_RATE_HZ)
        waveform = np.pad(waveform, margin)[loud[0]:loud[-1] + 2 * margin]
        waveform *= np.float32(PEAK / peak)
        return waveform


class Engine(Protocol):
    """A speech synthesiser with one or more voices."""

    name: str
    licence: str
    voices: list[str]

    def say(self, text: str, voice: str, rng: random.Random | None = None) -> Speech:
        """
        Speak a text; a random generator varies speed and pitch, without it all is neutral.

        :raises VoiceError: if the synthesiser fails on it
        """


def training_voices(engine: Engine) -> list[str]:
    """Return the voices of an engine that may be trained on."""
    return [voice for voice in engine.voices if f'{engine.name}:{voice}' not in WITHHELD_VOICES]


def speaker_size(rng: random.Random, smallest: float, largest: float) -> float:
    """
    Draw how much faster speech is to be played, which makes pitch and formants of another speaker.

    Whoever plays it so has it spoken slower by as much. For some clips it is 1.
    """
    return rng.uniform(smallest, largest) if rng.random() < RESIZED_SHARE else 1.0


def run_to_wav(command: list[str], text: str = '') -> Speech:
    """
    Run a synthesiser whose last argument, to be appended, is the WAV file that it writes.

    The text is for one that reads it from its standard input.
    """
    with tempfile.NamedTemporaryFile(suffix='.wav') as wav:
        try:
            subprocess.run([*command, wav.name], input=text.encode(), check=True,
                           capture_output=True, timeout=TIMEOUT_S)
            samples, rate_hz = soundfile.read(Path(wav.name), dtype='float32')
        except (OSError, subprocess.SubprocessError, SoundError) as error:
            raise VoiceError(f'{command[0]} failed: {error}') from error
    return Speech(samples, rate_hz)
