"""``parakeet-ros bag report``: one HTML file that shows what was heard of a bag."""

from __future__ import annotations

import argparse
from pathlib import Path
import sys
from typing import Any

from parakeet_ros.cli.bag_options import (
    add_engine_options,
    file_to_write,
    load_engine,
    not_negative,
    parameters_of,
)
from parakeet_ros.cli.progress import Progress

AUDIO_MB = 50.0  # a talkative hour takes about 10


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = verbs.add_parser(
        'report',
        help='show what was heard of a bag, in one HTML file',
        description='Hear a bag as the node would, and write one HTML file that needs no network: '
                    'a time line of the sound, the levels and thresholds of the detector, the '
                    'utterances and their words, gaps and drops; the latencies; and a table of '
                    'the utterances with their sound. What the node published while the bag was '
                    'recorded is shown beside it. With --compare or --compare-model the bag is '
                    'heard a second time under other settings, and differing words are marked.',
        epilog='Exit status: 0 done, 1 the bag or a model is at fault, 2 wrong usage.',
    )
    parser.add_argument('bag', type=Path, metavar='BAG', help='a folder, or a .mcap or .db3 file')
    parser.add_argument('-o', '--output', type=file_to_write, metavar='FILE',
                        help='default: the name of the bag and .html, in the present folder')
    add_engine_options(parser)
    parser.add_argument('--topic', metavar='NAME',
                        help='the audio topic, where the bag has several')
    parser.add_argument('--compare', type=Path, metavar='FILE',
                        help='parameters of the node for a second hearing; with --model, their '
                             'model does not count')
    parser.add_argument('--compare-model', metavar='MODEL', help='model for a second hearing')
    parser.add_argument('--no-audio', action='store_true', help='leave the sound out of the file')
    parser.add_argument('--audio-mb', type=not_negative, default=AUDIO_MB, metavar='MB',
                        help='most that the sound may add to the file; what is over it is left '
                             'out; default: %(default)g')
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Hear the bag and write the report."""
    from parakeet_ros.bags.reading import open_bag
    from parakeet_ros.bags.report.build import build, choose_topic, Hearing
    from parakeet_ros.bags.report.differences import align
    from parakeet_ros.bags.report.page import render
    from parakeet_ros.bags.report.sound import payload
    from parakeet_ros.whole_file import write_whole

    def hearing(name: str, **changes: Any) -> Hearing:
        parameters = parameters_of(argparse.Namespace(**{**vars(options), **changes}))
        settings = changes.get('config', options.config)
        note = f'{parameters.model}, {settings.name if settings else "default settings"}'
        return Hearing(name, note, parameters, load_engine(parameters)[1])

    with open_bag(options.bag) as bag:
        topic = choose_topic(bag, options.topic)
        hearings = [hearing('re-run')]
        if options.compare is not None or options.compare_model is not None:
            name = options.compare.name if options.compare else Path(options.compare_model).name
            hearings.append(hearing(name, config=options.compare or options.config,
                                    model=options.compare_model or options.model))
        with Progress([bag.duration_s] * len(hearings)) as progress:
            for _ in hearings:
                progress.begin_file(str(options.bag))
            report, collected = build(bag, topic, hearings, progress.add)
    rows = align(report.runs)
    budget_bytes = 0 if options.no_audio else round(options.audio_mb * 1e6)
    audio = payload((collected.cut(row.start_s, row.end_s) for row in rows), budget_bytes)
    left_out = sum(clip is None for clip in audio['clips'])
    if left_out and not options.no_audio:
        sys.stderr.write(f'parakeet-ros: the sound of {left_out} of {len(rows)} utterances is '
                         f'left out: it takes more than {options.audio_mb:g} MB\n')
    target = options.output or Path(f'{report.title}.html')
    write_whole(target, render(report, rows, audio))
    for problem in report.problems:
        sys.stderr.write(f'parakeet-ros: {problem}\n')
    print(target)
    return 0
