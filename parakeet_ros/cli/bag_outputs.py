"""What the outputs of bags are called, and how they are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
import os
from pathlib import Path
import sys

from parakeet_ros.bags.errors import BagError
from parakeet_ros.bags.finding import holds_bags
from parakeet_ros.bags.writing import SPEECH_SUFFIX
from parakeet_ros.cli.bag_job import BAG_FORMATS, BagOutcome
from parakeet_ros.whole_file import write_whole


def output_stems(bags: Sequence[Path], arguments: Sequence[str]) -> dict[Path, str]:
    """
    Return what the output of each bag is called: its name, in the folders below an argument.

    What else there is does not matter, so that the names stay when an archive grows; but two
    bags that would have the same name both keep their suffix.

    :raises BagError: two bags would have the same name even so.
    """
    folders = [Path(each) for each in arguments if holds_bags(Path(each))]
    places = {}
    for bag in bags:
        above = next((each for each in folders if each in bag.parents), None)
        places[bag] = bag.relative_to(above) if above else Path(bag.absolute().name)
    stems = {bag: str(place.with_suffix('')) if os.path.isfile(bag) else str(place)
             for bag, place in places.items()}
    counts = Counter(stems.values())
    stems = {bag: stem if counts[stem] == 1 else str(places[bag]) for bag, stem in stems.items()}
    owners: dict[str, Path] = {}
    for bag, stem in stems.items():
        if owners.setdefault(stem, bag) != bag:
            raise BagError(f'{owners[stem]} and {bag} have the same name; transcribe them one by '
                           'one, or give the folder that holds both')
    return stems


def bag_target(bag: Path, stem: str, form: str, output: Path | None) -> Path | None:
    """Return the folder of the bag to write, beside the bag by default; None for text."""
    if form not in BAG_FORMATS:
        return None
    if output is None:
        return bag.absolute().parent / f'{Path(stem).name}{SPEECH_SUFFIX}'
    return output / f'{stem}{SPEECH_SUFFIX}'


def write_texts(outcome: BagOutcome, bag: Path, stem: str, form: str, output: Path | None,
                has_others: bool) -> list[str]:
    """
    Write the texts of a bag to standard output or, whole or not at all, to files.

    Where the output is a bag, that is there already. The name of a text says of which microphone
    it is where the bag has several.

    :param has_others: whether there are other bags, so that the reader must be told which it is.
    :returns: the names of the outputs, relative to the folder.
    """
    if form in BAG_FORMATS:
        return [f'{stem}{SPEECH_SUFFIX}']
    names = []
    for topic, text in outcome.texts.items():
        if output is None:
            if form == 'txt' and (has_others or len(outcome.texts) > 1):
                sys.stdout.write(f'{bag} {topic}:\n')
            sys.stdout.write(text)
            sys.stdout.flush()
            continue
        name = f'{stem}{topic.replace("/", ".")}' if outcome.has_several else stem
        names.append(f'{name}.{form}')
        write_whole(output / names[-1], text)
    return names
