"""Subtitles can be read, CTM and JSON can be parsed."""

from __future__ import annotations

from io import StringIO
import json
import re

from hypothesis import given, settings
from hypothesis import strategies as st
from parakeet_ros.cli.cues import LINE_CHARACTERS, make_cues, MAX_CUE_S, MAX_LINES
from parakeet_ros.cli.formats import FORMATS
from parakeet_ros.engine import Timings, Transcript, Word
import pytest


@st.composite
def spoken(draw) -> tuple[Word, ...]:
    """Draw words with times, pauses, sentence ends, and now and then an absurd length."""
    words, time_s = [], draw(st.floats(0.0, 4000.0))
    for _ in range(draw(st.integers(0, 60))):
        time_s += draw(st.sampled_from([0.0, 0.0, 0.08, 0.4, 2.0]))
        end_s = time_s + draw(st.sampled_from([0.0, 0.16, 0.4, 1.2, 12.0]))
        text = draw(st.sampled_from(['a', 'robot', 'well-known', 'stop.', 'why?', 'x' * 60, 'é']))
        words.append(Word(text, time_s, end_s, draw(st.floats(0.0, 1.0))))
        time_s = end_s
    return tuple(words)


def transcript(words: tuple[Word, ...]) -> Transcript:
    """Return a transcript of these words."""
    return Transcript(' '.join(word.text for word in words), words, (), 0.0, 9.0, Timings())


@given(words=spoken())
@settings(max_examples=60, deadline=None)
def test_cues_hold_all_words_in_order_within_bounds(words):
    cues = make_cues(words)
    shown = ''.join(line for cue in cues for line in cue.lines).replace(' ', '')
    assert shown == ''.join(word.text for word in words)
    for cue in cues:
        assert 0.001 < cue.end_s - cue.start_s <= MAX_CUE_S + 1e-9  # a player shows it
        assert 1 <= len(cue.lines) <= MAX_LINES
        assert max(map(len, cue.lines)) <= LINE_CHARACTERS
    for cue, following in zip(cues, cues[1:]):
        assert cue.end_s <= following.start_s


def test_a_cue_ends_with_the_sentence_and_at_a_pause():
    words = (Word('Stop.', 0.0, 0.4, 1.0), Word('Go', 0.4, 0.6, 1.0), Word('on', 0.6, 0.8, 1.0),
             Word('now', 3.0, 3.2, 1.0))
    assert [cue.lines for cue in make_cues(words)] == [('Stop.',), ('Go on',), ('now',)]
    assert [cue.end_s for cue in make_cues(words)] == [0.4, 1.4, 4.0]


def test_cues_that_begin_at_once_share_the_time():
    words = (Word('No.', 1.0, 1.0, 1.0), Word('Yes.', 1.0, 1.0, 1.0), Word('So', 1.5, 2.5, 1.0))
    assert [(cue.start_s, cue.end_s) for cue in make_cues(words)] == [
        (1.0, 1.25), (1.25, 1.5), (1.5, 2.5)]


def test_srt_and_vtt_are_as_players_expect_them():
    words = (Word('Fish', 3599.9996, 3600.5, 1.0), Word('&', 3600.5, 3601.0, 1.0),
             Word('<chips>', 3601.0, 3602.25, 1.0))
    assert FORMATS['srt'](transcript(words), 'a.wav') == (
        '1\n01:00:00,000 --> 01:00:02,250\nFish & <chips>\n\n')
    assert FORMATS['vtt'](transcript(words), 'a.wav') == (
        'WEBVTT\n\n01:00:00.000 --> 01:00:02.250\nFish &amp; &lt;chips&gt;\n\n')


@given(words=spoken())
@settings(max_examples=50, deadline=None)
def test_ctm_has_six_columns_for_every_word(words):
    rows = [line.split(' ') for line in FORMATS['ctm'](
        transcript(words), 'talks/my talk.flac').splitlines()]
    assert [row[4] for row in rows] == [word.text for word in words]
    for row, word in zip(rows, words, strict=True):
        assert row[:2] == ['my_talk', '1']
        assert float(row[2]) == pytest.approx(word.start_s, abs=0.0051)
        assert float(row[3]) == pytest.approx(word.end_s - word.start_s, abs=0.0051)
        assert float(row[5]) == pytest.approx(word.confidence, abs=0.00051)


@given(words=spoken())
@settings(max_examples=30, deadline=None)
def test_json_is_one_line_from_which_the_transcript_comes_back(words):
    original = transcript(words)
    line = FORMATS['json'](original, 'a.wav')
    assert line.count('\n') == 1 and json.load(StringIO(line))['file'] == 'a.wav'
    assert Transcript.from_dict(json.loads(line)) == original


@pytest.mark.parametrize('name', list(FORMATS))
def test_no_words_make_a_valid_empty_file(name):
    content = FORMATS[name](transcript(()), 'a.wav')
    assert re.sub(r'WEBVTT\n\n|\n|\{.*\}', '', content) == ''
