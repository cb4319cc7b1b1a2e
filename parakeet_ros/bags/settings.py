"""The parameters of the node from its YAML file, without ROS."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from parakeet_ros.bags.errors import BagError
from parakeet_ros.parameters import from_values, Parameters, settings
import yaml

NODE = 'asr'
OF_ROS = ('use_sim_time', 'qos_overrides', 'start_type_description_service')  # of every node


def read_parameters(path: Path | None, **changes: Any) -> Parameters:
    """
    Read a file in the format of `config/asr.yaml`; what it does not name has its default.

    :param path: None for the defaults alone.
    :param changes: parameters that are set in place of the file's.
    :raises BagError: it is no such file, or a value is refused; the message names it.
    """
    values = dict(_values(path)) if path is not None else {}
    known = {setting.name for setting in settings()}
    unknown = sorted(name for name in values if name not in known)
    if unknown:
        raise BagError(f'{path} sets {", ".join(unknown)}, which the node does not know')
    try:
        return from_values({**values, **changes})
    except ValueError as error:
        raise BagError(f'{path}: {error}' if path else str(error)) from error


def _values(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield name and value of each parameter that the file gives to the node."""
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BagError(f'{path} is no YAML file: {error}') from error
    sections = list(_sections(content))
    nodes = sorted({name for name, _ in sections if '*' not in name})
    if len(nodes) > 1:
        raise BagError(f'{path} has the parameters of {", ".join(nodes)}; give a file with those '
                       'of one')
    if not sections:
        raise BagError(f'{path} has no parameters for {NODE}: it needs a section /** or {NODE} '
                       'with ros__parameters, as config/asr.yaml has')
    for _, section in sections:
        yield from _flat(section)


def _sections(content: Any, namespace: str = '') -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield name and content of the sections for the node, in whatever namespaces they are."""
    if not isinstance(content, Mapping):
        return
    for key, section in content.items():
        name = f'{namespace}/{str(key).strip("/")}'
        if not isinstance(section, Mapping) or 'ros__parameters' not in section:
            yield from _sections(section, name)
        elif name.rpartition('/')[2] in (NODE, '*', '**'):
            values = section['ros__parameters'] or {}
            if isinstance(values, Mapping):
                yield name, values


def _flat(values: Mapping[str, Any], prefix: str = '') -> Iterator[tuple[str, Any]]:
    """Yield the values of nested sections by their full names, `vad.onset_db`."""
    for name, value in values.items():
        if not prefix and name in OF_ROS:
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f'{prefix}{name}.')
        else:
            yield f'{prefix}{name}', value
