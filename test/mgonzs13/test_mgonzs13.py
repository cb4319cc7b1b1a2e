"""The second package called audio_common_msgs, in an environment of its own."""

import os
from pathlib import Path

import pytest
from second_environment import run_pytest_in

HERE = Path(__file__).parent


@pytest.mark.mgonzs13
@pytest.mark.timeout(900)
def test_typed_audio_is_heard() -> None:
    run_pytest_in('MGONZS13_ENVIRONMENT', HERE / 'make_environment', '-c', os.devnull,
                  '--rootdir', HERE, HERE / 'check_typed_audio.py', cwd=HERE,
                  PYTHONPATH=os.pathsep.join([str(HERE.parents[1]), str(HERE.parent / 'unit')]))
