"""Conversions between messages and our own types."""

from dataclasses import replace
import json

from audio_common_msgs.msg import AudioInfo
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from parakeet_ros.audio import AudioFormat, AudioFormatError, StreamUtterance, Utterance
from parakeet_ros.audio_messages import format_from_info, time_to_ns
from parakeet_ros.conversions import ns_to_time
from parakeet_ros.engine import Timings, Transcript, Word
from parakeet_ros.results import Partial, Result
from parakeet_ros.speech_messages import partial_json, result_json
import pytest

KEYS = {'schema', 'id', 'start', 'end', 'speech_start', 'speech_end', 'end_reason', 'text',
        'confidence', 'words', 'timings', 'error', 'model'}
NS_PER_S = 1_000_000_000
UTTERANCE = StreamUtterance(
    utterance=Utterance(np.zeros(16_000, np.float32), 0, 16_000, 1600, 14_400, 'pause'),
    start_ns=5 * NS_PER_S + 1, end_ns=6 * NS_PER_S, speech_start_ns=5_100_000_000,
    speech_end_ns=5_900_000_000, speech_end_arrival_ns=7)


def transcript(text: str) -> Transcript:
    """Return a transcript with the words of a text, one each 0.25 s."""
    words = tuple(Word(word, 0.25 * i, 0.25 * i + 0.2, confidence=0.5)
                  for i, word in enumerate(text.split()))
    return Transcript(text, words, (), -1.0, 1.0, Timings(1, 2, 3, 6))


@given(ns=st.integers(0, 2**31 * NS_PER_S - 1))
def test_a_time_comes_back_from_a_stamp_to_the_nanosecond(ns: int) -> None:
    stamp = ns_to_time(ns)
    assert 0 <= stamp.nanosec < NS_PER_S
    assert time_to_ns(stamp) == ns


@given(ns=st.integers(-2**80, 2**80))
def test_a_time_that_no_stamp_can_hold_becomes_the_nearest_second(ns: int) -> None:
    stamp = ns_to_time(ns)
    assert 0 <= stamp.nanosec < NS_PER_S
    assert stamp.sec == min(max(ns // NS_PER_S, -2**31), 2**31 - 1)


def test_a_result_of_several_parts_spans_them() -> None:
    last = replace(UTTERANCE, end_ns=9 * NS_PER_S, speech_end_ns=8 * NS_PER_S)
    result = Result(1, (UTTERANCE, last), transcript('a b'), None, {})
    written = json.loads(result_json(result, 'm'))
    assert (written['start']['sec'], written['end']['sec']) == (5, 9)
    assert (written['speech_start']['nanosec'], written['speech_end']['sec']) == (100_000_000, 8)


def test_a_partial_result_marks_its_stable_words() -> None:
    partial = Partial(4, 5 * NS_PER_S + 1, 6 * NS_PER_S, 'go höme now', 2)
    written = json.loads(partial_json(partial))
    assert written == {
        'schema': 1, 'id': 4, 'start': {'sec': 5, 'nanosec': 1}, 'end': {'sec': 6, 'nanosec': 0},
        'text': 'go höme now', 'stable': 'go höme'}


@given(text=st.text(), result_id=st.integers(1))
def test_a_result_is_json_with_every_documented_key_and_the_text_unchanged(
        text: str, result_id: int) -> None:
    result = Result(result_id, (UTTERANCE,), transcript(text), None, {'latency_ms': 1.23456})
    written = json.loads(result_json(result, 'builtin'))
    assert written.keys() == KEYS
    assert (written['id'], written['text'], written['error']) == (result_id, text, None)
    assert [word['text'] for word in written['words']] == text.split()
    assert written['timings'] == {'latency_ms': 1.235}


def test_a_result_holds_stamps_reason_and_word_times() -> None:
    result = Result(3, (UTTERANCE,), transcript('größer grün'), None, {})
    written = json.loads(result_json(result, 'm.nemo'))
    assert written['start'] == {'sec': 5, 'nanosec': 1}
    assert written['end'] == {'sec': 6, 'nanosec': 0}
    assert written['speech_start'] == {'sec': 5, 'nanosec': 100_000_000}
    assert written['speech_end'] == {'sec': 5, 'nanosec': 900_000_000}
    assert (written['end_reason'], written['model']) == ('pause', 'm.nemo')
    assert written['confidence'] == 0.5
    assert written['words'] == [
        {'text': 'größer', 'start_s': 0.0, 'end_s': 0.2, 'confidence': 0.5},
        {'text': 'grün', 'start_s': 0.25, 'end_s': 0.45, 'confidence': 0.5}]


def test_letters_beyond_ascii_are_written_as_they_are() -> None:
    assert 'größer' in result_json(Result(1, (UTTERANCE,), transcript('größer'), None, {}), 'm')


def test_a_failed_utterance_has_its_error_and_no_text() -> None:
    result = Result(1, (UTTERANCE,), None, RuntimeError('out of "memory"\n'), {})
    written = json.loads(result_json(result, 'm'))
    assert written.keys() == KEYS
    assert written['error'] == 'RuntimeError: out of "memory"\n'
    assert (written['text'], written['words'], written['timings']) == ('', [], {})
    assert written['confidence'] == 0.0


def test_a_failure_without_a_message_is_still_named() -> None:
    written = json.loads(result_json(Result(1, (UTTERANCE,), None, AssertionError(), {}), 'm'))
    assert 'AssertionError' in written['error']


@pytest.mark.parametrize('coding', ['wave', 'WAVE', ' wave ', 'raw', 'pcm', ''])
def test_pcm_is_read_from_audio_info_under_its_names(coding: str) -> None:
    info = AudioInfo(channels=2, sample_rate=44_100, sample_format='s16le', coding_format=coding)
    assert format_from_info(info) == AudioFormat(44_100, 2, 'S16LE')


@pytest.mark.parametrize('coding', ['mp3', 'MP3', 'opus'])
def test_coded_audio_is_refused_with_the_remedy(coding: str) -> None:
    info = AudioInfo(channels=1, sample_rate=16_000, sample_format='S16LE', coding_format=coding)
    with pytest.raises(AudioFormatError, match=f"'{coding.lower()}'.*format:=wave"):
        format_from_info(info)


@pytest.mark.parametrize(('changed', 'words'), [
    ({'sample_format': 'F64LE'}, 'F64LE'), ({'sample_rate': 0}, '0 Hz'),
    ({'channels': 0}, '0 channels'), ({'sample_rate': 4_000_000}, '4000000 Hz')])
def test_a_format_that_cannot_be_read_is_named(changed: dict[str, object], words: str) -> None:
    fields = {'channels': 1, 'sample_rate': 16_000, 'sample_format': 'S16LE',
              'coding_format': 'wave', **changed}
    with pytest.raises(AudioFormatError, match=words):
        format_from_info(AudioInfo(**fields))
