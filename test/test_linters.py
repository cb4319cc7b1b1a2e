"""
The whole tree passes flake8 and PEP 257 as ament runs them, ruff, and mypy where it is typed.

pyproject.toml has the settings of ruff and mypy. Each is a process of its own, for flake8 forks,
and hangs where another test has left threads.
"""
from pathlib import Path
import subprocess
import sys

import pytest

ROOT = Path(__file__).parents[1]
OURS = ['--exclude', 'build', 'install', 'log']  # ament skips folders that start with a dot
LINTERS = {
    'ament_flake8.main': OURS,
    'ament_pep257.main': ['.', *OURS],
    'mypy': [],
    'ruff': ['check', '--output-format', 'concise', '.'],
}
NOT_IN_ROS = ('mypy', 'ruff')


@pytest.mark.linter
@pytest.mark.parametrize('linter', LINTERS)
def test_tree_passes(linter: str) -> None:
    if linter in NOT_IN_ROS:
        pytest.importorskip(linter)
    result = subprocess.run([sys.executable, '-m', linter, *LINTERS[linter]], cwd=ROOT,
                            capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
