"""The detector on scenes of the noisy set."""

from detectors import energy
from make_noisy_set import make_scene
from parakeet_ros.audio import SegmenterConfig
import pytest


@pytest.mark.parametrize('n_clips', [3, 4, 5])
def test_no_command_in_a_crowd_is_taken_for_a_part_of_it(n_clips: int) -> None:
    scene = make_scene('babble', 10, 0, n_clips)
    speech = energy(scene.waveform, SegmenterConfig()).speech
    for spoken in scene.spoken:
        assert any(start_s < spoken.end_s and spoken.start_s < end_s
                   for start_s, end_s in speech), spoken.text
