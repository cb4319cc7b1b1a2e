"""``parakeet-ros bag transcribe``: the audio of bags to text, subtitles or speech topics."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
import sys

from parakeet_ros.bags.errors import BagError
from parakeet_ros.bags.finding import find_bags
from parakeet_ros.bags.ledger import Ledger
from parakeet_ros.bags.reading import open_bag
from parakeet_ros.bags.writing import SPEECH_SUFFIX
from parakeet_ros.cli.bag_job import BAG_FORMATS, BagJob, TEXT_FORMATS, topics_to_hear
from parakeet_ros.cli.bag_options import (
    add_engine_options,
    model_key,
    not_negative,
    parameters_of,
)
from parakeet_ros.cli.bag_outputs import bag_target, output_stems, write_texts
from parakeet_ros.cli.bag_work import Done, here, on_ray, Task
from parakeet_ros.cli.progress import Progress
from parakeet_ros.speech_messages import RESULT_SCHEMA

READERS = 16  # at once, of the bags' ends: storage far away answers many as soon as one
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
        epilog='Exit status: 0 all transcribed, 1 some failed, 2 wrong usage, 130 interrupted, '
               '143 terminated.',
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
    parser.add_argument('--start-s', type=not_negative, default=0.0, metavar='SECONDS',
                        help='leave out the beginning of each bag')
    parser.add_argument('--again', action='store_true',
                        help='with --output: do also what is done already; without it a bag '
                             'whose output is there, of the same content and options, is left out')
    parser.add_argument('--ray', nargs='?', const='', metavar='ADDRESS',
                        help='let the workers of a Ray cluster do it (pip install ray); without '
                             'an address that of RAY_ADDRESS, or else this machine; bags and DIR '
                             'must be at the same paths everywhere')
    parser.add_argument('--workers', type=int, metavar='N',
                        help='with --ray; default: one for each GPU, or else each processor')
    parser.set_defaults(run=run, usage_error=parser.error)


def run(options: argparse.Namespace) -> int:
    """Transcribe all bags; 1 if any of them failed."""
    try:
        bags = find_bags(options.bags)
        stems = output_stems(bags, options.bags)
        parameters = parameters_of(options)
    except BagError as error:
        options.usage_error(str(error))
    if len(bags) > 1 and options.format in _ONE_FILE_FORMATS and not options.output:
        options.usage_error(f'several bags as {options.format} need --output DIR')
    if options.format in _ONE_FILE_FORMATS and not options.output and len(_topics(
            bags[0], options.topic)) > 1:
        options.usage_error(f'several microphones as {options.format} need --output DIR; or '
                            'choose one with --topic NAME')
    if options.ray is not None and not options.output:
        options.usage_error('--ray needs --output DIR')
    job = BagJob(options.format, parameters, parameters.model, tuple(options.topic),
                 options.start_s)
    if not options.output:
        return _report_failures(_transcribe(bags, stems, job, options, None), bags)
    work = {**asdict(job), 'model': model_key(parameters.model), 'schema': RESULT_SCHEMA}
    with Ledger(options.output, work) as ledger:
        failed = _transcribe(bags, stems, job, options, ledger)
        ledger.fail(failed)
    return _report_failures(failed, bags)


def _transcribe(bags: Sequence[Path], stems: Mapping[Path, str], job: BagJob,
                options: argparse.Namespace, ledger: Ledger | None) -> dict[Path, str]:
    """Transcribe what is not done yet; return why what failed."""
    with ThreadPoolExecutor(READERS) as pool:
        keys = dict(zip(bags, pool.map(lambda bag: _key(ledger, bag), bags), strict=True))
    waiting = [bag for bag in bags if options.again or ledger is None or not ledger.is_done(
        stems[bag], keys[bag])]
    if len(waiting) < len(bags):
        sys.stderr.write(f'parakeet-ros: {len(bags) - len(waiting)} of {len(bags)} bags are '
                         'done already\n')
    tasks = [_task(bag, stems[bag], keys[bag], job.form, options.output, ledger)
             for bag in waiting]
    failed = {}
    with Progress(_durations_s(waiting, job)) as progress:
        for task, outcome in _work(tasks, job, options, progress):
            bag = task.bag
            progress.clear()
            if not isinstance(outcome, str):
                for warning in outcome.warnings:
                    sys.stderr.write(f'parakeet-ros: warning: {bag}: {warning}\n')
                try:
                    outputs = write_texts(outcome, bag, stems[bag], job.form,
                                          options.output, has_others=len(bags) > 1)
                    if ledger is not None:
                        ledger.finish(stems[bag], keys[bag], bag, outputs, {
                            'utterances': outcome.utterances, 'audio_s': round(outcome.audio_s, 3),
                            'engine_s': round(outcome.engine_s, 3), 'warnings': outcome.warnings})
                    continue
                except OSError as error:
                    if options.output is None:  # nobody reads any more
                        raise
                    outcome = str(error)
            failed[bag] = outcome
            sys.stderr.write(f'parakeet-ros: error: {outcome}\n')
    return failed


def _task(bag: Path, stem: str, key: str, form: str, output: Path | None,
          ledger: Ledger | None) -> Task:
    """Say what is to be done with a bag, and record a bag that will be written."""
    target = bag_target(bag, stem, form, output)
    with suppress(OSError):  # such as a name that is too long; its turn will say so
        if ledger is not None and target is not None:
            name = f'{stem}{SPEECH_SUFFIX}'
            if target.exists():
                return Task(bag, target, replaces=ledger.wrote(stem, name))
            # it appears at once and whole: were the record last, a crash could lie in between
            ledger.finish(stem, key, bag, [name], {})
    return Task(bag, target)


def _work(tasks: Sequence[Task], job: BagJob, options: argparse.Namespace,
          progress: Progress) -> Iterator[Done]:
    """Have the bags transcribed, here or by others, and show how far that is."""
    if options.ray is None:
        yield from here(tasks, job, lambda task: progress.begin_file(str(task.bag)), progress.add)
        return
    for task, outcome in on_ray(tasks, job, options.ray, options.workers):
        progress.begin_file(str(task.bag))
        progress.add(0.0 if isinstance(outcome, str) else outcome.heard_s)
        yield task, outcome


def _key(ledger: Ledger | None, bag: Path) -> str:
    """Return what names a bag and the work; of one that cannot be read, nothing."""
    try:
        return ledger.key(bag) if ledger is not None else ''
    except OSError:
        return ''  # its turn will come, and say what is wrong


def _report_failures(failed: Mapping[Path, str], bags: Sequence[Path]) -> int:
    if failed and len(bags) > 1:
        sys.stderr.write(f'parakeet-ros: {len(failed)} of {len(bags)} bags failed: '
                         f'{", ".join(map(str, sorted(failed)))}\n')
    return 1 if failed else 0


def _durations_s(bags: Sequence[Path], job: BagJob) -> list[float | None]:
    """Return how much there is to hear of each bag, where somebody looks on."""
    return [_duration_s(bag, job) if sys.stderr.isatty() else None for bag in bags]


def _topics(path: Path, asked_for: Sequence[str]) -> list[str]:
    """Return the topics that will be heard; none where that cannot be told yet."""
    with suppress(ValueError, OSError), open_bag(path) as bag:
        return topics_to_hear(bag, asked_for)
    return []


def _duration_s(path: Path, job: BagJob) -> float:
    try:
        with open_bag(path) as bag:
            return bag.duration_s * len(topics_to_hear(bag, job.topics))
    except (ValueError, OSError):
        return 0.0  # it is reported when its turn comes
