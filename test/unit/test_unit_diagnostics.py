"""Problems: logged once, shown until they are mended."""

from diagnostic_msgs.msg import DiagnosticStatus
from hypothesis import given
from hypothesis import strategies as st
from local_ros import LocalRos
from parakeet_ros.diagnostics import (
    AUDIO_INPUT,
    diagnostic_name,
    ERROR,
    OK,
    Problems,
    RECOGNIZER,
    status,
    WARN,
    worst,
)
import pytest
from rclpy.node import Node

Log = list[tuple[bytes, str]]


@pytest.fixture
def log() -> Log:
    """Return what was logged."""
    return []


@pytest.fixture
def problems(log: Log) -> Problems:
    """Return problems that log into `log`."""
    return Problems(lambda level, message: log.append((level, message)))


def test_a_problem_is_logged_once_however_often_it_is_reported(
        problems: Problems, log: Log) -> None:
    for _ in range(3):
        problems.report('drops', RECOGNIZER, WARN, 'dropped')
    assert log == [(WARN, 'dropped')]


@pytest.mark.parametrize('changed', [(WARN, 'dropped more'), (ERROR, 'dropped')])
def test_a_changed_problem_is_logged_again(
        problems: Problems, log: Log, changed: tuple[bytes, str]) -> None:
    problems.report('drops', RECOGNIZER, WARN, 'dropped')
    problems.report('drops', RECOGNIZER, *changed)
    assert log == [(WARN, 'dropped'), changed]
    assert worst([problems], RECOGNIZER, 'fine') == changed


def test_mending_is_logged_once_and_a_return_is_news(problems: Problems, log: Log) -> None:
    problems.clear('drops')
    assert log == [], 'nothing was wrong'
    problems.report('drops', RECOGNIZER, WARN, 'dropped')
    problems.clear('drops', 'slow')
    problems.clear('drops')
    problems.report('drops', RECOGNIZER, WARN, 'dropped')
    assert [level for level, _ in log] == [WARN, OK, WARN]
    assert 'drops' in log[1][1]


def test_nothing_wrong_is_fine(problems: Problems) -> None:
    assert worst([problems], AUDIO_INPUT, 'active') == (OK, 'active')


@given(levels=st.lists(st.sampled_from([WARN, ERROR]), min_size=1, max_size=6))
def test_the_worst_level_wins_and_every_message_is_shown(levels: list[bytes]) -> None:
    two = [Problems(lambda level, message: None) for _ in range(2)]
    two[1].report('other', AUDIO_INPUT, ERROR, 'of another task')
    for number, level in enumerate(levels):
        two[number >= 3].report(f'key {number}', RECOGNIZER, level, f'message {number}.')
    level, message = worst(two, RECOGNIZER, 'fine')
    assert level == max(levels)
    assert message == ' '.join(f'message {number}.' for number in range(len(levels)))


def test_a_status_writes_floats_with_three_decimals_and_the_rest_as_it_is() -> None:
    built = status('asr: recognizer', WARN, 'slow', 'cpu',
                   {'rtfx': 1 / 3, 'queue': 2, 'type': None, 'name': 'ä'})
    assert (built.name, built.message, built.hardware_id) == ('asr: recognizer', 'slow', 'cpu')
    assert built.level == DiagnosticStatus.WARN
    assert {v.key: v.value for v in built.values} == {
        'rtfx': '0.333', 'queue': '2', 'type': 'None', 'name': 'ä'}


@pytest.mark.parametrize(('namespace', 'microphone', 'name'), [
    ('/', '', 'asr: recognizer'), ('/', 'front', 'asr: front: recognizer'),
    ('/robot1', 'front', 'robot1/asr: front: recognizer')])
def test_a_status_is_named_after_node_microphone_and_task(
        ros: LocalRos, namespace: str, microphone: str, name: str) -> None:
    node = ros.add(Node('asr', namespace=namespace))
    assert diagnostic_name(node, microphone, RECOGNIZER) == name
