"""The worker: nothing accepted is lost, nothing ever waits for the engine but who asks to."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import get_ident

from fake_engine import Counter, FakeEngine, ignore, OnDone, TIMEOUT_S
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray
from parakeet_ros.worker import Ticket, Worker
import pytest


@contextmanager
def running(engine: FakeEngine, capacity: int = 100, on_done: OnDone = ignore,
            batch_size: int = 1) -> Iterator[Worker]:
    """Run a worker that is gone afterwards, whatever its engine waits for."""
    worker = Worker(engine, capacity, on_done, batch_size)
    try:
        yield worker
    finally:
        engine.let_go()
        assert worker.stop(TIMEOUT_S)


def samples(number: int) -> NDArray[np.float32]:
    """Return a waveform that can be told by its length."""
    return np.zeros(number, np.float32)


def submit(worker: Worker, number: int, lane: str = '') -> Ticket | None:
    """Submit a waveform of that many samples."""
    return worker.submit(lane, samples(number))


def texts(tickets: list[Ticket]) -> list[str]:
    """Return what the engine made of them."""
    return [ticket.transcript.text for ticket in tickets]


# --- what is accepted ---------------------------------------------------------------------------


@given(fails=st.lists(st.booleans(), max_size=20))
@settings(max_examples=30, deadline=None)
def test_an_error_spoils_only_its_own_waveform(fails: list[bool]) -> None:
    engine = FakeEngine()
    with running(engine) as worker:
        tickets = [submit(worker, number) for number in range(len(fails))]
        for number, fail in enumerate(fails):
            engine.release(RuntimeError(f'no {number}') if fail else None)
        assert worker.drain(TIMEOUT_S)
    for number, (ticket, fail) in enumerate(zip(tickets, fails, strict=True)):
        assert ticket.done and ticket.queue_ms >= 0
        assert str(ticket.error) == (f'no {number}' if fail else 'None')
        assert (ticket.transcript is None) == fail
        assert fail or ticket.transcript.text == str(number)


@given(capacity=st.integers(1, 5), n_submitted=st.integers(0, 12))
@settings(max_examples=30, deadline=None)
def test_a_full_lane_refuses_and_what_it_accepted_is_done(
        capacity: int, n_submitted: int) -> None:
    engine = FakeEngine()
    with running(engine, capacity) as worker:
        first = submit(worker, 1000)
        engine.started.until(1)  # it is in the engine and takes no place in the queue
        tickets = [submit(worker, number) for number in range(n_submitted)]
        accepted = [ticket for ticket in tickets if ticket is not None]
        assert tickets[:capacity] == accepted, 'the first ones are taken'
        assert submit(worker, 7, 'other lane') is not None
        assert worker.depth == 2 + len(accepted)
        engine.let_go()
        assert worker.drain(TIMEOUT_S)
        assert texts([first, *accepted]) == ['1000', *map(str, range(len(accepted)))]
        assert worker.depth == 0


def test_a_lane_that_was_full_accepts_again() -> None:
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
    with running(engine) as worker:
        assert worker.drain(0.0), 'nothing was submitted'
        tickets = [submit(worker, number) for number in range(3)]
        engine.release()
        engine.release()
        assert not worker.drain(0.05)
        engine.release()
        assert worker.drain(TIMEOUT_S)
        assert all(ticket.done for ticket in tickets)


# --- the thread ---------------------------------------------------------------------------------


def test_what_prepares_the_engine_runs_in_its_thread_and_is_waited_for() -> None:
    engine = FakeEngine()
    threads: list[int] = []
    worker = Worker(engine, 1, ignore, prepare=lambda: threads.append(get_ident()))
    assert len(threads) == 1 and threads[0] != get_ident()
    submit(worker, 1)
    engine.release()
    assert worker.drain(TIMEOUT_S) and worker.stop(TIMEOUT_S)
    assert engine.threads == set(threads)


def test_an_engine_that_cannot_be_prepared_starts_no_worker() -> None:
    def fail() -> None:
        raise MemoryError('no room')

    with pytest.raises(MemoryError, match='no room'):
        Worker(FakeEngine(), 1, ignore, prepare=fail)


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
    assert engine.batches == [[0]], 'nothing new is begun after stop'


def test_on_done_is_called_when_what_was_accepted_is_done() -> None:
    engine, called = FakeEngine(), Counter()
    tickets: list[Ticket] = []
    done: list[int] = []  # how many tickets were done at each call

    def on_done() -> None:
        done.append(sum(ticket.done for ticket in tickets))
        called()

    with running(engine, on_done=on_done) as worker:
        tickets += [submit(worker, number) for number in range(5)]
        for number in range(5):
            engine.release(ValueError('bad') if number == 2 else None)
        called.until(5)
    assert done == [1, 2, 3, 4, 5]


def test_one_thread_of_its_own_calls_the_engine_whoever_submits() -> None:
    engine = FakeEngine(holds=False)
    with running(engine) as worker, ThreadPoolExecutor(4) as pool:
        tickets = list(pool.map(lambda number: submit(worker, number), range(40)))
        assert worker.drain(TIMEOUT_S)
    assert texts(tickets) == [str(number) for number in range(40)]
    assert len(engine.threads) == 1 and get_ident() not in engine.threads


# --- what is offered ----------------------------------------------------------------------------


def test_an_offer_runs_only_when_nothing_accepted_waits() -> None:
    engine = FakeEngine()
    with running(engine) as worker:
        submit(worker, 1)
        engine.started.until(1)
        offer = worker.offer('b', samples(9))
        tickets = [submit(worker, number) for number in (2, 3)]
        for _ in range(3):
            engine.release()
        engine.started.until(4)
        assert all(ticket.done for ticket in tickets) and not offer.done
        assert worker.depth == 0, 'nothing accepted is left'
    assert engine.batches == [[1], [2], [3], [9]]


def test_a_newer_offer_takes_the_place_of_one_that_waits_and_only_in_its_own_lane() -> None:
    engine = FakeEngine()
    with running(engine) as worker:
        submit(worker, 1)
        engine.started.until(1)
        older, newer = worker.offer('a', samples(2)), worker.offer('a', samples(3))
        other = worker.offer('b', samples(4))
        withdrawn = worker.offer('c', samples(5))
        worker.withdraw('c')
        for _ in range(3):
            engine.release()
        engine.started.until(3)
    assert newer.done and other.done and not older.done and not withdrawn.done
    assert engine.batches == [[1], [3], [4]]


@pytest.mark.parametrize('when', ['waits', 'replaced', 'runs', 'done'])
def test_an_offer_can_be_confirmed_wherever_it_is_and_is_transcribed_once(when: str) -> None:
    engine, called = FakeEngine(), Counter()
    with running(engine, on_done=called) as worker:
        if when in ('waits', 'replaced'):
            submit(worker, 1)
            engine.started.until(1)
        offer = worker.offer('', samples(2))
        if when == 'replaced':
            worker.offer('', samples(3))
        elif when in ('runs', 'done'):
            engine.started.until(1)
        if when == 'done':
            engine.release()
            submit(worker, 4)
            engine.started.until(2)
            assert offer.done and called.value == 0
        assert worker.confirm(offer)
        engine.let_go()
        assert worker.drain(TIMEOUT_S)
        assert texts([offer]) == ['2'] and offer.queue_ms >= 0
        called.until(1)
    assert sum(batch.count(2) for batch in engine.batches) == 1


def test_a_waiting_offer_that_a_full_lane_cannot_take_is_refused() -> None:
    engine = FakeEngine()
    with running(engine, capacity=1) as worker:
        submit(worker, 1)
        engine.started.until(1)
        submit(worker, 2)
        offer = worker.offer('', samples(3))
        assert not worker.confirm(offer)
        engine.let_go()
        assert worker.drain(TIMEOUT_S)
    assert engine.batches == [[1], [2]], 'and it is not run as an offer either'


def test_offers_go_one_by_one_guesses_first_and_what_was_accepted_goes_in_batches() -> None:
    engine = FakeEngine()
    with running(engine, batch_size=4) as worker:
        submit(worker, 1)
        engine.started.until(1)
        for number in (2, 3, 4):
            worker.offer(f'look {number}', samples(number), is_look=True)
        for number in (5, 6):
            worker.offer(f'guess {number}', samples(number))
        confirmed = [worker.offer(f'late {number}', samples(number)) for number in (7, 8)]
        assert all(worker.confirm(offer) for offer in confirmed)
        for _ in range(7):
            engine.release()
        engine.started.until(7)
    assert engine.batches == [[1], [7, 8], [5], [6], [2], [3], [4]]


# --- lanes --------------------------------------------------------------------------------------


@given(waiting=st.lists(st.integers(0, 6), min_size=1, max_size=6),
       batch_size=st.integers(1, 4))
@settings(max_examples=50, deadline=None)
def test_lanes_are_served_in_turn_and_each_in_order(waiting: list[int], batch_size: int) -> None:
    engine = FakeEngine()
    with running(engine, batch_size=batch_size) as worker:
        submit(worker, 0)
        engine.started.until(1)
        for lane, count in enumerate(waiting):
            for number in range(count):
                submit(worker, 10 * (lane + 1) + number, str(lane))
        engine.let_go()
        assert worker.drain(TIMEOUT_S)
    batches = engine.batches[1:]
    assert all(len(batch) == batch_size for batch in batches[:-1])
    served = [length for batch in batches for length in batch]
    assert len(served) == sum(waiting)
    for lane, count in enumerate(waiting):
        places = [served.index(10 * (lane + 1) + number) for number in range(count)]
        assert places == sorted(places)
        for number, place in enumerate(places):  # at most one of each lane more than its own
            assert place < (number + 1) * len(waiting)


def test_offers_are_served_in_turn_too() -> None:
    engine = FakeEngine()
    with running(engine) as worker:
        worker.offer('a', samples(1))
        engine.started.until(1)
        for lane, number in (('a', 1), ('b', 2)):
            worker.offer(lane, samples(number))
        engine.release()
        engine.started.until(2)
        worker.offer('a', samples(3))
        engine.release()
        engine.started.until(3)
    assert engine.batches[1] == [2] or engine.batches[2] == [2], 'b is not starved by a'
