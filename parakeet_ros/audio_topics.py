"""What the ROS graph says of an audio topic, and what to do about it."""

from collections.abc import Iterable

from parakeet_ros.audio_messages import READABLE
from parakeet_ros.audio_types import INSTALLED, TYPES
from rclpy.exceptions import InvalidTopicNameException
from rclpy.node import Node
from rclpy.qos import qos_check_compatible, QoSCompatibility, QoSProfile, ReliabilityPolicy
from rclpy.topic_endpoint_info import TopicEndpointInfo


def choose_type(types: Iterable[str], current: str) -> str:
    """Return the type to subscribe to, of those published; `current` where nothing speaks."""
    readable = [name for name in TYPES if name in types]
    return current if current in readable or not readable else readable[0]


def choose_reliability(publishers: Iterable[TopicEndpointInfo],
                       current: ReliabilityPolicy | None = None) -> ReliabilityPolicy:
    """
    Return the reliability that hears them all: reliable loses nothing, if all offer it.

    Where nobody publishes it stays as it is, so that what is still queued is not lost.
    """
    offered = {publisher.qos_profile.reliability for publisher in publishers}
    if ReliabilityPolicy.BEST_EFFORT in offered:
        return ReliabilityPolicy.BEST_EFFORT
    return ReliabilityPolicy.RELIABLE if offered or current is None else current


def type_complaint(topic: str, types: set[str], heard: str) -> str | None:
    """Say which of the types of a topic are not heard; `heard` is the one subscribed to."""
    others = types - {heard}
    if not others:
        return None
    found = f'{topic} has type {", ".join(sorted(others))}'
    if heard in types:
        return f'{found} beside {heard}; only that is heard. Give each a topic of its own.'
    foreign = {READABLE[name] for name in others & READABLE.keys()}
    if foreign:
        return (f'{found} of the package audio_common_msgs of {foreign.pop()}, and that of '
                f'{INSTALLED} is installed here under the same name; install the one that the '
                'publisher uses in its place.')
    return f'{found}; publish one of {", ".join(TYPES)}, or remap audio to a topic of that type.'


def qos_complaint(topic: str, publishers: Iterable[TopicEndpointInfo],
                  ours: QoSProfile) -> str | None:
    """Say which publishers cannot be heard for their quality of service."""
    for publisher in publishers:
        compatible, reason = qos_check_compatible(publisher.qos_profile, ours)
        if compatible == QoSCompatibility.ERROR:
            return (f'{topic} cannot be heard from {node_name(publisher)}, its QoS is not '
                    f'compatible: {reason.removeprefix("ERROR: ").rstrip("; ")}.')
    return None


def crowd_complaint(topic: str, publishers: Iterable[TopicEndpointInfo],
                    are_known: bool = True) -> str:
    """
    Say that several publishers speak at once.

    :param are_known: whether messages tell whose they are.
    """
    names = ', '.join(sorted(node_name(publisher) for publisher in publishers))
    return (f'{topic} has several publishers at once, {names}, whose audio would be mixed up, so '
            'none is heard. Stop all but one, or give each a topic of its own and name them in '
            'streams.' + ('' if are_known else (
                ' This ROS does not tell whose a message is, so one that is silent counts too, '
                'and one that died does until DDS gives it up, about 20 s later.')))


def silence_reason(node: Node, topic: str, publishers: Iterable[TopicEndpointInfo]) -> str:
    """Say why no message may be coming on a topic that has these publishers."""
    if publishers:
        return (f'its publisher {", ".join(sorted({node_name(p) for p in publishers}))} is there '
                'but sends nothing that arrives; look at its log, its device and the network.')
    elsewhere = sorted(
        name for name, types in node.get_topic_names_and_types()
        if TYPES.keys() & set(types) and _has_publisher(node, name))
    if elsewhere:
        return f'it has no publisher, but there is audio on {", ".join(elsewhere)}: remap audio.'
    return 'it has no publisher; start one, or remap audio.'


def _has_publisher(node: Node, topic: str) -> bool:
    """Return whether a topic of the graph has one; its name may be none that ROS would allow."""
    try:
        return node.count_publishers(topic) > 0
    except (ValueError, InvalidTopicNameException):
        return False


def node_name(endpoint: TopicEndpointInfo) -> str:
    """Return the full name of an endpoint's node."""
    return f'{endpoint.node_namespace.rstrip("/")}/{endpoint.node_name}'


def topic_of(prefix: str, name: str = 'audio') -> str:
    """Return the name, before it is remapped, of a topic of a microphone."""
    return f'{prefix}/{name}' if prefix else name


def info_topic(node: Node, prefix: str = '') -> str:
    """Return where audio_info is expected: beside the audio topic, unless it is remapped."""
    audio, info = topic_of(prefix), topic_of(prefix, 'audio_info')
    resolved = node.resolve_topic_name(info)
    if resolved != node.resolve_topic_name(info, only_expand=True):
        return resolved
    return node.resolve_topic_name(audio).rpartition('/')[0] + '/audio_info'
