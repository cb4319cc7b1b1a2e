"""``parakeet-ros train``: a model for the commands of one's own robot."""

from __future__ import annotations

import argparse
import math
import os
from pathlib import Path
import sys


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = verbs.add_parser(
        'train',
        help='train a model for the sentences of a grammar',
        description='Speak the sentences of a grammar with the voices of this machine, train a '
                    'model on them, and measure it on sentences that it has not heard. What is '
                    'made on the way lies in OUTPUT with the suffix .work; the same command goes '
                    'on after a break.',
    )
    parser.add_argument('--grammar', type=Path, required=True, metavar='YAML',
                        help='what can be said; training/grammars/my_robot.yaml is an example')
    parser.add_argument('--output', type=Path, required=True, metavar='MODEL',
                        help='the .nemo file to write')
    parser.add_argument('--from', dest='source', default='builtin', metavar='MODEL',
                        help='builtin, or another .nemo file with a TDT head (%(default)s)')
    parser.add_argument('--voices', nargs='+', default=[], metavar='ENGINE',
                        help='espeak, flite, hibari, kokoro, pico, rhvoice (all that are '
                             'installed)')
    parser.add_argument('--minutes', type=float, default=30.0,
                        help='for all of it, about (%(default)g)')
    parser.add_argument('--steps', type=int, help='so many steps, however long they take')
    parser.add_argument('--speech-minutes', type=float, default=60.0,
                        help='of speech to make with each engine, at most (%(default)g)')
    parser.add_argument('--no-general', action='store_true',
                        help='without general sentences: the model then knows the grammar only')
    parser.add_argument('--device', default='auto', help='auto, cpu or cuda (%(default)s)')
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train, and print the word error rate before and after."""
    _check(options)
    try:
        from parakeet_ros.training.fine_tune import Job
        from parakeet_ros.training.fine_tune import run as do
        from parakeet_ros.training.voices import VoiceError
    except ModuleNotFoundError as error:
        raise ValueError(f'training needs the Python package {error.name}; install what '
                         'requirements/training.txt lists') from error
    job = Job(
        grammar=options.grammar, output=options.output, source=options.source,
        engines=tuple(options.voices), minutes=options.minutes, steps=options.steps,
        speech_minutes=options.speech_minutes, general=not options.no_general,
        device=options.device)
    try:
        result = do(job, _say)
    except VoiceError as error:
        raise ValueError(str(error)) from error
    print(f'{job.output}: WER {result.before.wer_percent:.1f} % before, '
          f'{result.after.wer_percent:.1f} % after, on {result.after.clips} clips kept out of '
          'training')
    return 0


def _check(options: argparse.Namespace) -> None:
    """Refuse what could only fail much later."""
    if options.output.suffix != '.nemo':
        raise ValueError(f'--output {options.output}: give a name that ends in .nemo')
    if options.output.is_dir():
        raise ValueError(f'--output {options.output} is a folder; give the name of a file')
    if os.path.realpath(options.output) == os.path.realpath(os.path.expanduser(options.source)):
        raise ValueError(f'--output {options.output}: the model to start from is kept; give '
                         'another name')
    if not options.output.absolute().parent.is_dir():
        raise ValueError(f'--output {options.output}: there is no such folder; make it first')
    if not all(0 < each < math.inf for each in (options.minutes, options.speech_minutes)):
        raise ValueError('--minutes and --speech-minutes must be above 0, and not endless')
    if options.steps is not None and options.steps < 1:
        raise ValueError('--steps must be at least 1')


def _say(text: str) -> None:
    """Tell what is being done, apart from the result."""
    print(text, file=sys.stderr, flush=True)
