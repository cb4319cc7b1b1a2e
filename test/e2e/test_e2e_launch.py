"""The launch file, where `launch` and the installed package are at hand."""

import os
import re
import signal

from clips import EASY, OTHER, spoken
from probe import Microphone, pcm_info
import pytest

pytest.importorskip('launch_ros', reason='launch_ros is not installed')
packages = pytest.importorskip('ament_index_python.packages')
try:
    packages.get_package_prefix('parakeet_ros')
except packages.PackageNotFoundError:
    pytest.skip('parakeet_ros is not installed: build it with colcon and source it',
                allow_module_level=True)


def pids(launch):
    """Return the processes that were launched, the latest last."""
    return [int(pid) for pid in re.findall(r'process started with pid \[(\d+)\]', launch.output)]


def test_a_node_that_is_killed_is_started_again_and_goes_on(start_launch, probe):
    launch = start_launch('model:=builtin', 'respawn:=true')
    probe.until_active()
    microphone = Microphone(probe, info=pcm_info())
    microphone.until_heard()
    microphone.say(spoken(EASY))
    probe.until(lambda: probe.texts == [EASY.text], EASY.text)
    os.kill(pids(launch)[-1], signal.SIGKILL)
    probe.until(lambda: len(pids(launch)) == 2, 'a second process')
    probe.health.clear()
    probe.until_active()
    probe.until(lambda: probe.value('audio input', 'publishers') == '1', 'it finds the microphone')
    probe.spin(0.5)
    microphone.say(spoken(OTHER))
    probe.until(lambda: probe.texts == [EASY.text, OTHER.text], OTHER.text)


def test_a_node_that_is_killed_stays_away_unless_it_was_asked_to_return(start_launch, probe):
    launch = start_launch('model:=builtin')
    probe.until_active()
    os.kill(pids(launch)[-1], signal.SIGKILL)
    launch.wait()
    assert len(pids(launch)) == 1
