"""Speech as ROS4HRI nodes hear it, from the real node; `test_hri.py` runs this with hri_msgs."""

from pathlib import Path
import sys

sys.path += [str(Path(__file__).parents[1] / folder) for folder in ('e2e', 'unit')]

from asr_process import AsrProcess  # noqa: E402
from clips import EASY, OTHER, spoken  # noqa: E402
from hri_msgs.msg import IdsList, LiveSpeech  # noqa: E402
from probe import Microphone, pcm_info, Probe  # noqa: E402

DOMAIN = 88


def test_speech_is_published_under_the_names_of_rep_155(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    monkeypatch.setenv('ROS_DOMAIN_ID', str(DOMAIN))
    with Probe(DOMAIN) as probe:
        voices: list[list[str]] = []
        speech: list[LiveSpeech] = []
        probe.node.create_subscription(
            IdsList, '/humans/voices/tracked', lambda message: voices.append(list(message.ids)), 1)
        probe.node.create_subscription(
            LiveSpeech, '/humans/voices/anonymous_speaker/speech', speech.append, 10)
        node = AsrProcess(tmp_path / 'asr.log', {'partial_interval_s': 0.3})
        try:
            probe.until_active()
            microphone = Microphone(probe, info=pcm_info())
            microphone.until_heard()
            for clip in (EASY, OTHER):
                microphone.say(spoken(clip), rate=4)
            probe.until(lambda: len(probe.results) == 2, 'both utterances')
            probe.until(lambda: [s.final for s in speech if s.final] == probe.texts, 'the texts')
        finally:
            assert node.interrupt() == 0
    assert voices[-1] == ['anonymous_speaker']
    final = [message for message in speech if message.final]
    for message, result in zip(final, probe.results, strict=True):
        assert (message.header.stamp.sec, message.header.stamp.nanosec) == (
            result['start']['sec'], result['start']['nanosec'])
        assert abs(message.confidence - result['confidence']) < 1e-3 and message.confidence > 0
        assert message.incremental == ''
    partial = [message for message in speech if message.incremental]
    assert all(message.final == '' for message in partial)
    assert len(partial) + len(final) == len(speech)
