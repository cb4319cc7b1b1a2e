"""The second package called audio_common_msgs, in an environment of its own."""

import os
from pathlib import Path
import subprocess

import pytest

HERE = Path(__file__).parent
VARIABLE = 'MGONZS13_ENVIRONMENT'  # a folder outside the repository, made if it is not there
TIMEOUT_S = 900


@pytest.mark.mgonzs13
@pytest.mark.timeout(TIMEOUT_S)
def test_typed_audio_is_heard() -> None:
    if VARIABLE not in os.environ:
        pytest.skip(f'makes a second environment: name its folder in {VARIABLE}')
    if 'ROS_DISTRO' in os.environ:
        pytest.skip('ROS is sourced, and the second environment must not see its packages')
    folder = Path(os.environ[VARIABLE]).absolute()
    subprocess.run([HERE / 'make_environment', folder], check=True)
    # nothing of this process: the wheels of ROS set variables for their own libraries
    environment = {k: v for k, v in os.environ.items() if k in ('HOME', 'LANG', 'PATH', 'TMPDIR')}
    environment['PYTHONPATH'] = os.pathsep.join([str(HERE.parents[1]), str(HERE.parent / 'unit')])
    subprocess.run(
        [folder / 'bin' / 'python', '-m', 'pytest', '-q', '-p', 'no:cacheprovider',
         '-c', os.devnull, '--rootdir', HERE, HERE / 'check_typed_audio.py'],
        check=True, env=environment)
