"""Bags of what was heard: the topics `speech/*` as the node publishes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
import heapq
from pathlib import Path
import shutil
from typing import Any, Literal, TYPE_CHECKING

from parakeet_ros.bags.definitions import make_typestore
from parakeet_ros.bags.errors import BagError
from parakeet_ros.bags.hearing import Heard
from parakeet_ros.bags.reading import Bag
from parakeet_ros.speech_messages import (
    result_json,
    stamp_fields,
    timing_status,
    TimingStatus,
    value_text,
)

if TYPE_CHECKING:
    from rosbags.interfaces import Connection
    from rosbags.rosbag2 import Writer
    from rosbags.typesys.store import Typestore

SPEECH_SUFFIX = '_speech'  # of the folder with what was heard in a bag
VERSION: Literal[8] = 8  # of the format; Humble can read it
STRING, TIMING = 'std_msgs/msg/String', 'diagnostic_msgs/msg/DiagnosticArray'
KINDS = ('text', 'result', 'timing')
MICROPHONE = ('audio', 'audio_stamped')  # its topic, in a namespace of its own
OK, ERROR = 0, 2  # of diagnostic_msgs/DiagnosticStatus
UNKNOWN_HASH = f'RIHS01_{"0" * 64}'  # of a message whose definition nobody knows
Entry = tuple[str, str, int, 'bytes | memoryview']  # topic, type, time in ns, message


def speech_prefix(bag: Bag, audio_topic: str) -> str:
    """Return the prefix of the topics `speech/*` that the node has for an audio topic."""
    namespace, _, name = audio_topic.rpartition('/')
    if len(bag.microphones) == 1:
        published = bag.nearest_topic(audio_topic, 'speech/result', STRING)
        if published is not None:
            prefix = published.rpartition('/')[0]
            if f'{namespace}/'.startswith(f'{prefix.removesuffix("/speech")}/'):  # its own robot's
                return prefix
        if name != 'audio':
            return '/speech'  # remapped, as a rule
    return f'{namespace if name in MICROPHONE else audio_topic}/speech'


def write_speech(bag: Bag, heard: dict[str, Sequence[Heard]], model: str, target: Path,
                 copy: bool, replace: bool = False) -> None:
    """
    Write a bag with `speech/text`, `speech/result` and `speech/timing`, whole or not at all.

    A message has the time at which the bag received the audio that ended the utterance. The
    storage is that of the bag.

    :param heard: by audio topic.
    :param target: a folder that does not exist yet, unless it is to be replaced.
    :param copy: add all that the bag holds; of the topics that are written anew, the new ones.
    :param replace: what is at the target goes when the new one is whole.
    :raises BagError: there is something at the target.
    """
    store = make_typestore(bag.connections)
    entries = sorted((entry for topic, utterances in heard.items()
                      for entry in _speech(store, bag, topic, utterances, model)),
                     key=lambda entry: entry[2])
    with _new_bag(target, _storage(bag), replace) as writer:
        if not copy:
            _write(writer, store, entries, {})
            return
        written = {f'{speech_prefix(bag, topic)}/{kind}' for topic in heard for kind in KINDS}
        connections = {c.topic: c for c in bag.connections if c.topic not in written}
        kept = ((c.topic, c.msgtype, time_ns, data)
                for c, time_ns, data in bag.raw_messages(connections))
        _write(writer, store, heapq.merge(kept, entries, key=lambda entry: entry[2]), connections)


def refuse_existing(target: Path) -> None:
    """
    See that nothing is written over.

    :raises BagError: there is something at the target.
    """
    if target.exists():
        raise BagError(f'{target} exists already; remove it, or choose another folder')


def _speech(store: Typestore, bag: Bag, audio_topic: str, utterances: Sequence[Heard],
            model: str) -> Iterator[Entry]:
    """Yield what the node publishes of utterances."""
    string: Any = store.types[STRING]
    prefix = speech_prefix(bag, audio_topic)
    name = _status_name(prefix, is_alone=len(bag.microphones) == 1)
    for heard in utterances:
        if heard.text:
            yield (f'{prefix}/text', STRING, heard.receive_ns,
                   store.serialize_cdr(string(heard.text), STRING))
        yield (f'{prefix}/result', STRING, heard.receive_ns,
               store.serialize_cdr(string(result_json(heard.result, model)), STRING))
        yield (f'{prefix}/timing', TIMING, heard.receive_ns, store.serialize_cdr(
            _timing(store, name, heard, model, timing_status(heard.result)), TIMING))


def _status_name(prefix: str, is_alone: bool) -> str:
    """Return the name of the node's status of an utterance: `robot1/asr: front: utterance`."""
    where = prefix.rpartition('/')[0].lstrip('/')
    namespace, _, microphone = (where, '', '') if is_alone else where.rpartition('/')
    node = '/'.join(part for part in (namespace, 'asr') if part)
    return ': '.join(part for part in (node, microphone, 'utterance') if part)


def _timing(store: Typestore, name: str, heard: Heard, model: str, timing: TimingStatus) -> Any:
    """Return the message on `speech/timing`."""
    types: dict[str, Any] = {name.rpartition('/')[2]: each for name, each in store.types.items()}
    return types['DiagnosticArray'](
        types['Header'](types['Time'](*stamp_fields(heard.start_ns)), ''),
        [types['DiagnosticStatus'](
            ERROR if timing.failed else OK, name, timing.message, model,
            [types['KeyValue'](key, value_text(value)) for key, value in timing.values.items()])])


def _write(writer: Writer, store: Typestore, entries: Iterator[Entry] | Sequence[Entry],
           known: dict[str, Connection]) -> None:
    """Write messages in their order; `known` topics as they were recorded."""
    connections: dict[str, Connection] = {}
    for topic, kind, time_ns, data in entries:
        if topic not in connections:
            connections[topic] = _add_topic(writer, store, topic, kind, known.get(topic))
        writer.write(connections[topic], time_ns, data)


def _add_topic(writer: Writer, store: Typestore, topic: str, kind: str,
               known: Connection | None) -> Connection:
    qos = getattr(known.ext, 'offered_qos_profiles', []) if known else []
    if kind in store.fielddefs:
        return writer.add_connection(topic, kind, typestore=store, offered_qos_profiles=qos)
    return writer.add_connection(
        topic, kind, msgdef=known.msgdef.data if known else '', offered_qos_profiles=qos,
        rihs01=(known.digest if known else '') or UNKNOWN_HASH)


def _storage(bag: Bag) -> str:
    files = bag.path.iterdir() if bag.path.is_dir() else [bag.path]
    return 'SQLITE3' if any('.db3' in file.suffixes for file in files) else 'MCAP'


@contextmanager
def _new_bag(target: Path, storage: str, replace: bool) -> Iterator[Writer]:
    """Open a bag that is at its place when it is whole."""
    from rosbags.rosbag2 import StoragePlugin, Writer

    if not replace:
        refuse_existing(target)
    workshop = target.with_name(f'.{target.name}.part')
    shutil.rmtree(workshop, ignore_errors=True)
    workshop.mkdir(parents=True)
    try:
        # the recorder names a bag's files like its folder
        with Writer(workshop / target.name, version=VERSION,
                    storage_plugin=StoragePlugin[storage]) as writer:
            yield writer
        if replace and target.exists():
            target.rename(workshop / 'replaced')
        (workshop / target.name).rename(target)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
