"""The recognizer: every utterance is accounted for, and chunks do not matter."""

from collections.abc import Iterator
from contextlib import contextmanager
import re
import time

from fake_engine import Counter, FakeEngine, TIMEOUT_S
from heldout import Clip, pcm16, spoken
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from parakeet_ros.audio import AudioFormat, AudioFormatError, MIX_DOWN, SegmenterConfig
from parakeet_ros.engine import Transcriber
from parakeet_ros.recognizer import Recognizer, Result
from parakeet_ros.worker import Engine
import pytest

MONO = AudioFormat(16_000, 1, 'S16LE')
NS_PER_SAMPLE = 62_500  # at 16 kHz, exactly
VOICE = pcm16(0.1 * np.sin(np.arange(6_400) * 0.2))  # 0.4 s, loud as speech
PAUSE = pcm16(np.random.default_rng(0).normal(0, 3e-4, 12_800))  # 0.8 s of a quiet room


class Microphone:
    """Push audio into a recognizer, with stamps that count its samples from 5 s on."""

    def __init__(self, recognizer: Recognizer, audio_format: AudioFormat = MONO) -> None:
        self.recognizer = recognizer
        self.audio_format = audio_format
        self._stamp_ns = 5_000_000_000

    def push(self, data: bytes) -> None:
        """Push one chunk."""
        self.recognizer.push(
            self.audio_format, memoryview(data), self._stamp_ns, time.monotonic_ns())
        samples = len(data) // self.audio_format.bytes_per_frame
        self._stamp_ns += samples * 1_000_000_000 // self.audio_format.sample_rate


@contextmanager
def recognizing(engine: Engine, capacity: int = 100, on_done: Counter | None = None,
                channel: int = MIX_DOWN) -> Iterator[Recognizer]:
    """Run a recognizer that is gone afterwards, whatever its engine waits for."""
    recognizer = Recognizer(engine, channel, SegmenterConfig(), capacity, on_done or Counter())
    try:
        yield recognizer
    finally:
        if isinstance(engine, FakeEngine):
            for _ in range(capacity + 1):
                engine.release()
        assert recognizer.close(TIMEOUT_S)


def finished(recognizer: Recognizer) -> list[Result]:
    """Finish and return all results."""
    assert recognizer.finish(TIMEOUT_S)
    return recognizer.take_results()


@given(script=st.lists(st.sampled_from(['say', 'release', 'fail', 'take']), max_size=25),
       capacity=st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_every_utterance_is_in_exactly_one_place(script: list[str], capacity: int) -> None:
    engine, done = FakeEngine(), Counter()
    said, expected_ids = 0, []  # of those that the queue must have taken
    with recognizing(engine, capacity, done) as recognizer:
        microphone, results = Microphone(recognizer), []
        for step in script:
            in_flight = len(expected_ids) - done.value
            if step == 'say':
                microphone.push(VOICE + PAUSE)
                said += 1
                if in_flight < 1 + capacity:  # one in the engine
                    expected_ids.append(said)
                engine.started.until(min(len(expected_ids), done.value + 1))
            elif step == 'take':
                results += recognizer.take_results()
            elif in_flight:
                ended = done.value + 1
                engine.release(RuntimeError('bad') if step == 'fail' else None)
                done.until(ended)
                engine.started.until(min(len(expected_ids), ended + 1))
            counters, untaken = recognizer.counters, done.value - len(results)
            assert counters.utterances == said
            assert counters.dropped == said - len(expected_ids)
            assert counters.transcribed + counters.failed == len(results)
            assert said == (counters.transcribed + counters.failed + counters.dropped
                            + recognizer.queue_depth + untaken)
    results += recognizer.take_results()
    assert [result.utterance_id for result in results] == expected_ids[:len(results)]
    assert recognizer.counters.failed == sum(result.error is not None for result in results)
    assert len(recognizer.counters.latencies_ms) == recognizer.counters.transcribed


def test_ids_count_from_one_in_the_order_of_the_stream() -> None:
    engine = FakeEngine()
    with recognizing(engine) as recognizer:
        microphone = Microphone(recognizer)
        for _ in range(4):
            microphone.push(VOICE + PAUSE)
            engine.release()
        results = finished(recognizer)
    assert [result.utterance_id for result in results] == [1, 2, 3, 4]
    starts = [result.utterance.start_ns for result in results]
    assert starts == sorted(set(starts))


def test_a_drop_is_remembered_with_its_time() -> None:
    engine = FakeEngine()
    with recognizing(engine, capacity=1) as recognizer:
        microphone = Microphone(recognizer)
        microphone.push(VOICE + PAUSE)
        engine.started.until(1)
        microphone.push(VOICE + PAUSE)
        assert recognizer.counters.last_drop_ns is None
        before_ns = time.monotonic_ns()
        microphone.push(VOICE + PAUSE)
        assert before_ns <= recognizer.counters.last_drop_ns <= time.monotonic_ns()


def test_a_change_of_format_closes_the_utterance_that_is_open() -> None:
    engine = FakeEngine()
    engine.release()
    engine.release()
    with recognizing(engine) as recognizer:
        Microphone(recognizer).push(VOICE)
        assert recognizer.is_speaking
        stereo = AudioFormat(16_000, 2, 'S16LE')
        both = np.repeat(np.frombuffer(VOICE + PAUSE, '<i2'), 2).tobytes()
        Microphone(recognizer, stereo).push(both)
        assert recognizer.stream.audio_format == stereo
        first, second = finished(recognizer)
    assert first.utterance.utterance.end_reason == 'flush'
    assert second.utterance.utterance.end_reason == 'pause'


def test_a_format_without_the_channel_is_refused_and_the_old_stream_goes_on() -> None:
    engine = FakeEngine()
    engine.release()
    with recognizing(engine, channel=1) as recognizer:
        stereo = Microphone(recognizer, AudioFormat(16_000, 2, 'S16LE'))
        stereo.push(np.repeat(np.frombuffer(VOICE, '<i2'), 2).tobytes())
        with pytest.raises(AudioFormatError, match='channel 1'):
            Microphone(recognizer).push(VOICE)
        assert recognizer.is_speaking
        assert len(finished(recognizer)) == 1


def test_finish_publishes_the_utterance_that_is_open_and_forgets_the_stream() -> None:
    engine = FakeEngine()
    engine.release()
    with recognizing(engine) as recognizer:
        Microphone(recognizer).push(PAUSE + VOICE)
        assert recognizer.is_speaking
        assert [result.utterance_id for result in finished(recognizer)] == [1]
        assert not recognizer.is_speaking and recognizer.stream is None
        assert finished(recognizer) == [], 'there is nothing more'


def test_finish_says_so_when_the_engine_does_not_end_in_time() -> None:
    with recognizing(FakeEngine()) as recognizer:
        Microphone(recognizer).push(VOICE)
        assert not recognizer.finish(0.05)
        assert recognizer.queue_depth == 1


def test_a_failed_utterance_has_its_error_and_no_timings() -> None:
    engine, error = FakeEngine(), RuntimeError('bad')
    engine.release(error)
    with recognizing(engine) as recognizer:
        Microphone(recognizer).push(VOICE + PAUSE)
        [result] = finished(recognizer)
    assert (result.transcript, result.error, result.timings) == (None, error, {})


# --- with the packaged model ------------------------------------------------------------------


def test_timings_have_every_documented_key_and_fit_together(
        engine: Transcriber, easy_clip: Clip) -> None:
    with recognizing(engine) as recognizer:
        microphone, data = Microphone(recognizer), pcm16(spoken(easy_clip))
        for start in range(0, len(data), 640):
            microphone.push(data[start:start + 640])
        [result] = finished(recognizer)
    names = set(re.findall('`([a-z_]+)`', Result.__doc__)) - {'timings'}
    ms = {f'{name}_ms' for name in names - {'audio_s', 'rtfx'}}
    assert result.timings.keys() == ms | {'audio_s', 'rtfx'}
    t = result.timings
    assert all(value >= 0 for value in t.values())
    assert t['audio_s'] == len(result.utterance.waveform) / 16_000
    stages_ms = t['features_ms'] + t['encoder_ms'] + t['decoder_ms']
    assert 0 < t['queue_ms'] + stages_ms <= t['total_ms'] <= t['latency_ms']
    assert t['latency_ms'] == pytest.approx(t['endpoint_ms'] + t['total_ms'])
    assert t['rtfx'] == pytest.approx(result.transcript.rtfx)
    assert result.transcript.text == easy_clip.text


@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_the_same_bytes_in_any_chunks_give_the_same_results(
        engine: Transcriber, easy_clip: Clip, other_clip: Clip, data: st.DataObject) -> None:
    audio = pcm16(np.concatenate([spoken(easy_clip), spoken(other_clip)]))
    cuts = data.draw(st.lists(st.integers(0, len(audio) // 2), max_size=60))
    edges = [0, *(2 * cut for cut in sorted(cuts)), len(audio)]

    def hear(edges: list[int]) -> list[tuple[object, ...]]:
        with recognizing(engine) as recognizer:
            microphone = Microphone(recognizer)
            for start, end in zip(edges, edges[1:]):
                microphone.push(audio[start:end])
            return [(r.utterance_id, r.transcript.text, r.transcript.words, r.utterance.start_ns,
                     r.utterance.end_ns, r.utterance.speech_start_ns, r.utterance.speech_end_ns)
                    for r in finished(recognizer)]

    whole = hear([0, len(audio)])
    assert [text for _, text, *_ in whole] == [easy_clip.text, other_clip.text]
    assert hear(edges) == whole
