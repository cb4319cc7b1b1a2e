"""What `launch/record.launch.py` records: the topics of a recogniser, and their QoS."""

from collections.abc import Mapping
from typing import Any

EVERYWHERE = ('/diagnostics', '/parameter_events')
# in the node's namespace, and in that of each microphone of `streams`
PER_MICROPHONE = r'audio|audio_stamped|audio_info|robot_speaking|speech/[a-z_]+'


def topic_pattern(namespace: str, audio_topic: str) -> str:
    """
    Return the regular expression of the topics to record, as `ros2 bag record` searches for it.

    :param namespace: of the node, empty for the root.
    :param audio_topic: of the microphone, where it is remapped; audio_info is beside it.
    """
    root = f'/{namespace.strip("/")}'.rstrip('/')
    audio = audio_topic if audio_topic.startswith('/') else f'{root}/{audio_topic}'
    info = f'{audio.rpartition("/")[0]}/audio_info'
    names = (f'{root}/([A-Za-z0-9_]+/)?({PER_MICROPHONE})', audio, info, *EVERYWHERE)
    return f'^({"|".join(dict.fromkeys(names))})$'


def qos_overrides(profiles: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    """Return QoS profiles by full topic names, from those of `config/record_qos.yaml`."""
    root = f'/{namespace.strip("/")}'.rstrip('/')
    return {f'{root}/{name.lstrip("/")}': profile for name, profile in profiles.items()}
