"""
Make a checkpoint of a public model's shape with random weights, for timing without the real ones.

The file is a ``.nemo`` as NeMo 3.0.0 writes it, with float32 weights: this engine, NeMo and other
readers load it. Its text is nonsense, but decoding does the work that speech causes: 3 to 5
tokens a second, durations mostly 1 to 4, and never more than a few tokens on one frame
(`random_networks.py` says how). The tokenizer is trained on invented words.

After writing, the file is read back by the engine, and what it decodes is printed.
The largest shapes take a few minutes and as much memory and disk as the model (2.5 GB for 0.6b).
"""

import argparse
from collections import Counter
from collections.abc import Iterator
import io
import os
from pathlib import Path
import random
import sys
import tarfile
import tempfile

from parakeet_ros.engine import load_model
from parakeet_ros.engine.config import parse_config
from random_networks import make_random_model
import sentencepiece
from shapes import nemo_config, Shape, SHAPES
from speech import read_speech, SPEECH
import torch
from torch import Tensor
import yaml

_FILES = {'model_path': 'random_tokenizer.model', 'vocab_path': 'random_vocab.txt',
          'spe_tokenizer_vocab': 'random_tokenizer.vocab'}
_SYLLABLES = [first + vowel + last for first in 'bcdfghklmnprstvw' for vowel in 'aeiou'
              for last in ('', 'n', 'r', 's')]


def train_tokenizer(vocab_size: int, seed: int = 0) -> bytes:
    """Return a serialised SentencePiece model of exactly that many pieces."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=_sentences(20 * vocab_size, random.Random(seed)), model_writer=model,
        vocab_size=vocab_size, model_type='bpe', character_coverage=1.0, bos_id=-1, eos_id=-1,
        pad_id=2, minloglevel=2)  # <unk> 0, no <s>, <pad> 2: as in the v3 model
    return model.getvalue()


def _sentences(n_words: int, rng: random.Random) -> Iterator[str]:
    """Invent sentences whose words are one to four syllables."""
    for _ in range(n_words // 10):
        words = [''.join(rng.choices(_SYLLABLES, k=rng.randint(1, 4))) for _ in range(10)]
        yield ' '.join(words).capitalize() + rng.choice('.?!,')


def write_checkpoint(path: Path, shape: Shape, speech: Tensor, seed: int) -> None:
    """Make the model and write it; an interrupted run leaves no file of that name."""
    tokenizer = train_tokenizer(shape.vocab_size)
    processor = sentencepiece.SentencePieceProcessor(model_proto=tokenizer)
    pieces = [processor.id_to_piece(token) for token in range(shape.vocab_size)]
    raw = nemo_config(shape, pieces, _FILES)
    model = make_random_model(shape, parse_config(raw, 'the made configuration'), speech, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        torch.save(model.state_dict(), f'{folder}/model_weights.ckpt')
        contents = {
            'model_config.yaml': yaml.safe_dump(raw, sort_keys=False, allow_unicode=True).encode(),
            _FILES['model_path']: tokenizer,
            _FILES['vocab_path']: _vocabulary(pieces),
            _FILES['spe_tokenizer_vocab']: '\n'.join(pieces).encode()}
        for name, content in contents.items():
            Path(folder, name).write_bytes(content)
        with tarfile.open(f'{folder}/archive', 'w:') as tar:
            for name in (*contents, 'model_weights.ckpt'):
                tar.add(f'{folder}/{name}', f'./{name}')
        os.replace(f'{folder}/archive', path)


def _vocabulary(pieces: list[str]) -> bytes:
    """Write one piece a line, word starts bare and others after ##, as NeMo does."""
    return ''.join((piece[1:] if piece.startswith('▁') else f'##{piece}') + '\n'
                   for piece in pieces).encode()


def describe(path: Path, speech: Tensor) -> str:
    """Load the file with the engine, decode the speech, and say what came out."""
    engine = load_model(path, device='cpu')
    transcript = engine.transcribe(speech)
    tokens = transcript.tokens
    durations = sorted(Counter(token.duration for token in tokens).items())
    on_frame = max(Counter(token.frame for token in tokens).values(), default=0)
    return (f'{path}: {engine.n_parameters / 1e6:.1f} M parameters, '
            f'{path.stat().st_size / 1e9:.3f} GB; '
            f'{len(tokens)} tokens in {transcript.audio_s:.1f} s '
            f'({len(tokens) / transcript.audio_s:.1f} a second, '
            f'{len({token.token_id for token in tokens})} distinct, at most {on_frame} on a '
            f'frame); durations ' + ', '.join(f'{n} x {d}' for d, n in durations))


def main(arguments: list[str] | None = None) -> int:
    """Make a checkpoint and say what it decodes."""
    parser = argparse.ArgumentParser(
        prog='make_checkpoint', description='Make a random .nemo of a public shape.')
    parser.add_argument('output', type=Path, help='the .nemo file to write')
    parser.add_argument('--shape', default='0.6b-v3', choices=SHAPES,
                        help='which public model to resemble (default: %(default)s)')
    parser.add_argument('--speech', type=Path, default=SPEECH, metavar='FILE',
                        help='recording to calibrate on (default: a clip of the tests, 12 s)')
    parser.add_argument('--seed', type=int, default=0, help='of the weights (default: 0)')
    options = parser.parse_args(arguments)
    try:
        speech = torch.from_numpy(read_speech(options.speech))
        write_checkpoint(options.output, SHAPES[options.shape], speech, options.seed)
    except (ValueError, OSError) as error:
        print(f'make_checkpoint: {error}', file=sys.stderr)
        return 2
    print(describe(options.output, speech))
    return 0


if __name__ == '__main__':
    sys.exit(main())
