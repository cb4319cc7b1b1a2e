"""
General English sentences: the examples and definitions of WordNet.

WordNet's licence (SPDX ``WordNet``, of Princeton University) allows any use with its notice.
Debian's package ``wordnet-base`` installs the data files.
"""
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
import re

from parakeet_ros.training.spoken import spoken

FOLDER = Path('/usr/share/wordnet')
PARTS_OF_SPEECH = ('adj', 'adv', 'noun', 'verb')
MIN_WORDS, MAX_WORDS = 2, 12
# A word that fewer sentences have is a name or a term that voices mispronounce.
MIN_SENTENCES_OF_A_WORD = 3


def general_sentences(folder: Path = FOLDER) -> list[str]:
    """
    Return the distinct sentences of WordNet in spoken form, in alphabetical order.

    :raises FileNotFoundError: if WordNet is not installed
    """
    found = set()
    for text in _texts(folder):
        sentence = spoken(text)
        if sentence and MIN_WORDS <= len(sentence.split()) <= MAX_WORDS:
            found.add(sentence)
    counts = Counter(word for sentence in found for word in set(sentence.split()))
    return sorted(sentence for sentence in found if all(
        counts[word] >= MIN_SENTENCES_OF_A_WORD for word in sentence.split()))


def _texts(folder: Path) -> Iterator[str]:
    """Yield each example and each definition, as it is written."""
    for part in PARTS_OF_SPEECH:
        path = folder / f'data.{part}'
        if not path.exists():
            raise FileNotFoundError(f'{path} is missing; install WordNet, on Debian and Ubuntu: '
                                    'apt install wordnet-base')
        for line in path.read_text('ascii', 'replace').splitlines():
            if line.startswith('  '):  # the licence, which heads the file
                continue
            gloss = line.partition('|')[2]
            yield from re.findall('"([^"]+)"', gloss)
            definition = re.sub(r'"[^"]*"|\([^)]*\)', ' ', gloss)
            yield from definition.split(';')
