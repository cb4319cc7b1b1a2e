"""Write bags as `ros2 bag record` would have, of sound that a test makes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from parakeet_ros.audio_messages import MGONZS13, ROS_DRIVERS
from parakeet_ros.bags.definitions import our_types
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores

STORAGES = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}
START_NS = 1_700_000_000_000_000_000  # stamp of the first sample
DELAY_NS = 3_000_000  # from the last sample of a chunk to its receipt
PACKAGE = 'audio_common_msgs/msg/'


def typestore(family: str = ROS_DRIVERS) -> Any:
    """Return the message classes of one of the packages `audio_common_msgs`."""
    store = get_typestore(Stores.ROS2_HUMBLE)
    store.register(our_types(family))
    return store


@dataclass(frozen=True)
class Entry:
    """A message to be recorded."""

    topic: str
    type_name: str
    receive_ns: int
    message: Any


def audio(waveform: NDArray[np.float32], topic: str = '/audio', rate: int = 16_000,
          chunk_ms: float = 20.0, start_ns: int = START_NS, kind: str = 'AudioDataStamped',
          info: bool = True, stamped: bool = True) -> Iterator[Entry]:
    """Yield the messages of a microphone, S16LE mono, and its audio_info before them."""
    store = typestore(MGONZS13 if kind == 'AudioStamped' else ROS_DRIVERS)
    types = {name.rpartition('/')[2]: each for name, each in store.types.items()
             if name.startswith(PACKAGE)}
    time = store.types['builtin_interfaces/msg/Time']
    header = store.types['std_msgs/msg/Header']
    if info and kind != 'AudioStamped':
        yield Entry(f'{topic.rpartition("/")[0]}/audio_info', f'{PACKAGE}AudioInfo',
                    start_ns - 1_000_000, types['AudioInfo'](1, rate, 'S16LE', 16 * rate, 'wave'))
    samples = np.round(np.clip(waveform, -1, 1) * 32767).astype('<i2')
    step = round(rate * chunk_ms / 1000)
    for begin in range(0, len(samples), step):
        chunk = samples[begin:begin + step]
        stamp_ns = start_ns + begin * 10**9 // rate
        receive_ns = start_ns + (begin + len(chunk)) * 10**9 // rate + DELAY_NS
        stamp = header(time(*divmod(stamp_ns if stamped else 0, 10**9)), 'microphone')
        if kind == 'AudioStamped':
            empty = {name: np.zeros(0, dtype) for name, dtype in (
                ('float32_data', 'f4'), ('int32_data', 'i4'), ('int8_data', 'i1'),
                ('uint8_data', 'u1'))}
            message = types['AudioStamped'](stamp, types['Audio'](
                types['AudioData'](int16_data=chunk, **empty),
                types['AudioInfo'](8, 1, rate, len(chunk))))
        else:
            message = types['AudioData'](chunk.view(np.uint8))
            if kind == 'AudioDataStamped':
                message = types['AudioDataStamped'](stamp, message)
        yield Entry(topic, PACKAGE + kind, receive_ns, message)


def write_bag(path: Path, entries: list[Entry], storage: str = 'mcap',
              family: str = ROS_DRIVERS, store: Any = None, **options: Any) -> Path:
    """Write a bag of messages, which are sorted by their time, and return its folder."""
    store = store or typestore(family)
    writer = Writer(path, version=8, storage_plugin=STORAGES[storage])
    if options:
        writer.set_compression(**options)
    with writer:
        connections: dict[str, Any] = {}
        for entry in sorted(entries, key=lambda each: each.receive_ns):
            if entry.topic not in connections:
                connections[entry.topic] = writer.add_connection(
                    entry.topic, entry.type_name, typestore=store)
            writer.write(connections[entry.topic], entry.receive_ns,
                         store.serialize_cdr(entry.message, entry.type_name))
    return path
