"""What the node publishes of speech."""

from diagnostic_msgs.msg import DiagnosticArray
from parakeet_ros.conversions import error_text, ns_to_time, result_json
from parakeet_ros.diagnostics import diagnostic_name, ERROR, OK, status
from parakeet_ros.recognizer import Result
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import Bool, String

QUEUE_DEPTH = 10


class SpeechOutputs:
    """
    Publish `speech/text`, `speech/result`, `speech/timing` and `speech/is_speaking`.

    :param model: name of the model, for results.
    """

    def __init__(self, node: LifecycleNode, model: str) -> None:
        self._node = node
        self._model = model
        create = node.create_lifecycle_publisher
        self._text = create(String, 'speech/text', QUEUE_DEPTH)
        self._result = create(String, 'speech/result', QUEUE_DEPTH)
        self._timing = create(DiagnosticArray, 'speech/timing', QUEUE_DEPTH)
        self._is_speaking = create(Bool, 'speech/is_speaking', QoSProfile(
            depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL))
        self._speaking: bool | None = None

    def publish(self, result: Result) -> None:
        """Publish a result; an empty text goes out on `speech/result` alone."""
        if result.error is not None:
            level, message, text = ERROR, error_text(result.error), ''
        else:
            level, message, text = OK, result.transcript.text, result.transcript.text
        if text:
            self._text.publish(String(data=text))
        self._result.publish(String(data=result_json(result, self._model)))
        array = DiagnosticArray()
        array.header.stamp = ns_to_time(result.utterance.start_ns)
        array.status.append(status(
            f'{diagnostic_name(self._node)}: utterance', level, message, self._model,
            {'id': result.utterance_id, **result.timings}))
        self._timing.publish(array)

    def publish_is_speaking(self, speaking: bool) -> None:
        """Publish whether somebody speaks, if that has changed."""
        if speaking != self._speaking:
            self._speaking = speaking
            self._is_speaking.publish(Bool(data=speaking))

    def destroy(self) -> None:
        """Remove the publishers."""
        for publisher in (self._text, self._result, self._timing, self._is_speaking):
            self._node.destroy_lifecycle_publisher(publisher)
