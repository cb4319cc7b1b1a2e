"""One microphone of the node: its topics, its recognizer, and what it publishes."""

from collections.abc import Callable
import logging

from parakeet_ros.audio import AudioFormat, AudioFormatError
from parakeet_ros.audio_formats import Arrival
from parakeet_ros.audio_input import AudioInput
from parakeet_ros.careful import is_out_of_memory
from parakeet_ros.diagnostics import ERROR, Problems, RECOGNIZER
from parakeet_ros.ear import Ear
from parakeet_ros.outputs import SpeechOutputs
from parakeet_ros.parameters import Parameters
from parakeet_ros.speech_messages import error_text
from parakeet_ros.worker import Worker
from rclpy.lifecycle import LifecycleNode

TICK_S = 0.1  # of the timer that notices the end of a stream


class Microphone:
    """
    Turn one audio topic into text.

    :param name: prefix of its topics and statuses, empty where the node has one microphone.
    :param worker: runs the engine for all microphones.
    :param model: name of the model, for results.
    """

    def __init__(self, node: LifecycleNode, name: str, parameters: Parameters, worker: Worker,
                 model: str, log: Callable[[bytes, str], None]) -> None:
        self._node = node
        self._audio_format = parameters.audio_format
        self._quiet_ticks = 0
        self._messages = 0  # that had come at the latest tick
        self.name = name
        self.problems = Problems(lambda level, text: log(level, f'{name}: {text}' if name
                                                         else text))
        self._ear = Ear(parameters, worker, name)
        self.gate, self.recognizer = self._ear.gate, self._ear.recognizer
        self.outputs = SpeechOutputs(node, name, model, parameters.streams or ('',))
        self.input: AudioInput | None = None

    def activate(self) -> None:
        """Subscribe."""
        self.input = AudioInput(self._node, self._audio_format, self._on_audio, self.problems,
                                self.name, on_break=lambda: self.end_stream(is_break=True))
        self.outputs.publish_is_speaking(False)

    def unsubscribe(self) -> None:
        """Stop listening."""
        if self.input is not None:
            self.input.close()
            self.input = None
            self._ear.settle()

    def configure(self, parameters: Parameters) -> None:
        """Take over the parameters that may change at any time."""
        self._ear.configure(parameters)

    def set_robot_speaks(self, speaks: bool, received_ns: int) -> None:
        """Do not listen while the robot speaks; see `Ear.set_robot_speaks`."""
        self._ear.set_robot_speaks(speaks, received_ns)
        if self.input is None:
            self._ear.settle()

    def set_enabled(self, enabled: bool) -> None:
        """Listen or not; what was said before is not lost."""
        self._ear.set_enabled(enabled)
        if not enabled:
            self.publish()

    def tick(self, ticks_to_end: int) -> None:
        """
        Close an open utterance when the stream has ended.

        Ticks without a message are counted rather than seconds since the last one, so that an
        executor that was held up does not take its own delay for the end of the stream. A message
        comes when what is in it has been recorded: after a long one the next takes as long.
        """
        self._quiet_ticks += 1
        if self._quiet_ticks == ticks_to_end:
            self.end_stream(is_break=self.input is None or not self.input.publishers)
        self._settle()

    def end_stream(self, is_break: bool) -> None:
        """Close an open utterance; `is_break` as in `Recognizer.flush`."""
        self.recognizer.flush(is_break)
        self.publish()

    def publish(self) -> None:
        """Publish what the engine has done."""
        for result in self.recognizer.take_results():
            if result.error is not None:
                remedy = (' Use a smaller model or a smaller vad.max_utterance_s.'
                          if is_out_of_memory(result.error) else '')
                self.problems.report(
                    'transcribe', RECOGNIZER, ERROR, 'The engine failed on utterance '
                    f'{result.utterance_id}: {error_text(result.error)}{remedy}')
            else:
                self.problems.clear('transcribe', 'listen')
            self.outputs.publish(result)
        partial = self.recognizer.take_partial()
        if partial is not None:
            self.outputs.publish_partial(partial)
        self.outputs.publish_is_speaking(self.recognizer.is_speaking)

    def _settle(self) -> None:
        """
        Let what the robot has said hold, where no audio that was received before it waits.

        That is so when none has come in a whole tick.
        """
        if self.input is None:
            return
        has_come = self.input.messages > self._messages
        self._messages = self.input.messages
        if not (has_come or self._ear.is_settled or self.input.is_holding):
            self._ear.settle()
            self.publish()

    def _on_audio(self, audio_format: AudioFormat, arrival: Arrival) -> None:
        try:
            self._ear.hear(audio_format, arrival)
        except AudioFormatError:
            raise
        except Exception as error:  # a fault of this program: what comes next may well be heard
            logging.getLogger(__name__).exception('listening failed')
            self.problems.report(
                'listen', RECOGNIZER, ERROR,
                f'Listening failed ({type(error).__name__}: {error}); what was being said is '
                'lost, and the stream begins anew. Please report it.')
            self.recognizer.abandon()
            return
        n_bytes = len(arrival.chunk.data)
        if n_bytes:  # nothing, or what cannot be read, lets the stream before it end
            self._quiet_ticks = -round(audio_format.duration_s(n_bytes) / TICK_S)
        self.publish()
