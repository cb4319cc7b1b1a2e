"""``parakeet-ros cache``: what is kept of models to start faster, and removing it."""

from __future__ import annotations

import argparse
import time


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = verbs.add_parser(
        'cache',
        help='list or remove converted weights',
        description='List the converted weights that are kept to start faster, the most recently '
                    'used first. Each is made again when it is missing.',
    )
    parser.add_argument('--clear', action='store_true', help='remove them all')
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the entries, or remove them."""
    from parakeet_ros.engine.weight_cache import WeightCache

    cache = WeightCache.of_user()
    if cache is None:
        print('none is kept: there is no home folder')
        return 0
    if options.clear:
        cache.clear()
    for entry in cache.entries():
        used = time.strftime('%Y-%m-%d %H:%M', time.localtime(entry.used_s))
        print(f'{entry.size_bytes / 1e6:8.0f} MB  {used}  {entry.description}')
    print(f'{cache.folder}: {cache.size_bytes() / 1e9:.2f} of at most '
          f'{cache.limit_bytes / 1e9:g} GB{"" if cache.limit_bytes > 0 else ": none is kept"}')
    return 0
