"""What the verbs for bags have in common: how to hear and to transcribe."""

from __future__ import annotations

import argparse
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from parakeet_ros.bags.settings import read_parameters

if TYPE_CHECKING:
    from parakeet_ros.engine import Transcriber
    from parakeet_ros.parameters import Parameters
    from parakeet_ros.steered_engine import SteeredEngine


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """Declare what says how to hear and to transcribe."""
    parser.add_argument('--config', type=Path, metavar='YAML',
                        help='a parameter file of the node; its defaults without one')
    for name, text in (('model', 'builtin, a .nemo file, a model folder, or org/name[@revision]'),
                       ('device', 'auto, cpu, cuda or cuda:N'),
                       ('dtype', 'number format of the encoder: auto, float32, float16, ...')):
        parser.add_argument(f'--{name}', help=f'{text}; instead of the one in the parameters')
    parser.add_argument('--hotword', action='append', default=[], metavar='PHRASE[:WEIGHT]',
                        help='instead of those in the parameters; may be repeated')


def file_to_write(text: str) -> Path:
    """Return the path of an output, refusing what could only fail when all is done."""
    path = Path(text)
    if os.path.isdir(path):
        raise argparse.ArgumentTypeError(f"'{text}' is a folder; give the name of a file")
    return path


def not_negative(text: str) -> float:
    """Return a number that is neither below 0 nor endless."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0.0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 0 on")
    return number


def parameters_of(options: argparse.Namespace) -> Parameters:
    """
    Return the parameters that the engine options say.

    :raises BagError: the file or a value is wrong.
    """
    changes = {name: getattr(options, name) for name in ('model', 'device', 'dtype')
               if getattr(options, name) is not None}
    if options.hotword:
        changes['hotwords'] = options.hotword
    return read_parameters(options.config, **changes)


def model_key(source: str) -> str:
    """
    Return what names the content of a model.

    :raises CheckpointError: there is no such model.
    """
    from parakeet_ros.bags.ledger import files_key
    from parakeet_ros.engine.loading import find_model

    path = find_model(source)
    return files_key([path] if path.is_file() else sorted(
        each for each in path.glob('*') if each.is_file()))


def load_engine(parameters: Parameters) -> tuple[Transcriber, SteeredEngine]:
    """Load the model of the parameters, with their hotwords."""
    from parakeet_ros.engine import load_model
    from parakeet_ros.steered_engine import SteeredEngine

    model = load_model(parameters.model, parameters.device, parameters.dtype)
    return model, SteeredEngine(model, parameters.hotwords)
