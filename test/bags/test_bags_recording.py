"""What is recorded, and how: the pattern and the QoS that `ros2 bag record` is given."""

from pathlib import Path
import re

from parakeet_ros.bags.recording import qos_overrides, topic_pattern
import pytest
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
import yaml

QOS_FILE = Path(__file__).parents[2] / 'config' / 'record_qos.yaml'
SPEECH = ('text', 'result', 'partial', 'timing', 'is_speaking')


@pytest.mark.parametrize(('namespace', 'root'), [
    ('', ''), ('robot1', '/robot1'), ('/robot1/', '/robot1'), ('fleet/robot1', '/fleet/robot1')])
def test_the_topics_of_a_node_are_recorded_and_no_others(namespace: str, root: str) -> None:
    pattern = re.compile(topic_pattern(namespace, 'audio'))
    for microphone in ('', '/front'):
        for name in ('audio', 'audio_stamped', 'audio_info',
                     *(f'speech/{each}' for each in SPEECH)):
            assert pattern.search(f'{root}{microphone}/{name}')
    assert pattern.search(f'{root}/robot_speaking')
    assert pattern.search('/diagnostics') and pattern.search('/parameter_events')
    for other in ('/camera/image', f'{root}/audio/extra', f'/other{root}/a/audio', '/rosout',
                  f'{root}/audio2', '/diagnostics_agg', '/other/robot/speech/text'):
        assert not pattern.search(other), other


@pytest.mark.parametrize(('namespace', 'topic', 'resolved'), [
    ('', '/mic/audio_stamped', '/mic/audio_stamped'),
    ('robot1', 'mic/audio_stamped', '/robot1/mic/audio_stamped'),
    ('robot1', '/mic/audio_stamped', '/mic/audio_stamped')])
def test_a_remapped_microphone_is_recorded_with_its_info(
        namespace: str, topic: str, resolved: str) -> None:
    pattern = re.compile(topic_pattern(namespace, topic))
    assert pattern.search(resolved)
    assert pattern.search(f'{resolved.rpartition("/")[0]}/audio_info')


@pytest.mark.parametrize('namespace', ['', 'robot1'])
def test_the_latched_topic_is_recorded_latched_in_any_namespace(namespace: str) -> None:
    profiles = qos_overrides(yaml.safe_load(QOS_FILE.read_text()), namespace)
    [(name, profile)] = profiles.items()
    assert name == f'{"/" if namespace else ""}{namespace}/speech/is_speaking'
    # as `ros2 bag record` reads it: by the short names of rclpy's policies
    qos = QoSProfile(
        depth=profile['depth'], history=HistoryPolicy.get_from_short_key(profile['history']),
        reliability=ReliabilityPolicy.get_from_short_key(profile['reliability']),
        durability=DurabilityPolicy.get_from_short_key(profile['durability']))
    assert (qos.durability, qos.reliability) == (
        DurabilityPolicy.TRANSIENT_LOCAL, ReliabilityPolicy.RELIABLE)
    assert re.search(topic_pattern(namespace, 'audio'), name)
