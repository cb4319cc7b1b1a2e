"""The node in the test's process: transitions, parameters and what its health report says."""

from collections.abc import Callable, Iterator
import time
from typing import Any
import weakref

from audio_common_msgs.msg import AudioData
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from heldout import Clip, pcm16, spoken
from local_ros import LocalRos
import numpy as np
from parakeet_ros.audio.vad import EnergyVad
import parakeet_ros.health
from parakeet_ros.message_info import IS_TOLD
from parakeet_ros.node import AsrNode
from parakeet_ros.parameters import settings, UNCONFIGURED
import pytest
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from std_msgs.msg import Bool, String
from std_srvs.srv import SetBool

StartNode = Callable[..., AsrNode]
OFFLINE = {'model': 'builtin', 'device': 'cpu'}  # what every machine has
SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


@pytest.fixture
def start(ros: LocalRos) -> Iterator[StartNode]:
    """Return a function that makes a node with parameters, such as `vad__onset_db=9.0`."""
    nodes: list[AsrNode] = []

    def start_node(**values: Any) -> AsrNode:
        overrides = [Parameter(name.replace('__', '.'), value=value)
                     for name, value in {**OFFLINE, **values}.items()]
        nodes.append(ros.add(AsrNode(parameter_overrides=overrides)))
        return nodes[-1]

    yield start_node
    for node in nodes:
        node.trigger_shutdown()


def until_heard(ros: LocalRos, node: AsrNode, microphone: Publisher) -> None:
    """Wait until messages arrive: a publisher knows of the node before the node knows of it."""
    def arrives() -> int:
        microphone.publish(AudioData())
        return node.microphones[0].input.messages
    ros.until(arrives, 'the node hears the microphone')


def start_between(ros: LocalRos, start: StartNode, **values: Any
                  ) -> tuple[AsrNode, Publisher, list[str]]:
    """Return an active node, a microphone that it hears, and the texts from it, as they come."""
    texts: list[str] = []
    ros.node('listener').create_subscription(
        String, 'speech/text', lambda message: texts.append(message.data), 10)
    node = start(**values)
    node.autostart()
    microphone = ros.stranger('microphone').create_publisher(AudioData, 'audio', 1000)
    until_heard(ros, node, microphone)
    return node, microphone, texts


class Health:
    """The latest diagnostics by task."""

    def __init__(self, ros: LocalRos) -> None:
        self.status: dict[str, DiagnosticStatus] = {}
        self._ros = ros
        ros.node('operator').create_subscription(
            DiagnosticArray, '/diagnostics', self._on_array, 10)

    def _on_array(self, array: DiagnosticArray) -> None:
        self.status.update({status.name: status for status in array.status})

    def until(self, task: str, level: bytes, words: str = '') -> dict[str, str]:
        """Wait for a level with these words, and return the values."""
        name = f'asr: {task}'
        self._ros.until(
            lambda: name in self.status and self.status[name].level == level
            and words in self.status[name].message, f'{task} at {level!r} with {words!r}')
        return {v.key: v.value for v in self.status[name].values}


def outcome(node: AsrNode, name: str, value: Any) -> tuple[bool, str]:
    """Set a parameter; return whether it was taken and, if not, why."""
    [result] = node.set_parameters([Parameter(name, value=value)])
    return result.successful, result.reason


# --- transitions --------------------------------------------------------------------------------


def test_the_node_goes_through_its_life_twice(start: StartNode) -> None:
    node = start()
    for _ in range(2):
        assert node.current_state_label == 'unconfigured' and node.engine is None
        assert node.trigger_configure() == SUCCESS
        assert node.current_state_label == 'inactive' and node.engine is not None
        assert node.trigger_activate() == SUCCESS
        assert node.current_state_label == 'active' and node.microphones[0].input is not None
        assert node.trigger_deactivate() == SUCCESS
        assert node.current_state_label == 'inactive' and node.microphones[0].input is None
        assert node.trigger_cleanup() == SUCCESS


@pytest.mark.parametrize('autostart', [True, False])
def test_autostart_activates_only_if_it_is_asked_to(start: StartNode, autostart: bool) -> None:
    node = start(autostart=autostart)
    node.autostart()
    assert node.current_state_label == ('active' if autostart else 'unconfigured')


@pytest.mark.parametrize(('values', 'words'), [
    ({'model': '/nonexistent.nemo'}, '/nonexistent.nemo'), ({'model': ''}, 'model'),
    ({'device': 'abacus'}, 'abacus'), ({'dtype': 'int3'}, 'int3'),
    ({'sample_format': 'F64'}, 'F64')])
def test_what_cannot_be_configured_is_named_and_the_node_stays_unconfigured(
        ros: LocalRos, start: StartNode, values: dict[str, Any], words: str) -> None:
    health, node = Health(ros), start(**values)
    assert node.trigger_configure() == FAILURE
    assert node.current_state_label == 'unconfigured' and node.engine is None
    health.until('recognizer', DiagnosticStatus.ERROR, words)
    for name, value in (('model', 'builtin'), ('device', 'cpu'), ('dtype', 'auto'),
                        ('sample_format', 'S16LE')):
        assert outcome(node, name, value) == (True, '')
    assert node.trigger_configure() == SUCCESS
    health.until('recognizer', DiagnosticStatus.OK)


# --- audio to text ------------------------------------------------------------------------------


@pytest.mark.parametrize('ending', ['pause', 'silence of the stream', 'deactivate'])
def test_speech_becomes_text_however_it_ends(
        ros: LocalRos, start: StartNode, easy_clip: Clip, ending: str) -> None:
    node, microphone, texts = start_between(ros, start, end_of_stream_s=0.5)
    audio = pcm16(spoken(easy_clip))
    if ending != 'pause':  # the pause behind the clip is 1 s; leave too little to end it
        audio = audio[:-2 * 12_000]
    microphone.publish(AudioData(data=audio))
    if ending == 'deactivate':
        ros.until(lambda: node.microphones[0].recognizer.is_speaking, 'the node hears speech')
        node.trigger_deactivate()
    ros.until(lambda: texts, 'a text')
    assert texts == [easy_clip.text]


def test_messages_longer_than_the_silence_that_ends_a_stream_are_one_stream(
        ros: LocalRos, start: StartNode, easy_clip: Clip) -> None:
    _, microphone, texts = start_between(ros, start, end_of_stream_s=0.5)
    audio = pcm16(spoken(easy_clip))
    for begin in range(0, len(audio), 25_600):  # each lasts 0.8 s, and comes when it has ended
        ros.spin(0.8)
        microphone.publish(AudioData(data=audio[begin:begin + 25_600]))
    ros.until(lambda: texts, 'a text')
    assert texts == [easy_clip.text]


# --- parameters ---------------------------------------------------------------------------------


def test_every_setting_is_a_parameter_with_its_default(start: StartNode) -> None:
    node = start()
    for setting in settings():
        expected = OFFLINE.get(setting.name, setting.default)
        assert node.get_parameter(setting.name).value == expected
        assert setting.description in node.describe_parameter(setting.name).description


@pytest.mark.parametrize(('values', 'error'), [
    ({'vad__onset_db': 99.0}, InvalidParameterValueException),
    ({'queue_size': 0}, InvalidParameterValueException),
    ({'queue_size': 'many'}, InvalidParameterTypeException),
    ({'vad__onset_db': 'loud'}, ValueError),
    ({'vad__onset_db': 4.0, 'vad__offset_db': 9.0}, ValueError)])
def test_a_node_does_not_start_with_values_that_it_cannot_take(
        ros: LocalRos, values: dict[str, Any], error: type[Exception]) -> None:
    overrides = [Parameter(name.replace('__', '.'), value=value)
                 for name, value in values.items()]
    with pytest.raises(error, match=next(iter(values)).replace('__', r'\.')[:6]):
        AsrNode(parameter_overrides=overrides)


def test_a_whole_number_is_taken_for_a_threshold(start: StartNode) -> None:
    node = start(vad__onset_db=9)
    assert node.config.vad.onset_db == 9.0
    assert outcome(node, 'vad.onset_db', 12) == (True, '')
    assert node.config.vad.onset_db == 12.0


def test_vad_settings_change_while_the_node_runs(start: StartNode) -> None:
    node = start()
    node.autostart()
    assert outcome(node, 'vad.hangover_s', 0.9) == (True, '')
    assert node.config.vad.hangover_s == 0.9


def test_vad_settings_that_depend_on_each_other_change_together(start: StartNode) -> None:
    node = start()
    result = node.set_parameters_atomically(
        [Parameter('vad.onset_db', value=30.0), Parameter('vad.offset_db', value=25.0)])
    assert result.successful, result.reason
    assert (node.config.vad.onset_db, node.config.vad.offset_db) == (30.0, 25.0)


@pytest.mark.parametrize(('name', 'value', 'words'), [
    ('vad.onset_db', 99.0, 'onset_db'), ('vad.onset_db', 'loud', 'vad.onset_db'),
    ('vad.onset_db', float('nan'), 'onset_db'), ('vad.offset_db', 39.0, 'onset_db'),
    ('vad.hangover_s', None, 'vad.hangover_s'), ('queue_size', 0, 'queue_size')])
def test_a_bad_value_is_refused_with_a_reason_and_changes_nothing(
        start: StartNode, name: str, value: Any, words: str) -> None:
    node = start()
    before = node.config
    successful, reason = outcome(node, name, value)
    assert not successful and words in reason
    assert node.config == before


def test_what_is_fixed_while_configured_says_what_to_do(start: StartNode) -> None:
    node = start()
    assert outcome(node, 'queue_size', 3) == (True, '')
    node.trigger_configure()
    for setting in settings():
        if setting.change == UNCONFIGURED:
            now = node.get_parameter(setting.name).value
            assert outcome(node, setting.name, now) == (True, ''), 'that changes nothing'
            other = now + 1 if isinstance(now, (int, float)) else ['x'] if now == [''] else 'x'
            successful, reason = outcome(node, setting.name, other)
            assert not successful and setting.name in reason
    node.trigger_cleanup()
    assert outcome(node, 'queue_size', 4) == (True, '')
    assert node.config.queue_size == 4


def test_autostart_is_read_only(start: StartNode) -> None:
    successful, reason = outcome(start(), 'autostart', False)
    assert not successful and reason


# --- health ---------------------------------------------------------------------------------


def test_health_reports_each_state_and_its_values(ros: LocalRos, start: StartNode) -> None:
    health, node = Health(ros), start()
    assert health.until('recognizer', DiagnosticStatus.OK, 'unconfigured').keys() == {
        'state', 'model'}
    node.autostart()
    values = health.until('recognizer', DiagnosticStatus.OK, 'active')
    assert (values['model'], values['device'], values['queue']) == ('builtin', 'cpu', '0')
    assert values['utterances'] == values['dropped'] == '0'
    values = health.until('audio input', DiagnosticStatus.OK, 'active')
    assert (values['topic'], values['publishers'], values['messages']) == ('/audio', '0', '0')


def test_missing_audio_is_a_warning_until_it_comes(ros: LocalRos, start: StartNode) -> None:
    health, node = Health(ros), start(stale_audio_s=0.5)
    node.autostart()
    health.until('audio input', DiagnosticStatus.WARN, 'no publisher')
    microphone = ros.stranger('microphone').create_publisher(AudioData, 'audio', 10)
    health.until('audio input', DiagnosticStatus.WARN, 'sends nothing')
    until_heard(ros, node, microphone)
    ros.node('clock').create_timer(0.1, lambda: microphone.publish(AudioData(data=bytes(320))))
    values = health.until('audio input', DiagnosticStatus.OK)
    assert (values['sample rate Hz'], values['sample format']) == ('16000', 'S16LE')


def test_an_engine_slower_than_real_time_is_a_warning_until_it_is_faster(
        ros: LocalRos, start: StartNode) -> None:
    health, node = Health(ros), start()
    node.autostart()
    counters = node.microphones[0].recognizer.counters
    timings = {'audio_s': 1.0, 'latency_ms': 10.0}
    counters.count(True, timings, engine_ms=2_000.0)
    health.until('recognizer', DiagnosticStatus.WARN, 'slower than real time')
    for _ in range(3):
        counters.count(True, timings, engine_ms=100.0)
    health.until('recognizer', DiagnosticStatus.OK)


def test_a_fault_in_listening_costs_what_was_being_said_and_no_more(
        ros: LocalRos, start: StartNode, easy_clip: Clip,
        monkeypatch: pytest.MonkeyPatch) -> None:
    health, node = Health(ros), start()
    texts: list[str] = []
    operator = ros.node('listener')
    operator.create_subscription(String, 'speech/text', lambda m: texts.append(m.data), 10)
    node.autostart()
    microphone = ros.stranger('microphone').create_publisher(AudioData, 'audio', 1000)
    until_heard(ros, node, microphone)
    speech, step = pcm16(spoken(easy_clip)), EnergyVad.step

    def fails_once(vad: EnergyVad, power: float) -> None:
        monkeypatch.setattr(EnergyVad, 'step', step)
        raise IndexError('deque index out of range')

    def say(data: bytes) -> None:
        for begin in range(0, len(data), 6_400):
            microphone.publish(AudioData(data=data[begin:begin + 6_400]))

    say(speech[:32_000])
    ros.until(lambda: node.microphones[0].recognizer.is_speaking, 'speaking')
    monkeypatch.setattr(EnergyVad, 'step', fails_once)
    say(speech[32_000:38_400])
    values = health.until('recognizer', DiagnosticStatus.ERROR, 'deque index out of range')
    assert values['faults'] == '1' and not node.microphones[0].recognizer.is_speaking
    say(pcm16(np.zeros(16_000, np.float32)))
    say(speech)
    ros.until(lambda: texts == [easy_clip.text], 'the next utterance')
    health.until('recognizer', DiagnosticStatus.OK)


def test_cleanup_frees_the_model(start: StartNode) -> None:
    node = start()
    node.autostart()
    model = weakref.ref(node.engine)
    node.trigger_deactivate()
    node.trigger_cleanup()
    assert model() is None


def test_a_fault_of_a_callback_is_an_error_for_a_while(
        ros: LocalRos, start: StartNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parakeet_ros.health, 'RECENT_FAULT_S', 1.5)
    reports, node = Health(ros), start()
    node.autostart()
    node.report_fault(ValueError('on purpose'))
    reports.until('recognizer', DiagnosticStatus.ERROR, 'on purpose')
    reports.until('recognizer', DiagnosticStatus.OK)


def test_a_microphone_that_sends_nothing_but_empty_messages_has_ended(
        ros: LocalRos, start: StartNode, easy_clip: Clip) -> None:
    _, microphone, texts = start_between(ros, start, end_of_stream_s=0.5)
    speech = pcm16(spoken(easy_clip))
    for begin in range(0, len(speech) - 28_800, 6_400):  # up to shortly after the last word
        microphone.publish(AudioData(data=speech[begin:begin + 6_400]))

    # not all at once: the engine's thread would wait for this one at each of its steps
    ros.node('driver').create_timer(0.02, lambda: microphone.publish(AudioData()))
    ros.until(lambda: texts, 'the text')
    assert texts == [easy_clip.text]


def test_microphones_that_are_remapped_to_one_topic_are_refused(ros: LocalRos) -> None:
    health = Health(ros)
    node = ros.add(AsrNode(
        parameter_overrides=[Parameter('streams', value=['a', 'b']),
                             Parameter('model', value='builtin')],
        cli_args=['--ros-args', '-r', 'a/audio:=/mic', '-r', 'b/audio:=/mic']))
    assert node.trigger_configure() == FAILURE
    health.until('recognizer', DiagnosticStatus.ERROR, "'a' and 'b' of streams are both remapped")


def test_a_node_that_was_switched_off_is_so_after_it_is_configured_again(
        start: StartNode) -> None:
    node = start()
    request = SetBool.Request(data=False)
    node.trigger_configure()
    assert node._on_enable(request, SetBool.Response()).success
    node.trigger_cleanup()
    assert not node._on_enable(SetBool.Request(data=True), SetBool.Response()).success
    node.trigger_configure()
    assert node.microphones[0].gate.closed_by == 'disabled'


def test_hotwords_that_do_not_fit_into_memory_are_refused(
        start: StartNode, monkeypatch: pytest.MonkeyPatch) -> None:
    node = start()
    node.trigger_configure()

    def too_many(phrases: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
    monkeypatch.setattr(node._steered, 'set_hotwords', too_many)
    taken, reason = outcome(node, 'hotwords', ['tray'])
    assert not taken and "can't allocate memory" in reason
    assert node.config.hotwords == ()


def test_of_a_parameter_that_is_set_twice_at_once_the_last_counts(start: StartNode) -> None:
    node = start()
    name, old = 'vad.hangover_s', node.config.vad.hangover_s
    assert node.set_parameters_atomically(
        [Parameter(name, value=3.0), Parameter(name, value=old)]).successful
    assert node.get_parameter(name).value == node.config.vad.hangover_s == old


# --- the robot's own voice ----------------------------------------------------------------------


@pytest.mark.skipif(not IS_TOLD, reason='this rclpy does not tell when a message arrived')
@pytest.mark.parametrize('tail_s', [0.0, 0.5])
def test_messages_that_waited_are_heard_as_they_came_and_not_as_they_are_taken(
        ros: LocalRos, start: StartNode, easy_clip: Clip, other_clip: Clip, tail_s: float) -> None:
    node, microphone, texts = start_between(ros, start, robot_speaking_tail_s=tail_s)
    robot = ros.stranger('robot').create_publisher(Bool, 'robot_speaking', 10)
    ros.until(robot.get_subscription_count, 'the node listens to the robot')
    ignored = node.microphones[0].gate.ignored_s

    def say(clip: Clip) -> None:
        samples = pcm16(spoken(clip))
        for begin in range(0, len(samples), 1280):
            microphone.publish(AudioData(data=samples[begin:begin + 1280]))
        time.sleep(0.2)  # in which the middleware has it, whatever the executor does

    def speak(speaks: bool) -> None:
        robot.publish(Bool(data=speaks))
        time.sleep(0.2)

    say(easy_clip)
    speak(True)
    say(other_clip)
    speak(False)
    say(easy_clip)
    ros.until(lambda: len(texts) >= 2, 'two texts')
    ros.spin(0.5)
    assert texts == [easy_clip.text] * 2
    seconds = node.microphones[0].gate.ignored_s - ignored
    assert seconds == pytest.approx(len(spoken(other_clip)) / 16_000 + 0.04 + tail_s, abs=0.05)


def test_what_the_robot_says_does_not_pile_up_while_the_node_is_inactive(
        start: StartNode) -> None:
    node = start()
    assert node.trigger_configure() == SUCCESS
    [microphone] = node.microphones
    for speaks in (True, False, True):
        microphone.set_robot_speaks(speaks, time.time_ns())
    assert microphone.gate.closed_by == 'robot speaks'


def test_the_robot_is_believed_where_no_audio_comes(ros: LocalRos, start: StartNode) -> None:
    node, _, _ = start_between(ros, start)
    [microphone] = node.microphones
    microphone.set_robot_speaks(True, time.time_ns() + 3600 * 10**9)
    ros.until(lambda: microphone.gate.closed_by, 'it holds')
