"""The whole tree passes ruff with the settings of pyproject.toml."""
from pathlib import Path
import subprocess
import sys

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.linter
def test_tree_passes_ruff() -> None:
    pytest.importorskip('ruff')
    result = subprocess.run(
        [sys.executable, '-m', 'ruff', 'check', '--output-format', 'concise', '.'],
        cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
