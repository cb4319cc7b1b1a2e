"""
What can still be read of a damaged storage file, message by message.

`rosbags` reads a file whole or not at all; a recorder that was killed leaves one without its end.
A file is taken from its beginning as far as it goes, and what was lost is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
import sqlite3
from typing import TYPE_CHECKING

from parakeet_ros.bags.mcap_scan import Report, scan_mcap
from parakeet_ros.bags.sqlite_scan import file_bytes, scan_rows

if TYPE_CHECKING:
    from rosbags.interfaces import Connection


def salvage(path: Path, report: Report) -> Iterator[tuple[Connection, int, bytes]]:
    """
    Yield connection, receive time in ns and data of each message that can be read.

    :param report: told what is lost, if anything.
    :raises ValueError: it is no storage file at all.
    """
    return scan_mcap(path, report) if path.suffix == '.mcap' else _scan_sqlite(path, report)


def _scan_sqlite(path: Path, report: Report) -> Iterator[tuple[Connection, int, bytes]]:
    with closing(sqlite3.connect(f'{path.absolute().as_uri()}?immutable=1', uri=True)) as database:
        try:
            # or sqlite refuses a file that is shorter than it should be
            database.execute('PRAGMA writable_schema = ON')
            connections = _sqlite_connections(database)
        except sqlite3.Error as error:
            raise ValueError(f'it is no sqlite3 bag, or its beginning is damaged ({error})') from (
                error)
    for topic, time_ns, data in _rows(path):
        if topic in connections:
            yield connections[topic], time_ns, data
    size, whole_size = path.stat().st_size, file_bytes(path)
    if size < whole_size:
        report(f'{path.name} breaks off after {size} of {whole_size} bytes')


def _sqlite_connections(database: sqlite3.Connection) -> dict[int, Connection]:
    """Return the topics by their number; definitions where the bag has them."""
    from rosbags.interfaces import (
        Connection,
        ConnectionExtRosbag2,
        MessageDefinition,
        MessageDefinitionFormat,
    )

    formats = {'ros2msg': MessageDefinitionFormat.MSG, 'ros2idl': MessageDefinitionFormat.IDL}
    definitions: dict[str, MessageDefinition] = {}
    try:
        for name, encoding, text in database.execute(
                'SELECT topic_type, encoding, encoded_message_definition '
                'FROM message_definitions'):
            definitions[name] = MessageDefinition(formats[encoding], text)
    except (sqlite3.Error, KeyError):  # bags of Humble have none
        pass
    nothing = MessageDefinition(MessageDefinitionFormat.NONE, '')
    return {
        number: Connection(number, name, kind, definitions.get(kind, nothing), '', 0,
                           ConnectionExtRosbag2('cdr', []), None)
        for number, name, kind in database.execute('SELECT id, name, type FROM topics')}


def _rows(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """Yield topic number, time and data of each row that looks like a message."""
    seen: set[int] = set()
    for number, columns in scan_rows(path):
        if len(columns) != 4 or number in seen:
            continue
        _, topic, time_ns, data = columns
        if isinstance(topic, int) and isinstance(time_ns, int) and isinstance(data, bytes):
            seen.add(number)
            yield topic, time_ns, data
