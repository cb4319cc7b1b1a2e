"""
Collect real recordings from Debian packages, of people and of music, to measure with.

python training/make_real.py FOLDER [--root /]

None of them is for training: their licences are free, but not all would suit a model.

- ``asterisk-core-sounds-en`` and ``-g722``: prompts of a telephone exchange by Allison Smith,
  CC-BY-SA-3.0; needs ffmpeg
- ``pocketsphinx-testdata``: five clips of cards and a command (BSD-2-Clause), five sentences of a
  LibriVox audiobook (public domain)
- ``alsa-utils``: the names of loudspeakers (GPL-2)
- ``sound-theme-freedesktop``: a desktop's sounds; ``frozen-bubble-data`` and
  ``extremetuxracer-data``: the sounds and the music of games (GPL-2, CC-BY, CC-BY-SA)

``--root`` is where the packages are: install them, or unpack them with ``dpkg -x`` anywhere.
Makes human_known, prompts whose words are all in the command grammar, human_prompts, the other
prompts, human_clips, the rest, and real_sounds. What is missing is left out with a message.
"""
from __future__ import annotations

import argparse
from collections.abc import Iterator
import gzip
import logging
from pathlib import Path
import re

import numpy as np
from parakeet_ros.recording import read_blocks
from parakeet_ros.training.corpus import CorpusWriter, SAMPLE_RATE_HZ
from parakeet_ros.training.grammar import load_grammar
from parakeet_ros.training.spoken import spoken
from parakeet_ros.training.voices.engine import Speech, VoiceError
import soundfile

HERE = Path(__file__).parent
PROMPTS = 'usr/share/asterisk/sounds/en_US_f_Allison'
PROMPT_TEXTS = 'usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz'
SPHINX = 'usr/share/pocketsphinx/test/data'
ALSA = 'usr/share/sounds/alsa'
SOUNDS = ('usr/share/sounds/freedesktop/stereo', 'usr/share/games/frozen-bubble/snd',
          'usr/share/games/etr/music')
VOICES = re.compile('audio-channel|audio-test')  # among the sounds
PIECE_S = 5.0
PIECES = 8  # of one file at most, evenly spaced
SHORTEST_S = 0.3
MAX_WORDS = 15

Found = tuple[Path, str, str, str]  # file, text, voice, licence


def prompts(root: Path) -> Iterator[Found]:
    """Yield the prompts that are words; a text in brackets describes a sound."""
    lines = gzip.decompress((root / PROMPT_TEXTS).read_bytes()).decode().splitlines()
    for line in lines:
        name, _, written = line.partition(':')
        text = spoken(written) if not re.search(r'[][;<>]', line) else None
        path = root / PROMPTS / f'{name}.g722'
        if text and len(text) > 1 and len(text.split()) <= MAX_WORDS and path.exists():
            yield path, text, 'human:allison', 'CC-BY-SA-3.0'


def clips(root: Path) -> Iterator[Found]:
    """Yield the recordings of the other two packages."""
    for name, voice, licence in (('cards', 'cards', 'BSD-2-Clause'),
                                 ('librivox', 'librivox', 'public domain')):
        folder = root / SPHINX / name
        for transcription in sorted(folder.glob('*transcription')):
            for line in transcription.read_text().splitlines():
                if match := re.fullmatch(r'<s> (.*?) *</s> \((.*)\)', line):
                    yield folder / f'{match[2]}.wav', match[1], f'human:{voice}', licence
    yield root / SPHINX / 'goforward.raw', 'go forward ten meters', 'human:sphinx', 'BSD-2-Clause'
    for path in sorted((root / ALSA).glob('*_*.wav')):
        yield path, path.stem.replace('_', ' ').lower(), 'human:alsa', 'GPL-2.0-only'


def read(path: Path) -> Speech:
    """Read a file; headerless ones are 16 kHz, mono, int16."""
    if path.suffix == '.raw':
        samples, _ = soundfile.read(path, dtype='float32', channels=1, samplerate=SAMPLE_RATE_HZ,
                                    format='RAW', subtype='PCM_16')
        return Speech(samples, SAMPLE_RATE_HZ)
    return Speech(np.concatenate(list(read_blocks(path, SAMPLE_RATE_HZ))), SAMPLE_RATE_HZ)


def write(folder: Path, found: list[Found]) -> None:
    """Make a corpus of recordings, as they are but for their level."""
    if folder.exists():
        return
    logging.info('%s: %d recordings', folder.name, len(found))
    with CorpusWriter(folder) as writer:
        for path, text, voice, licence in found:
            try:
                speech = read(path).prepared()
            except VoiceError:
                logging.warning('%s is silent', path)
                continue
            writer.add(speech, text=text, voice=voice, engine='human', licence=licence,
                       split='test', kind='human')


def write_sounds(folder: Path, paths: list[Path]) -> None:
    """Make a corpus of sounds in which nobody speaks, long ones as several pieces."""
    if folder.exists():
        return
    logging.info('%s: %d files', folder.name, len(paths))
    piece = int(PIECE_S * SAMPLE_RATE_HZ)
    with CorpusWriter(folder) as writer:
        for path in paths:
            waveform = read(path).samples
            step = max(piece, (len(waveform) - piece) // PIECES)
            for start in range(0, max(1, len(waveform) - piece), step):
                part = waveform[start:start + piece]
                if len(part) >= SHORTEST_S * SAMPLE_RATE_HZ:
                    writer.add(part, text='', voice=f'sound:{path.stem}', engine='recorded',
                               licence='GPL-2, CC-BY or CC-BY-SA', split='test', kind='music')


def main() -> None:
    """Make the sets."""
    logging.basicConfig(level=logging.INFO, format='%(message)s')
    parser = argparse.ArgumentParser(description=(__doc__ or '').strip().split('\n')[0])
    parser.add_argument('folder', type=Path)
    parser.add_argument('--root', type=Path, default=Path('/'))
    arguments = parser.parse_args()
    root = arguments.root
    if (root / PROMPT_TEXTS).exists():
        vocabulary = set(load_grammar(HERE / 'grammars' / 'commands.yaml').vocabulary())
        spoken_by_people = list(prompts(root))
        known = [found for found in spoken_by_people if set(found[1].split()) <= vocabulary]
        write(arguments.folder / 'human_known', known)
        write(arguments.folder / 'human_prompts',
              [found for found in spoken_by_people if found not in known])
    else:
        logging.warning('no prompts: apt install asterisk-core-sounds-en-g722 '
                        'asterisk-core-sounds-en, or give --root')
    others = [found for found in clips(root) if found[0].exists()]
    if others:
        write(arguments.folder / 'human_clips', others)
    else:
        logging.warning('no other clips: apt install pocketsphinx-testdata alsa-utils')
    sounds = [path for place in SOUNDS for path in sorted((root / place).glob('*.og[ga]'))
              if path.resolve().exists() and not VOICES.match(path.name)]
    if sounds:
        write_sounds(arguments.folder / 'real_sounds', sounds)
    else:
        logging.warning('no sounds: apt install sound-theme-freedesktop frozen-bubble-data '
                        'extremetuxracer-data')


if __name__ == '__main__':
    main()
