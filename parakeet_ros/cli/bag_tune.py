"""``parakeet-ros bag tune``: find settings that suit recordings whose words are known."""

from __future__ import annotations

import argparse
from pathlib import Path
import sys
import time
from typing import TYPE_CHECKING

from parakeet_ros.cli.bag_options import (
    add_engine_options,
    file_to_write,
    load_engine,
    parameters_of,
)

if TYPE_CHECKING:
    from parakeet_ros.bags.tuning.recordings import KnowingEngine, Recording
    from parakeet_ros.bags.tuning.search import Trial
    from parakeet_ros.parameters import Parameters

_CLEAR = '\r\x1b[2K'


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = verbs.add_parser(
        'tune',
        help='find settings of the detector that suit a bag',
        description='Hear bags whose words are known with other and other settings of the '
                    'detector (vad.*), and print the best trade of words, split sentences, '
                    'false starts and waiting as a parameter file for the node; the comparison '
                    'is in it as comments. Where nothing is better than the present settings, '
                    'that is said, and they are printed.',
        epilog='Exit status: 0 done, 1 a bag, its references or a model is at fault, 2 wrong '
               'usage.',
    )
    parser.add_argument('bags', nargs='+', type=Path, metavar='BAG',
                        help='a bag, or a folder of sound files with a manifest.jsonl, as '
                             'benchmark/make_noisy_set.py writes it')
    parser.add_argument('-r', '--reference', action='append', default=[], type=Path,
                        metavar='FILE',
                        help='what is said in the bag: .txt, .jsonl (text, start, end) or .stm; '
                             'one for each bag, in their order')
    add_engine_options(parser)
    parser.add_argument('--topic', metavar='NAME',
                        help='the audio topic, where the bag has several')
    parser.add_argument('-o', '--output', type=file_to_write, metavar='FILE',
                        help='write the parameter file here, not to standard output')
    for name, default, unit in (
            ('word', 1.0, 'a word in a hundred that is lost, wrong or invented'),
            ('split', 1.0, 'a sentence in a hundred that is cut in two'),
            ('false-start', 5.0, 'a false start a minute'), ('wait', 10.0, 'a second of waiting')):
        parser.add_argument(f'--{name}-weight', type=float, default=default, metavar='COST',
                            help=f'what {unit} costs; default: %(default)g')
    parser.set_defaults(run=run, usage_error=parser.error)


def run(options: argparse.Namespace) -> int:
    """Search, and print the parameter file."""
    from parakeet_ros.bags.tuning.advice import as_yaml, verdict
    from parakeet_ros.bags.tuning.recordings import KnowingEngine
    from parakeet_ros.bags.tuning.score import total, Weights
    from parakeet_ros.bags.tuning.search import search
    from parakeet_ros.whole_file import write_whole

    weights = Weights(options.word_weight, options.split_weight, options.false_start_weight,
                      options.wait_weight)
    parameters = parameters_of(options)
    recordings = _recordings(options, parameters)
    engine = KnowingEngine(load_engine(parameters)[1])
    with _Trials(engine) as trials:
        outcome = search(
            parameters.vad,
            lambda config: total([each.score(config, engine) for each in recordings]),
            weights, trials.add)
    for complaint in dict.fromkeys(each for recording in recordings
                                   for each in recording.complaints):
        sys.stderr.write(f'parakeet-ros: {complaint}\n')
    has_times = all(reference.span_s is not None
                    for each in recordings for reference in each.references)
    text = as_yaml(outcome, weights, has_times)
    if options.output is not None:
        write_whole(options.output, text)
    else:
        sys.stdout.write(text)
    sys.stderr.write(f'parakeet-ros: {verdict(outcome)}\n')
    return 0


def _recordings(options: argparse.Namespace, parameters: Parameters) -> list[Recording]:
    """Read all recordings and their references."""
    from parakeet_ros.bags.reading import open_bag
    from parakeet_ros.bags.report.build import choose_topic
    from parakeet_ros.bags.tuning.recordings import (
        BagRecording,
        MANIFEST,
        read_labelled_folder,
    )
    from parakeet_ros.bags.tuning.references import read_references

    found: list[Recording] = []
    bags = [path for path in options.bags if not (path / MANIFEST).is_file()]
    if len(bags) != len(options.reference):
        options.usage_error(f'{len(bags)} bags and {len(options.reference)} references: give each '
                            'bag its --reference FILE, with what is said in it')
    for path in options.bags:
        if path not in bags:
            found += read_labelled_folder(path)
    for path, reference in zip(bags, options.reference):
        references = read_references(reference)
        with open_bag(path) as bag:
            recording = BagRecording(bag, choose_topic(bag, options.topic), parameters, references)
            for loss in bag.losses:
                sys.stderr.write(f'parakeet-ros: {loss}\n')
        found.append(recording)
    return found


class _Trials:
    """Count the trials on standard error, if that is a terminal."""

    def __init__(self, engine: KnowingEngine) -> None:
        self._visible = sys.stderr.isatty()
        self._engine = engine
        self._count, self._started = 0, time.monotonic()
        self._best = float('inf')

    def __enter__(self) -> _Trials:
        return self

    def __exit__(self, *error: object) -> None:
        if self._visible:
            sys.stderr.write(_CLEAR)

    def add(self, trial: Trial) -> None:
        """Show that a setting has been tried."""
        self._count += 1
        self._best = min(self._best, trial.cost)
        if self._visible:
            seconds = time.monotonic() - self._started
            sys.stderr.write(
                f'{_CLEAR}{self._count} settings tried in {seconds:.0f} s, lowest cost '
                f'{self._best:.2f}, {self._engine.transcribed} segments transcribed')
            sys.stderr.flush()
