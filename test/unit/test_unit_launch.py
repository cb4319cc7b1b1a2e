"""The launch files, read without launch: they repeat no default of the node."""

import ast
from pathlib import Path

from parakeet_ros.parameters import settings
import pytest

FOLDER = Path(__file__).parents[2] / 'launch'
FILES = [pytest.param(path, id=path.name) for path in sorted(FOLDER.glob('*.py'))]
SETTINGS = {setting.name for setting in settings()}


def calls(tree: ast.AST, name: str) -> list[ast.Call]:
    """Find the calls of a function or class by name."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name) and node.func.id == name]


def keywords(call: ast.Call) -> dict[str | None, ast.expr]:
    """Return the keyword arguments of a call."""
    return {keyword.arg: keyword.value for keyword in call.keywords}


def test_there_are_launch_files() -> None:
    assert {'asr.launch.py', 'demo.launch.py', 'record.launch.py'} <= {
        path.values[0].name for path in FILES}


@pytest.mark.parametrize('path', FILES)
def test_a_launch_file_compiles_and_describes_its_launch(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding='utf-8'))
    compile(tree, str(path), 'exec')
    assert 'generate_launch_description' in {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize('path', FILES)
def test_every_launch_argument_is_described(path: Path) -> None:
    declared = calls(ast.parse(path.read_text(encoding='utf-8')), 'DeclareLaunchArgument')
    assert declared
    for call in declared:
        assert ast.literal_eval(keywords(call)['description']).endswith('.')


def test_the_arguments_of_the_node_have_no_default_but_nothing() -> None:
    # demo.launch.py may choose: it is one use of the node, this one is every use
    tree = ast.parse((FOLDER / 'asr.launch.py').read_text(encoding='utf-8'))
    defaults = {ast.literal_eval(call.args[0]): keywords(call)['default_value']
                for call in calls(tree, 'DeclareLaunchArgument')}
    ours = defaults.keys() & SETTINGS
    assert {'model', 'device', 'autostart'} <= ours
    assert {ast.literal_eval(defaults[name]) for name in ours} == {''}


@pytest.mark.parametrize('path', FILES)
def test_no_parameter_has_its_value_in_a_launch_file(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values):
                if isinstance(key, ast.Constant) and key.value in SETTINGS:
                    # OVERRIDES holds types by name; a value would be a second home
                    assert not isinstance(value, ast.Constant), f'{key.value} in {path.name}'


def test_the_demo_waits_for_a_node_that_first_downloads_its_model() -> None:
    [arguments] = [keywords(call)['arguments'] for call in calls(ast.parse(
        (FOLDER / 'demo.launch.py').read_text(encoding='utf-8')), 'Node')]
    assert isinstance(arguments, ast.List)
    given = [each.value for each in arguments.elts if isinstance(each, ast.Constant)]
    assert float(given[given.index('--wait-s') + 1]) >= 3600
