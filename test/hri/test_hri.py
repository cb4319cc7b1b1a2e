"""The node beside hri_msgs, which no package index has: two of its messages are built here."""

import os
from pathlib import Path
import shutil
import subprocess
import sys

import pytest

HERE = Path(__file__).parent
SITE = f'lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages'


def build(prefix: Path, folder: Path) -> None:
    """Build and install the messages."""
    bin_folder = Path(sys.prefix) / 'bin'
    environment = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'} | {
        'AMENT_PREFIX_PATH': sys.prefix, 'PATH': f'{bin_folder}:{os.environ["PATH"]}'}
    for command in (
            ['cmake', '-S', HERE / 'hri_msgs', '-B', folder, '-G', 'Ninja',
             '-DCMAKE_BUILD_TYPE=Debug', '-DBUILD_TESTING=OFF',
             f'-DCMAKE_PREFIX_PATH={sys.prefix}',
             f'-DCMAKE_INSTALL_PREFIX={prefix}', f'-DPython3_EXECUTABLE={sys.executable}'],
            ['cmake', '--build', folder, '--parallel', '2'], ['cmake', '--install', folder]):
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)


@pytest.mark.ros
def test_listeners_of_rep_155_hear_the_node(tmp_path: Path) -> None:
    path = f'{Path(sys.prefix) / "bin"}:{os.environ["PATH"]}'
    missing = [tool for tool in ('cmake', 'ninja', 'c++') if not shutil.which(tool, path=path)]
    if missing or 'ROS_DISTRO' in os.environ:
        pytest.skip(f'builds messages with the wheels of ROS; missing: {missing or "the wheels"}')
    prefix = tmp_path / 'prefix'
    build(prefix, tmp_path / 'build')
    environment = os.environ | {
        'PYTHONPATH': os.pathsep.join(
            [str(prefix / SITE), str(HERE.parents[1]), os.environ.get('PYTHONPATH', '')]),
        'LD_LIBRARY_PATH': os.pathsep.join(
            [str(prefix / 'lib'), os.environ.get('LD_LIBRARY_PATH', '')])}
    subprocess.run(
        [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider',
         '-c', os.devnull, '--rootdir', HERE, HERE / 'check_live_speech.py'],
        check=True, env=environment)
