"""
Make a corpus of recorded sounds and instruments, in which nothing is said.

python training/make_sounds.py FOLDER --hours 0.8

Needs Debian's fluidsynth, fluidr3mono-gm-soundfont (MIT) and sonic-pi-samples (CC0).
"""
from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from parakeet_ros.recording import read_blocks
from parakeet_ros.training.backgrounds import LENGTH_S, PEAK
from parakeet_ros.training.corpus import CorpusWriter, SAMPLE_RATE_HZ, Waveform
from parakeet_ros.training.sounds import collage, performed, scenes

SAMPLES = Path('/usr/share/sonic-pi/samples')
SOUNDFONT = Path('/usr/share/sounds/sf3/FluidR3Mono_GM.sf3')
INSTRUMENTS_SHARE = 0.5
LOUD_ENOUGH = 1e-3


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').strip().split('\n')[0])
    parser.add_argument('folder', type=Path)
    parser.add_argument('--hours', type=float, default=0.5)
    parser.add_argument('--seed', type=int, default=1)
    return parser.parse_args()


def recordings() -> list[Waveform]:
    """Read the samples."""
    paths = sorted(SAMPLES.glob('*.flac'))
    if not (paths and SOUNDFONT.exists()):
        raise SystemExit('apt install fluidsynth fluidr3mono-gm-soundfont sonic-pi-samples')
    return [np.concatenate(list(read_blocks(path))) for path in paths]


def main() -> None:
    """Make one corpus."""
    arguments = parse_arguments()
    rng = np.random.default_rng(arguments.seed)
    samples = recordings()
    with CorpusWriter(arguments.folder) as writer:

        def add(sound: Waveform, kind: str, engine: str, licence: str) -> None:
            peak = float(np.abs(sound).max())
            if peak > LOUD_ENOUGH:
                writer.add(sound * np.float32(PEAK / peak), text='', voice=f'{engine}:{kind}',
                           engine=engine, licence=licence, split='train', kind=kind)

        all_s = 3600 * arguments.hours
        lengths_s = list(rng.uniform(*LENGTH_S, int(2 * all_s / sum(LENGTH_S))))
        n_tunes = int(len(lengths_s) * INSTRUMENTS_SHARE)
        played = performed(scenes(lengths_s[:n_tunes], rng), SOUNDFONT)
        ends = (np.cumsum(lengths_s[:n_tunes]) * SAMPLE_RATE_HZ).astype(int)
        for sound in np.split(played, ends)[:n_tunes]:
            add(sound, 'music', 'fluidsynth', 'MIT')
        for length_s in lengths_s[n_tunes:]:
            add(collage(samples, int(length_s * SAMPLE_RATE_HZ), rng), 'noise', 'sonic-pi',
                'CC0-1.0')
    print(f'{writer.n_clips} clips, {writer.duration_s / 3600:.2f} h')


if __name__ == '__main__':
    main()
