"""The ear: what the robot says counts from when it arrived, whatever is taken first."""

from collections.abc import Iterator

from fake_engine import FakeEngine, TIMEOUT_S
from parakeet_ros.audio import AudioFormat
from parakeet_ros.audio_formats import Arrival
from parakeet_ros.audio_messages import Chunk
from parakeet_ros.ear import Ear
from parakeet_ros.parameters import Parameters
from parakeet_ros.worker import Worker
import pytest

MONO = AudioFormat(16_000, 1, 'S16LE')


@pytest.fixture
def ear() -> Iterator[Ear]:
    worker = Worker(FakeEngine(holds=False), 10, lambda: None)
    yield Ear(Parameters(), worker, '')
    assert worker.stop(TIMEOUT_S)


def hear(ear: Ear, received_ns: int) -> str:
    """Hear 20 ms that were received at some time, and return why they were not heard."""
    ignored_s = ear.gate.ignored_s
    ear.hear(MONO, Arrival(Chunk(memoryview(bytes(640)), 0, None), 0, received_ns, received_ns,
                           received_ns))
    return ear.gate.closed_by if ear.gate.ignored_s > ignored_s else ''


def test_changes_wait_for_the_audio_that_was_received_after_them(ear: Ear) -> None:
    ear.set_robot_speaks(True, 20)
    ear.set_robot_speaks(False, 30)
    assert not ear.is_settled
    assert [hear(ear, at) for at in (10, 19)] == ['', '']
    assert [hear(ear, at) for at in (20, 29)] == ['robot speaks'] * 2
    assert hear(ear, 30) == 'tail of robot speech'
    assert ear.is_settled


def test_a_change_that_nothing_dates_holds_from_the_next_audio_on(ear: Ear) -> None:
    assert hear(ear, 10) == ''
    ear.set_robot_speaks(True)
    assert hear(ear, 11) == 'robot speaks'


def test_where_no_audio_waits_a_change_holds_at_once(ear: Ear) -> None:
    ear.set_robot_speaks(True, 20)
    ear.settle()
    assert ear.gate.closed_by == 'robot speaks' and ear.is_settled
    assert hear(ear, 10) == 'robot speaks'


def test_a_clock_that_is_set_back_keeps_no_change_waiting(ear: Ear) -> None:
    assert hear(ear, 3600) == ''
    ear.set_robot_speaks(True, 3610)
    assert hear(ear, 20) == 'robot speaks'
