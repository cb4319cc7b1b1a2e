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
from parakeet_ros.careful import Engine
from parakeet_ros.engine import Transcriber
from parakeet_ros.recognizer import MAX_PARTS, Recognizer
from parakeet_ros.results import Partial, Result
from parakeet_ros.steered_engine import SteeredEngine
from parakeet_ros.worker import Worker
import pytest

MONO = AudioFormat(16_000, 1, 'S16LE')
CHUNK = 640  # bytes of 20 ms
VOICE = pcm16(0.1 * np.sin(np.arange(6_400) * 0.2))  # 0.4 s, loud as speech
PAUSE = pcm16(np.random.default_rng(0).normal(0, 3e-4, 12_800))  # 0.8 s of a quiet room
TALK = VOICE + PAUSE[:2 * 1_600]  # 0.5 s; a voice without gaps is learnt as a noise
SHORT_PAUSE = PAUSE[:2 * 6_400]  # 0.4 s: more than the post-roll, less than the hangover


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

    def stream(self, data: bytes) -> None:
        """Push chunks of 20 ms."""
        for start in range(0, len(data), CHUNK):
            self.push(data[start:start + CHUNK])


class Bench:
    """A recognizer and the worker that it has for itself."""

    def __init__(self, engine: Engine, capacity: int = 100, channel: int = MIX_DOWN,
                 config: SegmenterConfig | None = None, partial_interval_s: float = 0.0) -> None:
        self.done = Counter()
        self.worker = Worker(engine, capacity, self.done)
        self.recognizer = Recognizer(
            self.worker, 'front', channel, config or SegmenterConfig(), partial_interval_s)

    def finish(self) -> list[Result]:
        """Close what is open, wait, and return all results."""
        self.recognizer.flush()
        assert self.worker.drain(TIMEOUT_S)
        return self.recognizer.take_results()


@contextmanager
def recognizing(engine: Engine, **options: object) -> Iterator[Bench]:
    """Run a recognizer that is gone afterwards, whatever its engine waits for."""
    bench = Bench(engine, **options)
    try:
        yield bench
    finally:
        if isinstance(engine, FakeEngine):
            engine.let_go()
        assert bench.worker.stop(TIMEOUT_S)


@given(script=st.lists(st.sampled_from(['say', 'release', 'fail', 'take']), max_size=25),
       capacity=st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_every_utterance_is_in_exactly_one_place(script: list[str], capacity: int) -> None:
    engine = FakeEngine()
    said, expected_ids = 0, []  # of those that the queue must have taken
    with recognizing(engine, capacity=capacity) as bench:
        recognizer, done = bench.recognizer, bench.done
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
            counters = recognizer.counters
            assert counters.utterances == said
            assert counters.dropped == said - len(expected_ids)
            assert counters.transcribed + counters.failed == len(results)
            assert said == (counters.transcribed + counters.failed + counters.dropped
                            + recognizer.waiting)
        results += recognizer.take_results()
    assert [result.utterance_id for result in results] == expected_ids[:len(results)]
    assert recognizer.counters.failed == sum(result.error is not None for result in results)
    assert len(recognizer.counters.latencies_ms) == recognizer.counters.transcribed


def test_ids_count_from_one_in_the_order_of_the_stream() -> None:
    with recognizing(FakeEngine(holds=False)) as bench:
        microphone = Microphone(bench.recognizer)
        for _ in range(4):
            microphone.stream(VOICE + PAUSE)
        results = bench.finish()
    assert [result.utterance_id for result in results] == [1, 2, 3, 4]
    starts = [result.parts[0].start_ns for result in results]
    assert starts == sorted(set(starts))


def test_a_drop_is_remembered_with_its_time() -> None:
    engine = FakeEngine()
    with recognizing(engine, capacity=1) as bench:
        microphone = Microphone(bench.recognizer)
        microphone.push(VOICE + PAUSE)
        engine.started.until(1)
        microphone.push(VOICE + PAUSE)
        assert bench.recognizer.counters.last_drop_ns is None
        before_ns = time.monotonic_ns()
        microphone.push(VOICE + PAUSE)
        assert before_ns <= bench.recognizer.counters.last_drop_ns <= time.monotonic_ns()


def test_a_change_of_format_closes_the_utterance_that_is_open() -> None:
    with recognizing(FakeEngine(holds=False)) as bench:
        Microphone(bench.recognizer).push(VOICE)
        assert bench.recognizer.is_speaking
        stereo = AudioFormat(16_000, 2, 'S16LE')
        both = np.repeat(np.frombuffer(VOICE + PAUSE, '<i2'), 2).tobytes()
        Microphone(bench.recognizer, stereo).push(both)
        assert bench.recognizer.stream.audio_format == stereo
        first, second = bench.finish()
    assert first.parts[0].utterance.end_reason == 'flush'
    assert second.parts[0].utterance.end_reason == 'pause'


def test_a_format_without_the_channel_is_refused_and_the_old_stream_goes_on() -> None:
    with recognizing(FakeEngine(holds=False), channel=1) as bench:
        stereo = Microphone(bench.recognizer, AudioFormat(16_000, 2, 'S16LE'))
        stereo.push(np.repeat(np.frombuffer(VOICE, '<i2'), 2).tobytes())
        with pytest.raises(AudioFormatError, match='channel 1'):
            Microphone(bench.recognizer).push(VOICE)
        assert bench.recognizer.is_speaking
        assert len(bench.finish()) == 1


def test_a_flush_gives_the_utterance_that_is_open_and_then_nothing() -> None:
    with recognizing(FakeEngine(holds=False)) as bench:
        Microphone(bench.recognizer).push(PAUSE + VOICE)
        assert bench.recognizer.is_speaking
        assert [result.utterance_id for result in bench.finish()] == [1]
        assert not bench.recognizer.is_speaking
        assert bench.finish() == []


def test_a_failed_utterance_has_its_error_and_no_timings() -> None:
    engine, error = FakeEngine(), RuntimeError('bad')
    engine.release(error)
    with recognizing(engine) as bench:
        Microphone(bench.recognizer).push(VOICE + PAUSE)
        [result] = bench.finish()
    assert (result.transcript, result.error, result.timings, result.text) == (None, error, {}, '')


# --- guesses ----------------------------------------------------------------------------------


def test_a_guess_at_the_pause_is_the_result_and_is_transcribed_once() -> None:
    engine = FakeEngine()
    with recognizing(engine) as bench:
        microphone = Microphone(bench.recognizer)
        microphone.stream(VOICE + SHORT_PAUSE)
        engine.started.until(1)  # the engine is at it before the pause is over
        assert bench.recognizer.waiting == 0 and bench.recognizer.is_speaking
        engine.release()
        microphone.stream(PAUSE)
        [result] = bench.finish()
    assert engine.batches == [[len(result.parts[0].waveform)]]
    assert result.parts[0].utterance.end_reason == 'pause'
    counters = bench.recognizer.counters
    assert (counters.guessed, counters.discarded, counters.transcribed) == (1, 0, 1)


@given(n_dips=st.integers(1, 4))
@settings(max_examples=8, deadline=None)
def test_a_wrong_guess_is_counted_and_leaves_no_trace(n_dips: int) -> None:
    with recognizing(FakeEngine(holds=False)) as bench:
        microphone = Microphone(bench.recognizer)
        microphone.stream((VOICE + SHORT_PAUSE) * n_dips + VOICE + PAUSE)
        [result] = bench.finish()
    counters = bench.recognizer.counters
    assert (counters.guessed, counters.discarded) == (n_dips + 1, n_dips)
    assert result.text == str(len(result.parts[0].waveform))


def test_a_flush_in_a_pause_counts_the_guess_as_wrong_and_withdraws_it() -> None:
    engine = FakeEngine()
    with recognizing(engine) as bench:
        bench.worker.submit('other', np.zeros(1, np.float32))
        engine.started.until(1)
        Microphone(bench.recognizer).stream(VOICE + SHORT_PAUSE)
        bench.recognizer.flush()
        engine.let_go()
        [result] = bench.finish()
    counters = bench.recognizer.counters
    assert (counters.guessed, counters.discarded) == (1, 1)
    assert engine.batches == [[1], [len(result.parts[0].waveform)]], 'the guess never ran'


# --- looks ------------------------------------------------------------------------------------


def partials_of(bench: Bench, data: bytes) -> list[Partial]:
    """Stream audio with an engine that keeps up, and return the partial results."""
    microphone, partials = Microphone(bench.recognizer), []
    for start in range(0, len(data), CHUNK):
        microphone.push(data[start:start + CHUNK])
        deadline = time.monotonic() + TIMEOUT_S
        while not bench.worker.is_idle:
            assert time.monotonic() < deadline
            time.sleep(1e-4)
        partials.append(bench.recognizer.take_partial())
    return [partial for partial in partials if partial is not None]


def test_words_of_a_noise_are_not_those_of_the_next_utterance() -> None:
    room, fan = (pcm16(np.random.default_rng(1).normal(0, rms, 48_000)) for rms in (3e-4, 3e-3))
    with recognizing(FakeEngine(holds=False), partial_interval_s=0.5) as bench:
        assert partials_of(bench, room + fan), 'the noise was looked at'
        assert not bench.recognizer.is_speaking and bench.finish() == []
        assert bench.recognizer._ahead._seen_words == []
        partials_of(bench, VOICE[:6_400])
        assert bench.recognizer.is_speaking and bench.recognizer._ahead._seen_words == []


def test_without_an_interval_there_is_no_partial_result() -> None:
    with recognizing(FakeEngine(holds=False)) as bench:
        assert partials_of(bench, TALK * 4 + PAUSE) == []


def test_partial_results_come_each_interval_under_the_id_of_the_result() -> None:
    with recognizing(FakeEngine(holds=False), partial_interval_s=0.5) as bench:
        partials = partials_of(bench, (TALK * 5 + PAUSE) * 2)
        first, second = bench.finish()
    ids = [p.utterance_id for p in partials]
    assert ids == sorted(ids) and min(ids.count(1), ids.count(2)) >= 4
    for result in (first, second):
        own = [p for p in partials if p.utterance_id == result.utterance_id]
        assert {p.start_ns for p in own} == {result.parts[0].start_ns}
        ends = [p.end_ns for p in own]
        assert {b - a for a, b in zip(ends, ends[1:])} == {500_000_000}


def test_the_stable_words_are_those_that_two_looks_in_a_row_begin_with(
        engine: Transcriber, easy_clip: Clip) -> None:
    with recognizing(SteeredEngine(engine, ()), partial_interval_s=0.1) as bench:
        partials = partials_of(bench, pcm16(spoken(easy_clip)))
        [result] = bench.finish()
    assert len(partials) > 5
    before: list[str] = []
    for partial in partials:
        words = partial.text.split()
        stable = words[:partial.stable_words]
        assert stable == before[:partial.stable_words]
        assert words[:partial.stable_words + 1] != before[:partial.stable_words + 1] or (
            len(words) == partial.stable_words)
        before = words
    assert result.text == easy_clip.text


def test_a_slow_engine_ends_a_look_before_the_next() -> None:
    engine = FakeEngine()
    with recognizing(engine, partial_interval_s=0.15) as bench:
        microphone = Microphone(bench.recognizer)
        microphone.stream(VOICE[:2 * 4_480])  # enough for one look, not for two
        engine.started.until(1)
        microphone.stream(TALK * 2)  # many intervals later the engine is still at it
        engine.release()
        deadline = time.monotonic() + TIMEOUT_S
        while (partial := bench.recognizer.take_partial()) is None:
            assert time.monotonic() < deadline, 'the look is not replaced while it runs'
    assert partial.text == str(engine.batches[0][0])


def test_a_look_that_is_done_too_late_is_forgotten() -> None:
    engine = FakeEngine()
    with recognizing(engine, partial_interval_s=0.3) as bench:
        Microphone(bench.recognizer).stream(VOICE)
        engine.started.until(1)
        bench.recognizer.flush()
        engine.let_go()
        assert [r.utterance_id for r in bench.finish()] == [1]
        assert bench.recognizer.take_partial() is None


# --- what is cut at the limit of length -------------------------------------------------------

CUT = SegmenterConfig(max_utterance_s=2.0, pre_roll_s=0.2)
LONG_TALK = TALK * 12


def test_parts_are_joined_under_one_id_with_words_where_they_were_said() -> None:
    with recognizing(FakeEngine(holds=False), config=CUT) as bench:
        Microphone(bench.recognizer).stream(LONG_TALK + PAUSE + VOICE + PAUSE)
        long, short = bench.finish()
    assert (long.utterance_id, short.utterance_id) == (1, 2)
    assert len(long.parts) >= 3 and len(short.parts) == 1
    assert long.text == ' '.join(str(len(part.waveform)) for part in long.parts)
    first_ns = long.parts[0].start_ns
    for word, part in zip(long.transcript.words, long.parts, strict=True):
        assert word.start_s == pytest.approx((part.start_ns - first_ns) / 1e9)
    assert long.timings['audio_s'] == pytest.approx(
        (long.parts[-1].end_ns - first_ns) / 1e9)
    assert bench.recognizer.counters.utterances == 2


def test_a_part_that_a_full_queue_refuses_is_counted_and_the_rest_is_the_result() -> None:
    engine = FakeEngine()
    with recognizing(engine, capacity=1, config=CUT) as bench:
        microphone = Microphone(bench.recognizer)
        microphone.stream(TALK * 5)
        engine.started.until(1)
        microphone.stream(TALK * 7 + PAUSE)
        engine.let_go()
        [result] = bench.finish()
    counters = bench.recognizer.counters
    assert counters.dropped_parts >= 1 and counters.last_drop_ns is not None
    assert (counters.utterances, counters.transcribed, counters.dropped) == (1, 1, 0)
    assert len(result.parts) == 2, 'one was in the engine, one waited'


@pytest.mark.parametrize('reason', ['pause', 'flush'])
def test_speech_that_is_cut_in_the_pause_after_it_has_ended_by_that(reason: str) -> None:
    with recognizing(FakeEngine(holds=False), config=CUT) as bench:
        microphone = Microphone(bench.recognizer)
        microphone.stream(PAUSE + TALK * 3 + PAUSE[:2 * 7_200])  # 0.55 s of the hangover
        assert bench.recognizer.waiting == 1 and bench.recognizer.is_speaking, 'it was cut'
        bench.done.until(1)
        before_ns = time.monotonic_ns()
        if reason == 'pause':
            microphone.stream(PAUSE[:2 * 4_800])
            assert not bench.recognizer.is_speaking
        [result] = bench.finish()
    assert [part.utterance.end_reason for part in result.parts] == [reason]
    assert result.closed_ns > before_ns
    assert 0 <= result.timings['total_ms'] < (time.monotonic_ns() - before_ns) / 1e6


def test_an_error_on_one_part_leaves_the_text_of_the_others() -> None:
    engine, error = FakeEngine(), RuntimeError('bad')
    engine.release()
    engine.release(error)
    for _ in range(20):
        engine.release()
    with recognizing(engine, config=CUT) as bench:
        Microphone(bench.recognizer).push(LONG_TALK + PAUSE)
        [result] = bench.finish()
    assert result.error is error and bench.recognizer.counters.failed == 1
    lengths = [str(len(part.waveform)) for part in result.parts]
    assert result.text.split() == lengths[:1] + lengths[2:]


def test_partial_results_go_on_after_a_cut() -> None:
    with recognizing(FakeEngine(holds=False), config=CUT, partial_interval_s=0.5) as bench:
        partials = partials_of(bench, LONG_TALK)
        [result] = bench.finish()
    assert {p.utterance_id for p in partials} == {1}
    assert {p.start_ns for p in partials} == {result.parts[0].start_ns}
    lengths = [str(len(part.waveform)) for part in result.parts]
    last = partials[-1].text.split()
    assert last[:-1] == lengths[:len(last) - 1] and len(last) >= 3
    assert partials[-1].stable_words >= len(last) - 1


def test_endless_speech_is_given_out_in_utterances_of_bounded_length() -> None:
    with recognizing(FakeEngine(holds=False), config=CUT) as bench:
        Microphone(bench.recognizer).push(TALK * 4 * (MAX_PARTS + 5))
        results = bench.finish()
    assert [result.utterance_id for result in results] == [1, 2]
    assert len(results[0].parts) == MAX_PARTS
    assert results[0].parts[-1].end_ns == results[1].parts[0].start_ns


# --- with the packaged model ------------------------------------------------------------------


def test_timings_have_every_documented_key_and_fit_together(
        engine: Transcriber, easy_clip: Clip) -> None:
    with recognizing(SteeredEngine(engine, ())) as bench:
        Microphone(bench.recognizer).stream(pcm16(spoken(easy_clip)))
        [result] = bench.finish()
    names = set(re.findall('`([a-z_]+)`', Result.__doc__)) - {'timings'}
    ms = {f'{name}_ms' for name in names - {'audio_s', 'rtfx'}}
    assert result.timings.keys() == ms | {'audio_s', 'rtfx'}
    t = result.timings
    assert all(value >= 0 for value in t.values())
    assert t['audio_s'] == len(result.parts[0].waveform) / 16_000
    stages_ms = t['features_ms'] + t['encoder_ms'] + t['decoder_ms']
    assert 0 < stages_ms and t['total_ms'] <= t['latency_ms']
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
        with recognizing(SteeredEngine(engine, ())) as bench:
            microphone = Microphone(bench.recognizer)
            for start, end in zip(edges, edges[1:]):
                microphone.push(audio[start:end])
            return [(r.utterance_id, r.text, r.transcript.words, r.parts[0].start_ns,
                     r.parts[0].end_ns, r.parts[0].speech_start_ns, r.parts[0].speech_end_ns)
                    for r in bench.finish()]

    whole = hear([0, len(audio)])
    assert [text for _, text, *_ in whole] == [easy_clip.text, other_clip.text]
    assert hear(edges) == whole


def test_a_confirmed_guess_is_what_transcribing_the_utterance_gives(
        engine: Transcriber, easy_clip: Clip) -> None:
    with recognizing(SteeredEngine(engine, ())) as bench:
        Microphone(bench.recognizer).stream(pcm16(spoken(easy_clip)))
        [result] = bench.finish()
    assert bench.recognizer.counters.guessed > bench.recognizer.counters.discarded
    [plain] = engine.transcribe_batch([result.parts[0].waveform])
    assert (result.text, result.transcript.words, result.transcript.tokens) == (
        plain.text, plain.words, plain.tokens)
