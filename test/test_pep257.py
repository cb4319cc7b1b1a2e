"""The docstrings of the whole tree pass PEP 257 as ament checks it."""
from pathlib import Path

from ament_pep257.main import main
import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.linter
def test_docstrings_pass_ament_pep257(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    status = main(argv=['.', '--exclude', 'build', 'install', 'log'])
    assert status == 0, 'ament_pep257 lists what it found above'
