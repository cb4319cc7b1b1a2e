"""Bags in folders: what an argument of a command stands for. The library is not needed for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from glob import glob, has_magic
import os
from pathlib import Path
import re

from parakeet_ros.bags.errors import BagError
from parakeet_ros.bags.reading import METADATA, packed_files, SUFFIXES
from parakeet_ros.bags.writing import SPEECH_SUFFIX

# The recorder numbers the files of a bag from 0 on; a longer number is a date or a time of day.
NUMBERED = re.compile(r'(.+?)(?:_(0|[1-9]\d{0,3}))?')


def find_bags(arguments: Sequence[str]) -> list[Path]:
    """
    Return the bags that arguments stand for, in their order, each once.

    A folder with `metadata.yaml` or compressed files, or whose files are numbered parts of one, is
    a bag; what else lies in a folder, and below it, is searched. What `bag transcribe` has written
    is left out there.

    :raises BagError: an argument is empty, a folder holds no bag, or a pattern fits nothing.
    """
    found: dict[Path, None] = {}
    for argument in arguments:
        if not argument:
            raise BagError("'' names no bag; for the present folder give .")
        path = Path(argument)
        if holds_bags(path):
            below = dict.fromkeys(_bags_below(path))
            if not below:
                raise BagError(f'no bags in the folder {argument}: a bag is a folder with '
                               f'{METADATA}, or a file that ends in {" or ".join(SUFFIXES)}')
            found |= below
        elif has_magic(argument) and not os.path.exists(path):
            matches = sorted(glob(argument, recursive=True))
            if not matches:
                raise BagError(f'no bags fit {argument}')
            found |= dict.fromkeys(Path(match) for match in matches)
        else:
            found[path] = None
    return list(found)


def holds_bags(path: Path) -> bool:
    """Tell whether a path is a folder to search; who opens what cannot be looked at says why."""
    try:
        return path.is_dir() and not is_bag(path)
    except OSError:
        return False


def is_bag(folder: Path) -> bool:
    """Tell whether a folder is one bag."""
    if (folder / METADATA).is_file() or packed_files(folder):
        return True
    files = _files(folder)
    parts = [_numbered(file) for file in files]
    if len({name for name, _ in parts}) != 1:
        return False
    is_like_folder = parts[0][0] == (folder.absolute().name, files[0].suffix)
    return is_like_folder or _follow_one_another([number for _, number in parts])


def _follow_one_another(numbers: Sequence[str | None]) -> bool:
    """Tell whether files are parts of one: the first is there, or the others are without a gap."""
    found = sorted(int(number) for number in numbers if number is not None)
    return len(numbers) > 1 and bool(found) and (
        found[0] == 0 or found == list(range(found[0], found[0] + len(numbers))))


def _bags_below(top: Path) -> Iterator[Path]:
    """
    Yield the bags in a folder and below, each once: links are followed last.

    A folder that cannot be looked into, as `lost+found` of a disk, is yielded too: whoever opens
    it says why, and the others go on.
    """
    waiting, seen = deque([top]), set()
    while waiting:
        place = waiting.popleft()
        if place.resolve() in seen:
            continue
        seen.add(place.resolve())
        try:
            if place.is_file() or place != top and is_bag(place):
                yield place
                continue
            inside = [*_files(place), *_folders(place)]
        except OSError:
            yield place
            continue
        waiting.extendleft(reversed([each for each in inside if not each.is_symlink()]))
        waiting.extend(each for each in inside if each.is_symlink())


def _folders(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.is_dir()
                  and not each.name.startswith('.') and not each.name.endswith(SPEECH_SUFFIX))


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES and file.is_file())


def _numbered(file: Path) -> tuple[tuple[str, str], str | None]:
    """Return name and suffix of a file, and the number between them, if there is one."""
    match = NUMBERED.fullmatch(file.stem)
    assert match is not None
    return (match[1], file.suffix), match[2]
