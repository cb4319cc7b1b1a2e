"""Real processes over real DDS: each test has a ROS domain of its own."""

from collections.abc import Callable, Iterator
import itertools
import math
import os
from pathlib import Path
import sys

from asr_process import AsrProcess, Process
from parakeet_ros.this_machine import stay_on_this_machine
from probe import Probe
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / 'bags'))  # its recorder
stay_on_this_machine()
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

    def start(module: str = 'parakeet_ros.node', **parameters: object) -> AsrProcess:
        process = AsrProcess(tmp_path / f'asr{len(started)}.log', parameters, module)
        started.append(process)
        return process

    yield start
    for process in started:
        process.interrupt()
        assert not process.is_group_alive(), 'the node left a process behind'


@pytest.fixture
def own_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let processes import the modules beside the tests."""
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join(
        [str(Path(__file__).parent), os.environ.get('PYTHONPATH', '')]))


@pytest.fixture
def start_launch(domain: int, tmp_path: Path, own_modules: None) -> Iterator[object]:
    """Return a function that launches the node; whatever was launched is gone after the test."""
    started: list[Process] = []

    def start(*arguments: str) -> Process:
        started.append(Process(tmp_path / f'launch{len(started)}.log', 'launched', *arguments))
        return started[-1]

    yield start
    for process in started:
        process.interrupt()
        assert not process.is_group_alive(), 'launch left a process behind'


@pytest.fixture
def start_faulty(start_asr: Callable[..., AsrProcess], own_modules: None,
                 monkeypatch: pytest.MonkeyPatch) -> Callable[..., AsrProcess]:
    """Return a function that starts the node with an engine that fails: see faulty_node.py."""

    def start(memory_s: float = math.inf, busy_s: float = 0.0, **parameters: object) -> AsrProcess:
        monkeypatch.setenv('MEMORY_S', str(memory_s))
        monkeypatch.setenv('BUSY_S', str(busy_s))
        return start_asr('faulty_node', **parameters)

    return start
