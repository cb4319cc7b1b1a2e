"""What is told of an utterance before it ends is what it turns out to be."""
from dataclasses import replace

from hypothesis import given, settings
import numpy as np
from parakeet_ros.audio import AudioFormat, AudioStream, Segmenter, SegmenterConfig
from sounds import identity, pieces_of_sound, SHORT, sound

WORD = [(1, -65), (0.5, -15)]
QUIET = [(2, -65)]


def listen(segmenter, waveform, chunk_samples=160):
    """Yield what is pending, what is partial and what has ended, after each chunk."""
    for begin in range(0, len(waveform), chunk_samples):
        ended = segmenter.process(waveform[begin:begin + chunk_samples])
        yield segmenter.pending(), segmenter.partial(), ended


def test_the_utterance_is_pending_from_the_end_of_its_post_roll_to_that_of_the_hangover():
    config = SegmenterConfig(hangover_s=0.6, post_roll_s=0.2)
    heard = list(listen(Segmenter(config), sound(WORD + QUIET)))
    told = [i for i, (pending, _, _) in enumerate(heard) if pending is not None]
    [end] = [i for i, (_, _, ended) in enumerate(heard) if ended]
    assert told == list(range(end - 40, end))
    assert all(heard[i][0] is heard[end][2][0] for i in told)


def test_more_speech_takes_back_what_was_pending():
    waveform = sound([*WORD, (0.4, -65), (0.3, -15), *QUIET])
    heard = list(listen(Segmenter(), waveform))
    pending = [p for p, _, _ in heard if p is not None]
    [utterance] = [u for _, _, ended in heard for u in ended]
    first, last = pending[0], pending[-1]
    assert first.end_sample < last.end_sample and last is utterance
    np.testing.assert_array_equal(first.waveform, utterance.waveform[:len(first.waveform)])
    assert heard[195][0] is None  # in the middle of the second word


@settings(max_examples=60, deadline=None)
@given(pieces_of_sound)
def test_what_is_pending_is_emitted_when_nothing_more_is_heard(pieces):
    segmenter = Segmenter(replace(SHORT, post_roll_s=0.1))
    silence = np.zeros(16_000, np.float32)
    waveform = sound([(0.1, -60), *pieces])
    for begin in range(0, len(waveform), 1_600):
        segmenter.process(waveform[begin:begin + 1_600])
        pending = segmenter.pending()
        if pending is not None:
            waveform = np.concatenate([waveform[:begin + 1_600], silence])
            ended = segmenter.process(silence)
            assert [identity(u) for u in ended] == [identity(pending)]
            return


def test_nothing_is_pending_when_the_limit_of_length_comes_first():
    config = SegmenterConfig(max_utterance_s=2.0, hangover_s=0.8)
    heard = list(listen(Segmenter(config), sound([(1, -65), (1.3, -15), *QUIET])))
    assert [u.end_reason for _, _, ended in heard for u in ended] == ['max_length']
    assert all(pending is None for pending, _, _ in heard)


def test_the_partial_utterance_grows_up_to_the_latest_sample():
    waveform = sound(WORD + QUIET)
    segmenter, heard = Segmenter(), 0
    for _, partial, _ in listen(segmenter, waveform, 800):
        heard += 800
        assert (partial is not None) == segmenter.is_speaking
        if partial is not None:
            assert (partial.end_sample, partial.end_reason) == (heard, 'open')
            np.testing.assert_array_equal(
                partial.waveform, waveform[partial.start_sample:partial.end_sample])
    assert heard == len(waveform)


def test_a_partial_utterance_after_a_cut_continues():
    segmenter = Segmenter(SHORT)
    segmenter.process(sound([(0.5, -60), *[(0.2, -15), (0.05, -55)] * 10]))
    partial = segmenter.partial()
    assert partial.continues
    [rest] = segmenter.flush()
    assert identity(replace(rest, end_reason='open')) == identity(partial)


def test_a_stream_tells_the_times_of_what_is_pending_and_partial():
    stream, told = AudioStream(AudioFormat(16_000, 1, 'S16LE')), []
    raw = (32_767 * sound(WORD + QUIET)).astype('<i2').tobytes()
    for begin in range(0, len(raw), 640):
        ended = stream.push(raw[begin:begin + 640], begin * 31_250)
        pending, partial = stream.pending(), stream.partial()
        if pending is not None:
            told.append(pending)
            assert (partial.start_ns, partial.end_ns) == (
                pending.start_ns, (begin + 640) * 31_250)
        if ended:
            [utterance] = ended
            assert utterance.utterance is told[-1].utterance and utterance == told[0]
            break
    assert told and stream.statistics.utterances == 1
    assert stream.pending() is stream.partial() is None
