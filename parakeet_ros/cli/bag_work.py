"""Who transcribes bags: this process, or the workers of a Ray cluster, one bag at a time each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
import logging
import os
from pathlib import Path
from typing import Any

from parakeet_ros.bags.errors import BagError
from parakeet_ros.cli.bag_job import BagJob, BagOutcome, transcribe_bag
from parakeet_ros.cli.bag_options import load_engine
from parakeet_ros.speech_messages import error_text

ATTEMPTS = 3  # at a bag whose worker dies: the bag may be what kills it


@dataclass(frozen=True)
class Task:
    """
    A bag to transcribe, and the folder to write where the format is a bag.

    :param replaces: what is there was written by an earlier run.
    """

    bag: Path
    target: Path | None
    replaces: bool = False


Done = tuple[Task, BagOutcome | str]  # what was heard, or why nothing was


class Hearer:
    """A loaded engine in the process that does the work."""

    def __init__(self, job: BagJob) -> None:
        """Load the model."""
        model, self._engine = load_engine(job.parameters)
        on_cuda = model.device.type == 'cuda'
        self._job = replace(job, batch_size=job.parameters.batch_size if on_cuda else 1)

    def hear(self, task: Task,
             on_progress: Callable[[float], None] = lambda audio_s: None) -> BagOutcome | str:
        """Return what was heard in a bag, or what is wrong with it."""
        try:
            return transcribe_bag(task.bag, self._job, self._engine, task.target, on_progress,
                                  task.replaces)
        except (ValueError, OSError) as error:  # its message names the bag
            return str(error)
        except Exception as error:  # whatever it is, the other bags are not to blame
            logging.getLogger(__name__).info('%s failed', task.bag, exc_info=error)
            return f'{task.bag}: {error_text(error)}'


def here(tasks: Sequence[Task], job: BagJob, on_begin: Callable[[Task], None],
         on_progress: Callable[[float], None]) -> Iterator[Done]:
    """Do the tasks in this process, in their order."""
    hearer = Hearer(job) if tasks else None
    for task in tasks:
        assert hearer is not None
        on_begin(task)
        yield task, hearer.hear(task, on_progress)


def on_ray(tasks: Sequence[Task], job: BagJob, address: str,
           n_workers: int | None) -> Iterator[Done]:
    """
    Do the tasks on a Ray cluster, and yield them as they are done.

    Each worker is a process with one processor, and a GPU where the cluster has some; more
    workers than GPUs share them. In the place of a worker that dies another one begins, and its
    bag waits for its turn again.

    :param address: of the cluster; empty for that of RAY_ADDRESS, or else one on this machine.
    :param n_workers: None for as many as there are GPUs or processors.
    :raises BagError: Ray is not installed or not to be reached, or no worker can load the model.
    """
    if not tasks:
        return
    ray = _connect(address)
    try:
        start_worker, count = _plan_workers(ray, job, n_workers)
        workers = [start_worker() for _ in range(min(count, len(tasks)))]
        waiting, attempts = deque(tasks), dict.fromkeys(tasks, 0)
        running: dict[Any, tuple[Any, Task]] = {}
        while waiting or running:
            while waiting and workers:
                worker, task = workers.pop(), waiting.popleft()
                attempts[task] += 1
                running[worker.hear.remote(task)] = worker, task
            [done], _ = ray.wait(list(running), num_returns=1)
            worker, task = running.pop(done)
            outcome = _outcome(ray, done)
            workers.append(worker if outcome is not None else start_worker())
            if outcome is None and attempts[task] < ATTEMPTS:
                waiting.append(task)
            else:
                yield task, outcome or f'{task.bag}: {ATTEMPTS} workers died of it'
    finally:
        ray.shutdown()


def _connect(address: str) -> Any:
    """Return the library, connected to a cluster."""
    os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')  # nothing is reported to anybody
    try:
        import ray
    except ImportError as error:
        raise BagError(f'Ray cannot be imported ({error}); install it: pip install ray') from error
    try:
        # not None, which would look for traces of a cluster that may long be gone
        ray.init(address or os.environ.get('RAY_ADDRESS') or 'local',
                 log_to_driver=False, logging_level='error')
    except ConnectionError as error:
        raise BagError(f'no Ray cluster at {address}: {error}') from error
    return ray


def _plan_workers(ray: Any, job: BagJob,
                  n_workers: int | None) -> tuple[Callable[[], Any], int]:
    """Return what starts a worker, which loads the model before its first bag, and how many."""
    resources = ray.cluster_resources()
    n_gpus = 0 if job.parameters.device.startswith('cpu') else int(resources.get('GPU', 0))
    count = n_workers or n_gpus or int(resources.get('CPU', 1))
    hearer = ray.remote(Hearer).options(num_cpus=1, num_gpus=min(1.0, n_gpus / count))
    return lambda: hearer.remote(job), count


def _outcome(ray: Any, done: Any) -> BagOutcome | str | None:
    """
    Return what came of a task, None where its worker died.

    :raises BagError: the worker could not even begin.
    """
    try:
        outcome: BagOutcome | str = ray.get(done)
        return outcome
    except ray.exceptions.RayActorError as error:
        if getattr(error, 'actor_init_failed', False):
            raise BagError(f'a worker cannot begin: {error}') from error
        return None
    except ray.exceptions.RayTaskError as error:
        return str(error)
    except ray.exceptions.RayError:  # such as a worker that was killed for its memory
        return None
