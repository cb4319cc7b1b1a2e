"""The verbs, and what their errors become."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import logging
import os
import signal
import sys

from parakeet_ros.threads import wait_without_spinning

FAILURE = 1  # a model or a sound file is at fault; argparse exits with 2 on wrong usage
INTERRUPTED, TERMINATED = 130, 143  # as a shell reports SIGINT and SIGTERM


def main(args: Sequence[str] | None = None) -> int:
    """
    Run a verb and return the exit status.

    0: done; 1: a model or sound file is missing, damaged or unsupported, and the message on
    standard error says which, or a Python package is missing; 2: wrong usage; 130: interrupted;
    143: terminated.
    """
    _open_streams()
    wait_without_spinning()
    if args is None:  # what is on its way is removed, such as the copy of a recording
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(TERMINATED))
    try:
        return _run(args)
    except KeyboardInterrupt:  # also while modules are imported
        return INTERRUPTED
    except ModuleNotFoundError as error:
        sys.stderr.write(f'parakeet-ros: error: the Python package {error.name} is missing; '
                         'install torch and what requirements/run.txt lists\n')
        return FAILURE


def _run(args: Sequence[str] | None) -> int:
    options = _parser().parse_args(args)
    logging.basicConfig(
        level=logging.INFO if options.verbose else logging.WARNING,
        format='%(levelname)s: %(message)s',
    )
    if sys.stdout.errors in ('strict', 'surrogateescape'):  # but names of files may be anything
        sys.stdout.reconfigure(errors='backslashreplace')  # type: ignore[union-attr]
    try:
        status = int(options.run(options))
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    except (ValueError, OSError) as error:  # bad input; its message names the remedy
        sys.stderr.write(f'parakeet-ros: error: {error}\n')
        return FAILURE


def _open_streams() -> None:
    """Open the standard streams that are closed, as after ``>&-``; else files would take them."""
    for name, mode in (('stdin', 'r'), ('stdout', 'w'), ('stderr', 'w')):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, errors='backslashreplace'))


def _parser() -> argparse.ArgumentParser:
    from parakeet_ros.cli import bag, cache, download, info, train, transcribe  # want numpy

    parser = argparse.ArgumentParser(
        prog='parakeet-ros',
        description='Speech recognition with NVIDIA Parakeet models in plain PyTorch.',
        epilog='Exit status: 0 done, 1 a model or sound file is at fault, 2 wrong usage.',
    )
    parser.add_argument('-v', '--verbose', action='store_true', help='say what is being done')
    verbs = parser.add_subparsers(title='verbs', metavar='VERB', required=True)
    for verb in (transcribe, bag, info, download, cache, train):
        verb.add_parser(verbs)
    return parser
