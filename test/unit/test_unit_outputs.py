"""What goes out on which topic."""

from collections.abc import Callable
import json
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from local_ros import LocalRos
import numpy as np
from parakeet_ros.audio import StreamUtterance, Utterance
from parakeet_ros.conversions import ns_to_time
from parakeet_ros.engine import Timings, Transcript
from parakeet_ros.outputs import SpeechOutputs
from parakeet_ros.results import Partial, Result
import pytest
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import Bool, String

UTTERANCE = StreamUtterance(
    Utterance(np.zeros(16_000, np.float32), 0, 16_000, 0, 16_000, 'pause'),
    5_000_000_001, 6_000_000_000, 5_000_000_001, 6_000_000_000, 0)


def result(text: str | None, error: Exception | None = None) -> Result:
    """Return a result with a text, or without a transcript."""
    transcript = None if text is None else Transcript(text, (), (), 0.0, 1.0, Timings())
    return Result(7, (UTTERANCE,), transcript, error, {'queue_ms': 0.5} if transcript else {})


@pytest.fixture
def heard() -> dict[str, list[Any]]:
    """Return the messages by topic."""
    return {}


@pytest.fixture
def outputs(ros: LocalRos, heard: dict[str, list[Any]]) -> SpeechOutputs:
    """Return the outputs of an active node, and listen to them."""
    node = ros.add(LifecycleNode('asr', namespace='/robot1'))
    outputs = SpeechOutputs(node, '', 'builtin')
    node.trigger_configure()
    node.trigger_activate()
    listener = ros.node('listener')
    latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    for kind, topic, qos in ((String, 'text', 10), (String, 'result', 10),
                             (String, 'partial', 10),
                             (DiagnosticArray, 'timing', 10), (Bool, 'is_speaking', latched)):
        heard[topic] = []
        listener.create_subscription(kind, f'/robot1/speech/{topic}', heard[topic].append, qos)
        ros.until(lambda topic=topic: listener.count_publishers(f'/robot1/speech/{topic}'), topic)
    ros.spin(0.3)  # the publishers find the listener, too
    return outputs


def collect(ros: LocalRos, heard: dict[str, list[Any]], done: Callable[[], bool]) -> None:
    """Wait for messages, and a little for those that should not come."""
    ros.until(done, 'the messages')
    ros.spin(0.1)


def test_a_text_goes_out_on_every_topic(
        ros: LocalRos, outputs: SpeechOutputs, heard: dict[str, list[Any]]) -> None:
    outputs.publish(result('go home'))
    collect(ros, heard, lambda: heard['timing'] and heard['result'] and heard['text'])
    assert [message.data for message in heard['text']] == ['go home']
    [written] = [json.loads(message.data) for message in heard['result']]
    assert (written['id'], written['text'], written['model']) == (7, 'go home', 'builtin')
    [array] = heard['timing']
    [status] = array.status
    assert array.header.stamp == ns_to_time(UTTERANCE.start_ns)
    assert (status.name, status.level) == ('robot1/asr: utterance', DiagnosticStatus.OK)
    assert (status.message, status.hardware_id) == ('go home', 'builtin')
    assert {v.key: v.value for v in status.values} == {'id': '7', 'queue_ms': '0.500'}


@pytest.mark.parametrize(('said', 'level', 'words'), [
    (result(''), DiagnosticStatus.OK, ''),
    (result(None, RuntimeError('no memory')), DiagnosticStatus.ERROR, 'RuntimeError: no memory')])
def test_an_empty_text_is_never_published(
        ros: LocalRos, outputs: SpeechOutputs, heard: dict[str, list[Any]], said: Result,
        level: bytes, words: str) -> None:
    outputs.publish(said)
    collect(ros, heard, lambda: heard['timing'] and heard['result'])
    assert heard['text'] == []
    written = json.loads(heard['result'][0].data)
    assert (written['text'], written['error'] or '') == ('', words)
    assert (heard['timing'][0].status[0].level, heard['timing'][0].status[0].message) == (
        level, words)


def test_a_partial_result_goes_out_on_its_own_topic(
        ros: LocalRos, outputs: SpeechOutputs, heard: dict[str, list[Any]]) -> None:
    outputs.publish_partial(Partial(7, 5_000_000_001, 6_000_000_000, 'go home', 1))
    collect(ros, heard, lambda: heard['partial'])
    written = json.loads(heard['partial'][0].data)
    assert (written['id'], written['text'], written['stable']) == (7, 'go home', 'go')
    assert heard['text'] == heard['result'] == []


def test_speaking_is_published_when_it_changes(
        ros: LocalRos, outputs: SpeechOutputs, heard: dict[str, list[Any]]) -> None:
    for speaking in (False, False, True, True, False):
        outputs.publish_is_speaking(speaking)
        ros.spin(0.05)
    collect(ros, heard, lambda: len(heard['is_speaking']) >= 3)
    assert [message.data for message in heard['is_speaking']] == [False, True, False]


def test_what_changed_while_the_node_was_inactive_is_told_when_it_is_active(
        ros: LocalRos, outputs: SpeechOutputs, heard: dict[str, list[Any]]) -> None:
    node = outputs._node
    node.trigger_deactivate()
    outputs.publish_is_speaking(False)
    node.trigger_activate()
    outputs.publish_is_speaking(False)
    collect(ros, heard, lambda: heard['is_speaking'])
    assert [message.data for message in heard['is_speaking']] == [False]


def test_destroyed_outputs_leave_no_topic(ros: LocalRos, outputs: SpeechOutputs) -> None:
    outputs.destroy()
    watcher = ros.node('watcher')
    ros.until(lambda: not any(watcher.count_publishers(f'/robot1/speech/{topic}') for topic in (
        'text', 'result', 'partial', 'timing', 'is_speaking')), 'the topics go')
