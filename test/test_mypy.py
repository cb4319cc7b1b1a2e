"""The packages that pyproject.toml names are fully and rightly typed."""
from pathlib import Path
import subprocess
import sys

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.linter
def test_the_typed_packages_pass_mypy_strict() -> None:
    pytest.importorskip('mypy')
    # pyproject.toml says strict, and which folders
    result = subprocess.run(
        [sys.executable, '-m', 'mypy'], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
