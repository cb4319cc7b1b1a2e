"""
Make a corpus of speakers that there is no voice of, from the speech of other corpora.

python training/make_revoiced.py CORPORA FOLDER --hours 5 --seed 1

Needs PyPI's pyworld (requirements/training.txt).
"""
from __future__ import annotations

import argparse
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path
import time

import numpy as np
from parakeet_ros.training.corpus import corpora, CorpusWriter
from parakeet_ros.training.revoicing import revoiced

ENGINE = 'revoiced'
# How much of it by whose speech. Of flite and RHVoice there are the fewest voices.
SHARES = {'flite': 0.3, 'rhvoice': 0.3, 'kokoro': 0.2, 'pico': 0.12, 'hibari': 0.08}
LENGTH_S = (0.5, 7.0)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').strip().split('\n')[0])
    parser.add_argument('corpora', type=Path)
    parser.add_argument('folder', type=Path)
    parser.add_argument('--hours', type=float, default=5.0)
    parser.add_argument('--seed', type=int, default=1)
    return parser.parse_args()


def main() -> None:
    """Make one corpus."""
    if find_spec('pyworld') is None:
        raise SystemExit("pyworld is missing; pip install pyworld 'setuptools<81'")
    arguments = parse_arguments()
    rng = np.random.default_rng(arguments.seed)
    clips = defaultdict(list)
    for corpus in corpora(arguments.corpora):
        for index, clip in enumerate(corpus.clips):
            if (clip.engine in SHARES and clip.split == 'train' and clip.text
                    and LENGTH_S[0] < clip.duration_s < LENGTH_S[1]):
                clips[clip.engine].append((corpus, index))
    if not clips:
        raise SystemExit(f'no speech by {", ".join(SHARES)} below {arguments.corpora}')
    engines = sorted(clips)
    shares = np.array([SHARES[engine] for engine in engines])
    shares /= shares.sum()
    with CorpusWriter(arguments.folder) as writer:
        while writer.duration_s < 3600 * arguments.hours:
            spoken = clips[engines[rng.choice(len(engines), p=shares)]]
            corpus, index = spoken[rng.integers(len(spoken))]
            clip = corpus.clips[index]
            writer.add(revoiced(corpus.waveform(index), rng), text=clip.text, engine=ENGINE,
                       voice=f'{ENGINE}:{clip.voice}', licence=clip.licence, split='train',
                       kind=clip.kind)
    print(f'{writer.n_clips} clips, {writer.duration_s / 3600:.2f} h, '
          f'{writer.duration_s / time.process_time():.1f} s of audio per second of processor time')


if __name__ == '__main__':
    main()
