"""What one microphone of the node publishes of speech."""

from collections.abc import Sequence
import functools

from diagnostic_msgs.msg import DiagnosticArray
from parakeet_ros.conversions import ns_to_time
from parakeet_ros.diagnostics import diagnostic_name, ERROR, OK, status
from parakeet_ros.live_speech import LiveSpeechOutput
from parakeet_ros.quiet_events import NO_OUTPUT_EVENTS
from parakeet_ros.results import Partial, Result
from parakeet_ros.speech_messages import partial_json, result_json, timing_status
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import Bool, String

QUEUE_DEPTH = 10
SENT_TIMEOUT = Duration(seconds=0.2)


class SpeechOutputs:
    """
    Publish `speech/text`, `result`, `partial`, `timing` and `is_speaking`.

    :param name: prefix of the topics, empty for none.
    :param model: name of the model, for results.
    :param names: of all microphones of the node.
    """

    def __init__(self, node: LifecycleNode, name: str, model: str,
                 names: Sequence[str] = ('',)) -> None:
        self._node = node
        self._name = name
        self._model = model
        speech = f'{name}/speech' if name else 'speech'
        create = functools.partial(
            node.create_lifecycle_publisher, event_callbacks=NO_OUTPUT_EVENTS)
        self._text = create(String, f'{speech}/text', QUEUE_DEPTH)
        self._result = create(String, f'{speech}/result', QUEUE_DEPTH)
        self._partial = create(String, f'{speech}/partial', QUEUE_DEPTH)
        self._timing = create(DiagnosticArray, f'{speech}/timing', QUEUE_DEPTH)
        self._is_speaking = create(Bool, f'{speech}/is_speaking', QoSProfile(
            depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL))
        self._live_speech: LiveSpeechOutput | None = None
        if LiveSpeechOutput.available:
            self._live_speech = LiveSpeechOutput(node, name, names)
        self._speaking: bool | None = None

    def publish(self, result: Result) -> None:
        """Publish a result; an empty text goes out on `speech/result` alone."""
        if result.text:
            self._text.publish(String(data=result.text))
            if self._live_speech is not None:
                self._live_speech.publish(result)
        self._result.publish(String(data=result_json(result, self._model)))
        timing = timing_status(result)
        array = DiagnosticArray()
        array.header.stamp = ns_to_time(result.parts[0].start_ns)
        array.status.append(status(
            diagnostic_name(self._node, self._name, 'utterance'), ERROR if timing.failed else OK,
            timing.message, self._model, timing.values))
        self._timing.publish(array)

    def publish_partial(self, partial: Partial) -> None:
        """Publish what is known of an utterance that is going on."""
        self._partial.publish(String(data=partial_json(partial)))
        if self._live_speech is not None:
            self._live_speech.publish_partial(partial)

    def publish_is_speaking(self, speaking: bool) -> None:
        """Publish whether somebody speaks, if that has changed."""
        if speaking != self._speaking and self._is_speaking.is_activated:
            self._speaking = speaking
            self._is_speaking.publish(Bool(data=speaking))
            if self._live_speech is not None:
                self._live_speech.publish_voices()

    def wait_until_sent(self) -> None:
        """Wait shortly until listeners have what was published: the end of the process is near."""
        for publisher in (self._text, self._result):
            publisher.wait_for_all_acked(SENT_TIMEOUT)

    def destroy(self) -> None:
        """Remove the publishers."""
        for publisher in (self._text, self._result, self._partial, self._timing,
                          self._is_speaking):
            self._node.destroy_lifecycle_publisher(publisher)
        if self._live_speech is not None:
            self._live_speech.destroy()
