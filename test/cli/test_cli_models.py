"""``parakeet-ros info`` and ``download``, and what all verbs share: help, errors, exit status."""

from __future__ import annotations

import json
from pathlib import Path
import shlex
import subprocess
import sys

from parakeet_ros.cli.main import main
from parakeet_ros.engine import load_model, loading
import pytest

DATA = Path(__file__).parents[1] / 'data'
MODELS = {
    'builtin': ['tdt', 'ctc'], str(DATA / 'oracle' / 'tinyb.nemo'): ['tdt'],
    str(DATA / 'transformers' / 'rnnt'): ['rnnt'], str(DATA / 'transformers' / 'ctc'): ['ctc']}


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own."""
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize('arguments', [['--help'], ['info', '--help'], ['nonsense'], []])
def test_help_and_usage_do_not_wait_for_torch(arguments: list[str]) -> None:
    code = ('import sys; from parakeet_ros.cli.main import main\n'
            'try: main(sys.argv[1:])\n'
            'except SystemExit as end: print(end.code, "torch" in sys.modules)')
    result = python('-c', code, *arguments)
    assert result.stdout.splitlines()[-1] == f'{0 if "--help" in arguments else 2} False'


def test_the_module_and_the_command_are_one() -> None:
    result = python('-m', 'parakeet_ros', '--help')
    assert result.returncode == 0
    assert result.stdout.startswith('usage: parakeet-ros ')


@pytest.mark.parametrize('package', ['numpy', 'torch', 'sentencepiece'])
def test_a_package_that_is_missing_is_named_with_the_remedy(package: str) -> None:
    code = (f'import sys; sys.modules[{package!r}] = None\n'
            'from parakeet_ros.cli.main import main; sys.exit(main(sys.argv[1:]))')
    result = python('-c', code, 'info', 'builtin')
    assert result.returncode == 1
    assert result.stderr == (
        f'parakeet-ros: error: the Python package {package} is missing; install torch and what '
        'requirements/run.txt lists\n')


def test_ctrl_c_while_modules_are_imported_is_an_interruption() -> None:
    code = ('import builtins, sys\n'
            'from parakeet_ros.cli.main import main\n'
            'true_import = builtins.__import__\n'
            'def interrupted(name, *others, **named):\n'
            '    if name == "numpy": raise KeyboardInterrupt\n'
            '    return true_import(name, *others, **named)\n'
            'builtins.__import__ = interrupted\n'
            'sys.exit(main(sys.argv[1:]))')
    result = python('-c', code, 'info', 'builtin')
    assert (result.returncode, result.stderr) == (130, '')


@pytest.mark.parametrize('model', MODELS)
def test_info_agrees_with_the_loaded_model(
        model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['info', model, '--json']) == 0
    facts = json.loads(capsys.readouterr().out)
    loaded = load_model(model, device='cpu')
    assert facts['model'] == model
    assert facts['heads'] == MODELS[model]
    assert facts['parameters'] == loaded.n_parameters
    assert facts['dtype_auto_cpu'] == str(loaded.dtype).removeprefix('torch.')
    assert facts['vocabulary'] == len(loaded.tokenizer.pieces)
    assert facts['sample_rate_hz'] == loaded.sample_rate
    assert facts['memory_float32_mb'] == round(4 * loaded.n_parameters / 1e6, 1)
    assert facts['memory_float16_mb'] < facts['memory_float32_mb']


def test_info_for_people_holds_every_fact(capsys: pytest.CaptureFixture[str]) -> None:
    main(['info', 'builtin', '--json'])
    facts = json.loads(capsys.readouterr().out)
    main(['info', 'builtin'])
    lines = capsys.readouterr().out.splitlines()
    assert [line[:20].strip().replace(' ', '_') for line in lines] == list(facts)


@pytest.mark.parametrize('arguments', [
    ['info', '/nowhere/model.nemo'], ['info', 'nonsense'], ['info', ''],
    ['download', '/nowhere/model.nemo'], ['download', 'builtin']])
def test_a_model_at_fault_is_named_and_gives_1(
        arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 1
    output = capsys.readouterr()
    assert output.out == ''
    assert output.err.startswith('parakeet-ros: error: ')
    assert arguments[1] in output.err


def test_a_reader_that_has_seen_enough_is_no_crash() -> None:
    command = f'{shlex.quote(sys.executable)} -m parakeet_ros info builtin | true'
    result = subprocess.run(['bash', '-c', command], capture_output=True, text=True, check=False)
    assert result.stderr == ''


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a cache that holds the converted weights of one model."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    monkeypatch.setattr(loading, 'WORTH_BYTES', 0)
    load_model(DATA / 'oracle' / 'tinyb.nemo', device='cpu', dtype='bfloat16')
    return tmp_path / 'parakeet_ros'


def test_the_cache_is_listed_and_cleared(
        cached: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['cache']) == 0
    entry, folder = capsys.readouterr().out.splitlines()
    assert entry.endswith('tinyb.nemo, bfloat16')
    assert folder.startswith(f'{cached}: 0.00 of at most 8 GB')
    assert main(['cache', '--clear']) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert not list(cached.iterdir())


def test_a_cache_that_is_turned_off_says_so_and_is_cleared(
        cached: Path, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv('PARAKEET_ROS_CACHE_GB', '0')
    assert main(['cache']) == 0
    entry, folder = capsys.readouterr().out.splitlines()
    assert 'tinyb.nemo' in entry and folder.endswith('of at most 0 GB: none is kept')
    assert main(['cache', '--clear']) == 0
    assert not list(cached.iterdir())
    monkeypatch.setenv('PARAKEET_ROS_CACHE_GB', 'nan')
    assert main(['cache']) == 1
    assert "PARAKEET_ROS_CACHE_GB is 'nan'" in capsys.readouterr().err
