"""The whole tree passes flake8 as ament runs it."""
import os
from pathlib import Path

from ament_flake8.main import main_with_errors
import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.linter
def test_tree_passes_ament_flake8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    # ament skips folders that start with a dot, .venv among them
    status, errors = main_with_errors(argv=['--exclude', 'build', 'install', 'log'])
    assert status == 0, os.linesep.join(errors)
