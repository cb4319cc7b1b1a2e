"""
Train a model on corpora: the full run, by hand.

python training/train.py corpora run --from builtin --steps 20000
torchrun --nproc-per-node 2 training/train.py corpora run --from new --pieces 512 --steps 20000

RUN is the folder of the checkpoint: the same command goes on after a break.  The model, RUN.nemo,
is written at every look at the development sets and at the end.  ``parakeet-ros train`` does it
all for a small grammar.
"""
from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
import time

import numpy as np
from parakeet_ros.engine import load_model
from parakeet_ros.engine.device import resolve_device
from parakeet_ros.engine.loading import read_model
from parakeet_ros.training.architecture import Sizes
from parakeet_ros.training.augment import Augmenter, AugmentOptions
from parakeet_ros.training.corpus import corpora, Waveform
from parakeet_ros.training.data import Batch, BatchSource, DataOptions
from parakeet_ros.training.evaluation import measure
from parakeet_ros.training.export import export
from parakeet_ros.training.loop import LoopOptions, Trainer
from parakeet_ros.training.precision import bfloat16_gains
from parakeet_ros.training.start import fresh_start, grown, read_start, Start, with_tokenizer
from parakeet_ros.training.vocabulary import train_tokenizer
import torch
from torch import distributed

# Natural voices are few and slow to make, so they are heard more often; robots' voices less.
WEIGHTS = {'hibari': 0.3, 'flite': 1.0, 'espeak': 0.5, 'pico': 1.1, 'rhvoice': 2.0, 'kokoro': 6.0,
           'revoiced': 2.5, 'generated': 1.6, 'fluidsynth': 2.0, 'sonic-pi': 2.0, 'sentence': 0.6,
           'command': 1.4}
NOISE = AugmentOptions(noise_share=0.8, snr_db=(-2.0, 18.0))
NOISE_PIECES = 100  # of each kind
BABBLE_CLIPS = 300
VIEWS = 2  # of each clip in a batch; each learns from the other, too
FLAT_STEPS, CTC_STEPS = 400, 1500  # of a model with random weights
RESCAN_STEPS = 300  # after which corpora that came meanwhile are taken in
REPORT_STEPS = 50


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').strip().split('\n')[0])
    parser.add_argument('corpora', type=Path)
    parser.add_argument('run', type=Path)
    parser.add_argument('--from', dest='source', default='builtin',
                        help='builtin, a .nemo file, or new')
    parser.add_argument('--pieces', type=int,
                        help='a new vocabulary of so many, from the texts of the corpora')
    parser.add_argument('--layers', type=int, help='so many; a trained model grows to them')
    parser.add_argument('--feed-forward-factor', type=int,
                        help='width of the feed-forward parts; a trained model grows to it')
    parser.add_argument('--freeze-subsampling', action='store_true',
                        help='leave the first convolutions as they are: faster')
    parser.add_argument('--dropout', type=float, default=0.1, help='in the encoder')
    parser.add_argument('--muon', action='store_true',
                        help='for the matrices of the encoder, instead of AdamW')
    parser.add_argument('--steps', type=int, default=20_000)
    parser.add_argument('--batch-s', type=float, default=20.0, help='audio per process and step')
    parser.add_argument('--learning-rate', type=float, default=1e-3)
    parser.add_argument('--decay-share', type=float, default=0.4)
    parser.add_argument('--look-minutes', type=float, default=15.0)
    parser.add_argument('--sets', type=Path, help='development sets, to be looked at')
    parser.add_argument('--device', default='auto')
    parser.add_argument('--threads', type=int, default=1, help='per process')
    return parser.parse_args()


def begin(arguments: argparse.Namespace) -> Start:
    """Return what training starts from; a new vocabulary is kept with the run."""
    new = arguments.source == 'new'
    vocabulary = arguments.run / 'tokenizer.model'
    if (new or arguments.pieces) and not vocabulary.exists():
        texts = {clip.text for corpus in corpora(arguments.corpora) for clip in corpus.clips}
        vocabulary.write_bytes(train_tokenizer(sorted(texts), arguments.pieces or 512))
    asked = {name: size for name, size in (
        ('n_layers', arguments.layers), ('feed_forward_factor', arguments.feed_forward_factor))
        if size}
    if new:
        return fresh_start(replace(Sizes(), **asked), vocabulary.read_bytes())
    start = read_start(read_model(arguments.source).path)
    encoder = start.config.encoder
    sizes = Sizes(n_layers=encoder.n_layers, feed_forward_factor=encoder.feed_forward_factor)
    if arguments.pieces:
        start = with_tokenizer(start, sizes, vocabulary.read_bytes())
    return grown(start, replace(sizes, **asked)) if asked else start


def babble(root: Path) -> list[Waveform]:
    """Draw some of the speech, for crowds."""
    spoken = [(corpus, index) for corpus in corpora(root)
              for index, clip in enumerate(corpus.clips) if clip.text and clip.split == 'train']
    picks = np.random.default_rng(0).permutation(len(spoken))[:BABBLE_CLIPS]
    return [corpus.waveform(index) for corpus, index in (spoken[pick] for pick in picks)]


class Run:
    """A training run with its data and its development sets."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        """Begin, or go on."""
        self.arguments = arguments
        self._sets = list(corpora(arguments.sets)) if arguments.sets else []
        if arguments.sets and not self._sets:
            raise SystemExit(f'no sets in {arguments.sets}; make them with '
                             'training/make_evaluation.py')
        self.rank = distributed.get_rank() if distributed.is_initialized() else 0
        if self.rank == 0:
            arguments.run.mkdir(parents=True, exist_ok=True)
            begin(arguments)
        if distributed.is_initialized():
            distributed.barrier()
        self.start = begin(arguments)
        new = arguments.source == 'new'
        network = self.start.network(dropout=arguments.dropout)
        if arguments.freeze_subsampling:
            network.freeze_subsampling()
        device = resolve_device(arguments.device)
        self.trainer = Trainer(
            network.to(device),
            LoopOptions(
                n_steps=arguments.steps, learning_rate=arguments.learning_rate,
                decay_share=arguments.decay_share, flat_steps=FLAT_STEPS * new,
                ctc_only_steps=CTC_STEPS * new, muon=arguments.muon,
                half_precision=bfloat16_gains(device)))
        self.checkpoint = arguments.run / 'last.pt'
        if self.checkpoint.exists():
            self.trainer.resume(self.checkpoint)
            self.trainer.options = replace(self.trainer.options, n_steps=arguments.steps)
        self._augment = Augmenter(
            options=NOISE, pieces=NOISE_PIECES, babble=babble(arguments.corpora))
        self._source = self._read()
        self._looked = time.monotonic()
        self._heard_s = 0.0

    def _read(self) -> BatchSource:
        """Read the corpora that there are."""
        source = BatchSource(
            corpora(self.arguments.corpora), self.start.tokenizer,
            DataOptions(batch_s=self.arguments.batch_s, weights=WEIGHTS, n_views=VIEWS),
            self._augment)
        self._say(f'{len(source)} clips, {source.duration_s / 3600:.2f} h')
        return source

    def batch(self, step: int) -> Batch:
        """Return the batch of a step."""
        if step % RESCAN_STEPS == 0 and step:
            self._source = self._read()
            if distributed.is_initialized():
                distributed.barrier()
        batch = self._source.batch(step, self.rank)
        self._heard_s += batch.duration_s
        return batch

    def report(self, step: int, losses: dict[str, float]) -> None:
        """Tell how it goes, and now and then look at the development sets."""
        if step % REPORT_STEPS == 0:
            values = ', '.join(f'{name} {value:.3f}' for name, value in losses.items())
            self._say(f'step {step}: {values}; heard {self._heard_s / 3600:.1f} h')
        if self.rank == 0 and time.monotonic() - self._looked > 60 * self.arguments.look_minutes:
            self.look()

    def look(self) -> None:
        """Write the model and measure it; losses do not tell how good it is."""
        path = self.arguments.run.with_suffix('.nemo')
        export(path, self.start, self.trainer.network)
        engine = load_model(path, device=self.arguments.device)
        for corpus in self._sets:
            score = measure(engine, corpus)
            self._say(f'{corpus.name}: WER {score.wer_percent:.1f} %, '
                      f'{score.inserted_per_minute:.1f} words inserted per minute')
        self._looked = time.monotonic()

    def _say(self, text: str) -> None:
        if self.rank == 0:
            print(f'{time.strftime("%H:%M:%S")} {text}', flush=True)


def main() -> None:
    """Train to the end."""
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    if distributed.is_torchelastic_launched():
        distributed.init_process_group('gloo')  # for the cores of a CPU; a GPU needs one process
    run = Run(arguments)
    run.trainer.run(run.batch, run.checkpoint if run.rank == 0 else None, report=run.report)
    if run.rank == 0:
        run.look()


if __name__ == '__main__':
    main()
