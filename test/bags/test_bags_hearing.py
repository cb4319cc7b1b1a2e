"""A bag is heard as the node hears a microphone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from parakeet_ros.audio import Level
from parakeet_ros.audio_messages import MGONZS13, ROS_DRIVERS
from parakeet_ros.bags.errors import BagError
from parakeet_ros.bags.hearing import BagListener, Heard
from parakeet_ros.bags.reading import open_bag
from parakeet_ros.bags.settings import read_parameters
import pytest
from recorder import audio, Entry, START_NS, typestore, write_bag
from rosbags.typesys import get_types_from_msg
import soxr

TEXTS = ('can you see the tray', 'close the garage', 'can you see the phone')
ROOT = Path(__file__).parents[2]
NOISE = np.random.default_rng(3).normal(0, 0.01, 1600).astype(np.float32)


def listen(path, engine, topic='/audio', start_s=0.0, observer=None, batch_size=1,
           **parameters) -> tuple[list[Heard], BagListener]:
    """Hear a bag to its end."""
    with open_bag(path) as bag:
        listener = BagListener(
            bag, topic, read_parameters(None, **parameters), engine, batch_size, observer)
        return list(listener.hear(start_s)), listener


def facts(heard: list[Heard]) -> list[tuple[object, ...]]:
    """Return what may not differ between two hearings."""
    return [(h.utterance_id, h.text, h.start_ns, h.end_ns) for h in heard]


def boolean(topic: str, receive_ns: int, value: bool) -> Entry:
    """Return a message of std_msgs/Bool."""
    kind = 'std_msgs/msg/Bool'
    return Entry(topic, kind, receive_ns, typestore().types[kind](value))


@pytest.fixture(scope='module')
def bag(tmp_path_factory, spoken) -> Path:
    """Return a bag in which three sentences are said."""
    return write_bag(tmp_path_factory.mktemp('bags') / 'three', list(audio(spoken(*TEXTS))))


@pytest.fixture(scope='module')
def reference(bag, engine) -> list[Heard]:
    """Return what is heard in it."""
    return listen(bag, engine)[0]


def test_what_was_said_is_heard_at_its_time_with_timings_as_if_live(reference):
    assert [h.text for h in reference] == list(TEXTS)
    assert [h.utterance_id for h in reference] == [1, 2, 3]
    for heard in reference:
        assert START_NS < heard.start_ns < heard.end_ns < heard.receive_ns
        timings = heard.result.timings
        assert timings['endpoint_ms'] == pytest.approx(600, abs=45), 'the pause'
        assert timings['latency_ms'] == pytest.approx(
            timings['endpoint_ms'] + timings['total_ms'])
        assert heard.engine_ms > 0


@pytest.mark.parametrize(('kind', 'rate', 'chunk_ms'), [
    ('AudioData', 16_000, 20), ('AudioStamped', 16_000, 32), ('AudioDataStamped', 48_000, 100),
    ('AudioDataStamped', 16_000, 7)])
def test_every_type_and_rate_and_chunk_gives_the_same_texts(
        tmp_path, engine, spoken, kind, rate, chunk_ms):
    waveform = soxr.resample(spoken(*TEXTS), 16_000, rate)
    family = MGONZS13 if kind == 'AudioStamped' else ROS_DRIVERS
    path = write_bag(tmp_path / 'bag', list(audio(waveform, '/mic/audio', rate, chunk_ms,
                                                  kind=kind)), 'sqlite3', family)
    heard, listener = listen(path, engine, '/mic/audio')
    assert [h.text for h in heard] == list(TEXTS)
    assert not listener.refused


def test_the_format_comes_from_the_parameters_where_nothing_tells_it(
        tmp_path, engine, spoken):
    waveform = soxr.resample(spoken(*TEXTS), 16_000, 32_000)
    path = write_bag(tmp_path / 'bag', list(audio(waveform, rate=32_000, info=False)))
    assert [h.text for h in listen(path, engine, sample_rate=32_000)[0]] == list(TEXTS)


def test_batches_and_an_observer_change_nothing(bag, engine, reference):
    class Notes:
        levels: list[Level] = []
        n_samples = 0

        def on_audio(self, time_ns, waveform):
            self.n_samples += len(waveform)

        def on_level(self, level):
            self.levels.append(level)

        def on_gap(self, stamp_ns, missing_ns):
            raise AssertionError('there is none')

    heard, listener = listen(bag, engine, observer=Notes(), batch_size=8)
    assert facts(heard) == facts(reference)
    assert len(Notes.levels) == pytest.approx(100 * listener.statistics.seconds, abs=2)
    with open_bag(bag) as opened:
        assert listener.position_s == opened.duration_s


def test_from_an_offset_the_rest_is_heard_with_the_format_told_before_it(
        tmp_path, engine, spoken):
    waveform = soxr.resample(spoken(*TEXTS), 16_000, 48_000)
    path = write_bag(tmp_path / 'bag', list(audio(waveform, rate=48_000)))
    whole, _ = listen(path, engine)
    start_s = (whole[0].end_ns - START_NS) / 1e9
    rest, _ = listen(path, engine, start_s=start_s)
    assert [(h.text, h.start_ns) for h in rest] == [(h.text, h.start_ns) for h in whole[1:]]
    assert [h.utterance_id for h in rest] == [1, 2]


def test_nothing_is_heard_while_the_robot_speaks(tmp_path, engine, spoken, reference):
    first, second, _ = reference
    entries = [*audio(spoken(*TEXTS)), boolean('/robot_speaking', first.end_ns, True),
               boolean('/robot_speaking', second.end_ns, False)]
    heard, _ = listen(write_bag(tmp_path / 'bag', entries), engine)
    assert [h.text for h in heard] == [TEXTS[0], TEXTS[2]]
    from_inside, _ = listen(tmp_path / 'bag', engine, start_s=(second.start_ns - START_NS) / 1e9)
    assert [h.text for h in from_inside] == [TEXTS[2]], 'it speaks at the offset already'


def test_audio_that_waited_for_its_format_was_spoken_over_by_the_robot_as_it_came(
        tmp_path, engine, spoken, reference):
    first, second, _ = reference
    info, *chunks = audio(spoken(*TEXTS))
    info = replace(info, receive_ns=second.end_ns + 3 * 10**8)
    entries = [*chunks, info, boolean('/robot_speaking', first.end_ns, True),
               boolean('/robot_speaking', second.end_ns, False)]
    heard, _ = listen(write_bag(tmp_path / 'bag', entries), engine)
    assert [h.text for h in heard] == [TEXTS[0], TEXTS[2]]


def test_a_silent_microphone_ends_the_utterance_as_in_the_node(tmp_path, engine, spoken):
    cut = round(1.9 * 16_000)  # inside the first sentence
    waveform = spoken(*TEXTS)
    later = list(audio(waveform[cut:], start_ns=START_NS + 10_000_000_000, info=False))
    path = write_bag(tmp_path / 'bag', [*audio(waveform[:cut]), *later])
    heard, listener = listen(path, engine)
    assert heard[0].result.parts[-1].utterance.end_reason == 'flush'
    assert heard[0].end_ns <= START_NS + 2_000_000_000
    assert heard[0].receive_ns == pytest.approx(START_NS + 2_900_000_000, abs=3e7)
    assert [h.text for h in heard[-2:]] == list(TEXTS[1:])


def test_messages_longer_than_the_silence_that_ends_a_stream_are_one_stream(
        tmp_path, engine, spoken, reference):
    path = write_bag(tmp_path / 'bag', list(audio(spoken(*TEXTS), chunk_ms=1500)))
    assert facts(listen(path, engine)[0]) == facts(reference)


def test_audio_that_cannot_be_read_is_counted_with_the_reason(tmp_path, engine, spoken):
    entries = list(audio(spoken(*TEXTS)))
    entries[0].message.coding_format = 'mp3'
    heard, listener = listen(write_bag(tmp_path / 'bag', entries), engine)
    assert heard == []
    [(reason, count)] = listener.refused.items()
    assert 'format:=wave' in reason and count == len(entries) - 1
    assert [reason in complaint for complaint in listener.complaints] == [True]


@pytest.mark.parametrize(('kind', 'definition', 'value'), [
    ('AudioInfo', 'int32 format\nint32 channels\nint32 rate\nint32 chunk', (8, 1, 16_000, 320)),
    ('AudioDataStamped', 'string audio', ('hello',)), ('AudioData', 'string data', ('hello',)),
    ('AudioDataStamped', 'string header\nuint8[] data', ('hello', np.zeros(2, np.uint8)))])
def test_messages_by_other_definitions_than_ours_are_refused_and_said(
        tmp_path, engine, kind, definition, value):
    name = f'audio_common_msgs/msg/{kind}'
    theirs = typestore()
    del theirs.fielddefs[name]
    theirs.register(get_types_from_msg(definition, name))
    entries = [] if kind.startswith('AudioData') else list(audio(NOISE, info=False))
    entries.append(Entry('/audio_info' if kind == 'AudioInfo' else '/audio', name, START_NS - 1,
                         theirs.types[name](*value)))
    heard, listener = listen(write_bag(tmp_path / 'bag', entries, store=theirs), engine)
    assert heard == [] and listener.statistics is None
    with open_bag(tmp_path / 'bag') as bag:
        assert list(bag.messages({'/audio'})) or bag.losses
    assert listener.complaints


def test_what_is_wrong_with_the_audio_is_said(tmp_path, engine, spoken, bag):
    waveform = spoken(*TEXTS)
    entries = list(audio(waveform))
    lossy = write_bag(tmp_path / 'lossy', entries[:100] + entries[115:200] + entries[215:])
    [gaps] = listen(lossy, engine)[1].complaints
    assert '/audio in 2 places' in gaps
    entries[0].message.sample_rate = 8_000  # and it is 16 kHz
    [overrun] = listen(write_bag(tmp_path / 'wrong', entries), engine)[1].complaints
    assert 'sample_rate' in overrun
    assert listen(bag, engine)[1].complaints == []


def test_a_rate_that_was_wrong_only_early_in_a_bag_is_said(tmp_path, engine):
    start_ns = START_NS + 10 * 10**9
    early = list(audio(np.tile(NOISE, 300), rate=48_000, chunk_ms=500))  # 10 s
    early[0].message.sample_rate = 16_000
    right = audio(np.tile(NOISE, 700), chunk_ms=500, start_ns=start_ns, info=False)  # 70 s
    [overrun] = listen(write_bag(tmp_path / 'bag', [*early, *right]), engine)[1].complaints
    assert 'more samples' in overrun


def test_a_topic_without_audio_is_refused_with_what_there_is(bag, tmp_path, engine):
    with pytest.raises(BagError, match='there is audio on /audio'):
        listen(bag, engine, '/rear/audio')
    path = write_bag(tmp_path / 'bag', [boolean('/door', 1, True)])
    with pytest.raises(BagError, match=r'/door \(std_msgs/msg/Bool\)'):
        listen(path, engine)


def test_long_speech_is_joined_as_in_the_node(tmp_path, engine, spoken):
    waveform = spoken(*TEXTS, pause_s=0.2)
    path = write_bag(tmp_path / 'bag', list(audio(
        np.concatenate([spoken()[:8000], waveform, spoken()]))))
    [whole], _ = listen(path, engine)
    [joined], _ = listen(path, engine, **{'vad.max_utterance_s': 3.0})
    assert len(joined.result.parts) > 1
    assert joined.utterance_id == 1
    assert (joined.start_ns, joined.end_ns) == (whole.start_ns, whole.end_ns)
    assert joined.transcript.words[-1].end_s == pytest.approx(
        whole.transcript.words[-1].end_s, abs=0.3)


@pytest.mark.parametrize('leap_s', [-5.0, -3600.0, 3600.0, 1.5])
def test_times_are_those_of_the_bag_though_the_clock_of_the_stamps_is_set(
        tmp_path, engine, spoken, leap_s):
    first, second = spoken(TEXTS[0]), spoken(TEXTS[1])
    later_ns = START_NS + len(first) * 10**9 // 16_000
    leap_ns = round(leap_s * 1e9)
    entries = [*audio(first), *(
        replace(entry, receive_ns=entry.receive_ns - leap_ns)
        for entry in audio(second, start_ns=later_ns + leap_ns, info=False))]
    heard, listener = listen(write_bag(tmp_path / 'bag', entries), engine)
    assert [h.text for h in heard] == list(TEXTS[:2])
    apart_s = len(first) / 16_000
    alone, _ = listen(write_bag(tmp_path / 'alone', list(audio(second))), engine)
    expected = [heard[0].start_ns, alone[0].start_ns + round(apart_s * 1e9)]
    assert [listener.begins_s(h) for h in heard] == pytest.approx(
        [(ns - listener.origin_ns) / 1e9 for ns in expected], abs=0.03)


@pytest.mark.parametrize(('late_s', 'lost', 'then_late_s'), [(2.0, 90, 0.5), (1.6, 70, 0.3)])
def test_messages_that_were_late_or_lost_move_no_time(
        tmp_path, engine, spoken, late_s, lost, then_late_s):
    sound = spoken(*TEXTS, pause_s=3.0)
    entries = list(audio(sound))
    first = len(entries) // 2  # in a pause, or nearly
    whole, listener = listen(write_bag(tmp_path / 'whole', entries), engine)
    times = {h.text: listener.begins_s(h) for h in whole}
    entries[first] = replace(entries[first], receive_ns=entries[first].receive_ns + round(
        late_s * 1e9))
    del entries[first + 1:first + 1 + lost]
    entries[first + 1] = replace(entries[first + 1], receive_ns=max(
        entries[first].receive_ns + 1, entries[first + 1].receive_ns + round(then_late_s * 1e9)))
    heard, listener = listen(write_bag(tmp_path / 'bag', entries), engine)
    kept = [h for h in heard if h.text in times]
    assert len(kept) >= 2
    assert [listener.begins_s(h) for h in kept] == pytest.approx(
        [times[h.text] for h in kept], abs=0.03)


def test_a_cut_in_the_pause_changes_no_time(tmp_path, engine, spoken):
    path = write_bag(tmp_path / 'bag', list(audio(spoken(TEXTS[0], pause_s=2.0))))
    [whole], _ = listen(path, engine, **{'vad.hangover_s': 1.2})
    part = whole.result.parts[0]
    limit_s = (part.speech_end_ns - part.start_ns) / 1e9 + 0.9
    [cut], _ = listen(path, engine, **{'vad.hangover_s': 1.2, 'vad.max_utterance_s': limit_s})
    assert cut.text == whole.text == TEXTS[0] and cut.end_ns != whole.end_ns
    assert cut.result.parts[0].utterance.end_reason == 'pause'
    assert cut.receive_ns == whole.receive_ns
    assert cut.result.timings['endpoint_ms'] == whole.result.timings['endpoint_ms']
    assert cut.result.timings['total_ms'] == 0, 'the text was there before'


def test_the_nodes_parameter_file_is_read(tmp_path):
    assert read_parameters(ROOT / 'config' / 'asr.yaml') == read_parameters(None)
    file = tmp_path / 'mine.yaml'
    file.write_text('/**:\n  ros__parameters: {use_sim_time: true, vad: {onset_db: 9}}\n'
                    '/robot1/asr:\n  ros__parameters: {vad.hangover_s: 0.8}\n'
                    'robot1:\n  asr:\n    ros__parameters: {vad.pre_roll_s: 0.4}\n'
                    '/robot2/**:\n  ros__parameters: {vad.post_roll_s: 0.3}\n'
                    'other_node:\n  ros__parameters: {vad.onset_db: 30.0}\n')
    vad = read_parameters(file, channel=1).vad
    assert (vad.onset_db, vad.hangover_s, vad.pre_roll_s, vad.post_roll_s) == (
        9.0, 0.8, 0.4, 0.3)


@pytest.mark.parametrize(('text', 'named'), [
    ('asr:\n  ros__parameters: {vad: {onset: 9}}', 'vad.onset'),
    ('asr:\n  ros__parameters: {hotwords: [1]}', 'give texts'),
    ('asr:\n  ros__parameters: [vad]', 'no parameters for asr'),
    ('asr:\n  ros__parameters: {vad: {onset_db: 99}}', 'onset_db is 99'),
    ('/r1/asr:\n  ros__parameters: {vad: {onset_db: 9}}\n'
     'r2:\n  asr:\n    ros__parameters: {vad: {onset_db: 8}}', 'of /r1/asr, /r2/asr; give'),
    ('vad: {onset_db: 9}', 'ros__parameters'), ('[1, 2', 'no YAML file'), ('', '/\\*\\*')])
def test_a_parameter_file_with_mistakes_is_refused_with_the_reason(tmp_path, text, named):
    file = tmp_path / 'mine.yaml'
    file.write_text(text)
    with pytest.raises(BagError, match=named):
        read_parameters(file)
