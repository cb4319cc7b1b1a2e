"""The benchmark of a fleet ends with the same outputs, though processes are killed meanwhile."""

import json

import bench_fleet
import pytest


@pytest.mark.ray
def test_killed_workers_and_runs_change_no_output(capsys) -> None:
    pytest.importorskip('ray', reason='Ray is not installed: pip install ray')
    assert bench_fleet.main(['--bags', '6']) == 0
    record = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [run['same'] for run in record['runs']] == [6, 6, 6]
    assert record['runs'][1]['killed'] == 1 and record['runs'][2]['killed'] > 1
    assert sum(run['done_twice'] for run in record['runs']) == 0
