"""Real processes over real DDS: each test has a ROS domain of its own."""

from collections.abc import Iterator
import itertools
import os
from pathlib import Path

from asr_process import AsrProcess
from probe import Probe
import pytest

os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
DOMAINS = itertools.count(os.getpid() % 90 + 1)  # 1 to 101 are safe on Linux


@pytest.fixture
def domain(monkeypatch: pytest.MonkeyPatch) -> int:
    """Return a ROS domain that no other test of this run uses at the same time."""
    number = 1 + next(DOMAINS) % 100
    monkeypatch.setenv('ROS_DOMAIN_ID', str(number))
    return number


@pytest.fixture
def probe(domain: int) -> Iterator[Probe]:
    """Return a node in the test's own process that listens and publishes."""
    with Probe(domain) as result:
        yield result


@pytest.fixture
def start_asr(domain: int, tmp_path: Path) -> Iterator[object]:
    """Return a function that starts the node; whatever it started is gone after the test."""
    started: list[AsrProcess] = []

    def start(**parameters: object) -> AsrProcess:
        process = AsrProcess(tmp_path / f'asr{len(started)}.log', parameters)
        started.append(process)
        return process

    yield start
    for process in started:
        process.interrupt()
        assert not process.is_group_alive(), 'the node left a process behind'
