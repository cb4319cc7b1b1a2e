"""
YAML of unknown origin, within bounds.

``safe_load`` runs no code, but a hostile document can still exhaust memory (merge keys double what
they merge at every level) or the C stack (libyaml builds nested lists recursively).  What makes
either possible is refused from the stream of events, before anything is built.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from .errors import CheckpointError

_MAX_DEPTH = 100
_MAX_ALIASES = 100
_MERGE_KEY = '<<'
_LARGEST_SIZE = 50_000_000
_LONGEST_NUMBER = 1000  # characters; those of base 60 take time that grows with the square
_NUMBER = re.compile(r'[-+0-9a-fA-FoxX:_.]+')
# libyaml is ten times as fast, where PyYAML was built with it
_LOADER: Any = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)


def parse_yaml(content: bytes, origin: str) -> dict[str, Any]:
    """
    Parse a mapping.

    :param origin: the file's name, for messages.
    :raises CheckpointError: it is no valid YAML, no mapping, or nested beyond all reason.
    """
    try:
        _check_events(content)
        raw = yaml.load(content, Loader=_LOADER)
        _expanded_size(raw, {})
    except MemoryError:
        raise
    except Exception as error:  # wrong content of a tag reaches every corner; any type comes
        raise CheckpointError(f'{origin}: not valid YAML ({error}); download or copy the file '
                              'again') from error
    if not isinstance(raw, dict):
        raise CheckpointError(f'{origin}: not a YAML mapping; download or copy the file again')
    return raw


def _expanded_size(value: Any, known: dict[int, int]) -> int:
    """
    Return how much a value would be without aliases, in entries and characters.

    :param known: what has been counted, by identity; 0 while it is.
    :raises ValueError: it is far more than a file could hold, or contains itself.
    """
    if not isinstance(value, dict | list):
        return len(value) if isinstance(value, str | bytes) else 1
    if id(value) not in known:
        known[id(value)] = 0
        parts = [*value.keys(), *value.values()] if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_expanded_size(part, known) for part in parts)
    size = known[id(value)]
    if not 0 < size <= _LARGEST_SIZE:
        raise ValueError('its aliases multiply what they stand for')
    return size


def _check_events(content: bytes) -> None:
    """Raise ValueError for deep nesting, merge keys and hordes of aliases."""
    depth = aliases = 0
    for event in yaml.parse(content, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
        elif isinstance(event, yaml.ScalarEvent) and event.implicit[0]:
            if event.value == _MERGE_KEY:
                raise ValueError('it has a merge key')
            if len(event.value) > _LONGEST_NUMBER and _NUMBER.fullmatch(event.value):
                raise ValueError(f'a number of {len(event.value)} digits')
        if depth > _MAX_DEPTH:
            raise ValueError(f'nested more than {_MAX_DEPTH} deep')
        if aliases > _MAX_ALIASES:
            raise ValueError(f'more than {_MAX_ALIASES} aliases')
