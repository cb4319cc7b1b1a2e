"""
From a grammar to a model that knows its sentences: speak, train, measure.

Everything that is made on the way lies in one folder, so that a job that was broken off goes on
where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
import hashlib
import json
import logging
from pathlib import Path
import random
import shutil

import numpy as np
from parakeet_ros.engine import load_model
from parakeet_ros.engine.checkpoint import nemo_fingerprint
from parakeet_ros.engine.device import resolve_device
from parakeet_ros.engine.loading import read_model

from .augment import Augmenter, AugmentOptions
from .backgrounds import make_backgrounds
from .corpus import corpora, Corpus, CorpusWriter
from .data import BatchSource, DataOptions
from .evaluation import compare, recordings, Score, transcribe
from .export import export
from .grammar import Grammar, load_grammar
from .held_out import HeldOut, hold_out
from .loop import LoopOptions, Trainer
from .network import TrainableModel
from .precision import bfloat16_gains
from .start import read_start, Start
from .synthesis import speak, synthesise
from .texts import Text, TextSource
from .voices import Engine, open_engines, training_voices, VoiceError
from .wordnet import general_sentences

_BACKGROUND_SHARE = 0.08  # of the speech
_SPEECH_TIME_SHARE = 0.3  # of the time of a job, at most

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What ``parakeet-ros train`` was asked for."""

    grammar: Path
    output: Path
    source: str = 'builtin'  # the model to start from
    engines: tuple[str, ...] = ()  # of speech; all that this machine has, where empty
    minutes: float = 30.0
    steps: int | None = None  # instead of minutes
    speech_minutes: float = 60.0  # by each engine
    general: bool = True  # with sentences of WordNet
    device: str = 'auto'
    learning_rate: float = 5e-4
    batch_s: float = 20.0
    seed: int = 1
    augment: AugmentOptions = field(default_factory=AugmentOptions)

    @property
    def folder(self) -> Path:
        """Return the folder of what is made on the way."""
        return self.output.with_suffix('.work')


@dataclass(frozen=True)
class Result:
    """The same held-out clips before and after."""

    before: Score
    after: Score


def run(job: Job, say: Callable[[str], None]) -> Result:
    """
    Do a job, or the rest of it.

    :param say: is told what is being done.
    :raises ValueError: the grammar, the model or the folder is at fault.
    :raises VoiceError: there are no voices; the message says what to install.
    """
    grammar = load_grammar(job.grammar)
    model = read_model(job.source).path
    start = read_start(model)
    _check_letters(grammar, start, job)
    network = start.network().to(resolve_device(job.device))
    engines = open_engines(list(job.engines) or None)
    job.folder.mkdir(parents=True, exist_ok=True)
    _check_folder(job, start, nemo_fingerprint(model))
    held_out = hold_out(grammar, job.seed)
    if not held_out.withheld:
        say('few or short sentences: none is kept out of training, measured are new recordings')
    recorded = [_record(job, held_out.sentences, engine, say) for engine in engines]
    _speak(job, grammar, held_out, engines, say)
    before = _measure(job.source, job.device, recorded)
    say(f'before: WER {before.wer_percent:.1f} % on {before.clips} held-out clips')
    _train(job, start, network, say)
    after = _measure(job.output, job.device, recorded)
    say(f'after: WER {after.wer_percent:.1f} %')
    return Result(before, after)


def _measure(model: str | Path, device: str, held_out: Sequence[Corpus]) -> Score:
    """Measure a model on all held-out clips together."""
    engine = load_model(model, device=device)
    said = [clip.text for corpus in held_out for clip in corpus.clips]
    heard = [text for corpus in held_out for text in transcribe(engine, recordings(corpus))]
    return compare(said, heard, sum(corpus.duration_s for corpus in held_out))


def _check_letters(grammar: Grammar, start: Start, job: Job) -> None:
    """Refuse a grammar that the model has no letters for."""
    missing = start.tokenizer.missing_characters(' '.join(grammar.vocabulary()))
    if missing:
        raise ValueError(f'{job.grammar}: {job.source} cannot write {" ".join(missing)}; '
                         'use other letters, or start from another model')


def _check_folder(job: Job, start: Start, fingerprint: bytes | None) -> None:
    """Refuse to go on with what was made for another job."""
    config = json.dumps(start.raw_config, default=str)
    asked = {
        'grammar': hashlib.sha256(job.grammar.read_bytes()).hexdigest(),
        'source': job.source, 'config': hashlib.sha256(config.encode()).hexdigest(),
        'weights': fingerprint.hex() if fingerprint else None, 'general': job.general}
    record = job.folder / 'job.json'
    if not record.exists():
        record.write_text(json.dumps(asked))
    elif asked != {**asked, **json.loads(record.read_text())}:  # before 2026-11-30 without weights
        raise ValueError(f'{job.folder} was made for another grammar, model or --no-general; '
                         'remove it to begin anew, or give another --output')


def _record(
    job: Job, sentences: Sequence[str], engine: Engine, say: Callable[[str], None]
) -> Corpus:
    """Speak what is measured on, by voices that are not trained on if the engine has any."""
    folder = job.folder / 'held-out' / engine.name
    if not folder.exists():
        say(f'speaking held-out sentences with {engine.name}')
        rng = random.Random(job.seed)
        trained = training_voices(engine)
        unseen = [voice for voice in engine.voices if voice not in trained]
        with CorpusWriter(folder) as writer:
            for text in sentences:
                voice = rng.choice(unseen or engine.voices)
                try:
                    speak(writer, engine, voice, Text(text, 'command'), 'test')
                except VoiceError as error:
                    _logger.warning('left out: %s', error)
    return Corpus(folder)


def _speak(
    job: Job, grammar: Grammar, held_out: HeldOut, engines: Sequence[Engine],
    say: Callable[[str], None],
) -> None:
    """Make the corpora that are not there yet."""
    folder = job.folder / 'corpus'
    general: list[str] = []
    if job.general:
        try:
            general = general_sentences()
        except FileNotFoundError as error:
            _logger.warning('no general sentences, so the model will know the grammar only: %s',
                            error)
    limit_s = float('inf')
    if job.steps is None:
        limit_s = _SPEECH_TIME_SHARE * 60 * job.minutes / len(engines)
    for number, engine in enumerate(engines):
        if not (folder / engine.name).exists():
            say(f'speaking up to {job.speech_minutes:g} min with {engine.name} '
                f'({len(engine.voices)} voices)')
            rng = random.Random(job.seed + number)
            texts = TextSource(grammar, general, held_out.withheld, held_out.needed).texts(rng)
            synthesise(folder / engine.name, engine, texts, rng,
                       audio_s=60 * job.speech_minutes, limit_s=limit_s)
            if not len(Corpus(folder / engine.name)):  # there was no time for any
                shutil.rmtree(folder / engine.name)
    background = folder / 'background'
    if background.exists() and not len(Corpus(background)):  # there was no speech to go with
        shutil.rmtree(background)
    if not background.exists():
        speech_s = sum(corpus.duration_s for corpus in corpora(folder))
        make_backgrounds(background, np.random.default_rng(job.seed),
                         audio_s=speech_s * _BACKGROUND_SHARE)


def _train(
    job: Job, start: Start, network: TrainableModel, say: Callable[[str], None]
) -> None:
    """Train to the end and write the model."""
    # Without a number of steps it follows from the time that the first ones take.
    trainer = Trainer(network, LoopOptions(
        n_steps=job.steps or 10**6, learning_rate=job.learning_rate, seed=job.seed,
        half_precision=bfloat16_gains(network.model.device)))
    checkpoint = job.folder / 'last.pt'
    if checkpoint.exists():
        trainer.resume(checkpoint)
        if job.steps:
            trainer.options = replace(trainer.options, n_steps=job.steps)
    batches = BatchSource(
        corpora(job.folder / 'corpus'), start.tokenizer,
        DataOptions(batch_s=job.batch_s, seed=job.seed), Augmenter(job.seed, job.augment))
    for complaint in batches.left_out:
        say(complaint)
    say(f'training on {len(batches)} clips, {batches.duration_s / 60:.0f} min, '
        f'from step {trainer.step}')
    if trainer.step >= trainer.options.n_steps:
        say(f'it was finished after {trainer.step} steps; give more --steps to go on, or remove '
            f'{job.folder} to have more speech too')

    def report(step: int, losses: dict[str, float]) -> None:
        if step % 50 == 0:
            say(f'step {step} of {trainer.options.n_steps}: TDT loss {losses["tdt"]:.2f}, '
                f'CTC loss {losses["ctc"]:.2f} per token')

    limit_s = None if job.steps else 60 * job.minutes * (1 - _SPEECH_TIME_SHARE)
    trainer.run(batches.batch, checkpoint, limit_s, report)
    export(job.output, start, network)
