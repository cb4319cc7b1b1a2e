"""The demonstration's recordings, and when the player plays them."""

import numpy as np
from parakeet_ros.demo_clips import demo_clips, GAP_S
from parakeet_ros.player import assemble, TAIL_S
from parakeet_ros.recording import read_audio


def test_there_are_clips_and_each_has_its_text() -> None:
    clips = demo_clips()
    assert len(clips) >= 5
    assert len({clip.file for clip in clips}) == len(clips)
    assert all(clip.file.is_file() and clip.text for clip in clips)


def test_every_clip_is_where_the_player_plays_it() -> None:
    clips = demo_clips()
    played, sample_rate = assemble([clip.file for clip in clips], GAP_S)
    for clip in clips:
        waveform, _ = read_audio(clip.file)
        start, end = round(clip.start_s * sample_rate), round(clip.end_s * sample_rate)
        np.testing.assert_array_equal(played[start:end], waveform)
    assert len(played) == round((clips[-1].end_s + TAIL_S) * sample_rate)
