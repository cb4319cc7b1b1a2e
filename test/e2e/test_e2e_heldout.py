"""Held-out clips, played on the topic by the player, become the right text at the right time."""

from pathlib import Path

from asr_process import Process
from card import CARD_WER_PERCENT
from clips import SHORT_CLIPS
from diagnostic_msgs.msg import DiagnosticStatus
import numpy as np
import pytest

jiwer = pytest.importorskip('jiwer')

GAP_S = 1.0
BEGIN_S = 1000.0
RATE = 8  # times real time
MARGIN_PERCENT = 1.0  # what the segmenter may add to the card's figure for whole clips
SPEECH_MARGIN_S = 0.15  # the clips have this much background before and after the speech
BEGIN_ERROR_S = 0.1  # of the detector
END_ERROR_S = 0.25  # some end faintly
WORD_EDGE_S = 0.2  # that a word may reach beyond its clip: two and a half encoder frames
PAUSING = 'short_kokoro_am_michael_1x0.flac'  # has a pause of 0.65 s: two utterances


@pytest.fixture
def heard(start_asr, probe, tmp_path: Path):
    """Play every clip to the node and return what came out."""
    asr = start_asr(queue_size=100)
    probe.until_active()
    player = Process(
        tmp_path / 'player.log', 'parakeet_ros.player', *[str(c.file) for c in SHORT_CLIPS],
        '--rate', str(RATE), '--gap-s', str(GAP_S), '--start-stamp', str(BEGIN_S))
    probe.until(lambda: not player.is_alive(), 'the player ends', timeout_s=240)
    assert player.wait() == 0, player.output
    count = int(probe.value('recognizer', 'utterances'))
    probe.until(lambda: probe.value('recognizer', 'queue') == '0', 'every utterance is done')
    probe.until(lambda: len(probe.results) >= count, 'every result arrives')
    probe.spin(1.5)  # one more report, and whatever should not come
    assert asr.is_alive()
    return probe


def seconds(stamp: dict[str, int]) -> float:
    """Return a stamp of a result in seconds."""
    return stamp['sec'] + stamp['nanosec'] / 1e9


def test_heldout_clips_become_text_at_their_times(heard):
    # what was said, nearly as well as the card claims for whole clips
    assert heard.value('recognizer', 'dropped') == '0'
    assert heard.value('recognizer', 'failed') == '0'
    assert heard.value('audio input', 'refused messages') == '0'
    said = ' '.join(clip.text for clip in SHORT_CLIPS)
    wer_percent = 100 * jiwer.wer(said, ' '.join(heard.texts))
    assert wer_percent <= CARD_WER_PERCENT + MARGIN_PERCENT, heard.texts

    # one utterance a clip, in order, under one id each, the same on every topic
    count = len(SHORT_CLIPS) + 1
    assert len(heard.results) == len(heard.timings) == count
    assert [r['id'] for r in heard.results] == list(range(1, count + 1))
    assert [r['text'] for r in heard.results] == heard.texts

    # stamps in audio time, whatever the rate at which it is played
    start_s, results = BEGIN_S, iter(heard.results)
    for clip in SHORT_CLIPS:
        end_s = start_s + len(clip.waveform) / 16_000
        own = [next(results) for _ in range(2 if clip.file.name == PAUSING else 1)]
        assert seconds(own[0]['speech_start']) == pytest.approx(
            start_s + SPEECH_MARGIN_S, abs=BEGIN_ERROR_S)
        assert seconds(own[-1]['speech_end']) == pytest.approx(
            end_s - SPEECH_MARGIN_S, abs=END_ERROR_S)
        for result in own:
            assert seconds(result['start']) <= seconds(result['speech_start'])
            assert seconds(result['speech_end']) <= seconds(result['end'])
            for word in result['words']:
                assert start_s - WORD_EDGE_S < seconds(result['start']) + word['start_s']
                assert seconds(result['start']) + word['end_s'] < end_s + WORD_EDGE_S
        start_s = end_s + GAP_S

    # timing: every stage, and a total that holds them
    for status, result in zip(heard.timings, heard.results, strict=True):
        values = {v.key: v.value for v in status.values}
        assert status.level == DiagnosticStatus.OK
        assert int(values.pop('id')) == result['id']
        timing = {key: float(value) for key, value in values.items()}
        stages = [timing[f'{s}_ms'] for s in ('queue', 'features', 'encoder', 'decoder')]
        assert all(stage >= 0 for stage in stages)
        assert 0 < sum(stages) <= timing['latency_ms']  # they may begin with the pause
        assert timing['queue_ms'] <= timing['total_ms'] < timing['latency_ms']
        assert timing == pytest.approx(result['timings'])

    # speaking turned on and off around each clip
    assert heard.speaking[0] is False and heard.speaking[-1] is False
    assert np.count_nonzero(heard.speaking) == count
