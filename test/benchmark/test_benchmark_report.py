"""What the benchmarks share counts and prints as it says."""

import argparse
import json

from compare import compare_answers, edit_distance, Peer
from hypothesis import given
from hypothesis import strategies as st
import pytest
import report

NUMBERS = st.lists(st.integers(0, 3), max_size=8)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.floats(1, 100))
def test_percentile_covers_its_share_of_the_values(values, percent) -> None:
    found = report.percentile(values, percent)
    below = sum(value <= found for value in values)
    assert 100 * below >= percent * len(values)
    assert 100 * sum(value < found for value in values) < percent * len(values)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_edit_distance_is_a_metric(a, b, c) -> None:
    assert (edit_distance(a, b) == 0) == (a == b)
    assert edit_distance(a, b) == edit_distance(b, a)
    assert edit_distance(a, c) <= edit_distance(a, b) + edit_distance(b, c)
    assert edit_distance(a, []) == len(a)


def test_answers_are_compared_by_ids_or_else_by_words() -> None:
    own = {'tokens': [1, 2, 3, 4], 'text': 'to the door'}
    assert compare_answers({'tokens': [1, 2, 3, 4], 'text': ''}, own) == 'same'
    assert compare_answers({'tokens': [1, 2, 4], 'text': ''}, own) == '25 % differ'
    assert compare_answers({'tokens': None, 'text': 'to the door'}, own) == 'same'
    assert compare_answers({'tokens': None, 'text': 'to a door'}, own) == '33 % differ'


def test_a_peer_is_parsed_with_and_without_number_format() -> None:
    assert Peer.parse('nemo=/a/python') == Peer('nemo', 'auto', '/a/python')
    assert Peer.parse('onnx-asr:int8=/a/b=c').label == 'onnx-asr:int8'
    with pytest.raises(argparse.ArgumentTypeError, match='nobody'):
        Peer.parse('nobody=/a/python')


def test_measure_repeats_and_waits_around_each_call() -> None:
    calls = []
    times = report.measure(lambda: calls.append('work'), 3, lambda: calls.append('wait'))
    assert calls == ['wait', 'work', 'wait'] * 3
    assert times['wall_s'] >= 0 and times['cpu_s'] >= 0


def test_table_aligns_columns_and_marks_missing_values(capsys) -> None:
    report.print_table([{'a': 'x', 'b': 1.23456}, {'a': 'longer'}], {'a': 'name', 'b': 'ms'})
    assert capsys.readouterr().out.splitlines() == [
        'name      ms', 'x       1.23', 'longer     -']


def test_finish_appends_the_line_that_it_prints(tmp_path, capsys) -> None:
    file = tmp_path / 'new' / 'results.jsonl'
    for number in (1, 2):
        report.finish({'value': number + 1 / 3}, file)
    lines = file.read_text().splitlines()
    assert lines[-1] == capsys.readouterr().out.splitlines()[-1]
    assert [json.loads(line)['value'] for line in lines] == [1.3333, 2.3333]


def test_machine_names_what_figures_depend_on() -> None:
    named = report.machine()
    assert all(named[key] for key in ('device', 'cpu', 'cores', 'python', 'torch', 'date'))
