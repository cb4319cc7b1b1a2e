"""
Bags of rosbag2: their topics, and their messages in order of time.

Storage sqlite3 or mcap; a folder with `metadata.yaml`, split or not, or a single file. Of a
damaged one what can be read is read, and `Bag.losses` says what is missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from os.path import commonprefix
from pathlib import Path
from typing import Any, TYPE_CHECKING

from parakeet_ros.audio_messages import INFO, READABLE, time_to_ns
from parakeet_ros.bags.definitions import make_typestore
from parakeet_ros.bags.errors import BagError, BagLibraryError
from parakeet_ros.bags.salvage import salvage

if TYPE_CHECKING:
    from rosbags.interfaces import Connection
    from rosbags.rosbag2 import Reader

SUFFIXES = ('.mcap', '.db3')
METADATA = 'metadata.yaml'
BOOL = 'std_msgs/msg/Bool'
Raw = tuple['Connection', int, bytes]  # where from, receive time in ns, serialized message


@dataclass(frozen=True)
class Topic:
    """A topic of a bag; `count` is how many of its messages there should be."""

    name: str
    type_name: str
    count: int


@dataclass(frozen=True)
class BagMessage:
    """
    A message of a bag.

    :param receive_ns: when the recorder received it, in ns of its system's clock.
    :param stamp_ns: of its header; 0 where it has none.
    :param message: its fields as attributes, arrays as numpy arrays.
    """

    topic: str
    receive_ns: int
    stamp_ns: int
    message: Any


@dataclass
class Bag:
    """
    An open bag; see `open_bag`.

    :param start_ns: receive time of the first message, in ns; 0 for an empty bag.
    :param losses: what could not be read, in sentences; it grows while messages are read.
    :param refused: how many messages of each topic could not be decoded.
    """

    path: Path
    topics: dict[str, Topic]
    start_ns: int
    end_ns: int
    connections: list[Connection]
    losses: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    _reader: Reader | None = None  # None where the bag is damaged
    files: Sequence[Path] = ()  # that hold its messages

    @property
    def duration_s(self) -> float:
        """Return the seconds from the first message to the last."""
        return (self.end_ns - self.start_ns) / 1e9

    @property
    def audio_topics(self) -> list[str]:
        """Return the names of the topics that hold audio, in order."""
        return sorted(name for name, topic in self.topics.items() if topic.type_name in READABLE)

    @property
    def microphones(self) -> list[str]:
        """Return the audio topics, of `x` and `x_stamped` the latter: drivers send both."""
        names = self.audio_topics
        return [name for name in names if not (
            f'{name}_stamped' in names and self.topics[f'{name}_stamped'].count)]

    def info_topic(self, audio_topic: str) -> str | None:
        """Return the topic that tells an audio topic's format: the one beside it, or the only."""
        found = sorted(name for name, topic in self.topics.items()
                       if topic.type_name == INFO and topic.count)
        beside = f'{audio_topic.rpartition("/")[0]}/audio_info'
        if beside in found:
            return beside
        return found[0] if len(found) == 1 else None

    def nearest_topic(self, audio_topic: str, name: str, type_name: str) -> str | None:
        """Return the topic so called whose name is nearest to that of the audio."""
        found = [each for each, topic in self.topics.items()
                 if topic.type_name == type_name and f'/{each}'.endswith(f'/{name}')]
        return max(sorted(found), key=lambda each: (
            len(commonprefix([each.split('/'), audio_topic.split('/')])), -len(each)),
            default=None)

    def robot_speaking_topic(self, audio_topic: str) -> str | None:
        """Return the topic on which the robot says that it speaks: the nearest one above."""
        namespace = audio_topic.rpartition('/')[0]
        while True:
            name = f'{namespace}/robot_speaking'
            if name in self.topics and self.topics[name].type_name == BOOL:
                return name
            if not namespace:
                return None
            namespace = namespace.rpartition('/')[0]

    def messages(self, topics: Collection[str], start_ns: int | None = None,
                 ) -> Iterator[BagMessage]:
        """
        Yield the messages of some topics in order of their receive time.

        Those that cannot be decoded are counted in `refused`.

        :param start_ns: receive time of the first; those before are left out.
        """
        store = make_typestore(self.connections)
        for connection, receive_ns, data in self.raw_messages(topics, start_ns):
            try:
                message: Any = store.deserialize_cdr(data, connection.msgtype)
                stamp_ns = time_to_ns(message.header.stamp) if hasattr(message, 'header') else 0
            except Exception as error:  # whatever the bytes have led to
                self.refused[connection.topic] += 1
                if self.refused[connection.topic] == 1:
                    self.losses.append(f'{connection.topic} has messages that cannot be decoded '
                                       f'as {connection.msgtype} ({error})')
                continue
            yield BagMessage(connection.topic, receive_ns, stamp_ns, message)

    def raw_messages(self, topics: Collection[str] | None = None,
                     start_ns: int | None = None) -> Iterator[Raw]:
        """Yield the serialized messages of some topics, or of all, in order of time."""
        wanted = set(self.topics if topics is None else topics)
        seen: Counter[str] = Counter()
        if self._reader is not None:
            try:
                chosen = [c for c in self._reader.connections if c.topic in wanted]
                for connection, receive_ns, data in (
                        self._reader.messages(chosen, start_ns) if chosen else ()):
                    seen[connection.topic] += 1
                    yield connection, receive_ns, data
                wanted = self._missing(wanted, seen) if start_ns is None else set()
                if not wanted:
                    return
            except Exception as error:  # whatever the damage has led to
                self._lose(f'{self.path} is damaged: {_reason(error)}')
        for connection, receive_ns, data in self._salvaged():
            if connection.topic in wanted and (start_ns is None or receive_ns >= start_ns):
                seen[connection.topic] -= 1
                if seen[connection.topic] < 0:
                    yield connection, receive_ns, data

    def _missing(self, wanted: Collection[str], seen: Counter[str]) -> set[str]:
        """Compare what was read with what the bag says that it holds; return what is not found."""
        missing = set()
        for name in sorted(self.topics.keys() & wanted):
            count, expected = seen[name], self.topics[name].count
            if expected and not count:
                self._lose(f'the index leads to none of the {expected} messages on {name}')
                missing.add(name)
            elif count < expected:
                self._lose(f'{expected - count} of the {expected} messages on {name} are missing')
        return missing

    def _salvaged(self) -> Iterator[Raw]:
        for path in self.files:
            with suppress(ValueError):  # it was reported when the bag was opened
                yield from salvage(path, self._lose)

    def _lose(self, loss: str) -> None:
        if loss not in self.losses:
            self.losses.append(loss)


@contextmanager
def open_bag(path: str | Path) -> Iterator[Bag]:
    """
    Open a bag: a folder, or a file of it.

    :raises FileNotFoundError: there is nothing at the path.
    :raises BagError: it is no bag, or nothing can be read of it.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f'no bag at {path}')
    try:
        from rosbags.rosbag2 import Reader
    except ImportError as error:
        raise BagLibraryError(error) from error
    if path.is_file() and path.suffix not in SUFFIXES:
        raise BagError(f'{path} is no bag of rosbag2: give a folder with {METADATA}, or a file '
                       f'that ends in {" or ".join(SUFFIXES)}')
    reader = None
    try:
        reader = Reader(path)
        reader.open()
        bag = _open_whole(path, reader)
    except Exception as error:  # whatever the damage has led to
        bag = _open_damaged(path, error)
    for file in bag.files:
        log = file.with_name(f'{file.name}-wal')
        if log.is_file() and log.stat().st_size:
            bag.losses.append(
                f'{log.name} holds messages that were never moved into the database: the recorder '
                f"was killed. To have them too: sqlite3 {file} 'PRAGMA wal_checkpoint'")
    try:
        yield bag
    finally:
        if reader is not None and reader.is_open:
            reader.close()


def _open_whole(path: Path, reader: Reader) -> Bag:
    topics = {name: Topic(name, info.msgtype or '', info.msgcount)
              for name, info in reader.topics.items()}
    has_any = reader.message_count > 0
    bag = Bag(path, topics, reader.start_time if has_any else 0,
              reader.end_time - 1 if has_any else 0, list(reader.connections),
              _reader=reader, files=storage_files(path))
    orphans = reader.message_count - sum(topic.count for topic in topics.values())
    if orphans > 0:
        bag.losses.append(f'{orphans} messages belong to none of its topics')
    return bag


def _open_damaged(path: Path, error: Exception) -> Bag:
    """Find out what can be read of a bag that rosbags cannot open."""
    files = storage_files(path)
    bag = Bag(path, {}, 0, 0, [], files=files)
    if path.is_dir():
        reason = _reason(error) if (path / METADATA).exists() else f'it has no {METADATA}'
        bag.losses.append(f'{path} is not whole: {reason}')
        bag.losses += [f'{file.name} cannot be read so; unpack it: zstd -d {file}'
                       for file in packed_files(path)]
    counts: Counter[str] = Counter()
    first_ns, last_ns = 2**63, 0
    connections: dict[str, Connection] = {}
    for file in files:
        try:
            for connection, receive_ns, _ in salvage(file, bag._lose):
                connections.setdefault(connection.topic, connection)
                counts[connection.topic] += 1
                first_ns, last_ns = min(first_ns, receive_ns), max(last_ns, receive_ns)
        except ValueError as reason:
            bag.losses.append(f'{file.name} cannot be read: {reason}')
    if not bag.losses:
        bag.losses.append(f'{path} is damaged: {_reason(error)}')
    if not connections:
        raise BagError(f'{path} is no bag that can be read: {"; ".join(bag.losses)}')
    bag.connections = list(connections.values())
    bag.topics = {name: Topic(name, c.msgtype, counts[name]) for name, c in connections.items()}
    bag.start_ns, bag.end_ns = first_ns, last_ns
    return bag


def storage_files(path: Path) -> list[Path]:
    """Return the files that hold the messages of a bag, in order."""
    if path.is_file():
        return [path]
    return sorted((file for file in path.iterdir() if file.suffix in SUFFIXES),
                  key=lambda file: (len(file.name), file.name))


def packed_files(folder: Path) -> list[Path]:
    """Return the compressed files of a bag that are not unpacked beside it too."""
    return sorted(file for file in folder.glob('*.zstd')
                  if Path(file.stem).suffix in SUFFIXES and not (folder / file.stem).exists())


def _reason(error: Exception) -> str:
    return ' '.join(str(error).split()) or type(error).__name__
