"""Hotwords of the node: how they are written, refused and changed."""

from heldout import Clip
from parakeet_ros.engine import load_model
from parakeet_ros.hotword_syntax import parse_hotword
from parakeet_ros.node import AsrNode
from parakeet_ros.parameters import from_values
from parakeet_ros.steered_engine import SteeredEngine
import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

BAD = [('tray:much', ['tray:much', "'much'"]), ('tray:-1', ["'-1'", 'above 0']),
       ('tray:nan', ["'nan'"]), ('tray:inf', ["'inf'"]), ('tray:0', ["'0'"]),
       (':3', ["':3'", 'no words']), (' ', ['no words'])]


@pytest.mark.parametrize(('text', 'expected'), [
    ('tray', 'tray'), ('front door', 'front door'), ('tray:4', ('tray', 4.0)),
    ('front door:0.5', ('front door', 0.5)), ('a:b:2', ('a:b', 2.0))])
def test_a_hotword_is_a_phrase_with_or_without_a_weight(
        text: str, expected: str | tuple[str, float]) -> None:
    assert parse_hotword(text) == expected


@pytest.mark.parametrize(('text', 'words'), BAD)
def test_what_is_no_hotword_is_named_with_the_parameter(text: str, words: list[str]) -> None:
    with pytest.raises(ValueError, match='^hotwords: ') as raised:
        from_values({'hotwords': ['tray', text]})
    assert all(word in str(raised.value) for word in words), raised.value


def test_no_hotwords_is_a_list_of_one_empty_text() -> None:
    assert from_values({'hotwords': ['']}).hotwords == ()
    assert from_values({'hotwords': ['tray', 'lab:2']}).hotwords == ('tray', 'lab:2')


def test_a_list_that_is_refused_leaves_the_old_one(easy_clip: Clip) -> None:
    engine = load_model('builtin', device='cpu')
    steered = SteeredEngine(engine, ['tree:30'])
    before = steered.transcribe_batch([easy_clip.waveform])[0].text
    assert before != engine.transcribe(easy_clip.waveform).text
    with pytest.raises(ValueError, match="'Zoë'"):
        steered.set_hotwords(['tray', 'Zoë'])
    assert steered.transcribe_batch([easy_clip.waveform])[0].text == before
    steered.set_hotwords([])
    assert steered.transcribe_batch([easy_clip.waveform])[0].text == easy_clip.text


def test_a_node_refuses_what_its_vocabulary_lacks_when_it_configures_and_later(ros) -> None:
    def outcome(*hotwords: str) -> tuple[bool, str]:
        [result] = node.set_parameters(
            [Parameter('hotwords', Parameter.Type.STRING_ARRAY, list(hotwords))])
        return result.successful, result.reason

    node = ros.add(AsrNode(parameter_overrides=[
        Parameter('model', value='builtin'), Parameter('device', value='cpu'),
        Parameter('hotwords', value=['Zoë'])]))
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert outcome('tray', 'lab:2') == (True, '')
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    for bad, words in (('Zoë', ['Z ë', 'vocabulary']), ('tray:x', ["'x'"])):
        successful, reason = outcome('robot', bad)
        assert not successful and all(word in reason for word in words), reason
        assert node.config.hotwords == ('tray', 'lab:2')
    assert outcome() == (True, '')
    assert node.config.hotwords == ()
    node.trigger_shutdown()
