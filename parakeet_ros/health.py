"""`/diagnostics`: the node's health, once a second on the steady clock."""

import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from parakeet_ros.audio_health import audio_input_values, look_for_audio_problems
from parakeet_ros.counters import Counters
from parakeet_ros.diagnostics import AUDIO_INPUT, diagnostic_name, RECOGNIZER, status, WARN, worst
from rclpy.clock import Clock, ClockType

PERIOD_S = 1.0
RECENT_DROP_S = 10.0  # a drop is a warning for so long
RECENT_FAULT_S = 60.0  # a fault in a callback is an error for so long


class HealthReport:
    """
    Publish two statuses, `audio input` and `recognizer`; of the first one for each microphone.

    :param node: the `AsrNode`; its state is read at each report.
    """

    def __init__(self, node: Any) -> None:
        self._node = node
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        # under use_sim_time without /clock the node's own clock would stand still
        node.create_timer(PERIOD_S, self._publish, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _publish(self) -> None:
        node, state = self._node, self._node.current_state_label
        counters = Counters.total(m.recognizer.counters for m in node.microphones)
        self._look_for_problems(counters)
        self._look_for_namesakes()
        array = DiagnosticArray()
        array.header.stamp = node.get_clock().now().to_msg()
        for microphone in node.microphones:
            look_for_audio_problems(microphone, node.config.stale_audio_s)
            array.status.append(self._status(
                microphone.name, AUDIO_INPUT, worst([microphone.problems], AUDIO_INPUT, state),
                audio_input_values(microphone)))
        everyone = [node.problems, *(m.problems for m in node.microphones)]
        array.status.append(self._status(
            '', RECOGNIZER, worst(everyone, RECOGNIZER, state),
            self._recognizer_values(counters)))
        self._publisher.publish(array)

    def _look_for_problems(self, counters: Counters) -> None:
        problems, dropped_ns = self._node.problems, counters.last_drop_ns
        if dropped_ns is not None and time.monotonic_ns() - dropped_ns < RECENT_DROP_S * 1e9:
            problems.report(
                'drops', RECOGNIZER, WARN, 'Utterances were dropped: the queue was full. Use a '
                'faster device, a smaller model or a larger queue_size.')
        else:
            problems.clear('drops')
        fault_ns = self._node.last_fault_ns
        if fault_ns is not None and time.monotonic_ns() - fault_ns > RECENT_FAULT_S * 1e9:
            problems.clear('callback')
        if counters.transcribed and counters.rtfx < 1:
            problems.report(
                'slow', RECOGNIZER, WARN, 'The engine is slower than real time. Use a faster '
                'device or a smaller model.')
        else:
            problems.clear('slow')

    def _look_for_namesakes(self) -> None:
        node = self._node
        own = node.get_name(), node.get_namespace()
        if node.get_node_names_and_namespaces().count(own) > 1:
            node.problems.report(
                'namesake', RECOGNIZER, WARN,
                f'Another node is called {node.get_fully_qualified_name()}, too: both publish, '
                'and services answer for either. Stop one, or start it in another namespace.')
        else:
            node.problems.clear('namesake')

    def _status(self, microphone: str, task: str, verdict: tuple[bytes, str],
                values: dict[str, Any]) -> DiagnosticStatus:
        return status(
            diagnostic_name(self._node, microphone, task), *verdict, self._node.config.device,
            {'state': self._node.current_state_label, **values})

    def _recognizer_values(self, counters: Counters) -> dict[str, Any]:
        engine, worker = self._node.engine, self._node.worker
        values: dict[str, Any] = {'model': self._node.config.model}
        if engine is None or worker is None:
            return values
        values.update({
            'device': engine.device,
            'dtype': str(engine.dtype).removeprefix('torch.'),
            'queue': worker.depth,
            'queue size': self._node.config.queue_size,
            **counters.values(),
        })
        torch = sys.modules.get('torch')
        if torch is not None and str(engine.device).startswith('cuda'):
            values['GPU memory MB'] = torch.cuda.memory_allocated(engine.device) / 1e6
        return values
