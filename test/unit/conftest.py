"""The packaged model, clips that it gets right, and ROS without other machines."""

from collections.abc import Iterator

from heldout import Clip, find_clip
from local_ros import LocalRos
from parakeet_ros.engine import load_model, Transcriber
from parakeet_ros.this_machine import stay_on_this_machine
import pytest

stay_on_this_machine()


@pytest.fixture(scope='session')
def engine() -> Transcriber:
    """Return the packaged model on the CPU."""
    return load_model('builtin', device='cpu')


@pytest.fixture(scope='session')
def easy_clip() -> Clip:
    """Return a clip that the packaged model gets right."""
    return find_clip('can you see the tray')


@pytest.fixture(scope='session')
def other_clip() -> Clip:
    """Return another one."""
    return find_clip('close the garage')


@pytest.fixture
def ros(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalRos]:
    """Return a ROS domain of the test's own, for its process and those that it starts."""
    with LocalRos() as local:
        monkeypatch.setenv('ROS_DOMAIN_ID', str(local.domain))
        yield local
