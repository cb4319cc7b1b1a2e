"""Bags of either storage, whole or damaged: what is in them, and what was lost."""

from contextlib import closing
from pathlib import Path
import re
import shutil
import sqlite3

import numpy as np
from parakeet_ros.audio_messages import MGONZS13, ROS_DRIVERS
from parakeet_ros.bags.definitions import our_types
from parakeet_ros.bags.errors import BagError
from parakeet_ros.bags.finding import find_bags
from parakeet_ros.bags.ledger import content_key
from parakeet_ros.bags.reading import open_bag, storage_files
import pytest
from recorder import audio, START_NS, STORAGES, typestore, write_bag
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Writer
from rosbags.typesys import get_types_from_msg, get_typestore, Stores
import yaml

INTERFACES = Path(__file__).parents[2] / 'interfaces'
NOISE = np.random.default_rng(3).normal(0, 0.01, 30 * 16_000).astype(np.float32)
NEVER = {'sec': 9223372036, 'nsec': 854775807}
QOS = {'history': 1, 'depth': 7, 'reliability': 2, 'durability': 2, 'deadline': NEVER,
       'lifespan': NEVER, 'liveliness': 1, 'liveliness_lease_duration': NEVER,
       'avoid_ros_namespace_conventions': False}
KINDS = {'AudioDataStamped': ROS_DRIVERS, 'AudioData': ROS_DRIVERS, 'AudioStamped': MGONZS13}


def write(path: Path, storage: str, kind: str = 'AudioDataStamped', **options: object) -> Path:
    """Write half a minute of noise."""
    return write_bag(path, list(audio(NOISE, kind=kind)), storage, KINDS[kind], **options)


def samples(path: Path) -> tuple[list[bytes], list[str]]:
    """Return the audio of a bag message by message, and what it says was lost."""
    with open_bag(path) as bag:
        found = [bytes(m.message.audio.data) for m in bag.messages({'/audio'})]
        return found, bag.losses


@pytest.mark.parametrize(('folder', 'family'), [
    ('audio_common_msgs', ROS_DRIVERS), ('mgonzs13/audio_common_msgs', MGONZS13)])
def test_our_definitions_are_those_of_the_interface_files(folder: str, family: str) -> None:
    written = {}
    for file in (INTERFACES / folder / 'msg').glob('*.msg'):
        written |= get_types_from_msg(file.read_text(), f'audio_common_msgs/msg/{file.stem}')
    ours = our_types(family)
    assert ours.keys() == written.keys()
    assert {name: fields for name, (_, fields) in ours.items()} == {
        name: fields for name, (_, fields) in written.items()}


@pytest.mark.parametrize('storage', STORAGES)
@pytest.mark.parametrize('kind', KINDS)
def test_audio_topics_and_their_messages_are_found(
        tmp_path: Path, storage: str, kind: str) -> None:
    path = write(tmp_path / 'bag', storage, kind)
    [file] = storage_files(path)
    for place in (path, file):
        with open_bag(place) as bag:
            assert bag.audio_topics == ['/audio']
            assert bag.info_topic('/audio') == (None if kind == 'AudioStamped' else '/audio_info')
            messages = list(bag.messages({'/audio'}))
            assert (len(messages), bag.losses) == (1500, [])
            times = [message.receive_ns for message in messages]
            assert times == sorted(times) and bag.end_ns == times[-1]
            stamps = {m.stamp_ns - START_NS - 20_000_000 * i for i, m in enumerate(messages)}
            assert stamps == {0} if kind != 'AudioData' else len(stamps) == 1500
            late = list(bag.messages({'/audio'}, start_ns=times[1000]))
            assert [m.receive_ns for m in late] == times[1000:]


@pytest.mark.parametrize(('storage', 'mode'), [
    ('sqlite3', CompressionMode.FILE), ('sqlite3', CompressionMode.MESSAGE),
    ('mcap', CompressionMode.FILE), ('mcap', CompressionMode.STORAGE)])
def test_compressed_bags_are_read(tmp_path: Path, storage: str, mode: CompressionMode) -> None:
    path = write(tmp_path / 'bag', storage, mode=mode, fmt=CompressionFormat.ZSTD)
    assert samples(path) == samples(write(tmp_path / 'plain', storage))


def test_parts_that_were_compressed_before_the_recorder_died_are_not_passed_over(
        tmp_path: Path) -> None:
    zstd = {'mode': CompressionMode.FILE, 'fmt': CompressionFormat.ZSTD}
    bag = write_bag(tmp_path / 'bags/bag', list(audio(NOISE[:32_000])), **zstd)
    (bag / 'metadata.yaml').unlink()
    (bag / 'bag.mcap.zstd').rename(bag / 'bag_0.mcap.zstd')
    assert find_bags([str(tmp_path)]) == [bag]
    with pytest.raises(BagError, match=rf'zstd -d {bag}/bag_0\.mcap\.zstd'), open_bag(bag):
        pass
    [last] = storage_files(write_bag(tmp_path / 'last', list(audio(NOISE[:16_000]))))
    last.rename(bag / 'bag_1.mcap')
    key = content_key(bag)
    found, losses = samples(bag)
    assert len(found) == 50 and any('bag_0.mcap.zstd' in loss for loss in losses)
    [first] = storage_files(write_bag(tmp_path / 'first', list(audio(NOISE[:32_000]))))
    first.rename(bag / 'bag_0.mcap')
    found, losses = samples(bag)
    assert len(found) == 150 and not any('zstd' in loss for loss in losses)
    assert content_key(bag) != key


@pytest.mark.parametrize('storage', STORAGES)
def test_a_bag_that_stores_no_definitions_is_read_by_ours(tmp_path: Path, storage: str) -> None:
    with open_bag(write(tmp_path / 'bag', storage)) as bag:
        from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat
        nothing = MessageDefinition(MessageDefinitionFormat.NONE, '')
        bag.connections = [c._replace(msgdef=nothing) for c in bag.connections]
        assert len(list(bag.messages({'/audio', '/audio_info'}))) == 1501
        assert bag.losses == []


@pytest.mark.parametrize(('storage', 'mode'), [
    ('sqlite3', CompressionMode.NONE), ('mcap', CompressionMode.NONE),
    ('mcap', CompressionMode.STORAGE)])
@pytest.mark.parametrize('share', [0.3, 0.9, 0.999])
def test_of_a_truncated_bag_the_beginning_is_read_and_the_loss_said(
        tmp_path: Path, storage: str, mode: CompressionMode, share: float) -> None:
    whole, _ = samples(write(tmp_path / 'whole', storage))
    path = write(tmp_path / 'bag', storage, mode=mode, fmt=CompressionFormat.ZSTD)
    [file] = storage_files(path)
    data = file.read_bytes()
    file.write_bytes(data[:int(share * len(data))])
    for place in (path, file):
        found, losses = samples(place)
        assert len(found) > 0.9 * share * len(whole) - 50  # noise is compressed in large blocks
        assert found == whole[:len(found)]
        said = any(re.search(rf'{file.name} breaks off after [0-9]', loss)
                   for loss in losses)
        assert losses and (said or found == whole), 'an index may be all that is lost'


@pytest.mark.parametrize('storage', STORAGES)
def test_damage_in_the_middle_is_said_and_the_rest_read(tmp_path: Path, storage: str) -> None:
    path = write(tmp_path / 'bag', storage)
    whole, _ = samples(path)
    [file] = storage_files(path)
    data = bytearray(file.read_bytes())
    data[len(data) // 2:len(data) // 2 + 9000] = bytes(9000)
    file.write_bytes(data)
    found, losses = samples(path)
    assert 0.4 * len(whole) < len(found) < len(whole)
    assert losses


def test_files_whose_metadata_was_never_written_are_read_in_order(tmp_path: Path) -> None:
    whole, _ = samples(write(tmp_path / 'whole', 'mcap'))
    entries = list(audio(NOISE))
    (tmp_path / 'bag').mkdir()
    for number, part in enumerate((entries[:500], entries[500:900], entries[900:])):
        [file] = storage_files(write_bag(tmp_path / f'part{number}', part))
        file.rename(tmp_path / 'bag' / f'bag_{number + 9}.mcap')
    found, losses = samples(tmp_path / 'bag')
    assert found == whole
    assert any('metadata.yaml' in loss for loss in losses)


def test_of_a_split_bag_that_lacks_a_file_the_others_are_read(tmp_path: Path) -> None:
    entries, folder = list(audio(NOISE)), tmp_path / 'bag'
    for number, part in enumerate((entries[:500], entries[500:])):
        [file] = storage_files(write_bag(tmp_path / f'bag_{number}', part))
        folder.mkdir(exist_ok=True)
        file.rename(folder / file.name)
    metadata = yaml.safe_load((tmp_path / 'bag_0' / 'metadata.yaml').read_text())
    metadata['rosbag2_bagfile_information']['relative_file_paths'].append('bag_1.mcap')
    (folder / 'metadata.yaml').write_text(yaml.safe_dump(metadata))
    whole, losses = samples(folder)
    assert (len(whole), losses) == (1500, [])
    (folder / 'bag_0.mcap').unlink()
    rest, losses = samples(folder)
    assert rest == whole[499:]
    assert any('bag_0.mcap' in loss for loss in losses)


def test_what_is_no_bag_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / 'text.mcap').write_text('nothing of the kind, but long enough to look at')
    (tmp_path / 'text.db3').write_text('nothing of the kind, but long enough to look at')
    (tmp_path / 'sound.wav').write_bytes(b'RIFF')
    (tmp_path / 'empty').mkdir()
    for name in ('text.mcap', 'text.db3', 'sound.wav', 'empty'):
        with pytest.raises(BagError, match=name), open_bag(tmp_path / name):
            pass
    with pytest.raises(FileNotFoundError, match='nowhere'), open_bag(tmp_path / 'nowhere'):
        pass


def test_messages_that_cannot_be_decoded_are_counted_and_left_out(tmp_path: Path) -> None:
    store = typestore()
    kind = 'audio_common_msgs/msg/AudioInfo'
    with Writer(tmp_path / 'bag', version=8) as writer:
        connection = writer.add_connection('/audio_info', kind, typestore=store)
        good = store.serialize_cdr(store.types[kind](1, 16_000, 'S16LE', 0, 'wave'), kind)
        for data in (good, b'', bytes(good)[:9], good):
            writer.write(connection, 1, data)
    with open_bag(tmp_path / 'bag') as bag:
        assert [m.message.sample_rate for m in bag.messages({'/audio_info'})] == [16_000] * 2
        assert bag.refused == {'/audio_info': 2}
        assert 'AudioInfo' in bag.losses[0]


@pytest.mark.parametrize('storage', STORAGES)
def test_whatever_is_damaged_a_bag_is_read_or_refused(tmp_path: Path, storage: str) -> None:
    path = write_bag(tmp_path / 'bag', list(audio(NOISE[:32_000])), storage)
    [file] = storage_files(path)
    data = file.read_bytes()
    rng = np.random.default_rng(7)
    outcomes = set()
    for _ in range(80):
        damaged = bytearray(data[:rng.integers(1, len(data))] if rng.random() < 0.2 else data)
        near = min(len(damaged), 4000)  # what leads to all the rest is there
        for at in (*rng.integers(0, near, 2), *rng.integers(0, len(damaged), 3)):
            damaged[at] = rng.integers(256)
        file.write_bytes(damaged)
        try:
            with open_bag(path) as bag:
                count = sum(1 for _ in bag.messages(bag.topics))
                assert count <= 101
                outcomes.add('all' if count == 101 else 'some' if bag.losses else 'silent')
        except BagError as error:
            outcomes.add('none')
            assert str(path) in str(error)
    assert {'all', 'some'} <= outcomes <= {'all', 'some', 'none'}


@pytest.mark.parametrize('storage', STORAGES)
def test_a_topic_whose_metadata_contradict_its_file_is_read_all_the_same(
        tmp_path: Path, storage: str) -> None:
    path = write(tmp_path / 'bag', storage)
    whole, _ = samples(path)
    metadata = yaml.safe_load((path / 'metadata.yaml').read_text())
    for topic in metadata['rosbag2_bagfile_information']['topics_with_message_count']:
        topic['topic_metadata']['offered_qos_profiles'] = yaml.safe_dump([QOS])
    (path / 'metadata.yaml').write_text(yaml.safe_dump(metadata))
    assert samples(path) == (whole, ['the index leads to none of the 1500 messages on /audio'])


def test_messages_that_belong_to_no_topic_are_said(tmp_path: Path) -> None:
    [file] = storage_files(write(tmp_path / 'bag', 'sqlite3'))
    with closing(sqlite3.connect(file)) as database:
        database.execute('UPDATE messages SET topic_id = 9 WHERE id % 2')
        database.commit()
    found, losses = samples(file)
    assert losses == [f'{1501 - len(found)} messages belong to none of its topics']


MSG = 'uint32 sample_rate\nuint8 channels\nstring sample_format\nstring coding_format\n'
IDL = f"""{'=' * 80}
IDL: audio_common_msgs/msg/AudioInfo
module audio_common_msgs {{
  module msg {{
    struct AudioInfo {{
      uint32 sample_rate;
      uint8 channels;
      string sample_format;
      string coding_format;
    }};
  }};
}};
"""


@pytest.mark.parametrize('definition', [MSG, IDL], ids=['msg', 'idl'])
@pytest.mark.parametrize('storage', STORAGES)
def test_what_a_bag_says_of_its_messages_is_believed_before_ours(
        tmp_path: Path, storage: str, definition: str) -> None:
    kind = 'audio_common_msgs/msg/AudioInfo'
    theirs = get_typestore(Stores.EMPTY)
    theirs.register(get_types_from_msg(MSG, kind))
    with Writer(tmp_path / 'bag', version=8, storage_plugin=STORAGES[storage]) as writer:
        connection = writer.add_connection(
            '/audio_info', kind, msgdef=definition, rihs01=theirs.hash_rihs01(kind))
        writer.write(connection, 1, theirs.serialize_cdr(
            theirs.types[kind](48_000, 2, 'S16LE', 'wave'), kind))
    [file] = storage_files(tmp_path / 'bag')
    cut = tmp_path / f'cut{file.suffix}'  # in the last page, or in the index, after the message
    cut.write_bytes(file.read_bytes()[:-40])
    for path in (tmp_path / 'bag', cut):
        with open_bag(path) as bag:
            [info] = bag.messages({'/audio_info'})
            assert (info.message.sample_rate, info.message.channels) == (48_000, 2)


@pytest.mark.parametrize('chunk_ms', [250, 2_000])  # 2 and 16 pages of 4 KiB
def test_large_messages_of_a_truncated_sqlite3_bag_are_put_together_from_their_pages(
        tmp_path: Path, chunk_ms: float) -> None:
    entries = list(audio(NOISE, chunk_ms=chunk_ms))
    whole, _ = samples(write_bag(tmp_path / 'whole', entries, 'sqlite3'))
    [file] = storage_files(write_bag(tmp_path / 'bag', entries, 'sqlite3'))
    data = file.read_bytes()
    file.write_bytes(data[:int(0.6 * len(data))])
    found, _ = samples(file)
    assert len(found) > 0.5 * len(whole)
    assert found == whole[:len(found)]


def test_messages_left_in_the_log_of_a_killed_recorder_are_pointed_at(tmp_path: Path) -> None:
    [file] = storage_files(write(tmp_path / 'bag', 'sqlite3'))
    killed = tmp_path / 'killed.db3'
    log = tmp_path / f'{killed.name}-wal'
    with closing(sqlite3.connect(file)) as recorder:
        recorder.execute('PRAGMA journal_mode = WAL')
        recorder.execute('INSERT INTO messages SELECT id + 9999, topic_id, timestamp, data '
                         'FROM messages')
        recorder.commit()
        shutil.copy(file, killed)
        shutil.copy(f'{file}-wal', log)
    found, losses = samples(killed)
    assert len(found) == 1500
    [loss] = losses
    with closing(sqlite3.connect(killed)) as database:
        database.execute(re.search("'(PRAGMA .*)'", loss)[1])
    found, losses = samples(killed)
    assert (len(found), losses) == (3000, [])
