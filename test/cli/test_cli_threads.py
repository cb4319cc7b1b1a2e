"""Beside other programs the threads of torch sleep while they wait."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# GNU's OpenMP tells when it is loaded for how many rounds its threads will spin.
TELL = ('import sys; from parakeet_ros.cli.main import main; '
        'assert "torch" not in sys.modules; main(["info", "builtin"])')


@pytest.mark.parametrize('asked, sleep', [(None, True), ('ACTIVE', False)])
def test_threads_sleep_unless_asked_not_to(asked: str | None, sleep: bool) -> None:
    environment = {**os.environ, 'OMP_DISPLAY_ENV': 'VERBOSE'}
    del environment['OMP_WAIT_POLICY']  # of the tests
    if asked:
        environment['OMP_WAIT_POLICY'] = asked
    told = subprocess.run([sys.executable, '-c', TELL], env=environment, stderr=subprocess.PIPE,
                          stdout=subprocess.DEVNULL, text=True, check=True).stderr
    if 'GOMP_SPINCOUNT' not in told:
        pytest.skip('this torch has another OpenMP, or none')
    assert ("GOMP_SPINCOUNT = '0'" in told) == sleep
