"""
Recorded sounds in which nothing is said: drums, doors, bells, bubbles, and instruments.

Generated noise is too tidy: a model that has learned from it to write nothing still writes words
for a knock or a flute.
"""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
import subprocess
from tempfile import TemporaryDirectory

import mido
import numpy as np
from parakeet_ros.training.augment import faster
from parakeet_ros.training.corpus import SAMPLE_RATE_HZ, Waveform
from parakeet_ros.training.noise import Generator
import soundfile

MOST_AT_ONCE = 6
SPEED = (0.6, 1.6)
# Of MIDI.
PROGRAMS, CHANNEL_OF_DRUMS, DRUMS = 128, 9, (35, 82)
TICKS_PER_S = 1000


def collage(recordings: Sequence[Waveform], n_samples: int, rng: Generator) -> Waveform:
    """Return recordings at random places, speeds and levels: float32 ``[n_samples]``."""
    sound = np.zeros(n_samples, np.float32)
    for _ in range(int(rng.integers(1, MOST_AT_ONCE + 1))):
        recording = faster(recordings[int(rng.integers(len(recordings)))], rng.uniform(*SPEED))
        start = int(rng.integers(n_samples))
        part = recording[:n_samples - start]
        sound[start:start + len(part)] += np.float32(rng.uniform(0.1, 1)) * part
    return sound


def scenes(lengths_s: Sequence[float], rng: Generator) -> mido.MidiFile:
    """Compose random notes by one to three instruments, others in each scene."""
    events: list[tuple[int, mido.Message]] = []
    start_s = 0.0
    for length_s in lengths_s:
        for channel in rng.choice(CHANNEL_OF_DRUMS + 1, int(rng.integers(1, 4)), replace=False):
            begin = mido.Message('program_change', channel=int(channel),
                                 program=int(rng.integers(PROGRAMS)))
            events.append((int(start_s * TICKS_PER_S), begin))
            events += _notes(int(channel), start_s, length_s, rng)
        start_s += length_s
    events.sort(key=lambda event: event[0])
    track = mido.MidiTrack([mido.MetaMessage('set_tempo', tempo=10**6)])  # a beat is a second
    now = 0
    for tick, message in events:
        track.append(message.copy(time=tick - now))
        now = tick
    file = mido.MidiFile(ticks_per_beat=TICKS_PER_S)
    file.tracks.append(track)
    return file


def _notes(channel: int, start_s: float, length_s: float, rng: Generator
           ) -> Iterator[tuple[int, mido.Message]]:
    """Yield beginnings and ends of one instrument's notes; all end with the scene."""
    note_s = rng.uniform(0.05, 1.5)
    low, high = DRUMS if channel == CHANNEL_OF_DRUMS else sorted(rng.integers(24, 100, 2))
    now_s = 0.0
    while (now_s := now_s + rng.exponential(note_s)) < length_s:
        note = {'channel': channel, 'note': int(rng.integers(low, high + 1))}
        end_s = min(length_s, now_s + note_s * rng.uniform(0.3, 1.5))
        for time_s, kind in ((now_s, 'note_on'), (end_s, 'note_off')):
            yield (int((start_s + time_s) * TICKS_PER_S),
                   mido.Message(kind, velocity=int(rng.integers(40, 127)), **note))


def performed(tune: mido.MidiFile, soundfont: Path) -> Waveform:
    """
    Let FluidSynth play a tune: float32 ``[n_samples]`` at 16 kHz.

    :raises OSError: there is no program ``fluidsynth``.
    :raises subprocess.CalledProcessError: it fails.
    """
    with TemporaryDirectory() as folder:
        score, recording = Path(folder, 'tune.mid'), Path(folder, 'tune.wav')
        tune.save(score)
        subprocess.run(['fluidsynth', '-ni', '-q', '-F', str(recording), '-r', str(SAMPLE_RATE_HZ),
                        str(soundfont), str(score)], check=True, capture_output=True)
        played, _ = soundfile.read(recording, dtype='float32')
    return np.asarray(played.mean(1), np.float32)
