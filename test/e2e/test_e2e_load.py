"""Under load: nothing accepted is lost, what is dropped is counted, memory stays flat."""

import gc
import time
import tracemalloc

from clips import SHORT_CLIPS, silence, spoken
from diagnostic_msgs.msg import DiagnosticStatus
import numpy as np
from parakeet_ros.audio import AudioFormat, MIX_DOWN, SegmenterConfig
from parakeet_ros.engine import load_model
from parakeet_ros.recognizer import Recognizer
from parakeet_ros.steered_engine import SteeredEngine
from parakeet_ros.worker import Worker
from probe import Microphone, pcm_info

SOAK_S = 1800.0
SOAK_RATE = 45.0  # times real time
LOUD = np.concatenate([spoken(clip) for clip in SHORT_CLIPS])  # 54 utterances, 140 s


def counts(probe):
    """Return what the diagnostics count."""
    names = ('utterances', 'transcribed', 'failed', 'dropped', 'queue')
    return {name: int(probe.value('recognizer', name) or 0) for name in names}


def until_settled(probe):
    """Wait until every utterance is accounted for and no more come, and return the counts."""
    seen = [(probe.reports, {})]

    def is_settled():
        if probe.reports < seen[-1][0] + 2:  # audio may still be on its way: look a second later
            return False
        now = counts(probe)
        seen.append((probe.reports, now))
        return (now == seen[-2][1] and now['queue'] == 0 and now['utterances'] > 0
                and now['utterances'] == now['transcribed'] + now['failed'] + now['dropped'])

    probe.until(is_settled, 'all accounted for', timeout_s=200.0)
    return counts(probe)


def test_half_an_hour_of_talk_leaves_nothing_behind(start_asr, probe):
    asr = start_asr(queue_size=1000)
    probe.until_active()
    microphone = Microphone(probe, info=pcm_info())
    microphone.until_heard()
    memory_mb = []
    said_s = 0.0
    while said_s < SOAK_S:
        microphone.say(LOUD, chunk_s=0.1, rate=SOAK_RATE)
        said_s += len(LOUD) / 16_000
        memory_mb.append(asr.memory_mb)
    now = until_settled(probe)
    assert now['dropped'] == now['failed'] == 0
    assert len(probe.results) == now['transcribed'] > 0.9 * len(SHORT_CLIPS) * len(memory_mb)
    assert probe.value('audio input', 'gaps') == '0', 'no message was lost'
    half = len(memory_mb) // 2
    assert max(memory_mb[half:]) < 1.05 * max(memory_mb[:half]), memory_mb


def test_a_flood_is_dropped_and_counted_and_what_was_accepted_is_transcribed(
        start_faulty, probe):
    asr = start_faulty(busy_s=0.2, queue_size=2)
    probe.until_active()
    microphone = Microphone(probe, info=pcm_info())
    microphone.until_heard()
    before_mb = asr.memory_mb
    for _ in range(3):
        microphone.say(LOUD, chunk_s=0.1, rate=100.0)
    probe.until(lambda: counts(probe)['dropped'] > 0, 'drops')
    assert counts(probe)['queue'] <= 2 + 2  # in the engine, waiting
    assert probe.health['recognizer'].level == DiagnosticStatus.WARN
    assert 'queue was full' in probe.health['recognizer'].message
    now = until_settled(probe)
    assert len(probe.results) == now['transcribed'] + now['failed'] and now['failed'] == 0
    ids = [result['id'] for result in probe.results]
    assert ids == sorted(set(ids)), 'in the order of the stream'
    assert asr.memory_mb < before_mb + 100


def test_a_flood_on_one_microphone_costs_the_others_nothing(start_faulty, probe):
    heard = probe.texts_of('calm')
    start_faulty(busy_s=0.1, queue_size=2, streams=['flooded', 'calm'], batch_size=1)
    probe.until_active()
    flooded, calm = (Microphone(probe, info=pcm_info(), name=name)
                     for name in ('flooded', 'calm'))
    for microphone in (flooded, calm):
        microphone.until_heard()
    clips = SHORT_CLIPS[:6]
    for clip in clips:
        flooded.say(LOUD[:len(LOUD) // 3], chunk_s=0.1, rate=100.0)
        calm.say(spoken(clip), rate=8.0)
    until_settled(probe)
    assert len(heard) == len(clips)
    assert counts(probe)['dropped'] > 0


def test_eight_microphones_in_real_time_lose_nothing(start_asr, probe):
    names = [f'microphone{i}' for i in range(8)]
    heard = {name: probe.texts_of(name) for name in names}
    start_asr(streams=names)
    probe.until_active()
    microphones = [Microphone(probe, info=pcm_info(), name=name) for name in names]
    for microphone in microphones:
        microphone.until_heard()
    audio = [np.concatenate([silence(0.2 * i), *(spoken(SHORT_CLIPS[3 * i + k])
                                                 for k in range(3)), silence(3.0)])
             for i in range(len(names))]
    begin = time.monotonic()
    for chunk in range(min(map(len, audio)) // 320):
        for microphone, waveform in zip(microphones, audio):
            microphone.say(waveform[320 * chunk:320 * (chunk + 1)], rate=np.inf)
        probe.spin(begin + (chunk + 1) * 0.02 - time.monotonic())
    now = until_settled(probe)
    assert now['dropped'] == now['failed'] == 0
    assert sum(map(len, heard.values())) > 0.8 * 3 * len(names)
    for name in names:
        assert probe.value(f'{name}: audio input', 'gaps') == '0'


def test_python_memory_does_not_grow_with_the_audio_heard():
    engine = SteeredEngine(load_model('builtin', device='cpu'), ())
    worker = Worker(engine, 1000, lambda: None)
    recognizer = Recognizer(worker, '', MIX_DOWN, SegmenterConfig(), partial_interval_s=0.5)
    audio_format, stamp_ns = AudioFormat(16_000, 1, 'S16LE'), 0
    data = np.round(32_767 * LOUD[:40 * 16_000]).astype('<i2').tobytes()
    sizes = []
    tracemalloc.start()
    for _ in range(6):
        for start in range(0, len(data), 6_400):
            chunk = memoryview(data)[start:start + 6_400]
            recognizer.push(audio_format, chunk, stamp_ns, time.monotonic_ns())
            stamp_ns += len(chunk) * 31_250
            recognizer.take_partial()
        recognizer.flush()
        assert worker.drain(60.0)
        recognizer.take_results()
        gc.collect()
        sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert worker.stop()
    assert recognizer.counters.transcribed > 60
    assert sizes[-1] < sizes[2] + 50_000, sizes
