"""The scripts run on a small model, and their last line is the JSON object that they promise."""

import argparse
import importlib
import json
from pathlib import Path
import subprocess
import sys

import bench_engine
import compare
from parakeet_ros.engine import load_model
import pytest

SCRIPTS = Path(bench_engine.__file__).parent


def last_line(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_engine_benchmark_reports_every_case(checkpoint, capsys) -> None:
    status = bench_engine.main([str(checkpoint), '--device', 'cpu', '--lengths', '1', '2',
                                '--batches', '1', '2', '--repeats', '2'])
    record = last_line(capsys)
    assert status == 0
    assert [(c['clip_s'], c['batch']) for c in record['cases']] == [
        (1, 1), (1, 2), (2, 1), (2, 2)]
    for case in record['cases']:
        stages_ms = sum(case[f'{stage}_ms'] for stage in ('features', 'encoder', 'decoder'))
        assert 0 < stages_ms < 2 * case['wall_ms']
        assert case['tokens'] > 0 and case['launches'] > 0


def test_engine_benchmark_names_a_missing_model(capsys) -> None:
    assert bench_engine.main(['missing.nemo']) == 2
    assert 'missing.nemo' in capsys.readouterr().err


def test_calls_of_cuda_are_counted_and_left_out_where_none_can_be_seen() -> None:
    names = ['aten::add', 'cudaGraphLaunch', 'cudaLaunchKernel', 'cudaMemcpyAsync',
             'cudaMemcpyAsync', 'Memcpy HtoD (Pinned -> Device)', 'Memcpy DtoD (Device -> Device)',
             'cudaStreamSynchronize', 'ampere_gemm']
    counts = bench_engine.count_cuda_calls(names)
    assert (counts['launches'], counts['syncs'], counts['copies']) == (2, 1, 1)
    assert counts['calls']['cudaMemcpyAsync'] == 2
    assert bench_engine.count_cuda_calls(['aten::add']) == {}


def test_compare_asks_each_engine_in_its_own_process(checkpoint, capsys, tmp_path) -> None:
    output = tmp_path / 'results.jsonl'
    status = compare.main([
        str(checkpoint), '--own', 'float32', '--peer', f'parakeet_ros:auto={sys.executable}',
        '--lengths', '1', '--rounds', '1', '--starts', '1', '--output', str(output)])
    record = last_line(capsys)
    assert status == 0
    assert [case['answer'] for case in record['cases']] == ['same', 'same']
    assert all(start['start_wall_s'] > start['load_s'] > 0 for start in record['starts'])
    assert json.loads(output.read_text()) == record


def test_compare_times_starts_alone(checkpoint, capsys) -> None:
    assert compare.main([str(checkpoint), '--lengths', '1', '--rounds', '0', '--starts', '1']) == 0
    record = last_line(capsys)
    assert not record['cases']
    assert [start['peer'].removeprefix('parakeet_ros:float32') for start in record['starts']] == [
        ', first', '', ', not kept']


def test_compare_reports_what_a_failing_peer_wrote_last(checkpoint, tmp_path, capsys) -> None:
    status = compare.main([str(checkpoint), '--peer', f'parakeet_ros:float12={sys.executable}',
                           '--lengths', '1', '--rounds', '1', '--starts', '1'])
    assert status == 2
    assert 'float12' in capsys.readouterr().err


@pytest.mark.ros
def test_latency_benchmark_hears_every_recording() -> None:
    pytest.importorskip('rclpy')
    result = subprocess.run(
        [sys.executable, SCRIPTS / 'bench_latency.py', '--clips', '2', '--domain', '101'],
        capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    record = json.loads(result.stdout.splitlines()[-1])
    assert (record['recordings'], record['lost']) == (2, 0)
    parts_ms = {part: values['p50'] for part, values in record['ms'].items()}
    assert parts_ms['latency'] > parts_ms['hangover'] > 0
    assert parts_ms['engine'] > 0 and parts_ms['transport'] > 0


@pytest.mark.ros
def test_live_benchmark_counts_every_message_at_any_rate() -> None:
    pytest.importorskip('rclpy')
    result = subprocess.run(
        [sys.executable, SCRIPTS / 'bench_live.py', '--streams', '2', '--seconds', '6',
         '--rate', '2', '--domain', '100'],
        capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    [row] = json.loads(result.stdout.splitlines()[-1])['runs']
    assert (row['messages'], row['lost_messages'], row['dropped']) == (2 * 300, 0, 0)
    assert row['utterances'] > 0 and row['cores'] > 0 and min(row['points_mb']) > 0


def test_leaving_out_silence_costs_hardly_a_word() -> None:
    pytest.importorskip('jiwer')
    silence = importlib.import_module('silence')
    waveforms, said = importlib.import_module('bench_hotwords').read_recordings()
    rows = silence.silence_rows(load_model('builtin', device='cpu'), waveforms[:3], said[:3])
    assert {row['silence_s'] for row in rows} == {*silence.SHIFTS_S, *silence.LEADS_S}
    long = [row for row in rows if row['silence_s'] >= 0.6]
    more_percent = [row['left_out'] - row['kept'] for row in long]
    assert sum(more_percent) / len(long) < 2  # the phase of the frames costs a word here and there
    assert rows[0]['left_out'] == rows[0]['kept']  # nothing to leave out


@pytest.mark.parametrize(
    'name', ['bench_engine', 'bench_latency', 'bench_live', 'compare', 'make_checkpoint'])
def test_every_option_is_explained(name, monkeypatch) -> None:
    if name in ('bench_latency', 'bench_live'):
        pytest.importorskip('rclpy')
        pytest.importorskip('audio_common_msgs')
    options: list[argparse.Action] = []

    def keep_options(parser, *_):
        options.extend(parser._actions)
        sys.exit()

    monkeypatch.setattr(argparse.ArgumentParser, 'parse_args', keep_options)
    with pytest.raises(SystemExit):
        importlib.import_module(name).main([])
    assert len(options) > 3
    assert [option.dest for option in options if not option.help] == []
