"""Imports point one way: ROS glue to audio and engine, and never between or out of these two."""
import ast
from collections.abc import Iterator
from pathlib import Path
import subprocess
import sys

import pytest

PACKAGE = Path(__file__).parents[1] / 'parakeet_ros'
# files to waveforms, below everything else
RECORDINGS = ('ffmpeg', 'joined_files', 'recording', 'unfinished_wav')
# the glue that listens to a bag as well as to a microphone, or writes what came of it
ROS_FREE = (
    'ahead', 'audio_complaints', 'audio_formats', 'audio_messages', 'careful', 'counters', 'ear',
    'gate', 'hotword_syntax', 'parameters', 'recognizer', 'results', 'speech_messages',
    'whole_file', 'worker')
ROS = {'rclpy', 'launch', 'launch_ros', 'ament_index_python', 'builtin_interfaces'}


def imported_modules(path: Path) -> Iterator[str]:
    """Yield the absolute name of every module that a file imports, at any depth in it."""
    package = path.relative_to(PACKAGE.parent).with_suffix('').parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[:len(package) - node.level + 1] if node.level else ()
            base = '.'.join([*above, *filter(None, [node.module])])
            yield base
            yield from (f'{base}.{alias.name}' for alias in node.names)


def is_ros(module: str) -> bool:
    """Tell whether a module belongs to ROS: its client library, its tools or any messages."""
    top = module.split('.')[0]
    return top in ROS or top.endswith(('_msgs', '_srvs', '_interfaces'))


def violations(folder: str, forbidden: tuple[str, ...]) -> list[str]:
    """List the imports of ``folder`` that lie in ROS or under one of the ``forbidden`` names."""
    files = sorted((PACKAGE / folder).rglob('*.py'))
    assert files, f'no Python files under {folder}'
    return [
        f'{path.relative_to(PACKAGE)} imports {module}'
        for path in files for module in imported_modules(path)
        if is_ros(module) or any(f'{module}.'.startswith(f'{name}.') for name in forbidden)]


def glue() -> tuple[str, ...]:
    """Name the modules beside the two packages: the glue that neither of them may know."""
    return tuple(f'parakeet_ros.{path.stem}' for path in PACKAGE.glob('[!_]*.py')
                 if path.stem not in RECORDINGS)


def test_engine_imports_no_ros_no_audio_and_no_glue() -> None:
    assert not violations('engine', ('parakeet_ros.audio', *glue()))


def test_audio_imports_no_ros_no_torch_no_engine_and_no_glue() -> None:
    assert not violations('audio', ('parakeet_ros.engine', 'torch', *glue()))


def test_recordings_know_neither_torch_nor_the_layers_above() -> None:
    above = ('torch', 'parakeet_ros.audio', 'parakeet_ros.engine', 'parakeet_ros.cli', *glue())
    imports = [module for name in RECORDINGS for module in imported_modules(
        PACKAGE / f'{name}.py')]
    assert 'soundfile' in imports
    assert not [module for module in imports if is_ros(module) or any(
        f'{module}.'.startswith(f'{name}.') for name in above)]


def test_what_bags_share_with_the_node_knows_no_ros() -> None:
    above = tuple(name for name in glue() if name.rpartition('.')[2] not in ROS_FREE)
    found = {name: [module for module in imported_modules(PACKAGE / f'{name}.py')
                    if is_ros(module) or module.startswith(above)] for name in ROS_FREE}
    assert not {name: modules for name, modules in found.items() if modules}


def test_bags_know_no_ros_no_commands_and_no_glue_but_what_they_share() -> None:
    assert not violations('bags', ('parakeet_ros.cli', *(
        name for name in glue() if name.rpartition('.')[2] not in (
            *ROS_FREE, 'steered_engine'))))


@pytest.mark.parametrize('module', [
    'parakeet_ros', 'parakeet_ros.audio', 'parakeet_ros.bags.hearing', 'parakeet_ros.recording',
    'parakeet_ros.cli.main'])
def test_import_does_not_load_torch(module: str) -> None:
    code = f'import sys, {module}; sys.exit("torch" in sys.modules)'
    result = subprocess.run([sys.executable, '-c', code], cwd=PACKAGE.parent, check=False)
    assert result.returncode == 0, f'import {module} loads torch, or fails'


def test_only_the_command_line_knows_training() -> None:
    users = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob('*.py')
             if 'training' not in path.relative_to(PACKAGE).parts and any(
                 module.startswith('parakeet_ros.training')
                 for module in imported_modules(path))}
    assert users <= {'cli/train.py'}
