"""What the arguments of a command stand for: files, folders, patterns, standard input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
import os
from pathlib import Path

from parakeet_ros.recording import STDIN

# Taken from folders; a file named by itself may have any suffix.
AUDIO_SUFFIXES = frozenset(
    '.aac .aif .aiff .amr .au .caf .flac .m4a .m4b .mka .mkv .mov .mp3 .mp4 .oga .ogg .opus .rf64 '
    '.w64 .wav .webm .wma'.split())


@dataclass(frozen=True)
class Input:
    """A recording to transcribe, and what its output is called, without a suffix of its own."""

    path: str
    output_stem: Path


class InputError(ValueError):
    """Arguments that cannot be carried out together; the message says which and why."""


def find_inputs(arguments: Sequence[str], to_files: bool = True) -> list[Input]:
    """
    Return the recordings in the order of the arguments, those of a folder sorted, each once.

    What cannot be looked at is among them: who opens it says why, and the others go on.

    Outputs are named as the recordings, with their place below a folder; where that is the same
    for two of them, both keep their suffix.

    :param to_files: whether every output goes to a file, which needs a name of its own.
    :raises InputError: an argument is empty, a folder has no sound files, a pattern fits none, or
        two outputs would have the same name.
    """
    found: dict[Path, tuple[str, Path]] = {}
    for argument in arguments:
        for path, output in _expand(argument):
            found.setdefault(Path(path), (path, output))  # ./a.wav is a.wav
    inputs = [Input(path, output.with_suffix('')) for path, output in found.values()]
    if not to_files:
        return inputs
    counts = Counter(each.output_stem for each in inputs)
    inputs = [Input(path, output if counts[output.with_suffix('')] > 1 else output.with_suffix(''))
              for path, output in found.values()]
    for output, count in Counter(each.output_stem for each in inputs).items():
        if count > 1:
            paths = [each.path for each in inputs if each.output_stem == output]
            raise InputError(f'{paths[0]} and {paths[1]} have the same name; transcribe them one '
                             'by one, or give the folder that holds both')
    return inputs


def _expand(argument: str) -> Iterator[tuple[str, Path]]:
    """Yield path and output name of each recording that an argument stands for."""
    path = Path(argument)
    if not argument:
        raise InputError("'' names no recording; for the present folder give .")
    if argument == STDIN:
        yield STDIN, Path('stdin')
    elif os.path.isdir(path):
        files = sorted(_recordings_below(path))
        if not files:
            raise InputError(f'no sound files in the folder {argument}; name other files one by '
                             'one')
        yield from ((str(file), Path(path.absolute().name) if file == path
                     else file.relative_to(path)) for file in files)
    elif has_magic(argument) and not os.path.exists(path):
        matches = [match for match in sorted(glob(argument, recursive=True))
                   if _may_be_file(Path(match))]
        if not matches:
            raise InputError(f'no files fit {argument}')
        yield from ((match, Path(Path(match).name)) for match in matches)
    else:
        yield argument, Path(path.name)


def _recordings_below(top: Path) -> Iterator[Path]:
    """Yield the sound files in a folder and below, and the folders that cannot be looked into."""
    unreadable: list[OSError] = []
    for folder, inside, names in os.walk(top, onerror=unreadable.append):
        inside[:] = [name for name in inside if not name.startswith('.')]
        for file in (Path(folder, name) for name in names if not name.startswith('.')):
            if file.suffix.lower() in AUDIO_SUFFIXES and _may_be_file(file):
                yield file
    yield from (Path(error.filename) for error in unreadable)


def _may_be_file(path: Path) -> bool:
    """Tell whether a path is a file, or cannot be looked at."""
    try:
        return path.is_file()
    except OSError:
        return True
