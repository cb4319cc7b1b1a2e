"""The worker: nothing accepted is lost, nothing ever waits for the engine but who asks to."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import get_ident

from fake_engine import Counter, FakeEngine, ignore, OnDone, TIMEOUT_S
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from parakeet_ros.worker import Worker
import pytest


@contextmanager
def running(engine: FakeEngine, capacity: int, on_done: OnDone = ignore) -> Iterator[Worker]:
    """Run a worker that is gone afterwards, whatever its engine waits for."""
    worker = Worker(engine, capacity, on_done)
    try:
        yield worker
    finally:
        for _ in range(capacity + 1):
            engine.release()
        assert worker.stop(TIMEOUT_S)


def submit(worker: Worker, number: int) -> bool:
    """Submit a waveform of that many samples, with the number as its context."""
    return worker.submit(np.zeros(number, np.float32), number)


@given(fails=st.lists(st.booleans(), max_size=20))
@settings(max_examples=30, deadline=None)
def test_outcomes_come_in_order_and_an_error_spoils_only_its_own_job(fails: list[bool]) -> None:
    engine = FakeEngine()
    with running(engine, capacity=20) as worker:
        for number, fail in enumerate(fails):
            assert submit(worker, number)
            engine.release(RuntimeError(f'no {number}') if fail else None)
        assert worker.drain(TIMEOUT_S)
        outcomes = worker.take_outcomes()
    assert [o.job.context for o in outcomes] == list(range(len(fails)))
    for number, (outcome, fail) in enumerate(zip(outcomes, fails, strict=True)):
        assert str(outcome.error) == (f'no {number}' if fail else 'None')
        assert (outcome.transcript is None) == fail
        assert fail or outcome.transcript.text == str(number)
        assert outcome.queue_ms >= 0


@given(capacity=st.integers(1, 5), offered=st.integers(0, 12))
@settings(max_examples=30, deadline=None)
def test_a_full_queue_refuses_and_what_it_accepted_is_done(capacity: int, offered: int) -> None:
    engine = FakeEngine()
    with running(engine, capacity) as worker:
        assert submit(worker, 1000)
        engine.started.until(1)  # it is in the engine and takes no place in the queue
        accepted = [number for number in range(offered) if submit(worker, number)]
        assert accepted == list(range(min(capacity, offered)))
        assert worker.depth == 1 + len(accepted)
        for _ in range(worker.depth):
            engine.release()
        assert worker.drain(TIMEOUT_S)
        assert [o.job.context for o in worker.take_outcomes()] == [1000, *accepted]
        assert worker.depth == 0 and worker.take_outcomes() == []


def test_a_queue_that_was_full_accepts_again() -> None:
    engine = FakeEngine()
    with running(engine, capacity=1) as worker:
        submit(worker, 1)
        engine.started.until(1)
        assert submit(worker, 2) and not submit(worker, 3)
        engine.release()
        engine.started.until(2)
        assert submit(worker, 4)


def test_drain_times_out_while_the_engine_is_busy_and_then_waits_for_everything() -> None:
    engine = FakeEngine()
    with running(engine, capacity=3) as worker:
        assert worker.drain(0.0), 'nothing was submitted'
        for number in range(3):
            submit(worker, number)
        engine.release()
        engine.release()
        assert not worker.drain(0.05)
        engine.release()
        assert worker.drain(TIMEOUT_S)
        assert len(worker.take_outcomes()) == 3


def test_stop_ends_an_idle_worker() -> None:
    assert Worker(FakeEngine(), 1, ignore).stop(TIMEOUT_S)


@pytest.mark.parametrize('waiting', [0, 1, 2])
def test_stop_gives_up_on_a_blocked_engine_whose_thread_ends_when_released(waiting: int) -> None:
    engine = FakeEngine()
    worker = Worker(engine, 2, ignore)
    submit(worker, 0)
    engine.started.until(1)
    for number in range(1, 1 + waiting):
        assert submit(worker, number)
    assert not worker.stop(0.05)
    engine.release()
    assert worker.stop(TIMEOUT_S)
    assert engine.lengths == [0], 'nothing new is begun after stop'


def test_on_done_is_called_once_for_each_outcome_when_it_can_be_taken() -> None:
    engine, done = FakeEngine(), Counter()
    taken: list[list[int]] = []

    def take() -> None:
        taken.append([outcome.job.context for outcome in worker.take_outcomes()])
        done()

    with running(engine, 5, take) as worker:
        for number in range(5):
            submit(worker, number)
            engine.release(ValueError('bad') if number == 2 else None)
        done.until(5)
    assert taken == [[0], [1], [2], [3], [4]]


def test_one_thread_of_its_own_calls_the_engine_whoever_submits() -> None:
    engine = FakeEngine()
    with running(engine, capacity=40) as worker, ThreadPoolExecutor(4) as pool:
        for _ in range(40):
            engine.release()
        assert all(pool.map(lambda number: submit(worker, number), range(40)))
        assert worker.drain(TIMEOUT_S)
        assert sorted(o.job.context for o in worker.take_outcomes()) == list(range(40))
    assert len(engine.threads) == 1 and get_ident() not in engine.threads
