"""
The lifecycle node `asr`: audio topics -> utterances -> engine -> text.

Thin glue. The executor's thread segments audio and publishes; the worker's thread runs the engine
and wakes the executor through a guard condition. Nothing here waits for the engine but the
deactivation, which waits for the utterances that were accepted, and, shortly, the exit.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
import gc
import logging
import os
import sys
import time
import traceback
from typing import Any, NoReturn

from parakeet_ros import parameters
from parakeet_ros.audio_topics import topic_of
from parakeet_ros.careful import release_cached_memory
from parakeet_ros.diagnostics import ERROR, Problems, RECOGNIZER, WARN
from parakeet_ros.ending import Ending
from parakeet_ros.health import HealthReport
from parakeet_ros.microphone import Microphone, TICK_S
from parakeet_ros.parameter_descriptors import descriptor
from parakeet_ros.robot_voice import RobotVoice
from parakeet_ros.ros_logging import log_to_ros
from parakeet_ros.threads import wait_without_spinning
from parakeet_ros.worker import Worker
from rcl_interfaces.msg import SetParametersResult
import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from std_srvs.srv import SetBool

DRAIN_TIMEOUT_S = 30.0
EXIT_DRAIN_S = 0.8  # at the end of the process the engine may end what it is at
EXIT_TIMEOUT_S = 1.6  # and then the process is gone


class AsrNode(LifecycleNode):
    """
    Turn audio topics into text.

    configure loads the model, activate subscribes, deactivate publishes what was accepted, and
    cleanup frees the model.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('asr', **kwargs)
        for setting in parameters.settings():
            self.declare_parameter(
                setting.name, setting.default, descriptor(setting))
        self.config = parameters.from_values(self._values())
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self.problems = Problems(self._log)
        self.engine: Any = None
        self._steered: Any = None  # the engine with the hotwords, as the worker has it
        self.worker: Worker | None = None
        self.microphones: list[Microphone] = []
        self._is_active = False
        self._is_enabled = True
        self.last_fault_ns: int | None = None  # of a callback, on the steady clock
        self._engine_done = self.create_guard_condition(self._publish)
        self.create_service(SetBool, '~/enable', self._on_enable)
        self._robot_voice = RobotVoice(self, self._on_robot_speaking)
        self.create_timer(TICK_S, self._on_tick, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._health = HealthReport(self)

    def autostart(self) -> None:
        """Configure and activate, if the parameter says so."""
        if self.config.autostart and self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def _LifecycleNodeMixin__change_state(self, transition_id: int) -> TransitionCallbackReturn:
        """Refuse a transition that the state does not allow; before Kilted rclpy lets it raise."""
        try:
            return super()._LifecycleNodeMixin__change_state(transition_id)
        except rclpy_implementation.RCLError as error:
            self.get_logger().error(f'No such transition from {self.current_state_label}: {error}')
            return TransitionCallbackReturn.ERROR

    @property
    def current_state_label(self) -> str:
        """Return the lifecycle state: unconfigured, inactive, active or finalized."""
        return self._state_machine.current_state[1]

    # --- lifecycle -------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model and create the publishers."""
        result = self._attempt('configure', self._configure)
        if result != TransitionCallbackReturn.SUCCESS:
            self._free()
        return result

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe."""
        super().on_activate(state)
        result = self._attempt('activate', self._activate)
        if result != TransitionCallbackReturn.SUCCESS:
            self._unsubscribe()
            super().on_deactivate(state)
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe, and publish everything that was accepted."""
        self._deactivate()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model and remove the publishers."""
        self._free()
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
            self.problems.report(name, RECOGNIZER, ERROR, f'Cannot {name}: {error}')
        except Exception as error:
            logging.getLogger(__name__).exception('%s failed', name)
            self.problems.report(
                name, RECOGNIZER, ERROR, f'Cannot {name}: {type(error).__name__}: {error}')
        else:
            self.problems.clear(name)
            return TransitionCallbackReturn.SUCCESS
        return TransitionCallbackReturn.FAILURE

    def _configure(self) -> None:
        # torch takes a second: not before it is needed
        from parakeet_ros.engine import load_model
        from parakeet_ros.steered_engine import SteeredEngine

        p = self.config
        self.get_logger().info(f'Loading {p.model} ...')
        self.engine = load_model(p.model, device=p.device, dtype=p.dtype)
        self._steered = SteeredEngine(self.engine, p.hotwords)
        names = p.streams or ('',)
        self._refuse_shared_topics(names)
        # in the thread that will use them, for CUDA's libraries have handles for each
        self.worker = Worker(self._steered, p.queue_size, self._wake, p.batch_size,
                             prepare=self.engine.warm_up)
        self.microphones = [
            Microphone(self, name, p, self.worker, self.engine.name, self._log) for name in names]
        self._on_robot_speaking(self._robot_voice.speaks)
        for microphone in self.microphones:
            microphone.set_enabled(self._is_enabled)

    def _refuse_shared_topics(self, names: Sequence[str]) -> None:
        """Refuse microphones that are remapped to one topic: they would be one."""
        topics: dict[str, str] = {}
        for name in names:
            topic = self.resolve_topic_name(topic_of(name))
            if topic in topics:
                raise ValueError(f'the microphones {topics[topic]!r} and {name!r} of streams are '
                                 f'both remapped to {topic}; give each a topic of its own')
            topics[topic] = name

    def _activate(self) -> None:
        for microphone in self.microphones:
            microphone.activate()
        self._is_active = True

    def _deactivate(self, timeout_s: float = DRAIN_TIMEOUT_S) -> None:
        if not self._is_active:
            return
        self._unsubscribe()
        self.worker.drain(timeout_s / 2)  # so that the queue has room for what was still open
        for microphone in self.microphones:
            microphone.end_stream(is_break=True)
        if not self.worker.drain(timeout_s / 2):
            self.get_logger().error(
                f'The engine did not finish within {timeout_s} s; '
                f'{self.worker.depth} utterances are lost.')
        self._publish()

    def _unsubscribe(self) -> None:
        self._is_active = False
        for microphone in self.microphones:
            microphone.unsubscribe()

    def _cleanup(self, timeout_s: float = DRAIN_TIMEOUT_S) -> None:
        """Free the model; an engine that is still at it ends in its own time."""
        self._unsubscribe()
        for microphone in self.microphones:
            microphone.outputs.destroy()
        if self.worker is not None:
            self.worker.stop(timeout_s)
        self.engine, self._steered, self.worker, self.microphones = None, None, None, []

    def _free(self) -> None:
        """Clean up, and leave the memory to other nodes."""
        self._cleanup()
        gc.collect()  # what refers to itself keeps the model
        release_cached_memory()

    # --- the executor's callbacks ----------------------------------------------------------

    def _on_tick(self) -> None:
        self._robot_voice.watch()
        if self._is_active:
            for microphone in self.microphones:
                microphone.tick(round(self.config.end_of_stream_s / TICK_S))

    def _wake(self) -> None:
        """Have the executor publish; called in the worker's thread."""
        with suppress(rclpy_implementation.InvalidHandle):  # the engine has outlived the node
            self._engine_done.trigger()

    def _publish(self) -> None:
        for microphone in self.microphones:
            microphone.publish()

    def _on_robot_speaking(self, speaks: bool, received_ns: int = 0) -> None:
        for microphone in self.microphones:
            microphone.set_robot_speaks(speaks, received_ns)

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response
                   ) -> SetBool.Response:
        for microphone in self.microphones:
            microphone.set_enabled(request.data)
        if self.microphones:
            self._is_enabled = request.data
        response.success = bool(self.microphones)
        response.message = ('listening' if request.data else 'not listening') if (
            response.success) else 'the node is not configured'
        return response

    # --- parameters ------------------------------------------------------------------------

    def _values(self) -> dict[str, Any]:
        return {s.name: self.get_parameter(s.name).value for s in parameters.settings()}

    def _on_set_parameters(self, changed: list[Parameter]) -> SetParametersResult:
        settings = {s.name: s for s in parameters.settings()}
        old = self._values()
        last = {p.name: p.value for p in changed if p.name in settings}
        ours = {name: value for name, value in last.items() if value != old[name]}
        fixed = [name for name in ours if settings[name].change != parameters.DYNAMIC]
        if fixed and self.engine is not None:
            return SetParametersResult(successful=False, reason=(
                f'{", ".join(fixed)} can change only while the node is unconfigured; '
                'deactivate and clean up first (ros2 lifecycle set)'))
        try:
            config = parameters.from_values({**old, **ours})
            if self._steered is not None and 'hotwords' in ours:
                self._steered.set_hotwords(config.hotwords)
        except (MemoryError, RuntimeError, ValueError) as error:
            return SetParametersResult(successful=False, reason=str(error))
        self.config = config
        for microphone in self.microphones:
            microphone.configure(self.config)
        return SetParametersResult(successful=True)

    def _log(self, level: bytes, message: str) -> None:
        # rclpy ties a line to one severity: each has a line of its own
        logger = self.get_logger()
        if level == ERROR:
            logger.error(message)
        elif level == WARN:
            logger.warning(message)
        else:
            logger.info(message)

    def report_fault(self, error: Exception) -> None:
        """Say that a callback failed, which none should."""
        self.last_fault_ns = time.monotonic_ns()
        if self.problems.report(
                'callback', RECOGNIZER, ERROR,
                f'A callback failed ({type(error).__name__}: {error}). Please report it.'):
            logging.getLogger(__name__).error('a callback failed', exc_info=error)

    def close(self) -> None:
        """Publish what the engine can end shortly, and release everything."""
        self._deactivate(EXIT_DRAIN_S)
        for microphone in self.microphones:
            microphone.outputs.wait_until_sent()
        self._cleanup(timeout_s=0.1)
        self.destroy_node()
        # rclpy leaves it, and with it the participant and what that shares with other processes
        self._state_machine.destroy_when_not_in_use()


def main(args: list[str] | None = None) -> NoReturn:
    """Run the node until it is shut down, and end the process."""
    wait_without_spinning()
    # rclpy would shut down under our feet; so there is time to publish what was accepted
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    ending = Ending(EXIT_TIMEOUT_S)
    node, status = None, 0
    try:
        ending.at_once()
        try:
            node = AsrNode()
        except (ParameterException, ValueError) as error:
            rclpy.logging.get_logger('asr').fatal(f'Cannot start: {error}')
            status = 2
        else:
            log_to_ros(node.get_logger())
            ending.when_asked()  # what a handler raises in the import of torch would abort it
            node.autostart()
            spin(node, ending)
    except (SystemExit, ExternalShutdownException):
        pass
    except Exception:
        traceback.print_exc()
        status = 1
    ending.begin(status)
    if node is not None:
        node.close()
    rclpy.try_shutdown()
    end_process(status)


def spin(node: AsrNode, ending: Ending) -> None:
    """Run callbacks until a signal asks for the end; the node's timer has it noticed."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    while rclpy.ok() and not ending.is_asked_for:
        try:
            executor.spin_once()
        except ExternalShutdownException:
            raise
        except Exception as error:  # of one callback: the others go on
            node.report_fault(error)
            time.sleep(TICK_S)  # if it is always the same
    executor.remove_node(node)


def end_process(status: int) -> NoReturn:
    """
    End without Python's own end.

    It takes torch apart, which lasts seconds on a busy computer and may meet the engine's thread.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(status)


if __name__ == '__main__':
    main()
