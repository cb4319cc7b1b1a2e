"""What is heard of one audio stream: the gate, the recognizer, and the end of a stream. No ROS."""

from collections import deque

from parakeet_ros.audio import AudioFormat, StreamObserver
from parakeet_ros.audio_formats import Arrival
from parakeet_ros.gate import Gate
from parakeet_ros.parameters import Parameters
from parakeet_ros.recognizer import Recognizer
from parakeet_ros.worker import Transcribing


class Ear:
    """
    Hear chunks of audio, live or from a bag; the recognizer then has the results.

    :param worker: runs the engine.
    :param lane: this stream's lane in it.
    :param observer: sees every frame and every gap of the stream.
    """

    def __init__(self, parameters: Parameters, worker: Transcribing, lane: str,
                 observer: StreamObserver | None = None) -> None:
        self.gate = Gate(parameters.robot_speaking_tail_s)
        self._changes: deque[tuple[int, bool]] = deque()  # when what the robot says was received
        self._received_ns = 0  # of the latest audio
        self.recognizer = Recognizer(
            worker, lane, parameters.channel, parameters.vad, parameters.partial_interval_s,
            observer)

    def configure(self, parameters: Parameters) -> None:
        """Take over the parameters that may change at any time."""
        self.recognizer.set_config(parameters.vad)
        self.recognizer.partial_interval_s = parameters.partial_interval_s
        self.gate.tail_s = parameters.robot_speaking_tail_s

    def hear(self, audio_format: AudioFormat, arrival: Arrival) -> None:
        """
        Take a message of audio; see `Recognizer.push`.

        :raises AudioFormatError: if the format has no such channel.
        """
        if arrival.received_ns < self._received_ns:
            self.settle()  # the clock was set back, and would seem to be early for long
        self._received_ns = arrival.received_ns
        while self._changes and self._changes[0][0] <= arrival.received_ns:
            self._change()
        data = arrival.chunk.data
        if self.gate.passes(audio_format.duration_s(len(data))):
            self.recognizer.push(audio_format, data, arrival.stamp_ns, arrival.arrival_ns,
                                 stamped=arrival.chunk.stamp_ns != 0)
        else:
            self.recognizer.skip(audio_format, data)

    def set_robot_speaks(self, speaks: bool, received_ns: int = 0) -> None:
        """
        Do not listen while the robot speaks; what was said before is not lost.

        It holds for the audio that was received later, as messages of two topics may come in
        another order when they have waited: until such audio is heard, or `settle` is called.

        :param received_ns: on the clock of the audio's; 0 for all that is still to come.
        """
        self._changes.append((received_ns, speaks))

    @property
    def is_settled(self) -> bool:
        """Return whether nothing waits for later audio."""
        return not self._changes

    def settle(self) -> None:
        """Be told that no audio waits that was received before what the robot has said."""
        while self._changes:
            self._change()

    def _change(self) -> None:
        _, speaks = self._changes.popleft()
        self.gate.set_robot_speaks(speaks)
        if speaks:
            self.recognizer.flush()

    def set_enabled(self, enabled: bool) -> None:
        """Listen or not; what was said before is not lost."""
        if not enabled:
            self.recognizer.flush()
        self.gate.enabled = enabled
