"""What a report is made of: rows, differing words, the time line, the curves, the histogram."""
import base64
import io

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from parakeet_ros.bags.report.build import _events
from parakeet_ros.bags.report.collect import Collector
from parakeet_ros.bags.report.content import Passage, Run
from parakeet_ros.bags.report.differences import align, mark, plain_words
from parakeet_ros.bags.report.histogram import bins, histogram, percentiles
from parakeet_ros.bags.report.line import Finder, Line, LONGEST_PAUSE_S
from parakeet_ros.bags.report.published import Published
from parakeet_ros.bags.report.sound import encode, FLAC, MP3, payload
from parakeet_ros.bags.report.track import envelope, level_codes, LOWEST_DB, Track
import pytest
import soundfile

S = 1_000_000_000
BASE_NS = 1_700_000_000 * S
words = st.lists(st.sampled_from(['go', 'Go,', 'left', 'right.', 'stop', '-', '5']), max_size=9)


def passage(start_s: float, end_s: float, text: str = 'go', margin_s: float = 0.25) -> Passage:
    """Return an utterance whose speech lies between two times."""
    return Passage(1, start_s - margin_s, end_s + margin_s, start_s, end_s, text, 1.0)


def run(*spans: tuple[float, float], text: str = 'go') -> Run:
    """Return what a run heard."""
    return Run('run', '', tuple(passage(*span, text) for span in spans))


def test_what_overlaps_is_one_row_however_often_it_was_cut():
    rows = align([run((0, 1), (2, 3), (3.1, 4)), run((0.2, 1.1), (2.5, 3.9)), run((6, 7))])
    assert [[len(heard) for heard in row.heard] for row in rows] == [
        [1, 1, 0], [2, 1, 0], [0, 0, 1]]
    assert [(row.start_s, row.end_s) for row in rows] == [
        (-0.25, 1.35), (1.75, 4.25), (5.75, 7.25)]


def test_margins_alone_do_not_make_two_utterances_one_row():
    assert len(align([run((0, 1)), run((1.1, 2))])) == 2


def test_runs_that_heard_nothing_have_no_rows():
    assert align([]) == align([run(), run()]) == []


def test_a_row_differs_where_words_differ_but_not_where_case_or_punctuation_does():
    same = align([run((0, 1), text='Go left!'), run((0, 1), text='go left')])
    other = align([run((0, 1), text='go left'), run((0, 1), text='go right')])
    missed = align([run((0, 1)), run()])
    empty = align([run((0, 1), text=''), run()])
    assert [rows[0].differs((0, 1)) for rows in (same, other, missed, empty)] == [
        False, True, True, False]
    assert not missed[0].differs(None)


@given(words, words)
def test_marking_keeps_the_text_and_marks_what_the_other_lacks(first, second):
    pieces = mark(' '.join(first), ' '.join(second))
    assert ' '.join(piece.text for piece in pieces).split() == first
    kept = [word for piece in pieces if not piece.differs for word in piece.text.split()]
    others = iter(plain_words(' '.join(second)))
    assert all(word in others for word in plain_words(' '.join(kept))), 'in the same order'
    if first == second:
        assert not any(piece.differs for piece in pieces)


def test_one_wrong_word_is_marked_alone():
    assert [(piece.text, piece.differs) for piece in mark('go to the lab', 'go to a lab now')] == [
        ('go to', False), ('the', True), ('lab', False)]


def test_stretches_lie_at_their_times_and_a_leap_of_the_clock_is_cut_short():
    line = Line()
    for start_s, seconds in (0, 10), (15, 5), (1e9, 5):
        line.add(BASE_NS + round(start_s * S), seconds)
    assert [each.line_s for each in line.stretches] == [0, 15, 20 + LONGEST_PAUSE_S]
    assert line.marks(BASE_NS - S)[1] == (15, 16)
    finder = Finder(line)
    assert finder.find(BASE_NS + 17 * S) == 17
    assert finder.find(BASE_NS + 10**9 * S + S) == 21 + LONGEST_PAUSE_S


@pytest.mark.parametrize('ppm', [-100, 50, 100])
def test_the_drift_of_a_sound_card_is_no_break(ppm):
    collector, chunk, n_chunks = Collector(), np.zeros(16_000, np.float32), 2_400
    collector.on_audio(0, chunk)
    for number in range(1, n_chunks):
        collector.on_audio(number * S * (1_000_000 + ppm) // 1_000_000, chunk)
    collected = collector.finish()
    assert collected.line.end_s == n_chunks
    events = _events(collected, Published(drops=[(1_000 * S, 1)]), ahead_ns=200 * S)
    assert [(each.kind, round(each.start_s)) for each in events] == [('drop', 1_200)]
    again = collected.line.stretches[1]
    assert again.follows and len(collected.cut(again.line_s - 1, again.line_s + 1)) == 32_000


@pytest.mark.parametrize('missing_s', [-5.0, -0.15, 0.15, 5.0])
def test_a_break_that_the_stamps_tell_is_one(missing_s):
    collector, chunk = Collector(), np.zeros(16_000, np.float32)
    for number in range(4):
        begin_ns = round(number * S + (number >= 2) * missing_s * S)
        if number == 2:
            collector.on_gap(begin_ns, round(missing_s * S))
        collector.on_audio(begin_ns, chunk)
    [event] = _events(collector.finish(), Published(), 0)
    assert event.kind == ('gap' if missing_s > 0 else 'restart') and event.start_s == 2


def test_stamps_that_occur_twice_are_found_in_their_order():
    line = Line()
    for _ in range(3):
        line.add(BASE_NS, 10)
    finder = Finder(line)
    found = [finder.find(BASE_NS + s * S) for s in (2, 8, 2, 5, 4)]
    assert found == [2, 8, 13, 16, 26]


def test_a_stamp_before_all_audio_or_of_no_audio_at_all_is_found_too():
    line = Line()
    assert Finder(line).find(5 * S) == 5
    line.add(BASE_NS, 1)
    assert Finder(line).find(BASE_NS - 2 * S) == -2
    assert Finder(line).find(BASE_NS + 3 * S) == 3


def track(n_frames: int) -> Track:
    """Return a track with one loud frame."""
    low, high = np.zeros(n_frames, np.int8), np.zeros(n_frames, np.int8)
    low[7], high[7] = -90, 100
    curve = np.full(n_frames, 9, np.uint8)
    return Track(0.01, low, high, {'level': curve}, (curve > 9).astype(np.uint8))


def test_a_shortened_track_keeps_its_length_and_its_peaks():
    short = track(101).shortened(10)
    assert short.n_frames == 10 and short.frame_s == pytest.approx(0.11)
    assert (short.low[0], short.high[0], short.high[1]) == (-90, 100, 0)
    assert track(101).shortened(101).n_frames == 101


def test_the_page_gets_every_frame_of_the_track():
    data = track(50).payload()
    assert np.frombuffer(base64.b64decode(data['high']), np.int8)[7] == 100
    assert len(base64.b64decode(data['level'])) == data['n_frames'] == 50


def test_levels_are_kept_to_half_a_decibel_and_no_level_is_zero():
    codes = level_codes([-200, -70.2, -0.1, np.nan])
    assert list(codes[[0, 3]]) == [1, 0]
    assert np.abs(LOWEST_DB + codes[1:3] / 2 - [-70.2, -0.1]).max() <= 0.25


def test_the_envelope_touches_every_sample_and_the_faintest_is_seen():
    waveform = np.zeros(320, np.int16)
    waveform[10], waveform[200] = -32768, 3
    low, high = envelope(waveform, 160)
    assert (list(low), list(high)) == ([-127, 0], [0, 1])


@given(st.lists(st.integers(-10**5, 10**8), min_size=1, max_size=50).map(
    lambda microseconds: [each / 1000 for each in microseconds]))
def test_every_latency_is_in_one_bar(values_ms):
    start, width, counts = bins(values_ms)
    assert sum(counts) == len(values_ms)
    rounding = 1e-6 * width
    assert start - rounding <= min(values_ms)
    assert max(values_ms) <= start + width * len(counts) + rounding
    assert len(counts) <= 30
    assert histogram(values_ms, 'a "label"').count('<rect') == len(counts)


def test_figures_beside_the_histogram_are_percentiles():
    figures = percentiles(range(101))
    assert list(figures.values()) == [50, 95, 100]
    assert histogram([], 'none') == ''


@pytest.mark.parametrize('audio_format', [MP3, FLAC])
def test_sound_is_as_long_as_the_samples_and_small(audio_format):
    if audio_format[1] not in soundfile.available_formats():
        pytest.skip(f'this libsndfile does not write {audio_format[1]}')
    time_s = np.arange(32_000) / 16_000
    samples = (8000 * np.sin(2 * np.pi * 440 * time_s)).astype(np.int16)
    data = encode(samples, audio_format)
    decoded, rate = soundfile.read(io.BytesIO(data))
    assert rate == 16_000 and abs(len(decoded) - len(samples)) < 2400
    assert len(data) < samples.nbytes / 2


def test_what_is_over_the_budget_is_left_out():
    clip = np.random.default_rng(0).integers(-99, 99, 8000).astype(np.int16)
    one = len(payload([clip], 10**9)['clips'][0])
    clips = payload([clip, None, clip, clip], 2 * one + 1)['clips']
    assert [each is not None for each in clips] == [True, False, True, False]
    assert payload([clip], 0)['clips'] == [None]
