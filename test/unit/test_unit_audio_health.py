"""What is wrong with a microphone, from what its stream has counted."""

from types import SimpleNamespace

import numpy as np
from parakeet_ros.audio import AudioFormat, AudioStream
from parakeet_ros.audio_health import audio_input_values, look_for_audio_problems
from parakeet_ros.diagnostics import AUDIO_INPUT, OK, Problems, WARN, worst
from parakeet_ros.gate import Gate
import pytest

RATE = 8_000
CHUNK = RATE // 50
NOISE = np.random.default_rng(1).standard_normal(RATE)


class Desk:
    """A microphone whose audio is given by the test."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.stream = AudioStream(AudioFormat(RATE, 1, 'F32LE'))
        self.next_ns = 0
        self.microphone = SimpleNamespace(
            input=SimpleNamespace(
                topic='/audio', type_name='t', publishers=1, messages=3, refused=0, age_s=0.0,
                silence_reason=lambda: 'it is unplugged.'),
            problems=Problems(lambda level, message: self.log.append(message)),
            gate=Gate(0.5),
            recognizer=SimpleNamespace(
                stream=self.stream, counters=SimpleNamespace(utterances=0)))

    def hear(self, seconds: int, sound: np.ndarray, stamp_step_s: float = 0.02) -> None:
        """Play one second of sound again and again, looking once a second."""
        for _ in range(seconds):
            for chunk in sound.astype('<f4').reshape(-1, CHUNK):
                self.next_ns += round(stamp_step_s * 1e9)
                self.stream.push(chunk.tobytes(), self.next_ns)
            look_for_audio_problems(self.microphone, 5.0)

    def complaint(self) -> tuple[bytes, str]:
        """Return what is wrong."""
        return worst([self.microphone.problems], AUDIO_INPUT, 'fine')


@pytest.mark.parametrize(('sound', 'seconds', 'words'), [
    (0 * NOISE, 6, 'same sample'),
    (np.sign(NOISE), 2, 'clipped'),
    (0.01 * NOISE + 0.2, 6, 'DC offset'),
    (1e-4 * NOISE, 61, 'too quiet')])
def test_a_fault_of_the_sound_is_logged_once_and_mended(
        sound: np.ndarray, seconds: int, words: str) -> None:
    desk = Desk()
    desk.hear(1, 0.01 * NOISE)
    assert desk.complaint() == (OK, 'fine')
    desk.hear(seconds + 5, sound)
    level, message = desk.complaint()
    assert level == WARN and words in message and '/audio' in message
    assert desk.log == [message]
    desk.hear(11, 0.01 * NOISE)
    assert desk.complaint() == (OK, 'fine')


def test_gaps_are_a_warning_for_a_while_and_stay_counted() -> None:
    desk = Desk()
    desk.hear(1, 0.01 * NOISE)
    desk.next_ns += 300_000_000
    desk.hear(9, 0.01 * NOISE)
    assert desk.complaint()[0] == WARN and 'gaps' in desk.complaint()[1]
    desk.hear(2, 0.01 * NOISE)
    assert desk.complaint() == (OK, 'fine')
    values = audio_input_values(desk.microphone)
    assert (values['gaps'], values['inserted silence s']) == (1, pytest.approx(0.3))


@pytest.mark.parametrize(('stamp_step_s', 'words'), [(0.02 / 3, 'more samples'), (0.06, 'gaps')])
def test_a_rate_that_is_not_what_is_sent_shows_in_the_stamps(
        stamp_step_s: float, words: str) -> None:
    desk = Desk()
    desk.hear(8, 0.01 * NOISE, stamp_step_s)
    level, message = desk.complaint()
    assert level == WARN and words in message and 'sample_rate' in message


def test_a_wrong_rate_is_noticed_after_hours_and_forgotten_when_a_minute_was_right() -> None:
    desk = Desk()
    for seconds, stamp_step_s, is_wrong in (
            (200, 0.02, False), (8, 0.02 / 3, True), (60, 0.02 / 3, True), (62, 0.02, False)):
        desk.hear(seconds, 0.01 * NOISE, stamp_step_s)
        assert ('more samples' in desk.complaint()[1]) == is_wrong
    assert audio_input_values(desk.microphone)['overrun s'] == pytest.approx(68 * 2 / 3, abs=1)


def test_stamps_that_stand_still_are_a_warning_until_they_move() -> None:
    desk = Desk()
    desk.hear(2, 0.01 * NOISE, stamp_step_s=0.0)
    assert desk.complaint()[0] == WARN and 'stand still' in desk.complaint()[1]
    desk.next_ns += 2_000_000_000  # where it would be
    desk.hear(12, 0.01 * NOISE)
    assert desk.complaint() == (OK, 'fine')


def test_silence_on_the_topic_is_explained_until_it_ends_or_the_node_is_deactivated() -> None:
    desk = Desk()
    desk.microphone.input.age_s = 6.0
    desk.hear(1, np.sign(NOISE))
    assert all(w in desk.complaint()[1] for w in ('more than 5 s', 'unplugged', 'clipped'))
    desk.microphone.input.age_s = 1.0
    desk.hear(1, 0.01 * NOISE)
    assert 'unplugged' not in desk.complaint()[1]
    desk.microphone.input = None
    look_for_audio_problems(desk.microphone, 5.0)
    assert desk.complaint() == (OK, 'fine')
