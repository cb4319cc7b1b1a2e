"""
The records of an MCAP file in the order in which they were written, without its index.

Source of the format: https://mcap.dev/spec. A record is an opcode, a length and that many bytes;
a chunk holds records, perhaps compressed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
import struct
import sys
from typing import Any, BinaryIO, TYPE_CHECKING
import zlib

if TYPE_CHECKING:
    from rosbags.interfaces import Connection

Report = Callable[[str], None]

MAGIC = b'\x89MCAP0\r\n'
SCHEMA, CHANNEL, MESSAGE, CHUNK, DATA_END = 0x03, 0x04, 0x05, 0x06, 0x0F
RECORD = struct.Struct('<BQ')  # opcode, length
MESSAGE_HEAD = struct.Struct('<HIQQ')  # channel, sequence, log time, publish time
CHUNK_HEAD = struct.Struct('<QQQI')  # first and last time, length and CRC of what it holds


def scan_mcap(path: Path, report: Report) -> Iterator[tuple[Connection, int, bytes]]:
    """
    Yield connection, receive time in ns and data of each message; a chunk's in order of time.

    :param report: told what is lost, if anything.
    :raises ValueError: it is no MCAP file.
    """
    with path.open('rb') as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise ValueError('it is no MCAP file, or its beginning is damaged')
        scan, size = _Scan(path.name, report), path.stat().st_size
        is_whole = True
        while is_whole:
            start = file.tell()
            opcode, payload, is_whole = _read_record(file, size)
            if opcode == DATA_END:
                return
            if opcode == CHUNK:
                records = scan.unpack_chunk(payload, start, is_whole)
            else:  # one that is cut off holds nothing
                records = RECORD.pack(opcode, len(payload)) + payload if is_whole else b''
            yield from sorted(scan.messages(records, start), key=lambda each: each[1])
        report(f'{path.name} breaks off after {size} bytes')


def _read_record(file: BinaryIO, size: int) -> tuple[int, bytes, bool]:
    """Return opcode (0 at the end of the file), payload, and whether it is complete."""
    head = file.read(RECORD.size)
    if len(head) < RECORD.size:
        return 0, b'', False
    opcode, length = RECORD.unpack(head)
    payload = file.read(min(length, size))  # what a damaged length claims may not fit in memory
    return opcode, payload, len(payload) == length


class _Scan:
    """What is known of the file so far."""

    def __init__(self, name: str, report: Report) -> None:
        self._name = name
        self._report = report
        self._schemas: dict[int, tuple[str, str, str]] = {}  # name, encoding, text
        self._connections: dict[int, Connection] = {}

    def unpack_chunk(self, payload: bytes, start: int, is_whole: bool) -> bytes:
        """Return the records of a chunk, as many as can be had."""
        if len(payload) < CHUNK_HEAD.size:
            return b''
        _, _, _, crc = CHUNK_HEAD.unpack_from(payload)
        compression, at = _string(payload, CHUNK_HEAD.size)
        try:
            records = _decompressor(compression)(payload[at + 8:])
        except Exception as error:  # each library has its own
            self._report(f'{self._name}: the chunk at byte {start} cannot be read ({error})')
            return b''
        if is_whole and crc and zlib.crc32(records) != crc:
            self._report(f'{self._name}: the chunk at byte {start} has a wrong checksum; what is '
                         'read from it may be wrong')
        return records

    def messages(self, records: bytes, start: int) -> Iterator[tuple[Connection, int, bytes]]:
        """Yield the messages among records; the last record may be cut off."""
        position = 0
        while position + RECORD.size <= len(records):
            opcode, length = RECORD.unpack_from(records, position)
            position += RECORD.size
            if position + length > len(records):
                return
            try:
                message = self.take(opcode, records[position:position + length])
            except (struct.error, UnicodeDecodeError) as error:
                self._report(f'{self._name} is damaged at byte {start} ({error})')
                return
            if message is not None:
                yield message
            position += length

    def take(self, opcode: int, payload: bytes) -> tuple[Connection, int, bytes] | None:
        """Return the message that a record holds; learn from schemas and channels."""
        if opcode == SCHEMA:
            number, = struct.unpack_from('<H', payload)
            name, at = _string(payload, 2)
            encoding, at = _string(payload, at)
            self._schemas[number] = name, encoding, _string(payload, at)[0]
        elif opcode == CHANNEL:
            self._add_channel(payload)
        elif opcode == MESSAGE:
            channel, _, time_ns, _ = MESSAGE_HEAD.unpack_from(payload)
            if channel in self._connections:
                return self._connections[channel], time_ns, payload[MESSAGE_HEAD.size:]
        return None

    def _add_channel(self, payload: bytes) -> None:
        from rosbags.interfaces import (
            Connection,
            ConnectionExtRosbag2,
            MessageDefinition,
            MessageDefinitionFormat,
        )

        number, schema = struct.unpack_from('<HH', payload)
        topic, at = _string(payload, 4)
        serialization, _ = _string(payload, at)
        kind, encoding, text = self._schemas.get(schema, ('', '', ''))
        formats = {'ros2msg': MessageDefinitionFormat.MSG, 'ros2idl': MessageDefinitionFormat.IDL}
        self._connections[number] = Connection(
            number, topic, kind, MessageDefinition(
                formats.get(encoding, MessageDefinitionFormat.NONE), text), '', 0,
            ConnectionExtRosbag2(serialization, []), None)


def _string(payload: bytes, at: int) -> tuple[str, int]:
    """Return the text that begins at a position, and the position after it."""
    length, = struct.unpack_from('<I', payload, at)
    return payload[at + 4:at + 4 + length].decode(), at + 4 + length


def _decompressor(compression: str) -> Callable[[bytes], bytes]:
    """Return what decompresses as much as there is; the libraries come with rosbags."""
    decompressor: Any
    if compression == 'zstd':
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
        decompressor = zstd.ZstdDecompressor()
    elif compression == 'lz4':
        from lz4.frame import LZ4FrameDecompressor
        decompressor = LZ4FrameDecompressor()
    elif compression:
        raise ValueError(f'its compression is {compression}')
    else:
        return lambda data: data
    decompress: Callable[[bytes], bytes] = decompressor.decompress
    return decompress
