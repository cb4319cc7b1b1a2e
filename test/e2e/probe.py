"""A node in the test's process: hears everything that `asr` says, and can speak to it."""

from collections.abc import Callable
import json
import time
from typing import Any

from audio_common_msgs.msg import AudioData, AudioDataStamped, AudioInfo
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
import numpy as np
from parakeet_ros.conversions import ns_to_time
from rcl_interfaces.srv import SetParameters
import rclpy
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import Bool, String

TIMEOUT_S = 40.0  # of anything that should happen soon, on a loaded machine
ASK_AGAIN_S = 2.0  # of a request that may be repeated
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Probe:
    """Listen, publish and call; `until` spins until something is true."""

    def __init__(self, domain: int) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node('probe', context=self.context)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self.texts: list[str] = []
        self.results: list[dict[str, Any]] = []
        self.timings: list[DiagnosticStatus] = []
        self.speaking: list[bool] = []
        self.health: dict[str, DiagnosticStatus] = {}
        self.reports = 0
        subscribe = self.node.create_subscription
        subscribe(String, 'speech/text', lambda m: self.texts.append(m.data), 100)
        subscribe(String, 'speech/result',
                  lambda m: self.results.append(json.loads(m.data)), 100)
        subscribe(DiagnosticArray, 'speech/timing', lambda m: self.timings.extend(m.status), 100)
        subscribe(Bool, 'speech/is_speaking', lambda m: self.speaking.append(m.data),
                  QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL))
        subscribe(DiagnosticArray, '/diagnostics', self._on_diagnostics, 100)

    def __enter__(self) -> 'Probe':
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)

    def texts_of(self, microphone: str) -> list[str]:
        """Return the texts of a microphone, which grow as they come."""
        texts: list[str] = []
        self.node.create_subscription(
            String, f'{microphone}/speech/text', lambda m: texts.append(m.data), 100)
        return texts

    def json_of(self, topic: str) -> list[dict[str, Any]]:
        """Return the JSON objects on a topic, a list that grows as they come."""
        objects: list[dict[str, Any]] = []
        self.node.create_subscription(
            String, topic, lambda m: objects.append(json.loads(m.data)), 100)
        return objects

    def spin(self, seconds: float) -> None:
        """Handle what arrives for some time."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def until(self, condition: Callable[[], Any], what: str,
              timeout_s: float = TIMEOUT_S) -> None:
        """Handle what arrives until the condition holds."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            health = {name: (s.level, s.message) for name, s in self.health.items()}
            assert time.monotonic() < deadline, (
                f'{what}: not within {timeout_s} s; texts {self.texts}, health {health}')
            self._executor.spin_once(timeout_sec=0.05)

    def until_active(self) -> None:
        """Wait until the node says that it is active."""
        self.until(lambda: self.value('recognizer', 'state') == 'active', 'node active')

    def until_problem(self, task: str, *words: str) -> str:
        """Wait until a task has an error whose message has these words, and return it."""
        def has_problem() -> bool:
            status = self.health.get(task)
            return (status is not None and status.level == DiagnosticStatus.ERROR
                    and all(word in status.message for word in words))

        self.until(has_problem, f'{task} error with {words}')
        return self.health[task].message

    def value(self, task: str, key: str) -> str | None:
        """Return a value of the latest diagnostics."""
        status = self.health.get(task)
        return next((v.value for v in status.values if v.key == key), None) if status else None

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.reports += 1
        for status in message.status:
            self.health[status.name.partition(': ')[2]] = status

    # --- services -------------------------------------------------------------------------

    def call(self, kind: Any, name: str, request: Any) -> Any:
        """Call a service and return its response."""
        client = self.node.create_client(kind, name)
        self.until(client.service_is_ready, f'service {name}')
        self._until_answered()
        future = client.call_async(request)
        self.until(future.done, f'response of {name}')
        self.node.destroy_client(client)
        return future.result()

    def _until_answered(self) -> None:
        """
        Wait until the node knows of every client made until now.

        rmw_fastrtps drops a response when its client is not discovered within 100 ms. Clients
        are discovered in the order of their making: whoever answers the last one knows them all.
        """
        client = self.node.create_client(GetState, '/asr/get_state')
        self.until(client.service_is_ready, 'service get_state')
        asked: list[Any] = []

        def is_answered() -> bool:
            if time.monotonic() >= ASK_AGAIN_S * len(asked) + start:
                asked.append(client.call_async(GetState.Request()))
            return any(future.done() for future in asked)

        start = time.monotonic()
        self.until(is_answered, 'response of get_state')
        self.node.destroy_client(client)

    def transition(self, name: str) -> bool:
        """Ask for a lifecycle transition, and return whether it succeeded."""
        number = getattr(Transition, f'TRANSITION_{name.upper()}')
        request = ChangeState.Request(transition=Transition(id=number))
        return self.call(ChangeState, '/asr/change_state', request).success

    def begin_transition(self, name: str) -> None:
        """Ask for a lifecycle transition and do not wait for it."""
        number = getattr(Transition, f'TRANSITION_{name.upper()}')
        client = self.node.create_client(ChangeState, '/asr/change_state')
        self.until(client.service_is_ready, 'service change_state')
        client.call_async(ChangeState.Request(transition=Transition(id=number)))

    def state(self) -> str:
        """Return the lifecycle state."""
        return self.call(GetState, '/asr/get_state', GetState.Request()).current_state.label

    def set_parameter(self, name: str, value: Any) -> tuple[bool, str]:
        """Set a parameter; return whether it was taken and, if not, why."""
        request = SetParameters.Request(parameters=[Parameter(name, value=value)
                                                    .to_parameter_msg()])
        result = self.call(SetParameters, '/asr/set_parameters', request).results[0]
        return result.successful, result.reason


class Microphone:
    """Publish audio from the test's process."""

    def __init__(self, probe: Probe, kind: type = AudioDataStamped,
                 info: AudioInfo | None = None, name: str = '') -> None:
        self._probe = probe
        self._kind = kind
        self._prefix = f'{name}/' if name else ''
        self._audio = probe.node.create_publisher(kind, f'{self._prefix}audio', 1000)
        self._info = None
        self._n_sent = 0
        self.next_ns = 1_000_000_000_000  # stamp of the next sample
        if info is not None:
            self.announce(info)

    def announce(self, info: AudioInfo) -> None:
        """Publish the format."""
        if self._info is None:
            self._info = self._probe.node.create_publisher(
                AudioInfo, f'{self._prefix}audio_info', LATCHED)
        self._info.publish(info)

    def until_heard(self) -> None:
        """Wait for the node's subscription."""
        self._probe.until(self._audio.get_subscription_count, 'the node subscribes to audio')

    def until_unheard(self) -> None:
        """Wait until the node has unsubscribed."""
        self._probe.until(
            lambda: not self._audio.get_subscription_count(), 'the node unsubscribes')

    def until_taken(self) -> None:
        """Wait until the node has handled all that was sent."""
        self._probe.until(
            lambda: self._probe.value('audio input', 'messages') == str(self._n_sent),
            'all messages are handled')

    def send(self, data: bytes, duration_s: float = 0.0) -> None:
        """Publish one message."""
        message = AudioData(data=data)
        if self._kind is AudioDataStamped:
            message = AudioDataStamped(audio=message)
            message.header.stamp = ns_to_time(self.next_ns)
            self.next_ns += round(duration_s * 1e9)
        self._audio.publish(message)
        self._n_sent += 1

    def say(self, waveform: 'np.ndarray[Any, Any]', sample_rate: int = 16_000,
            chunk_s: float = 0.02, rate: float = 8.0) -> None:
        """Publish float samples `[n]` or `[n, channels]` as S16LE, faster than real time."""
        samples = np.round(np.clip(waveform, -1, 1) * 32767).astype('<i2')
        step = round(chunk_s * sample_rate)
        for start in range(0, len(samples), step):
            chunk = samples[start:start + step]
            self.send(chunk.tobytes(), len(chunk) / sample_rate)
            self._probe.spin(len(chunk) / sample_rate / rate)

    def close(self) -> None:
        """Vanish, as a microphone whose cable is pulled."""
        self._audio.wait_for_all_acked(Duration(seconds=5))  # a reader drops what comes later
        self._probe.node.destroy_publisher(self._audio)
        if self._info is not None:
            self._probe.node.destroy_publisher(self._info)


def pcm_info(**changes: Any) -> AudioInfo:
    """Return the description of S16LE mono at 16 kHz, with changes."""
    fields = {'channels': 1, 'sample_rate': 16_000, 'sample_format': 'S16LE',
              'bitrate': 256_000, 'coding_format': 'wave', **changes}
    return AudioInfo(**fields)
