"""Environments with other packages of ROS than .venv has, and tests that run there."""

import os
from pathlib import Path
import subprocess

import pytest


def run_pytest_in(variable: str, make: Path, *arguments: str | Path, cwd: Path,
                  **variables: str) -> None:
    """
    Run pytest in the environment whose folder a variable names; skip where none is named.

    :param make: the program that makes the environment if it is not there.
    :param variables: of the process's environment, beside the few that are passed on.
    """
    if variable not in os.environ:
        pytest.skip(f'makes a second environment: name its folder, outside of here, in {variable}')
    if 'ROS_DISTRO' in os.environ:
        pytest.skip('ROS is sourced, and the second environment must not see its packages')
    folder = Path(os.environ[variable]).absolute()
    subprocess.run([make, folder], check=True)
    # nothing else of this process: the wheels of ROS set variables for their own libraries
    passed_on = {k: v for k, v in os.environ.items() if k in ('HOME', 'LANG', 'PATH', 'TMPDIR')}
    subprocess.run([folder / 'bin' / 'python', '-m', 'pytest', '-q', '-p', 'no:cacheprovider',
                    *arguments], cwd=cwd, check=True, env=passed_on | variables)
