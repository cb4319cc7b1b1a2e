"""
YAML of unknown origin, within bounds.

``safe_load`` runs no code, but a hostile document can still exhaust memory (merge keys double what
they merge at every level) or the C stack (libyaml builds nested lists recursively).  What makes
either possible is refused from the stream of events, before anything is built.
"""

from __future__ import annotations

from typing import Any

import yaml

from .errors import CheckpointError

_MAX_DEPTH = 100
_MAX_ALIASES = 100
_MERGE_KEY = '<<'
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
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise CheckpointError(f'{origin}: not valid YAML ({error}); download or copy the file '
                              'again') from error
    if not isinstance(raw, dict):
        raise CheckpointError(f'{origin}: not a YAML mapping; download or copy the file again')
    return raw


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
        elif (isinstance(event, yaml.ScalarEvent) and event.value == _MERGE_KEY
              and event.implicit[0]):
            raise ValueError('it has a merge key')
        if depth > _MAX_DEPTH:
            raise ValueError(f'nested more than {_MAX_DEPTH} deep')
        if aliases > _MAX_ALIASES:
            raise ValueError(f'more than {_MAX_ALIASES} aliases')
