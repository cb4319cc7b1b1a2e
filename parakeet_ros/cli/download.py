"""``parakeet-ros download``: fetch a model once, to use it without a network."""

from __future__ import annotations

import argparse


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = verbs.add_parser(
        'download',
        help='fetch a model from the Hugging Face hub',
        description='Fetch a model from the Hugging Face hub into its cache and print its path.',
    )
    parser.add_argument('model', metavar='MODEL', help='org/name or org/name@revision')
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Download the model and print where it is."""
    raise NotImplementedError
