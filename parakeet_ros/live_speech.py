"""
Speech as ROS4HRI nodes want it: `hri_msgs/LiveSpeech` under the names of REP-155.

Published only where `hri_msgs` is installed. Nobody is told apart: each microphone is one voice.
"""

from collections.abc import Sequence

from parakeet_ros.conversions import ns_to_time
from parakeet_ros.quiet_events import NO_OUTPUT_EVENTS
from parakeet_ros.results import Partial, Result
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile

try:
    from hri_msgs.msg import IdsList, LiveSpeech
except ImportError:
    IdsList = LiveSpeech = None

QUEUE_DEPTH = 10
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
ANONYMOUS = 'anonymous_speaker'  # the voice of a microphone without a name


class LiveSpeechOutput:
    """
    Publish on `humans/voices/<name>/speech`, and the voices on `humans/voices/tracked`.

    :param name: of the microphone, or empty.
    :param names: of all microphones of the node.
    """

    available = LiveSpeech is not None

    def __init__(self, node: LifecycleNode, name: str, names: Sequence[str]) -> None:
        self._node = node
        self._voices = [each or ANONYMOUS for each in names]
        self._publisher = node.create_lifecycle_publisher(
            LiveSpeech, f'humans/voices/{name or ANONYMOUS}/speech', QUEUE_DEPTH,
            event_callbacks=NO_OUTPUT_EVENTS)
        self._tracked = node.create_lifecycle_publisher(
            IdsList, 'humans/voices/tracked', LATCHED, event_callbacks=NO_OUTPUT_EVENTS)

    def publish(self, result: Result) -> None:
        """Publish the final text of an utterance."""
        message = LiveSpeech(final=result.text, confidence=float(result.transcript.confidence))
        message.header.stamp = ns_to_time(result.parts[0].start_ns)
        self._publisher.publish(message)

    def publish_partial(self, partial: Partial) -> None:
        """Publish what is known of an utterance that is going on."""
        message = LiveSpeech(incremental=partial.text)
        message.header.stamp = ns_to_time(partial.start_ns)
        self._publisher.publish(message)

    def publish_voices(self) -> None:
        """Publish which voices there are; listeners of REP-155 find the topics of speech by it."""
        message = IdsList(ids=self._voices)
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._tracked.publish(message)

    def destroy(self) -> None:
        """Remove the publishers."""
        for publisher in (self._publisher, self._tracked):
            self._node.destroy_lifecycle_publisher(publisher)
