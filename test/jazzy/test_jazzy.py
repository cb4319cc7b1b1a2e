"""The tests of the node's parts on ROS 2 Jazzy, in an environment of its own."""

import os
from pathlib import Path
import subprocess

import pytest

ROOT = Path(__file__).parents[2]
VARIABLE = 'JAZZY_ENVIRONMENT'  # a folder outside the repository, made if it is not there
TIMEOUT_S = 1800
TESTS = ('test/unit', 'test/e2e/test_e2e_heldout.py', 'test/e2e/test_e2e_lifecycle.py',
         'test/e2e/test_e2e_robot.py')


@pytest.mark.jazzy
@pytest.mark.timeout(TIMEOUT_S)
def test_what_the_node_does_it_does_on_jazzy() -> None:
    if VARIABLE not in os.environ:
        pytest.skip(f'makes a second environment: name its folder in {VARIABLE}')
    if 'ROS_DISTRO' in os.environ:
        pytest.skip('ROS is sourced, and the second environment must not see its packages')
    folder = Path(os.environ[VARIABLE]).absolute()
    subprocess.run([Path(__file__).parent / 'make_environment', folder], check=True)
    # nothing of this process: the wheels of ROS set variables for their own libraries
    environment = {k: v for k, v in os.environ.items() if k in ('HOME', 'LANG', 'PATH', 'TMPDIR')}
    environment |= {'PYTHONPATH': str(ROOT), 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}
    subprocess.run([folder / 'bin' / 'python', '-m', 'pytest', '-q', '-p', 'no:cacheprovider',
                    *TESTS], cwd=ROOT, check=True, env=environment)
