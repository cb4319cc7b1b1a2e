"""The tests of the node's parts on ROS 2 Jazzy, in an environment of its own."""

from pathlib import Path

import pytest
from second_environment import run_pytest_in

ROOT = Path(__file__).parents[2]
TESTS = ('test/unit', 'test/e2e/test_e2e_heldout.py', 'test/e2e/test_e2e_lifecycle.py',
         'test/e2e/test_e2e_robot.py')


@pytest.mark.jazzy
@pytest.mark.timeout(1800)
def test_what_the_node_does_it_does_on_jazzy() -> None:
    run_pytest_in('JAZZY_ENVIRONMENT', Path(__file__).parent / 'make_environment', *TESTS,
                  cwd=ROOT, PYTHONPATH=str(ROOT), ROS_AUTOMATIC_DISCOVERY_RANGE='LOCALHOST',
                  ROS_DISTRO='jazzy')
