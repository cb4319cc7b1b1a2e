"""
Speech as ROS4HRI nodes want it: `hri_msgs/LiveSpeech` under the names of REP-155.

Published only where `hri_msgs` is installed. Nobody is told apart: the voice is anonymous.
"""

from parakeet_ros.conversions import ns_to_time
from parakeet_ros.results import Partial, Result
from rclpy.lifecycle import LifecycleNode

try:
    from hri_msgs.msg import LiveSpeech
except ImportError:
    LiveSpeech = None

QUEUE_DEPTH = 10


class LiveSpeechOutput:
    """
    Publish on `humans/voices/<name>/speech`.

    :param name: of the microphone; `anonymous_speaker` where the node has one without a name.
    """

    available = LiveSpeech is not None

    def __init__(self, node: LifecycleNode, name: str) -> None:
        self._node = node
        self._publisher = node.create_lifecycle_publisher(
            LiveSpeech, f'humans/voices/{name or "anonymous_speaker"}/speech', QUEUE_DEPTH)

    def publish(self, result: Result) -> None:
        """Publish the final text of an utterance."""
        message = LiveSpeech(final=result.text, confidence=result.transcript.confidence)
        message.header.stamp = ns_to_time(result.parts[0].start_ns)
        self._publisher.publish(message)

    def publish_partial(self, partial: Partial) -> None:
        """Publish what is known of an utterance that is going on."""
        message = LiveSpeech(incremental=partial.text)
        message.header.stamp = ns_to_time(partial.start_ns)
        self._publisher.publish(message)

    def destroy(self) -> None:
        """Remove the publisher."""
        self._node.destroy_lifecycle_publisher(self._publisher)
