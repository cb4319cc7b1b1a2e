"""``parakeet-ros download``: fetch a model once, to use it without a network."""

from __future__ import annotations

import argparse
import sys


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = verbs.add_parser(
        'download',
        help='fetch a model from the Hugging Face hub',
        description='Fetch a model from the Hugging Face hub into its cache, or bring it up to '
                    'date, and print its path. HF_HOME, HF_TOKEN and HF_ENDPOINT are honoured.',
    )
    parser.add_argument('model', metavar='MODEL', help='org/name or org/name@revision')
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Download the model and print where it is: the path alone goes to standard output."""
    from parakeet_ros.engine.hub import download, is_hub_id

    if not is_hub_id(options.model):
        raise ValueError(f"'{options.model}' is no model on the hub; give org/name or "
                         'org/name@revision, such as nvidia/parakeet-tdt-0.6b-v3')
    path = download(options.model)
    print(path)
    recursive = 'r' if path.is_dir() else ''
    target = options.model.partition('@')[0].rpartition('/')[2] + path.suffix
    sys.stderr.write(
        f'\nOn this machine it now loads without a network: model:={options.model}\n'
        f'For a robot without one, copy it (the cache holds links, which scp follows):\n'
        f'  scp -{recursive}p {path} ROBOT:{target}\n'
        f'and give its path there: model:=/home/USER/{target}\n'
    )
    return 0
