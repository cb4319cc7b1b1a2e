"""
Make a labelled set of noisy recordings out of the held-out clips; nothing is downloaded.

A scene is a time line: the short clips in random order, at speaking levels that differ by up to
6 dB, with 0.9 to 3 s between them, in a background at one ratio of speech to noise. Backgrounds:

- `fan`: noise falling by 4 dB per octave, its level wandering by 1 dB, with a hum.
- `motor`: harmonics of a shaft whose speed changes, rough with each turn, a gear's whine, noise.
- `babble`: eight voices at once, the long held-out clips played backwards without pauses.
- `music`: chords of decaying notes, a bass and a soft drum, 100 beats a minute.
- `steps`: a fan whose level jumps by 10 dB up or down every 8 to 14 s.
- `clicks`: a fan 10 dB fainter, and knocks of 5 to 40 ms, louder than the speech, one a second.

The ratio is that of mean powers over the whole band: of the speech in its labelled spans, and of
the noise everywhere (in `steps`, of its louder half). A label is the span of one clip from the
first to the last of its frames of 10 ms that are less than 35 dB fainter than its loudest; these
frames are its *loud* ones, the others its pauses.
The same arguments give the same samples.

`make_noisy_set.py FOLDER` writes FLAC files and `manifest.jsonl`: path, background, snr_db, seed,
and commands, each with text, start and end in seconds.
"""
import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
import json
from pathlib import Path
import sys

import numpy as np
import numpy.typing as npt
from parakeet_ros.audio import SAMPLE_RATE_HZ
from parakeet_ros.audio.settings import FRAME_SAMPLES
from parakeet_ros.recording import read_audio
import soundfile

HELDOUT = Path(__file__).parents[1] / 'test' / 'data' / 'heldout'
SNRS_DB = (30, 20, 10, 5, 0)
SPEECH_DBFS = -26.0  # mean level of the speech
LABEL_RANGE_DB = 35.0
LEAD_S = 3.0  # background before the first clip

Samples = npt.NDArray[np.float64]  # mono, [n_samples], 16 kHz


@dataclass(frozen=True)
class Spoken:
    """A command, its span in seconds, and which of its frames of 10 ms are no pause."""

    text: str
    start_s: float
    end_s: float
    loud: tuple[bool, ...] = ()


@dataclass(frozen=True)
class Scene:
    """A noisy recording, float32 `[n_samples]` at 16 kHz, and what is said in it."""

    background: str
    snr_db: int
    seed: int
    waveform: npt.NDArray[np.float32]
    spoken: tuple[Spoken, ...]

    @property
    def seconds(self) -> float:
        """Return the length."""
        return len(self.waveform) / SAMPLE_RATE_HZ


@cache
def held_out() -> list[tuple[str, Samples, bool]]:
    """Return text, waveform and whether it is one of the long ones, of every held-out clip."""
    clips = []
    for line in (HELDOUT / 'manifest.jsonl').read_text('utf-8').splitlines():
        entry = json.loads(line)
        samples, _ = read_audio(HELDOUT / entry['path'])
        clips.append((entry['text'], samples[:, 0].astype(np.float64), 'commands' in entry))
    return clips


def loud_frames(waveform: Samples) -> npt.NDArray[np.bool_]:
    """Return which frames of a quiet clip hold speech."""
    whole = len(waveform) // FRAME_SAMPLES * FRAME_SAMPLES
    frames = waveform[:whole].reshape(-1, FRAME_SAMPLES)
    powers = np.mean(np.square(frames - frames.mean(axis=1, keepdims=True)), axis=1)
    loud: npt.NDArray[np.bool_] = powers > powers.max() * 10 ** (-LABEL_RANGE_DB / 10)
    return loud


def db(decibels: float | Samples) -> Samples:
    """Return the factor of amplitude."""
    return np.asarray(10 ** (np.asarray(decibels) / 20))


def normalised(samples: Samples) -> Samples:
    """Scale to a mean power of 1."""
    return samples / np.sqrt(np.mean(samples ** 2))


def coloured(n: int, rng: np.random.Generator, slope_db: float, low_hz: float = 30.0) -> Samples:
    """Return noise whose density changes by `slope_db` per octave, flat below `low_hz`."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    octaves = np.log2(np.maximum(np.fft.rfftfreq(n, 1 / SAMPLE_RATE_HZ), low_hz) / low_hz)
    return normalised(np.fft.irfft(spectrum * db(slope_db * octaves), n))


def wander(n: int, rng: np.random.Generator, period_s: float) -> Samples:
    """Return a slow random course with a standard deviation of 1."""
    knots = rng.standard_normal(int(n / SAMPLE_RATE_HZ / period_s) + 2)
    return np.interp(np.arange(n) / SAMPLE_RATE_HZ / period_s, np.arange(len(knots)), knots)


def fan(n: int, rng: np.random.Generator) -> Samples:
    """Return a ventilator."""
    time_s = np.arange(n) / SAMPLE_RATE_HZ
    hum = sum(np.sin(2 * np.pi * (hz * time_s + rng.random())) for hz in (50, 100, 230))
    return coloured(n, rng, -4.0) * db(wander(n, rng, 1.0)) + 0.2 * hum


def motor(n: int, rng: np.random.Generator) -> Samples:
    """Return a drive under changing load."""
    turns = np.cumsum(110 * db(1.5 * wander(n, rng, 2.0))) / SAMPLE_RATE_HZ
    tones = sum(np.sin(2 * np.pi * (k * turns + rng.random())) / k ** 0.7 for k in range(1, 16))
    whine = 0.3 * np.sin(2 * np.pi * 17.3 * turns)
    rough = 1 + 0.3 * np.sin(2 * np.pi * turns / 4)
    return normalised(tones * rough) + whine + 0.5 * coloured(n, rng, -2.0)


def backwards_without_pauses(waveform: Samples) -> Samples:
    """Return the loud frames of a recording, each and all of them turned round."""
    frames = waveform[:len(waveform) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    powers = np.mean(frames ** 2, axis=1)
    return normalised(frames[powers > powers.max() * db(-70.0)].ravel()[::-1])


def babble(n: int, rng: np.random.Generator) -> Samples:
    """Return a crowd."""
    voices = [backwards_without_pauses(waveform) for _, waveform, is_long in held_out() if is_long]
    crowd = np.zeros(n)
    for k in range(8):
        voice = np.tile(voices[k % len(voices)], n // len(voices[k % len(voices)]) + 2)
        start = rng.integers(len(voice) - n)
        crowd += voice[start:start + n] * db(rng.uniform(-3, 3))
    return crowd


def music(n: int, rng: np.random.Generator) -> Samples:
    """Return a simple tune."""
    beat, song = round(0.6 * SAMPLE_RATE_HZ), np.zeros(n + 8 * SAMPLE_RATE_HZ)

    def play(start: int, hz: float, seconds: float, level: float) -> None:
        time_s = np.arange(round(4 * seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
        tone = sum(np.sin(2 * np.pi * k * hz * time_s) / k ** 1.5
                   for k in range(1, 9) if k * hz < 7_500)
        attack = np.minimum(time_s / 0.01, 1)
        song[start:start + len(time_s)] += level * attack * np.exp(-time_s / seconds) * tone
    root = 110.0
    for index, start in enumerate(range(0, n, beat)):
        if index % 4 == 0:
            root = 110 * 2 ** (rng.choice([0, 3, 5, 7]) / 12)
        if index % 2 == 0:
            play(start, root / 2, 0.5, 1.0)
            for interval in (0, 4, 7):
                play(start, 2 * root * 2 ** (interval / 12), 0.8, 0.5)
        play(start + rng.choice([0, beat // 2]),
             4 * root * 2 ** (rng.choice([0, 2, 4, 7, 9]) / 12), 0.4, 0.5)
        hit = rng.standard_normal(1_600) * np.exp(-np.arange(1_600) / 400)
        song[start:start + 1_600] += 0.3 * hit
    return song[:n]


def steps(n: int, rng: np.random.Generator) -> Samples:
    """Return a fan that is switched between two speeds."""
    level_db, position, loud = np.full(n, -10.0), 0, False
    while position < n:
        length = round(rng.uniform(8, 14) * SAMPLE_RATE_HZ)
        level_db[position:position + length] = 0.0 if loud else -10.0
        position, loud = position + length, not loud
    return normalised(fan(n, rng)) * db(level_db)


def clicks(n: int, rng: np.random.Generator) -> Samples:
    """Return a faint fan, and knocks."""
    line = normalised(fan(n, rng)) * db(-10)
    for start in rng.integers(0, n - SAMPLE_RATE_HZ, n // SAMPLE_RATE_HZ):
        length = round(rng.uniform(0.005, 0.04) * SAMPLE_RATE_HZ)
        decay = np.exp(-4 * np.arange(length) / length)
        line[start:start + length] += 20 * decay * rng.standard_normal(length)
    return line


BACKGROUNDS: dict[str, Callable[[int, np.random.Generator], Samples]] = {
    'fan': fan, 'motor': motor, 'babble': babble, 'music': music, 'steps': steps,
    'clicks': clicks}
STATIONARY = ('fan', 'motor', 'babble', 'music')


def make_scene(background: str, snr_db: int, seed: int, n_clips: int | None = None) -> Scene:
    """Place all short clips, or `n_clips` of them, in a background."""
    rng = np.random.default_rng([seed, list(BACKGROUNDS).index(background)])
    clips = [(text, waveform) for text, waveform, is_long in held_out() if not is_long]
    parts, spoken, position = [np.zeros(round(LEAD_S * SAMPLE_RATE_HZ))], [], LEAD_S
    for index in rng.permutation(len(clips))[:n_clips]:
        text, waveform = clips[index]
        loud = loud_frames(waveform)
        first, last = np.flatnonzero(loud)[[0, -1]]
        start, end = int(first) * FRAME_SAMPLES, int(last + 1) * FRAME_SAMPLES
        gap = np.zeros(round(rng.uniform(0.9, 3.0) * SAMPLE_RATE_HZ))
        level = db(SPEECH_DBFS + rng.uniform(-3, 3))
        parts += [level * normalised(waveform[start:end]), gap]
        end_s = position + (end - start) / SAMPLE_RATE_HZ
        spoken.append(Spoken(text, position, end_s, tuple(loud[first:last + 1].tolist())))
        position = end_s + len(gap) / SAMPLE_RATE_HZ
    speech = np.concatenate(parts)
    noise = BACKGROUNDS[background](len(speech), rng)
    if background in STATIONARY:
        noise = normalised(noise)
    line = speech + noise * db(SPEECH_DBFS - snr_db)
    line = np.clip(line, -1, 1).astype(np.float32)
    return Scene(background, snr_db, seed, line, tuple(spoken))


def write_scene(folder: Path, scene: Scene) -> dict[str, object]:
    """Write the FLAC file of a scene and return its line of the manifest."""
    path = f'{scene.background}_{scene.snr_db}db_{scene.seed}.flac'
    soundfile.write(str(folder / path), scene.waveform, SAMPLE_RATE_HZ, subtype='PCM_16')
    commands = [{'text': spoken.text, 'start': round(spoken.start_s, 3),
                 'end': round(spoken.end_s, 3)} for spoken in scene.spoken]
    return {'path': path, 'text': ' '.join(spoken.text for spoken in scene.spoken),
            'background': scene.background, 'snr_db': scene.snr_db, 'seed': scene.seed,
            'commands': commands}


def main() -> int:
    """Write the scenes that were asked for."""
    parser = argparse.ArgumentParser(
        prog='make_noisy_set', description='Make labelled noisy recordings.')
    parser.add_argument('folder', type=Path, help='where the recordings go')
    parser.add_argument('--backgrounds', nargs='+', choices=list(BACKGROUNDS),
                        default=list(BACKGROUNDS))
    parser.add_argument('--snr', nargs='+', type=int, default=list(SNRS_DB), metavar='DB')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--clips', type=int, metavar='N', help='in each scene; all 54 without')
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with (options.folder / 'manifest.jsonl').open('w', encoding='utf-8') as manifest:
        for background in options.backgrounds:
            for snr_db in options.snr:
                scene = make_scene(background, snr_db, options.seed, options.clips)
                manifest.write(json.dumps(write_scene(options.folder, scene)) + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
