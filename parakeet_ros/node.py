"""
The lifecycle node `asr`: audio topic -> utterances -> engine -> text.

Thin glue. The executor's thread segments audio and publishes; the worker's thread runs the engine
and wakes the executor through a guard condition. Nothing here waits for the engine but the
deactivation, which waits for the utterances that were accepted.
"""

from collections.abc import Callable
import logging
import sys
from typing import Any

from parakeet_ros import parameters
from parakeet_ros.audio import AudioFormat
from parakeet_ros.audio_input import AudioInput
from parakeet_ros.diagnostics import ERROR, Problems, RECOGNIZER, WARN
from parakeet_ros.health import HealthReport
from parakeet_ros.outputs import SpeechOutputs
from parakeet_ros.recognizer import Recognizer
from rcl_interfaces.msg import SetParametersResult
import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

TICK_S = 0.1  # of the timer that notices the end of a stream
DRAIN_TIMEOUT_S = 30.0


class AsrNode(LifecycleNode):
    """
    Turn an audio topic into text.

    configure loads the model, activate subscribes, deactivate publishes what was accepted, and
    cleanup frees the model.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('asr', **kwargs)
        for setting in parameters.settings():
            self.declare_parameter(
                setting.name, setting.default, parameters.descriptor(setting))
        self._config = parameters.from_values(self._values())
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._problems = Problems(self._log)
        self._engine: Any = None
        self._audio_format: AudioFormat | None = None
        self._recognizer: Recognizer | None = None
        self._outputs: SpeechOutputs | None = None
        self._input: AudioInput | None = None
        self._quiet_ticks = 0
        self._engine_done = self.create_guard_condition(self._publish_results)
        self._tick = self.create_timer(
            TICK_S, self._on_tick, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._health = HealthReport(self, self._problems)

    def autostart(self) -> None:
        """Configure and activate, if the parameter says so."""
        if (self._config.autostart
                and self.trigger_configure() == TransitionCallbackReturn.SUCCESS):
            self.trigger_activate()

    # --- lifecycle -------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model and create the publishers."""
        return self._attempt('configure', self._configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe."""
        super().on_activate(state)
        return self._attempt('activate', self._activate)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe, and publish everything that was accepted."""
        self._deactivate()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model and remove the publishers."""
        self._cleanup()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release everything, from any state."""
        self._deactivate()
        self._cleanup()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Return to unconfigured after an error."""
        return self.on_shutdown(state)

    def _attempt(self, name: str, step: Callable[[], None]) -> TransitionCallbackReturn:
        """Run a transition's step; rclpy would swallow what it raises."""
        try:
            step()
        except (ValueError, OSError) as error:  # the input's fault, and the message says which
            self._problems.report(name, RECOGNIZER, ERROR, f'Cannot {name}: {error}')
        except Exception as error:
            logging.getLogger(__name__).exception('%s failed', name)
            self._problems.report(
                name, RECOGNIZER, ERROR, f'Cannot {name}: {type(error).__name__}: {error}')
        else:
            self._problems.clear(name)
            return TransitionCallbackReturn.SUCCESS
        self._cleanup()
        return TransitionCallbackReturn.FAILURE

    def _configure(self) -> None:
        from parakeet_ros.engine import load_model  # torch takes a second: not before it is needed

        p = self._config
        self._audio_format = p.audio_format  # refused here if unknown, not at the first message
        self.get_logger().info(f'Loading {p.model} ...')
        self._engine = load_model(p.model, device=p.device, dtype=p.dtype)
        self._engine.warm_up()
        self._recognizer = Recognizer(
            self._engine, p.channel, p.vad, p.queue_size, self._engine_done.trigger)
        self._outputs = SpeechOutputs(self, self._engine.name)
        self.get_logger().info(
            f'Loaded {self._engine.name} on {self._engine.device} in {self._engine.dtype}.')

    def _activate(self) -> None:
        self._input = AudioInput(self, self._audio_format, self._on_audio,
                                 self._problems)
        self._outputs.publish_is_speaking(False)

    def _deactivate(self) -> None:
        if self._input is None:
            return
        self._input.close()
        self._input = None
        if not self._recognizer.finish(DRAIN_TIMEOUT_S):
            self.get_logger().error(
                f'The engine did not finish within {DRAIN_TIMEOUT_S} s; '
                f'{self._recognizer.queue_depth} utterances are lost.')
        self._publish_results()
        self._outputs.publish_is_speaking(False)

    def _cleanup(self) -> None:
        if self._recognizer is not None:
            self._recognizer.close()
        if self._outputs is not None:
            self._outputs.destroy()
        self._recognizer = self._outputs = self._engine = None

    # --- the executor's callbacks ----------------------------------------------------------

    def _on_audio(self, audio_format: AudioFormat, data: memoryview, stamp_ns: int,
                  arrival_ns: int) -> None:
        self._quiet_ticks = 0
        self._recognizer.push(audio_format, data, stamp_ns, arrival_ns)
        self._outputs.publish_is_speaking(self._recognizer.is_speaking)

    def _on_tick(self) -> None:
        """
        Close an open utterance when the stream has ended.

        Ticks without a message are counted rather than seconds since the last one, so that an
        executor that was held up does not take its own delay for the end of the stream.
        """
        self._quiet_ticks += 1
        if (self._input is not None
                and self._quiet_ticks == round(self._config.end_of_stream_s / TICK_S)):
            self._recognizer.flush()
            self._outputs.publish_is_speaking(False)

    def _publish_results(self) -> None:
        if self._recognizer is None:
            return
        for result in self._recognizer.take_results():
            if result.error is not None:
                self._problems.report(
                    'transcribe', RECOGNIZER, ERROR, f'The engine failed on utterance '
                    f'{result.utterance_id}: {type(result.error).__name__}: {result.error}')
            else:
                self._problems.clear('transcribe')
            self._outputs.publish(result)

    # --- parameters ------------------------------------------------------------------------

    def _values(self) -> dict[str, Any]:
        return {s.name: self.get_parameter(s.name).value for s in parameters.settings()}

    def _on_set_parameters(self, changed: list[Parameter]) -> SetParametersResult:
        settings = {s.name: s for s in parameters.settings()}
        ours = {p.name: p.value for p in changed if p.name in settings}
        fixed = [name for name in ours if settings[name].change != parameters.DYNAMIC]
        if fixed and self._recognizer is not None:
            return SetParametersResult(successful=False, reason=(
                f'{", ".join(fixed)} can change only while the node is unconfigured; '
                'deactivate and clean up first (ros2 lifecycle set)'))
        try:
            self._config = parameters.from_values({**self._values(), **ours})
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if self._recognizer is not None:
            self._recognizer.set_config(self._config.vad)
        return SetParametersResult(successful=True)

    # --- what the health report reads -------------------------------------------------------

    @property
    def config(self) -> parameters.Parameters:
        """Return the parameters in force."""
        return self._config

    @property
    def current_state_label(self) -> str:
        """Return the lifecycle state: unconfigured, inactive, active or finalized."""
        return self._state_machine.current_state[1]

    @property
    def engine(self) -> Any:
        """Return the loaded model, None while unconfigured."""
        return self._engine

    @property
    def recognizer(self) -> Recognizer | None:
        """Return the recognizer, None while unconfigured."""
        return self._recognizer

    @property
    def audio_input(self) -> AudioInput | None:
        """Return the audio input, None while inactive."""
        return self._input

    def _log(self, level: bytes, message: str) -> None:
        # rclpy ties a line to one severity: each has a line of its own
        logger = self.get_logger()
        if level == ERROR:
            logger.error(message)
        elif level == WARN:
            logger.warning(message)
        else:
            logger.info(message)

    def close(self) -> None:
        """Release everything; nothing is published any more."""
        self._cleanup()
        self.destroy_node()


def main(args: list[str] | None = None) -> int:
    """Run the node until it is shut down."""
    rclpy.init(args=args)
    node = None
    try:
        node = AsrNode()
        node.autostart()
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except (ParameterException, ValueError) as error:
        rclpy.logging.get_logger('asr').fatal(f'Cannot start: {error}')
        return 2
    finally:
        if node is not None:
            node.close()
        rclpy.try_shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
