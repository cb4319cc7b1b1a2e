"""The process ends in time, whatever keeps its main thread, and tells what it ended of."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize('status', [0, 1, 2])
def test_a_close_that_hangs_does_not_hide_why_the_node_ended(status):
    ended = subprocess.run([sys.executable, '-c', f"""
import time
from parakeet_ros.ending import Ending
Ending(timeout_s=0.1).begin({status})
time.sleep(60)
"""], timeout=50)
    assert ended.returncode == status
