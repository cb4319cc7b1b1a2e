"""``parakeet-ros bag transcribe``: the audio of bags to text, subtitles or speech topics."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
import sys

from parakeet_ros.bags.errors import BagError
from parakeet_ros.bags.finding import find_bags
from parakeet_ros.bags.reading import open_bag
from parakeet_ros.bags.writing import SPEECH_SUFFIX
from parakeet_ros.cli.bag_job import (
    BAG_FORMATS,
    BagJob,
    BagOutcome,
    TEXT_FORMATS,
    topics_to_hear,
    transcribe_bag,
)
from parakeet_ros.cli.bag_options import add_engine_options, load_engine, parameters_of
from parakeet_ros.cli.progress import Progress

_ONE_FILE_FORMATS = ('srt', 'vtt')  # several in a row are no valid file


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = verbs.add_parser(
        'transcribe',
        help='turn the audio of bags into text',
        description='Hear the audio topics of bags as the node would have, as fast as it goes. '
                    'Times are seconds from the beginning of the bag. A bag that cannot be read '
                    'is named on standard error, and the others go on; of a damaged one what can '
                    'be read is transcribed, and what is lost is said.',
        epilog='Exit status: 0 all transcribed, 1 some failed, 2 wrong usage, 130 interrupted.',
    )
    parser.add_argument('bags', nargs='+', metavar='BAG',
                        help='a bag (folder or file), a folder with bags in it and below, or a '
                             'quoted pattern')
    add_engine_options(parser)
    parser.add_argument('-f', '--format', choices=[*TEXT_FORMATS, *BAG_FORMATS], default='txt',
                        help='default: %(default)s; json has an object per utterance, as '
                             'speech/result; bag writes a bag with the topics speech/*, copy adds '
                             'them to a copy')
    parser.add_argument('-o', '--output', type=Path, metavar='DIR',
                        help='write a file, or bag, for each bag into this folder; without it '
                             f'text goes to standard output, and bags to BAG{SPEECH_SUFFIX}')
    parser.add_argument('--topic', action='append', default=[], metavar='NAME',
                        help='an audio topic, instead of all; may be repeated')
    parser.add_argument('--start-s', type=float, default=0.0, metavar='SECONDS',
                        help='leave out the beginning of each bag')
    parser.set_defaults(run=run, usage_error=parser.error)


def run(options: argparse.Namespace) -> int:
    """Transcribe all bags; 1 if any of them failed."""
    try:
        bags = find_bags(options.bags)
        parameters = parameters_of(options)
    except BagError as error:
        options.usage_error(str(error))
    if len(bags) > 1 and options.format in _ONE_FILE_FORMATS and not options.output:
        options.usage_error(f'several bags as {options.format} need --output DIR')
    stems = _output_stems(bags)
    model, engine = load_engine(parameters)
    job = BagJob(
        options.format, parameters, model.name, tuple(options.topic), options.start_s,
        batch_size=parameters.batch_size if model.device.type == 'cuda' else 1)
    failed = []
    with Progress(_durations_s(bags, job)) as progress:
        for bag in bags:
            progress.begin_file(str(bag))
            try:
                outcome = transcribe_bag(bag, job, engine, _target(bag, stems[bag], options),
                                         progress.add)
                progress.clear()
                _write(outcome, bag, stems[bag], options, has_others=len(bags) > 1)
            except (ValueError, OSError, RuntimeError) as error:  # their messages name the bag
                progress.clear()
                failed.append(str(bag))
                sys.stderr.write(f'parakeet-ros: error: {error}\n')
    if failed and len(bags) > 1:
        sys.stderr.write(f'parakeet-ros: {len(failed)} of {len(bags)} bags failed: '
                         f'{", ".join(failed)}\n')
    return 1 if failed else 0


def _output_stems(bags: list[Path]) -> dict[Path, str]:
    """Return what the output of each bag is called: its name, with its folders if need be."""
    counts = Counter(_stem(bag) for bag in bags)
    return {bag: _stem(bag) if counts[_stem(bag)] == 1 else
            '_'.join([*bag.absolute().parent.parts[1:], bag.name]) for bag in bags}


def _stem(bag: Path) -> str:
    return bag.stem if bag.is_file() else bag.absolute().name


def _target(bag: Path, stem: str, options: argparse.Namespace) -> Path | None:
    """Return the folder of the bag to write; None for text."""
    if options.format not in BAG_FORMATS:
        return None
    folder: Path = options.output or bag.absolute().parent
    return folder / f'{stem}{SPEECH_SUFFIX}'


def _durations_s(bags: list[Path], job: BagJob) -> list[float | None]:
    """Return how much there is to hear of each bag, where somebody looks on."""
    return [_duration_s(bag, job) if sys.stderr.isatty() else None for bag in bags]


def _duration_s(path: Path, job: BagJob) -> float:
    try:
        with open_bag(path) as bag:
            return bag.duration_s * len(topics_to_hear(bag, job.topics))
    except (ValueError, OSError):
        return 0.0  # it is reported when its turn comes


def _write(outcome: BagOutcome, bag: Path, stem: str, options: argparse.Namespace,
           has_others: bool) -> None:
    """Write the texts of a bag to standard output or, whole or not at all, to files."""
    for warning in outcome.warnings:
        sys.stderr.write(f'parakeet-ros: warning: {bag}: {warning}\n')
    for topic, text in outcome.texts.items():
        if not options.output:
            if options.format == 'txt' and (has_others or len(outcome.texts) > 1):
                sys.stdout.write(f'{bag} {topic}:\n')
            sys.stdout.write(text)
            sys.stdout.flush()
            continue
        name = stem if len(outcome.texts) == 1 else f'{stem}{topic.replace("/", ".")}'
        target = options.output / f'{name}.{options.format}'
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f'{target.name}.part')
        part.write_text(text, encoding='utf-8')
        part.replace(target)
