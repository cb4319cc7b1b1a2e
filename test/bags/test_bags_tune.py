"""Tuning finds the setting that it should, says so honestly, and repeats nothing."""
from dataclasses import replace
import json

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from parakeet_ros.audio import SegmenterConfig
from parakeet_ros.bags.reading import open_bag
from parakeet_ros.bags.settings import read_parameters
from parakeet_ros.bags.tuning.advice import as_yaml
from parakeet_ros.bags.tuning.recordings import (
    BagRecording,
    KnowingEngine,
    read_labelled_folder,
)
from parakeet_ros.bags.tuning.references import read_references, Reference, ReferencesError
from parakeet_ros.bags.tuning.score import Said, Score, score, total, Weights
from parakeet_ros.bags.tuning.search import changed, neighbours, put_back, search, TRIED
from parakeet_ros.bags.tuning.words import count_errors, WordErrors
from parakeet_ros.cli.main import main
from parakeet_ros.parameters import Parameters
import pytest
from recorder import audio, START_NS, write_bag
import soundfile

jiwer = pytest.importorskip('jiwer')

TEXTS = ('please close the window', 'close the garage')
sentences = st.lists(st.sampled_from('abcd'), max_size=12)


@given(sentences.filter(bool), sentences)
def test_word_errors_are_as_few_as_another_implementation_finds(reference, heard):
    errors = count_errors(reference, heard)
    other = jiwer.process_words(' '.join(reference), ' '.join(heard))
    assert errors.lost + errors.wrong + errors.invented == (
        other.deletions + other.substitutions + other.insertions)
    assert errors.invented - errors.lost == len(heard) - len(reference)
    assert errors.words == len(reference)


def test_kinds_of_errors_are_told_apart():
    assert count_errors('go to the lab'.split(), 'go to a lab now'.split()) == WordErrors(
        4, lost=0, wrong=1, invented=1)
    assert count_errors([], ['a']) == WordErrors(0, 0, 0, 1)
    assert count_errors(['a', 'b'], ['b']) == WordErrors(2, 1, 0, 0)


def said(text: str, start_s: float, end_s: float, wait_s: float = 0.6) -> Said:
    """Return an utterance that ended after a pause."""
    return Said(text, start_s, end_s, end_s + wait_s)


def test_with_times_what_touches_no_reference_is_a_false_start():
    references = [Reference('go', (1, 2)), Reference('stop', (5, 6))]
    result = score([said('go', 1.1, 2.2), said('', 3, 4), said('uh', 8, 9)], references, 60)
    assert (result.false_starts, result.errors.lost + result.errors.wrong) == (2, 1)
    assert result.waits_s == pytest.approx((0.8,)), 'from the end of the reference'


def test_who_cuts_a_word_off_does_not_wait_less_for_it():
    [wait_s] = score([said('go', 1, 1.5)], [Reference('go now', (1, 2))], 60).waits_s
    assert wait_s == pytest.approx(0.6)


def test_without_times_an_utterance_without_words_is_a_false_start():
    result = score([said('go', 1, 2), said('', 3, 4)], [Reference('go')], 60)
    assert (result.false_starts, result.errors.percent) == (1, 0)
    assert result.waits_s == pytest.approx((0.6, 0.6))


def test_a_sentence_that_is_held_by_two_utterances_is_split_and_costs():
    references = [Reference('go to the lab', (1, 4)), Reference('stop', (6, 7))]
    whole = score([said('go to the lab', 1.1, 3.9), said('stop', 6, 7)], references, 60)
    split = score([said('go', 1.1, 2), said('to the lab', 3, 3.9), said('stop', 6, 7)],
                  references, 60)
    assert (whole.splits, split.splits, split.split_percent) == (0, 1, 50)
    assert (split.errors, split.waits_s) == (whole.errors, whole.waits_s), 'else nothing tells'
    weights = Weights(split=2)
    assert weights.cost(split) == pytest.approx(weights.cost(whole) + 100)
    assert whole.dominates(split) and not split.dominates(whole)


def test_an_utterance_that_holds_two_sentences_splits_none():
    references = [Reference('go', (1, 2)), Reference('stop', (2.5, 3))]
    assert score([said('go stop', 1, 3), said('uh', 8, 9)], references, 60).splits == 0


def test_where_nobody_spoke_every_utterance_is_a_false_start():
    result = score([said('uh', 1, 2), said('', 3, 4)], [], 60)
    assert (result.false_starts, result.waits_s) == (2, ())


def test_the_total_counts_what_the_parts_count():
    part = score([said('go', 1, 2), said('', 3, 4)], [Reference('go')], 30)
    both = total([part, part])
    assert both.false_per_minute == part.false_per_minute == 2
    assert both.errors.words == 2 and len(both.waits_s) == 4
    timed = score([said('go', 1, 2), said('', 3, 4)], [Reference('go', (1, 4))], 30)
    both = total([timed, timed, part])
    assert (both.splits, both.sentences, both.split_percent) == (2, 2, 100)


def made(errors: float, false_starts: float = 0, wait_s: float = 0.5) -> Score:
    """Return a score of 1000 words in a minute."""
    return Score(WordErrors(1000, lost=round(10 * errors)), round(false_starts), 1.0, (wait_s,))


def test_the_search_finds_the_best_of_a_smooth_landscape_and_tries_nothing_twice():
    tried = []

    def evaluate(config):
        tried.append(config)
        return made(abs(config.onset_db - 10) + 50 * abs(config.pre_roll_s - 0.35))
    outcome = search(SegmenterConfig(), evaluate, Weights())
    assert (outcome.best.config.onset_db, outcome.best.config.pre_roll_s) == (10, 0.35)
    assert outcome.is_better and len(set(tried)) == len(tried)
    assert outcome.current.config == SegmenterConfig() == tried[0]


def test_where_everything_is_alike_nothing_changes():
    outcome = search(SegmenterConfig(), lambda config: made(5), Weights())
    assert outcome.best is outcome.current and not outcome.is_better
    assert 'Nothing is better' in as_yaml(outcome, Weights(), True)
    assert len(outcome.pareto()) == 1


def test_a_change_that_is_chance_does_not_ride_along_with_another_that_counts():
    def evaluate(config):
        deaf = config.onset_db == 15 and config.offset_db == 8.5
        return made(10 - 0.1 * deaf - 0.1 * (config.min_speech_s > 0.2), wait_s=config.hangover_s)
    outcome = search(SegmenterConfig(), evaluate, Weights())
    assert outcome.best.config == replace(SegmenterConfig(), hangover_s=0.25)
    assert outcome.lowest_cost < outcome.best.cost, 'chance was tried, and not taken'
    assert 'to 12.5.' in as_yaml(outcome, Weights(), True), 'what the settings below it cost'


def test_many_changes_that_are_chance_are_no_gain_together():
    def evaluate(config):
        return made(10 - 0.4 * sum((config.min_speech_s > 0.2, config.pre_roll_s > 0.4,
                                    config.post_roll_s > 0.3, config.floor_window_s > 3)))
    outcome = search(SegmenterConfig(), evaluate, Weights())
    assert outcome.best is outcome.current and not outcome.is_better
    assert 'they cost 15.0, the cheapest of' in as_yaml(outcome, Weights(), True)


def test_of_changes_that_do_the_same_one_stays():
    def evaluate(config):
        return made(10 - 0.3 * (config.pre_roll_s > 0.4) - 2 * max(
            config.onset_db == 15, config.min_speech_s > 0.2) - 0.3 * (config.min_speech_s > 0.2))
    outcome = search(SegmenterConfig(), evaluate, Weights())
    assert outcome.best.config == replace(SegmenterConfig(), min_speech_s=0.25)
    assert outcome.best.cost == pytest.approx(outcome.current.cost - 2.3)


@given(st.floats(3, 15), st.floats(0.1, 1), st.floats(0.1, 2), st.floats(0, 1), st.booleans())
def test_each_change_can_be_put_back_until_none_is_left(onset_db, share, hangover_s, post_share,
                                                        first):
    present = SegmenterConfig(onset_db=onset_db, offset_db=max(1.0, share * onset_db),
                              hangover_s=hangover_s, post_roll_s=post_share * hangover_s)
    config = replace(SegmenterConfig(), min_speech_s=0.2)
    while config != present:
        fewer = put_back(config, present)
        assert all(len(changed(present, each)) < len(changed(present, config)) for each in fewer)
        config = fewer[0 if first else -1]


@pytest.mark.parametrize(('weights', 'hangover_s'), [
    (Weights(wait=0), 1.0), (Weights(word=0), 0.25)])
def test_the_weights_decide_what_is_traded(weights, hangover_s):
    outcome = search(SegmenterConfig(), lambda config: made(
        10 - 5 * config.hangover_s, wait_s=config.hangover_s), weights)
    assert outcome.best.config.hangover_s == hangover_s


def test_only_what_nothing_beats_is_in_the_comparison():
    outcome = search(SegmenterConfig(), lambda config: made(
        10 - 5 * config.hangover_s + config.onset_db, wait_s=config.hangover_s), Weights())
    front = outcome.pareto()
    assert {trial.config.hangover_s for trial in front} == {
        *TRIED['hangover_s']} | {SegmenterConfig().hangover_s}
    assert {trial.config.onset_db for trial in front} == {min(TRIED['onset_db'])}


@given(st.sampled_from(sorted(TRIED)), st.floats(3, 15), st.floats(0.1, 1), st.floats(0, 1))
def test_every_neighbour_is_a_setting_that_the_node_takes(name, onset_db, share, pre_roll_s):
    config = SegmenterConfig(onset_db=onset_db, offset_db=max(1.0, share * onset_db),
                             pre_roll_s=pre_roll_s)
    for other in neighbours(config, name):
        assert other != config and getattr(other, name) in TRIED[name]


def write_references(folder, name, text):
    """Write a file of references."""
    (folder / name).write_text(text, encoding='utf-8')
    return folder / name


def test_references_are_read_from_each_format(tmp_path):
    stm = ';; comment\ntalk 1 me 0.5 1.5 <o,f0> Go left\ntalk 1 me 2 3 ignore_time_segment_in_' \
          'scoring\n'
    jsonl = json.dumps({'text': 'Go left', 'start': 0.5, 'end': 1.5, 'voice': 'me'}) + '\n\n'
    timed = [Reference('Go left', (0.5, 1.5))]
    assert [Reference(each.text.strip(), each.span_s) for each in read_references(
        write_references(tmp_path, 'a.stm', stm))] == timed
    assert read_references(write_references(tmp_path, 'a.jsonl', jsonl)) == timed
    assert read_references(write_references(tmp_path, 'a.txt', 'Go left\n\n')) == [
        Reference('Go left')]


@pytest.mark.parametrize(('name', 'text', 'told'), [
    ('a.doc', 'go', r'\.txt, \.jsonl or \.stm'), ('a.txt', ' \n', 'no words'),
    ('a.jsonl', '{"text": "go"}\n{', 'line 2 is not JSON'), ('a.jsonl', '[]', '"text"'),
    ('a.jsonl', '{"text": "go", "start": 1}', '"start" and "end"'),
    ('a.jsonl', '{"text": "go", "start": 2, "end": 1}', 'after the beginning'),
    ('a.jsonl', '{"text": "a", "start": 1, "end": 2}\n{"text": "b"}', 'some lines only'),
    ('a.stm', 'talk 1 me x 3 go', 'line 1'), ('a.stm', 'talk 1 me', 'line 1'),
    ('a.jsonl', '{"text": "go", "start": NaN, "end": 1}', 'after the beginning')])
def test_references_that_cannot_be_used_are_refused_with_their_line(tmp_path, name, text, told):
    with pytest.raises(ReferencesError, match=told):
        read_references(write_references(tmp_path, name, text))


def test_times_of_the_clock_are_turned_into_those_of_the_recording():
    clock = Reference('go', (1_700_000_003.5, 1_700_000_004.0))
    assert clock.since(1_700_000_000.0).span_s == (3.5, 4.0)
    assert Reference('go', (3.5, 4)).since(1_700_000_000.0).span_s == (3.5, 4)


class Counting:
    """An engine that counts its calls."""

    calls = 0

    def transcribe_batch(self, waveforms):
        self.calls += 1
        return [f'{len(waveform)} samples' for waveform in waveforms]


def test_no_waveform_is_transcribed_twice():
    counting = Counting()
    engine = KnowingEngine(counting)
    first, second = np.zeros(10, np.float32), np.zeros(20, np.float32)
    assert engine.transcribe_batch([first, second, first.copy()]) == [
        '10 samples', '20 samples', '10 samples']
    assert counting.calls == engine.transcribed == 2


def test_a_bag_is_tuned_to_a_file_that_the_node_takes(tmp_path, spoken, capsys):
    """A pause of a second is more than needed: the settings that wait less are found."""
    path = write_bag(tmp_path / 'bag', list(audio(spoken(*TEXTS))))
    reference = write_references(tmp_path, 'said.txt', '\n'.join(TEXTS))
    slow = write_references(tmp_path, 'slow.yaml', '/**:\n  ros__parameters:\n    vad:\n'
                                                   '      hangover_s: 1.0\n')
    arguments = ['bag', 'tune', str(path), '--reference', str(reference), '--model', 'builtin',
                 '--config', str(slow)]
    assert main(arguments) == 0
    printed = capsys.readouterr()
    output = write_references(tmp_path, 'tuned.yaml', printed.out)
    tuned = read_parameters(output).vad
    assert tuned.hangover_s < 1.0 and f'hangover_s: {tuned.hangover_s}  # was 1.0' in printed.out
    assert 'The best of' in printed.err and '(present)' in printed.out
    assert f'Only {len(" ".join(TEXTS).split())} words were said' in printed.out
    assert main([*arguments, '--output', str(tmp_path / 'again.yaml')]) == 0
    assert (tmp_path / 'again.yaml').read_text() == printed.out, 'the same again'


@pytest.mark.parametrize(('name', 'hangover_s'), [('said.txt', 0.25), ('said.jsonl', 0.5)])
def test_a_pause_within_a_sentence_is_waited_for_where_the_references_have_times(
        tmp_path, spoken, capsys, name, hangover_s):
    """Who does not wait acts on half of the sentence, though no word is lost."""
    room = np.random.default_rng(2).normal(0, 3e-4, 16_000).astype(np.float32)
    sentence = spoken(*TEXTS, pause_s=0.15)
    path = write_bag(tmp_path / 'bag', list(audio(np.concatenate([room, sentence, room]))))
    text = ' '.join(TEXTS)
    reference = write_references(tmp_path, name, text if name.endswith('.txt') else json.dumps(
        {'text': text, 'start': 1.15, 'end': 0.85 + len(sentence) / 16_000}))
    assert main(['bag', 'tune', str(path), '-r', str(reference), '--model', 'builtin']) == 0
    printed = capsys.readouterr().out
    tuned = read_parameters(write_references(tmp_path, 'tuned.yaml', printed)).vad
    assert tuned.hangover_s == hangover_s
    assert ('splits are not seen' in printed) == name.endswith('.txt')


def test_audio_that_cannot_be_heard_is_not_taken_for_a_bad_setting(tmp_path, spoken, capsys):
    entries = list(audio(spoken(TEXTS[0])))
    entries[0].message.coding_format = 'mp3'
    path = write_bag(tmp_path / 'bag', entries)
    reference = write_references(tmp_path, 'said.txt', TEXTS[0])
    assert main(['bag', 'tune', str(path), '-r', str(reference), '--model', 'builtin']) == 1
    printed = capsys.readouterr()
    assert 'format:=wave' in printed.err and printed.out == ''


class Right:
    """An engine that hears one sentence in everything."""

    def transcribe_batch(self, waveforms):
        return [type('Transcript', (), {'text': TEXTS[0]})] * len(waveforms)


def test_a_labelled_folder_is_a_set_of_recordings(tmp_path, spoken):
    soundfile.write(str(tmp_path / 'a.flac'), spoken(TEXTS[0]), 16_000)
    write_references(tmp_path, 'manifest.jsonl', json.dumps(
        {'path': 'a.flac', 'commands': [{'text': TEXTS[0], 'start': 1.0, 'end': 2.4}]}))
    [recording] = read_labelled_folder(tmp_path)
    result = recording.score(SegmenterConfig(), Right())
    assert (result.errors.percent, result.false_starts) == (0, 0)
    assert result.wait_s == pytest.approx(0.6, abs=0.2)
    deaf = replace(SegmenterConfig(), floor_min_db=-20.0, onset_db=40.0)
    assert recording.score(deaf, Right()).errors.lost == 4


def test_a_recording_that_stops_early_does_not_make_a_long_pause_seem_short(tmp_path, spoken):
    soundfile.write(str(tmp_path / 'a.flac'), spoken(TEXTS[0], pause_s=0.3), 16_000)
    write_references(tmp_path, 'manifest.jsonl', json.dumps(
        {'path': 'a.flac', 'commands': [{'text': TEXTS[0], 'start': 0.3, 'end': 1.7}]}))
    [recording] = read_labelled_folder(tmp_path)
    waits_s = [recording.score(replace(SegmenterConfig(), hangover_s=pause_s), Right()).wait_s
               for pause_s in (0.6, 1.0)]
    assert waits_s[1] - waits_s[0] == pytest.approx(0.4, abs=0.01)


def test_what_is_cut_at_the_limit_of_length_is_one_utterance_in_a_folder_and_in_a_bag(
        tmp_path, spoken, engine):
    text = 'do you see the white plate then check the warehouse'
    waveform = spoken(text, pause_s=0.7)
    soundfile.write(str(tmp_path / 'a.flac'), waveform, 16_000)
    command = {'text': text, 'start': 0.7, 'end': len(waveform) / 16_000 - 0.7}
    write_references(tmp_path, 'manifest.jsonl', json.dumps(
        {'path': 'a.flac', 'commands': [command]}))
    recordings: list = read_labelled_folder(tmp_path)
    with open_bag(write_bag(tmp_path / 'bag', list(audio(waveform)))) as bag:
        recordings.append(BagRecording(bag, '/audio', Parameters(), recordings[0].references))
    knowing, config = KnowingEngine(engine), replace(SegmenterConfig(), max_utterance_s=2.0)
    scores = [recording.score(config, knowing) for recording in recordings]
    assert knowing.transcribed > 1, 'it was cut'
    assert [each.splits for each in scores] == [0, 0]
    assert scores[0].figures == scores[1].figures


def test_times_are_those_of_the_bag_though_the_clock_was_set(tmp_path, spoken, engine):
    first, second = spoken(TEXTS[0]), spoken(TEXTS[1])
    later_ns = START_NS + len(first) * 10**9 // 16_000
    hour_ns = 3600 * 10**9
    entries = [*audio(first), *(
        replace(entry, receive_ns=entry.receive_ns - hour_ns)
        for entry in audio(second, start_ns=later_ns + hour_ns, info=False))]
    begin_s = len(first) / 16_000
    references = [Reference(TEXTS[0], (1.0, begin_s - 1.0)),
                  Reference(TEXTS[1], (begin_s + 1.0, begin_s + len(second) / 16_000 - 1.0))]
    with open_bag(write_bag(tmp_path / 'bag', entries)) as bag:
        recording = BagRecording(bag, '/audio', Parameters(), references)
        result = recording.score(SegmenterConfig(), KnowingEngine(engine))
    assert (result.false_starts, len(result.waits_s), result.errors.percent) == (0, 2, 0)


def test_words_heard_in_a_recording_without_commands_are_false_starts(tmp_path, spoken):
    soundfile.write(str(tmp_path / 'a.flac'), spoken(TEXTS[0]), 16_000)
    write_references(tmp_path, 'manifest.jsonl', json.dumps({'path': 'a.flac', 'commands': []}))
    [recording] = read_labelled_folder(tmp_path)
    assert recording.score(SegmenterConfig(), Right()).false_per_minute > 0


@pytest.mark.parametrize('line', ['{', '{"path": "a.flac"}', ''])
def test_a_manifest_that_names_no_recording_is_refused(tmp_path, line):
    write_references(tmp_path, 'manifest.jsonl', line)
    with pytest.raises(ReferencesError, match=r'manifest\.jsonl'):
        read_labelled_folder(tmp_path)


def test_bags_without_a_reference_each_are_wrong_usage(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(['bag', 'tune', str(tmp_path), '--model', 'builtin'])
    assert '1 bags and 0 references' in capsys.readouterr().err
