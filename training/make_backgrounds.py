"""
Make a corpus of noise, music and murmur, in which nothing is said.

python training/make_backgrounds.py FOLDER --hours 0.5 [--speech CORPUS]
"""
from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from parakeet_ros.training.backgrounds import make_backgrounds
from parakeet_ros.training.corpus import Corpus

MURMUR_CLIPS = 200


def main() -> None:
    """Make one corpus."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').strip().split('\n')[0])
    parser.add_argument('folder', type=Path)
    parser.add_argument('--hours', type=float, default=0.5)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--speech', type=Path, help='the corpus that murmur is made of')
    arguments = parser.parse_args()
    speech, licences = [], set[str]()
    if arguments.speech:
        corpus = Corpus(arguments.speech)
        speech = [corpus.waveform(index) for index in range(min(len(corpus), MURMUR_CLIPS))]
        licences = {clip.licence for clip in corpus.clips[:MURMUR_CLIPS]}
    make_backgrounds(arguments.folder, np.random.default_rng(arguments.seed),
                     audio_s=3600 * arguments.hours, speech=speech,
                     speech_licence=' AND '.join(sorted(licences)))


if __name__ == '__main__':
    main()
