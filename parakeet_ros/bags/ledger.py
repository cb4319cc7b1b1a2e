"""
What of an archive is done: beside the outputs, a record for each bag of what they were made.

A record holds a key of the bag's content and of the work: model, parameters, format. Where bag and
work are the same as then, and the outputs are still there, nothing needs to be done again. Outputs
and records are written whole or not at all, the record last; so a run that was killed at any
moment can be repeated, and does what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import fcntl
from hashlib import blake2b
import json
import os
from pathlib import Path
from typing import Any, IO

from parakeet_ros.bags.errors import BagError
from parakeet_ros.bags.reading import METADATA, packed_files, storage_files
from parakeet_ros.whole_file import write_whole

FOLDER = '.parakeet'  # in the folder of the outputs
FAILED = 'failed.jsonl'  # there: the bags of the last run that could not be transcribed, and why
# Of a large file so many blocks are looked at, spread evenly with the first and the last: whatever
# is recorded differently has another size, index or end.
BLOCKS = 64
BLOCK_BYTES = 1 << 16


def content_key(bag: Path) -> str:
    """
    Return what names the content of a bag; a copy has the same.

    :raises OSError: it cannot be read.
    """
    return files_key([*storage_files(bag), *packed_files(bag), *bag.glob(METADATA)]
                     if bag.is_dir() else [bag])


def files_key(files: Sequence[Path]) -> str:
    """
    Return what names the content of files, without their folders.

    :raises OSError: one cannot be read.
    """
    digest = blake2b(digest_size=16)
    for file in files:
        with file.open('rb') as stream:
            size = file.stat().st_size
            digest.update(os.fsencode(f'{file.name}\0{size}\0'))
            for begin in _blocks(size):
                stream.seek(begin)
                digest.update(stream.read(BLOCK_BYTES))
    return digest.hexdigest()


def _blocks(size: int) -> list[int]:
    """Return where the blocks begin that are looked at."""
    if size <= BLOCKS * BLOCK_BYTES:
        return list(range(0, size, BLOCK_BYTES))
    return [k * (size - BLOCK_BYTES) // (BLOCKS - 1) for k in range(BLOCKS)]


class Ledger:
    """
    Remember what is done in a folder of outputs; a context manager, for one process at a time.

    :param work: what decides the outputs beside the bags.
    """

    def __init__(self, output: Path, work: Mapping[str, Any]) -> None:
        self._output = output
        self._work = json.dumps(work, sort_keys=True, default=str)
        self._lock: IO[str] | None = None

    def __enter__(self) -> Ledger:
        """
        Lock the folder; the lock goes with the process, however that ends.

        :raises BagError: another process works there.
        """
        folder = self._output / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = (folder / 'lock').open('w')
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise BagError(f'another process writes to {self._output}; wait for its end, or '
                           'choose another folder') from None
        return self

    def __exit__(self, *error: object) -> None:
        assert self._lock is not None
        self._lock.close()

    def key(self, bag: Path) -> str:
        """
        Return what names a bag and the work.

        :raises OSError: the bag cannot be read.
        """
        digest = blake2b(self._work.encode(), digest_size=16)
        digest.update(content_key(bag).encode())
        return digest.hexdigest()

    def is_done(self, stem: str, key: str) -> bool:
        """Return whether the outputs that belong to a key are there."""
        key_then, outputs = self._recorded(stem)
        return key_then == key and all((self._output / name).exists() for name in outputs)

    def wrote(self, stem: str, name: str) -> bool:
        """Return whether an output was written by an earlier run, of whatever work."""
        return name in self._recorded(stem)[1]

    def finish(self, stem: str, key: str, bag: Path, outputs: Sequence[str],
               facts: Mapping[str, Any]) -> None:
        """Record that the outputs are written; their paths are relative to the folder."""
        write_whole(self._record(stem), json.dumps(
            {'bag': str(bag), 'key': key, 'outputs': list(outputs), **facts},
            ensure_ascii=False) + '\n')

    def fail(self, reasons: Mapping[Path, str]) -> None:
        """List the bags that could not be transcribed in this run, and why."""
        path = self._output / FOLDER / FAILED
        if reasons:
            write_whole(path, ''.join(
                json.dumps({'bag': str(bag), 'error': reason}, ensure_ascii=False) + '\n'
                for bag, reason in sorted(reasons.items())))
        else:
            path.unlink(missing_ok=True)

    def _recorded(self, stem: str) -> tuple[str | None, list[str]]:
        """Return the key and the outputs of a record; of one that is damaged or absent, none."""
        try:
            record = json.loads(self._record(stem).read_text('utf-8'))
            return str(record['key']), [str(name) for name in record['outputs']]
        except (OSError, ValueError, KeyError, TypeError):
            return None, []

    def _record(self, stem: str) -> Path:
        return self._output / FOLDER / 'done' / f'{stem}.json'
