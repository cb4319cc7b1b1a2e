"""The whole tree passes flake8 as ament runs it."""
from pathlib import Path
import subprocess
import sys

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.linter
def test_tree_passes_ament_flake8() -> None:
    pytest.importorskip('ament_flake8')
    # in a process of its own: flake8 forks, and hangs where another test has left threads
    # ament skips folders that start with a dot, .venv among them
    result = subprocess.run(
        [sys.executable, '-m', 'ament_flake8.main', '--exclude', 'build', 'install', 'log'],
        cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
