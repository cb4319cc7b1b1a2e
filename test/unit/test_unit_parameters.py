"""Parameters: each has one home, and the YAML file and the README say the same as it does."""

from dataclasses import fields, is_dataclass
from pathlib import Path
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from parakeet_ros.audio import AudioFormatError
from parakeet_ros.parameter_descriptors import descriptor
from parakeet_ros.parameters import (
    DYNAMIC,
    from_values,
    Parameters,
    READ_ONLY,
    Setting,
    settings,
    UNCONFIGURED,
)
import pytest
import yaml

ROOT = Path(__file__).parents[2]
SETTINGS = {setting.name: setting for setting in settings()}
NUMERIC = [s for s in SETTINGS.values() if type(s.default) in (int, float)]
RANGED = [pytest.param(s, id=s.name) for s in NUMERIC]
WRONG_TYPE: dict[type, list[Any]] = {
    bool: [1, 'true', None], int: [1.0, True, '1', None], float: [True, '1', None, [1.0]],
    str: [1, b'x', None], list: ['front', 1, None]}


def value_of(parameters: Parameters, name: str) -> Any:
    """Return a value by its ROS name, as ROS has it."""
    target: Any = parameters
    for part in name.split('.'):
        target = getattr(target, part)
    return (list(target) or ['']) if isinstance(target, tuple) else target


# --- the settings -----------------------------------------------------------------------------


def test_every_field_is_a_setting() -> None:
    expected = []
    for field in fields(Parameters):
        value = getattr(Parameters(), field.name)
        expected += ([f'{field.name}.{f.name}' for f in fields(value)] if is_dataclass(value)
                     else [field.name])
    assert list(SETTINGS) == expected


@pytest.mark.parametrize('setting', [pytest.param(s, id=s.name) for s in SETTINGS.values()])
def test_a_setting_says_what_it_is_and_when_it_may_change(setting: Setting) -> None:
    assert len(setting.description.split()) >= 4
    assert setting.change in (READ_ONLY, UNCONFIGURED, DYNAMIC)
    assert (setting.bounds is not None) == (type(setting.default) in (int, float))
    described = descriptor(setting)
    assert setting.description in described.description
    assert setting.change in described.description
    assert described.read_only == (setting.change == READ_ONLY)


@pytest.mark.parametrize('setting', RANGED)
def test_a_numeric_setting_has_its_range_in_its_descriptor(setting: Setting) -> None:
    described = descriptor(setting)
    ranges = {float: described.floating_point_range, int: described.integer_range}
    described_range = ranges.pop(type(setting.default))[0]
    assert (described_range.from_value, described_range.to_value) == setting.bounds
    assert [len(other) for other in ranges.values()] == [0]
    assert setting.bounds[0] <= setting.default <= setting.bounds[1]


# --- values -----------------------------------------------------------------------------------


def test_no_values_give_the_defaults_and_the_defaults_give_themselves() -> None:
    defaults = {name: setting.default for name, setting in SETTINGS.items()}
    assert from_values({}) == from_values(defaults) == Parameters()
    for name, default in defaults.items():
        assert value_of(Parameters(), name) == default


@given(st.fixed_dictionaries({}, optional={
    'model': st.text(), 'device': st.text(), 'autostart': st.booleans(),
    'queue_size': st.integers(1, 1000), 'channel': st.integers(-1, 63),
    'end_of_stream_s': st.floats(0.2, 60), 'vad.hangover_s': st.floats(0.3, 5),
    'vad.floor_min_db': st.floats(-100, -20)}))
def test_values_come_back_by_name(values: dict[str, Any]) -> None:
    parameters = from_values(values)
    for name, setting in SETTINGS.items():
        assert value_of(parameters, name) == values.get(name, setting.default)


def test_a_whole_number_is_taken_where_a_float_is_meant() -> None:
    parameters = from_values({'vad.onset_db': 12, 'end_of_stream_s': 2})
    assert (parameters.vad.onset_db, parameters.end_of_stream_s) == (12.0, 2.0)
    assert type(parameters.vad.onset_db) is float


@pytest.mark.parametrize(('name', 'value'), [
    (name, value) for name, setting in SETTINGS.items()
    for value in WRONG_TYPE[type(setting.default)]])
def test_a_wrong_type_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=re.escape(f'{name} is {value!r}')):
        from_values({name: value})


@pytest.mark.parametrize('setting', RANGED)
def test_a_value_beyond_its_range_is_refused_with_name_and_bounds(setting: Setting) -> None:
    low, high = setting.bounds
    beyond = [low - 1, high + 1]
    if isinstance(setting.default, float):
        beyond += [float('nan'), float('inf'), -float('inf')]
    for value in beyond:
        with pytest.raises(ValueError, match=f'^{re.escape(setting.name)} is ') as raised:
            from_values({setting.name: value})
        assert f'{low}' in str(raised.value) and f'{high}' in str(raised.value)


@pytest.mark.parametrize('values', [
    {'vad.onset_db': 5.0, 'vad.offset_db': 6.0},
    {'vad.hangover_s': 0.2, 'vad.post_roll_s': 0.3},
    {'vad.max_utterance_s': 2.0, 'vad.pre_roll_s': 1.5}])
def test_values_that_contradict_each_other_are_refused_by_name(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r'^vad\.\w+ is .*set it to at (most|least)'):
        from_values(values)


def test_an_unknown_sample_format_is_refused_where_the_format_is_needed() -> None:
    with pytest.raises(AudioFormatError, match='F64'):
        _ = from_values({'sample_format': 'F64'}).audio_format


# --- what is written elsewhere ----------------------------------------------------------------


def sentence(setting: Setting) -> str:
    """Return a description as a sentence without its period."""
    text = setting.description.rstrip('.')
    return text[0].upper() + text[1:]


def range_text(setting: Setting) -> str:
    """Return a range as people read it."""
    return '{:g} to {:g}'.format(*setting.bounds) if setting.bounds else ''


def test_the_parameter_file_holds_every_setting_with_its_default() -> None:
    file = yaml.safe_load((ROOT / 'config' / 'asr.yaml').read_text(encoding='utf-8'))
    assert list(file) == ['/**'] and list(file['/**']) == ['ros__parameters']
    flat = {}
    for name, value in file['/**']['ros__parameters'].items():
        flat.update({f'{name}.{k}': v for k, v in value.items()} if isinstance(value, dict)
                    else {name: value})
    assert flat == {name: setting.default for name, setting in SETTINGS.items()}
    assert list(flat) == list(SETTINGS), 'in the order of the settings'
    for name, value in flat.items():
        assert type(value) is type(SETTINGS[name].default), f'{name}: {value!r}'


def test_the_parameter_file_describes_every_setting_above_it() -> None:
    comment: list[str] = []
    described = {}
    for line in (ROOT / 'config' / 'asr.yaml').read_text(encoding='utf-8').splitlines():
        if line.strip().startswith('#'):
            comment.append(line.strip(' #'))
        else:
            name = line.partition(':')[0]
            described[name.replace('      ', 'vad.').strip()] = ' '.join(comment)
            comment = []
    for setting in SETTINGS.values():
        text = sentence(setting)
        if setting.bounds:
            text += f' [{range_text(setting)}]'
        assert described[setting.name] == f'{text}.'


def readme_row(setting: Setting) -> str:
    """Return a setting's row in the README's table."""
    default = str(setting.default)
    if isinstance(setting.default, bool):
        default = default.lower()
    return (f'| `{setting.name}` | {default} | {range_text(setting)} | {setting.change} | '
            f'{sentence(setting)} |')


def test_the_readme_lists_every_setting() -> None:
    readme = ROOT / 'README.md'
    text = readme.read_text(encoding='utf-8') if readme.exists() else ''
    rows = '\n'.join(readme_row(setting) for setting in SETTINGS.values())
    block = ('<!-- parameters -->\n| name | default | range | may change | description |\n'
             f'|---|---|---|---|---|\n{rows}\n<!-- /parameters -->')
    found = re.search(r'<!-- parameters -->(.*?)<!-- /parameters -->', text, re.DOTALL)
    found_rows = found and [line for line in found[1].splitlines() if line.startswith('| `')]
    assert found_rows == rows.splitlines(), f'README.md must hold this block:\n{block}\n'
