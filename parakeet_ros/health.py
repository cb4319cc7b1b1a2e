"""`/diagnostics`: the node's health, once a second on the steady clock."""

import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from parakeet_ros.diagnostics import (
    AUDIO_INPUT,
    diagnostic_name,
    Problems,
    RECOGNIZER,
    status,
    WARN,
)
from rclpy.clock import Clock, ClockType

PERIOD_S = 1.0
RECENT_DROP_S = 10.0  # a drop is a warning for so long


class HealthReport:
    """
    Publish two statuses, `audio input` and `recognizer`.

    :param node: the `AsrNode`; its state is read at each report.
    """

    def __init__(self, node: Any, problems: Problems) -> None:
        self._node = node
        self._problems = problems
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        # under use_sim_time without /clock the node's own clock would stand still
        node.create_timer(PERIOD_S, self._publish, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _publish(self) -> None:
        self._look_for_problems()
        array = DiagnosticArray()
        array.header.stamp = self._node.get_clock().now().to_msg()
        array.status = [
            self._status(AUDIO_INPUT, self._audio_input_values()),
            self._status(RECOGNIZER, self._recognizer_values())]
        self._publisher.publish(array)

    def _look_for_problems(self) -> None:
        audio_input, recognizer = self._node.audio_input, self._node.recognizer
        limit_s = self._node.config.stale_audio_s
        if audio_input is None or audio_input.age_s < limit_s:
            self._problems.clear('stale audio')
        else:
            publishers = self._node.count_publishers(audio_input.topic)
            self._problems.report(
                'stale audio', AUDIO_INPUT, WARN,
                f'No audio on {audio_input.topic} for more than {limit_s:g} s: ' + (
                    'its publisher is there but sends nothing that is received.' if publishers
                    else 'it has no publisher; start one, or remap audio.'))
        dropped_ns = recognizer.counters.last_drop_ns if recognizer else None
        if dropped_ns is not None and time.monotonic_ns() - dropped_ns < RECENT_DROP_S * 1e9:
            self._problems.report(
                'drops', RECOGNIZER, WARN, 'Utterances were dropped: the queue was full. Use a '
                'faster device, a smaller model or a larger queue_size.')
        else:
            self._problems.clear('drops')
        if recognizer and recognizer.counters.transcribed and recognizer.counters.rtfx < 1:
            self._problems.report(
                'slow', RECOGNIZER, WARN, 'The engine is slower than real time. Use a faster '
                'device or a smaller model.')
        else:
            self._problems.clear('slow')

    def _status(self, task: str, values: dict[str, Any]) -> DiagnosticStatus:
        state = self._node.current_state_label
        level, message = self._problems.worst(task, fine=state)
        return status(f'{diagnostic_name(self._node)}: {task}', level, message,
                      self._node.config.device, {'state': state, **values})

    def _audio_input_values(self) -> dict[str, Any]:
        audio_input, recognizer = self._node.audio_input, self._node.recognizer
        values: dict[str, Any] = {}
        if audio_input is not None:
            values = {
                'topic': audio_input.topic,
                'type': audio_input.type_name,
                'publishers': self._node.count_publishers(audio_input.topic),
                'messages': audio_input.messages,
                'refused messages': audio_input.refused,
                'age s': audio_input.age_s,
            }
        stream = recognizer.stream if recognizer else None
        if stream is not None:
            audio_format, statistics = stream.audio_format, stream.statistics
            values.update({
                'sample rate Hz': audio_format.sample_rate,
                'channels': audio_format.channels,
                'sample format': audio_format.sample_format,
                'audio s': statistics.seconds,
                'level dBFS': statistics.level_db,
                'noise floor dBFS': statistics.noise_floor_db,
                'backward stamps': statistics.backward_stamps,
                'bad samples': statistics.bad_samples,
            })
        return values

    def _recognizer_values(self) -> dict[str, Any]:
        engine, recognizer = self._node.engine, self._node.recognizer
        values: dict[str, Any] = {'model': self._node.config.model}
        if engine is None or recognizer is None:
            return values
        counters = recognizer.counters
        values.update({
            'device': engine.device,
            'dtype': engine.dtype,
            'queue': recognizer.queue_depth,
            'queue size': self._node.config.queue_size,
            'utterances': counters.utterances,
            'transcribed': counters.transcribed,
            'empty': counters.empty,
            'failed': counters.failed,
            'dropped': counters.dropped,
            'RTFx': counters.rtfx,
            'latency p50 ms': counters.latency_ms(50),
            'latency p95 ms': counters.latency_ms(95),
        })
        torch = sys.modules.get('torch')
        if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
            values['GPU memory MB'] = torch.cuda.memory_allocated() / 1e6
        return values
