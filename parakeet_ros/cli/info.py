"""``parakeet-ros info``: what a model is, without running it."""

from __future__ import annotations

import argparse


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = verbs.add_parser(
        'info',
        help='describe a model',
        description='Describe a model: architecture, parameters, vocabulary, memory.',
    )
    parser.add_argument('model', metavar='MODEL',
                        help='builtin, a .nemo file, a model folder, or org/name[@revision]')
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Read the model and print the description."""
    raise NotImplementedError
