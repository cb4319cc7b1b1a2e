"""Bad input gives one clear error with its remedy; the node lives on and recovers."""

from pathlib import Path

from clips import EASY, spoken
import numpy as np
from parakeet_ros import DEFAULT_MODEL
from probe import Microphone, pcm_info
import pytest
from std_msgs.msg import String


@pytest.fixture(autouse=True)
def unreachable_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let the nodes find nothing in the cache of the Hugging Face hub, and nobody at its door."""
    monkeypatch.setenv('HF_HOME', str(tmp_path / 'huggingface'))
    monkeypatch.setenv('HF_ENDPOINT', 'http://127.0.0.1:9')  # the discard port: refused


def mp3_frame() -> bytes:
    """Return an MPEG-1 layer III frame, 128 kbit/s at 44.1 kHz, as audio_capture sends it."""
    body = np.random.default_rng(3).integers(0, 256, 413, dtype=np.uint8).tobytes()
    return bytes([0xFF, 0xFB, 0x90, 0x00]) + body


@pytest.mark.parametrize('info, words', [
    (pcm_info(coding_format='mp3', sample_format='S16LE'), ['mp3', 'format:=wave']),
    (pcm_info(sample_format='S24BE'), ['S24BE', 'S16LE']),
    (pcm_info(sample_rate=1), ['1 Hz', '8000']),
    (pcm_info(channels=0), ['0 channels']),
], ids=['mp3', 'unknown sample format', 'absurd rate', 'no channels'])
def test_an_unreadable_format_is_reported_once_until_it_is_mended(
        start_asr, probe, info, words):
    asr = start_asr()
    probe.until_active()
    microphone = Microphone(probe, info=info)
    microphone.until_heard()
    for _ in range(20):
        microphone.send(mp3_frame(), 0.026)
    message = probe.until_problem('audio input', *words)
    assert asr.output.count(message) == 1
    probe.until(lambda: probe.value('audio input', 'refused messages') == '20', 'all counted')
    microphone.announce(pcm_info())
    probe.spin(0.5)
    microphone.say(spoken(EASY))
    probe.until(lambda: probe.texts == [EASY.text], 'text after the format was mended')
    probe.until(lambda: probe.health['audio input'].level == b'\0', 'no problem is left')


def test_mp3_is_recognised_without_audio_info(start_asr, probe):
    asr = start_asr()
    probe.until_active()
    microphone = Microphone(probe)
    microphone.until_heard()
    for _ in range(20):
        microphone.send(mp3_frame(), 0.026)
    message = probe.until_problem('audio input', 'mp3', 'format:=wave')
    assert asr.output.count(message) == 1
    assert probe.results == []


def test_a_topic_of_another_type_is_reported(start_asr, probe):
    start_asr()
    probe.until_active()
    publisher = probe.node.create_publisher(String, 'audio', 1)
    probe.until_problem('audio input', 'std_msgs/msg/String', 'AudioDataStamped')
    probe.node.destroy_publisher(publisher)
    microphone = Microphone(probe, info=pcm_info())
    microphone.until_heard()
    microphone.say(spoken(EASY))
    probe.until(lambda: probe.texts == [EASY.text], 'text from a topic of the right type')


def test_no_publisher_is_reported(start_asr, probe):
    start_asr(stale_audio_s=0.5)
    probe.until_active()
    probe.until(lambda: 'has no publisher' in probe.health['audio input'].message,
                'a warning that nobody publishes')


@pytest.mark.parametrize('parameters, words', [
    ({'model': '/nowhere/model.nemo'}, ['/nowhere/model.nemo']),
    ({'model': 'CORRUPT'}, ['broken.nemo']),
    ({'device': 'cuda:99'}, ['cuda']),
    ({'model': DEFAULT_MODEL},
     [DEFAULT_MODEL, 'robot commands, builtin', f'parakeet-ros download {DEFAULT_MODEL}']),
    ({'device': 'abacus'}, ['abacus']),
    ({'dtype': 'float8'}, ['float8']),
    ({'sample_format': 'S24BE'}, ['S24BE']),
], ids=['missing model', 'corrupt model', 'unreachable device', 'unreachable hub',
        'unknown device', 'unknown dtype', 'unknown sample format'])
def test_what_cannot_be_configured_leaves_the_node_unconfigured_until_it_is_mended(
        start_asr, probe, tmp_path, parameters, words):
    if parameters.get('model') == 'CORRUPT':
        broken = tmp_path / 'broken.nemo'
        broken.write_bytes(b'this is no checkpoint' * 1000)
        parameters = {'model': str(broken)}
    asr = start_asr(**parameters)
    message = probe.until_problem('recognizer', *words)
    assert asr.output.count(message) == 1
    assert 'Traceback' not in asr.output
    assert probe.state() == 'unconfigured'
    defaults = {'model': 'builtin', 'device': 'cpu', 'dtype': 'auto', 'sample_format': 'S16LE'}
    for name in parameters:
        assert probe.set_parameter(name, defaults[name]) == (True, '')
    assert probe.transition('configure')
    assert probe.transition('activate')
    microphone = Microphone(probe, info=pcm_info())
    microphone.until_heard()
    microphone.say(spoken(EASY))
    probe.until(lambda: probe.texts == [EASY.text], 'text after it was mended')


def test_a_parameter_out_of_range_at_the_start_is_named(start_asr):
    asr = start_asr(vad__onset_db=1000.0)
    assert asr.wait() == 2
    assert 'vad.onset_db' in asr.output
    assert 'Traceback' not in asr.output
