"""The robot around the node: several microphones, a switch, and its own voice."""

from clips import EASY, OTHER, SHORT_CLIPS, silence, spoken
import numpy as np
from probe import Microphone, pcm_info
import pytest
from std_msgs.msg import Bool
from std_srvs.srv import SetBool


def enable(probe, listen):
    """Switch the node, and return whether it says that it could."""
    return probe.call(SetBool, '/asr/enable', SetBool.Request(data=listen)).success


def test_each_microphone_has_its_topics_and_they_share_the_engine(start_asr, probe):
    names = ('front', 'rear', 'left')
    heard = {name: probe.texts_of(name) for name in names}
    start_asr(streams=list(names))
    probe.until_active()
    microphones = {name: Microphone(probe, info=pcm_info(), name=name) for name in names}
    said = {'front': [EASY, OTHER], 'rear': [OTHER, EASY], 'left': [EASY, EASY]}
    for microphone in microphones.values():
        microphone.until_heard()
    audio = {name: np.concatenate([spoken(clip) for clip in clips])
             for name, clips in said.items()}
    step = 320
    for start in range(0, max(map(len, audio.values())), step):  # all at the same time
        for name, microphone in microphones.items():
            microphone.say(audio[name][start:start + step], rate=30)
    expected = {name: [clip.text for clip in clips] for name, clips in said.items()}
    probe.until(lambda: heard == expected, f'the texts {expected}')
    assert probe.texts == [], 'nothing on the topics without a name'
    for name in names:
        probe.until(lambda name=name: probe.value(f'{name}: audio input', 'utterances') == '2',
                    f'the count of {name}')


def test_a_node_that_is_switched_off_hears_nothing_and_loses_nothing_before(start_asr, probe):
    start_asr()
    probe.until_active()
    microphone = Microphone(probe, info=pcm_info())
    microphone.until_heard()
    microphone.say(spoken(EASY)[:-round(0.9 * 16_000)])
    probe.until(lambda: probe.speaking[-1:] == [True], 'speaking')
    assert enable(probe, False)
    probe.until(lambda: probe.texts == [EASY.text], 'the text of what was said before')
    probe.until(lambda: probe.value('audio input', 'listening') == 'no: disabled', 'that it says')
    microphone.say(spoken(OTHER))
    until_ignored(probe, len(spoken(OTHER)))
    assert enable(probe, True)
    microphone.say(spoken(EASY))
    probe.until(lambda: len(probe.texts) == 2, 'a text after it is switched on')
    assert probe.texts == [EASY.text] * 2


def until_ignored(probe, n_samples):
    """Wait until audio has arrived that is not listened to; the next message may overtake it."""
    probe.until(lambda: float(probe.value('audio input', 'ignored s')) > n_samples / 16_000 - 0.1,
                'the audio ignored')


def test_a_node_without_microphones_says_that_it_cannot_be_switched(start_asr, probe):
    start_asr(autostart=False)
    assert not enable(probe, True)


def test_the_robot_does_not_hear_itself_nor_the_echo_after(start_asr, probe):
    start_asr(robot_speaking_tail_s=1.5)
    probe.until_active()
    speaks = probe.node.create_publisher(Bool, 'robot_speaking', 10)
    microphone = Microphone(probe, info=pcm_info())
    microphone.until_heard()
    probe.until(speaks.get_subscription_count, 'the node listens to robot_speaking')
    for said, speaking in enumerate((True, False), start=1):
        speaks.publish(Bool(data=speaking))
        state = 'no: robot speaks' if speaking else 'no: tail of robot speech'
        probe.until(lambda state=state: probe.value('audio input', 'listening') == state, state)
        microphone.say(OTHER.waveform)  # shorter than the tail
        until_ignored(probe, said * len(OTHER.waveform))
    microphone.say(silence(1.0))
    microphone.say(spoken(EASY))
    probe.until(lambda: probe.texts, 'a text')
    assert probe.texts == [EASY.text]


@pytest.mark.parametrize('others', [0, 1])
def test_a_robot_that_dies_while_it_speaks_does_not_deafen_the_node(start_asr, probe, others):
    start_asr()
    probe.until_active()
    for _ in range(others):  # such as its successor, which has said nothing yet
        bystander = probe.node.create_publisher(Bool, 'robot_speaking', 10)
        probe.until(bystander.get_subscription_count, 'the node knows of another publisher')
    speaks = probe.node.create_publisher(Bool, 'robot_speaking', 10)
    probe.until(speaks.get_subscription_count, 'the node listens to robot_speaking')
    speaks.publish(Bool(data=True))
    probe.until(lambda: probe.value('audio input', 'listening') == 'no: robot speaks', 'deaf')
    probe.node.destroy_publisher(speaks)
    microphone = Microphone(probe, info=pcm_info())
    microphone.until_heard()
    probe.until(lambda: probe.value('audio input', 'listening') != 'no: robot speaks', 'no more')
    microphone.say(silence(1.0))
    microphone.say(spoken(EASY))
    probe.until(lambda: probe.texts == [EASY.text], EASY.text)


def test_partial_results_come_while_somebody_speaks_and_the_interval_can_change(
        start_asr, probe):
    partials = probe.json_of('speech/partial')
    start_asr()
    probe.until_active()
    microphone = Microphone(probe, info=pcm_info())
    microphone.until_heard()
    clip = max(SHORT_CLIPS, key=lambda clip: len(clip.waveform))
    microphone.say(spoken(clip), rate=4)
    probe.until(lambda: len(probe.results) == 1, 'the result')
    assert partials == []
    assert probe.set_parameter('partial_interval_s', 0.3) == (True, '')
    microphone.say(spoken(clip), rate=2)  # not faster: a look waits for the one before it
    probe.until(lambda: len(probe.results) == 2, 'the second result')
    probe.until(lambda: len(partials) >= 2, 'partial results')
    assert {p['id'] for p in partials} == {probe.results[1]['id']}
    starts = [(p['start']['sec'], p['start']['nanosec']) for p in [*partials, probe.results[1]]]
    assert starts == sorted(starts), 'a faint beginning is left out once the speech is loud'
    assert all(p['text'].startswith(p['stable']) for p in partials)
