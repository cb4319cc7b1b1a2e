"""The engines that `compare.py` compares, each in a process of its own."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
import json
import os
from pathlib import Path
import subprocess
import sys
import tempfile
import time
from types import MappingProxyType
from typing import Any

from peer_worker import PEERS

WORKER = Path(__file__).with_name('peer_worker.py')
OWN = 'parakeet_ros'


@dataclass(frozen=True)
class Peer:
    """An engine, the number format asked of it, and where it runs."""

    name: str
    dtype: str
    python: str

    @property
    def label(self) -> str:
        """Return what it is called in tables."""
        return self.name if self.dtype == 'auto' else f'{self.name}:{self.dtype}'

    @classmethod
    def parse(cls, text: str) -> 'Peer':
        """Read NAME[:DTYPE]=PYTHON."""
        label, equals, python = text.partition('=')
        name, _, dtype = label.partition(':')
        if not equals or name not in PEERS:
            raise argparse.ArgumentTypeError(
                f'{text!r}: give NAME[:DTYPE]=PYTHON with NAME one of {", ".join(PEERS)}')
        return cls(name, dtype or 'auto', python)


class Worker:
    """A peer's process."""

    def __init__(self, peer: Peer, model: str, device: str, threads: int,
                 variables: Mapping[str, str] = MappingProxyType({})) -> None:
        self._label = peer.label
        environment = {**os.environ, **variables, 'OMP_NUM_THREADS': str(threads),
                       'MKL_NUM_THREADS': str(threads), 'HF_HUB_OFFLINE': '1'}
        if peer.name == OWN:
            environment['PYTHONPATH'] = os.pathsep.join(filter(None, sys.path[1:]))
        self._started = time.perf_counter()
        self._log = tempfile.TemporaryFile('w+', encoding='utf-8')
        self._process = subprocess.Popen(
            [peer.python, str(WORKER), peer.name, model, '--device', device,
             '--dtype', peer.dtype],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, env=environment,
            encoding='utf-8', bufsize=1)
        self.greeting: dict[str, Any] = {}

    def __enter__(self) -> 'Worker':
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()

    def ask(self, audio: Path) -> dict[str, Any]:
        """
        Return the answer for one file.

        :raises RuntimeError: the peer failed; the message ends with what it wrote last.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({'audio': str(audio)}) + '\n')
        except BrokenPipeError:
            pass  # the empty answer below tells
        self.greeting = self.greeting or self._read()
        return self._read()

    def first_answer(self, audio: Path) -> dict[str, Any]:
        """Return the answer for one file with the time since the process was started."""
        answer = self.ask(audio)
        return {**answer, 'start_wall_s': time.perf_counter() - self._started}

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            last = ' | '.join(self._log.read().strip().splitlines()[-3:])
            raise RuntimeError(f'{self._label} gave no answer: {last}')
        answer: dict[str, Any] = json.loads(line)
        return answer
