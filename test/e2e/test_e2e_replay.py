"""A bag gives the same ids, stamps and texts live, replayed at any speed, and heard offline."""

import json
from pathlib import Path
import re
import time
from typing import Any

from audio_common_msgs.msg import AudioDataStamped, AudioInfo
from clips import EASY, OTHER, SHORT_CLIPS, silence, spoken
import numpy as np
from parakeet_ros.bags.hearing import BagListener
from parakeet_ros.bags.reading import open_bag
from parakeet_ros.bags.recording import topic_pattern
from parakeet_ros.bags.settings import read_parameters
from parakeet_ros.engine import load_model
from parakeet_ros.speech_messages import result_json
from parakeet_ros.steered_engine import SteeredEngine
from probe import LATCHED, Microphone, pcm_info, Probe
import pytest
from recorder import audio, START_NS, typestore, write_bag
from replay import Player
from rosbags.rosbag2 import Writer

LONG = max(SHORT_CLIPS, key=lambda clip: len(clip.waveform))


@pytest.fixture(scope='module')
def engine() -> SteeredEngine:
    """Return the packaged model as the node has it."""
    return SteeredEngine(load_model('builtin', device='cpu'), ())


def offline(path: Path, engine: SteeredEngine, start_s: float = 0.0) -> list[dict[str, Any]]:
    """Return what is heard in a bag without ROS."""
    with open_bag(path) as bag:
        [topic] = bag.audio_topics
        listener = BagListener(bag, topic, read_parameters(None), engine)
        return [json.loads(result_json(heard.result, 'builtin'))
                for heard in listener.hear(start_s)]


def facts(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what may not differ: all but timings, and confidences, which other cores round."""
    return [{**{key: value for key, value in result.items()
                if key not in ('timings', 'confidence', 'words')},
             'words': [(w['text'], w['start_s'], w['end_s']) for w in result['words']]}
            for result in results]


def begin_anew(probe: Probe) -> None:
    """Have the node forget everything, ids too, without the time that a new process takes."""
    for name in ('deactivate', 'cleanup', 'configure', 'activate'):
        assert probe.transition(name), name
    probe.results.clear()


def until_results(probe: Probe, count: int, what: str) -> None:
    """Wait until so many results have come."""
    probe.until(lambda: len(probe.results) == count, what)


def lossy_entries() -> list[Any]:
    """Return a recording of three sentences with messages lost, and a pause of 5 s."""
    waveform = np.concatenate([spoken(EASY), spoken(LONG)])
    entries = list(audio(waveform))
    heard = len(spoken(EASY)) // 320  # messages of the first sentence
    lost = entries[:heard + 60] + entries[heard + 66:]  # 120 ms within the second
    end_ns = START_NS + len(waveform) * 10**9 // 16_000
    return [*lost, *audio(spoken(OTHER), start_ns=end_ns + 5 * 10**9, info=False)]


def test_a_bag_gives_the_same_at_any_speed_from_any_storage_with_its_clock_and_in_a_loop(
        start_asr, probe, tmp_path, engine):
    entries = lossy_entries()
    bags = {name: write_bag(tmp_path / name, entries, name) for name in ('mcap', 'sqlite3')}
    expected = facts(offline(bags['mcap'], engine))
    assert facts(offline(bags['sqlite3'], engine)) == expected
    assert [each['text'] for each in expected][::2] == [EASY.text, OTHER.text]
    assert [each['id'] for each in expected] == [1, 2, 3]
    start_asr()
    probe.until_active()
    for storage, rate, has_clock in (('mcap', 1, False), ('sqlite3', 10, True)):
        assert probe.set_parameter('use_sim_time', has_clock) == (True, '')
        with Player(probe, bags[storage], has_clock) as player:
            player.play(rate)
            until_results(probe, 3, f'results at {rate} x')
            assert facts(probe.results) == expected
            if has_clock:  # in a loop, where the stamps go back
                player.play(rate)
                until_results(probe, 6, 'results of the second time')
                again = [{**each, 'id': each['id'] + 3} for each in expected]
                assert facts(probe.results) == expected + again
        begin_anew(probe)
    for start_s, latched in ((1.4, True), (2.5, False)):  # in the first sentence, and after it
        rest = facts(offline(bags['mcap'], engine, start_s))
        assert {each['text'] for each in expected[1:]} <= {each['text'] for each in rest}
        with Player(probe, bags['sqlite3'], has_clock=True) as player:
            player.play(10, start_s, latched)
            until_results(probe, len(rest), f'results from {start_s} s')
        assert facts(probe.results) == rest
        begin_anew(probe)


def test_audio_without_stamps_has_the_times_of_the_clock(start_asr, probe, tmp_path, engine):
    waveform = np.concatenate([spoken(EASY), spoken(OTHER)])
    path = write_bag(tmp_path / 'bag', list(audio(waveform, kind='AudioData')))
    expected = offline(path, engine)
    start_asr(use_sim_time=True)
    probe.until_active()
    with Player(probe, path, has_clock=True) as player:
        player.play(1)  # so that what messages take on their way is little in its time
        until_results(probe, 2, 'both results')
    for live, again in zip(probe.results, expected, strict=True):
        assert (live['id'], live['text']) == (again['id'], again['text'])
        for key in ('start', 'end'):  # the clock ticks in steps, and on another topic
            assert seconds(live[key]) == pytest.approx(seconds(again[key]), abs=0.5)
        assert seconds(live['end']) - seconds(live['start']) == pytest.approx(
            seconds(again['end']) - seconds(again['start']), abs=1e-6)


def seconds(stamp: dict[str, int]) -> float:
    """Return a stamp of a result in seconds from the beginning of the recording."""
    return (stamp['sec'] * 10**9 + stamp['nanosec'] - START_NS) / 1e9


def unrecorded_topics(probe: Probe) -> set[str]:
    """Return the topics of the node that record.launch.py leaves out."""
    graph, node, names = probe.node, ('asr', '/'), set[str]()

    def are_known() -> bool:
        names.update(name for name, _ in (
            *graph.get_publisher_names_and_types_by_node(*node),
            *graph.get_subscriber_names_and_types_by_node(*node)))
        return {'/audio', '/audio_info', '/robot_speaking', '/speech/is_speaking'} <= names

    probe.until(are_known, 'the topics of the node are known')
    return {name for name in names if not re.search(topic_pattern('', 'audio'), name)}


def test_what_was_heard_live_is_heard_again_in_its_recording(start_asr, probe, tmp_path, engine):
    start_asr()
    probe.until_active()
    recorded: list[tuple[str, int, bytes]] = []
    for kind, topic, qos in (
            (AudioDataStamped, 'audio', 1000), (AudioInfo, 'audio_info', LATCHED)):
        probe.node.create_subscription(
            kind, topic, lambda data, topic=topic: recorded.append(
                (f'/{topic}', time.time_ns(), data)), qos, raw=True)
    microphone = Microphone(probe, info=pcm_info())
    microphone.until_heard()
    assert unrecorded_topics(probe) <= {'/rosout', '/asr/transition_event'}
    microphone.say(np.concatenate([spoken(EASY), silence(0.4), spoken(LONG)]), rate=2)
    microphone.next_ns += 3 * 10**9  # switched off for a while
    microphone.say(spoken(OTHER), rate=2)
    until_results(probe, 3, 'three results')
    live = facts(probe.results)
    microphone.close()
    store = typestore()
    with Writer(tmp_path / 'bag', version=8) as writer:
        types = {'/audio': 'AudioDataStamped', '/audio_info': 'AudioInfo'}
        connections = {topic: writer.add_connection(
            topic, f'audio_common_msgs/msg/{name}', typestore=store)
            for topic, name in types.items()}
        for topic, time_ns, data in recorded:
            writer.write(connections[topic], time_ns, data)
    assert facts(offline(tmp_path / 'bag', engine)) == live
    begin_anew(probe)
    with Player(probe, tmp_path / 'bag') as player:
        player.play(5)
        until_results(probe, 3, 'the results of the replay')
    assert facts(probe.results) == live
