"""What is heard of one audio stream: the gate, the recognizer, and the end of a stream. No ROS."""

from parakeet_ros.audio import AudioFormat, StreamObserver
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
        self.recognizer = Recognizer(
            worker, lane, parameters.channel, parameters.vad, parameters.partial_interval_s,
            observer)

    def configure(self, parameters: Parameters) -> None:
        """Take over the parameters that may change at any time."""
        self.recognizer.set_config(parameters.vad)
        self.recognizer.partial_interval_s = parameters.partial_interval_s
        self.gate.tail_s = parameters.robot_speaking_tail_s

    def hear(self, audio_format: AudioFormat, data: memoryview, stamp_ns: int, arrival_ns: int,
             stamped: bool) -> bool:
        """
        Take a chunk, and return whether it was heard; see `Recognizer.push`.

        :raises AudioFormatError: if the format has no such channel.
        """
        is_heard = self.gate.passes(audio_format.duration_s(len(data)))
        if is_heard:
            self.recognizer.push(audio_format, data, stamp_ns, arrival_ns, stamped)
        else:
            self.recognizer.skip(audio_format, data)
        return is_heard

    def set_robot_speaks(self, speaks: bool) -> None:
        """Do not listen while the robot speaks; what was said before is not lost."""
        if speaks:
            self.recognizer.flush()
        self.gate.set_robot_speaks(speaks)

    def set_enabled(self, enabled: bool) -> None:
        """Listen or not; what was said before is not lost."""
        if not enabled:
            self.recognizer.flush()
        self.gate.enabled = enabled
