"""The verb ``transcribe``, from arguments to output and exit status."""

from __future__ import annotations

import json
import os
from pathlib import Path
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
from parakeet_ros.cli.main import main
from parakeet_ros.cli.progress import Progress
from parakeet_ros.engine import load_model
import pytest
import soundfile

HELDOUT = Path(__file__).parents[1] / 'data' / 'heldout'
CLIPS = sorted(HELDOUT.glob('short_*.flac'))[:3]
COMMAND = [sys.executable, '-m', 'parakeet_ros', 'transcribe', '--model', 'builtin']


@pytest.fixture(scope='module')
def texts() -> list[str]:
    """Return the texts of the clips."""
    return [each.text for each in load_model('builtin', device='cpu').transcribe(CLIPS)]


def run(*arguments: str | Path) -> int:
    """Run the verb in this process with the built-in model."""
    return main(['transcribe', '--model', 'builtin', '--device', 'cpu', *map(str, arguments)])


def test_one_file_gives_its_text_alone(capsys, texts):
    assert run(CLIPS[0]) == 0
    assert capsys.readouterr() == (f'{texts[0]}\n', '')


def test_a_hotword_is_preferred_to_what_sounds_like_it(capsys, texts):
    assert texts[0] == 'where is the tool'
    assert run(CLIPS[0], '--hotword', 'table:12') == 0
    assert capsys.readouterr().out == 'where is the table\n'


def test_several_files_give_a_line_each_with_their_path(capsys, texts):
    assert run(*CLIPS) == 0
    assert capsys.readouterr().out.splitlines() == [
        f'{path}: {text}' for path, text in zip(CLIPS, texts, strict=True)]


def test_json_is_utf_8_whatever_the_name_and_the_locale(tmp_path):
    name = os.fsencode(tmp_path) + b'/b\xe9.flac'
    shutil.copy(CLIPS[0], name)
    environment = {key: value for key, value in os.environ.items() if key != 'PYTHONIOENCODING'}
    result = subprocess.run([*COMMAND, name, '--format', 'json'], capture_output=True, check=True,
                            env={**environment, 'LC_ALL': 'C'})
    assert os.fsencode(json.loads(result.stdout.decode())['file']) == name


@pytest.mark.parametrize('form', ['txt', 'json'])
def test_a_name_that_is_no_utf_8_is_a_name(tmp_path, texts, form):
    folder = tmp_path / 'sounds'
    folder.mkdir()
    shutil.copy(CLIPS[0], folder / 'a.flac')
    shutil.copy(CLIPS[1], os.fsencode(folder) + b'/b\xe9.flac')
    shutil.copy(CLIPS[2], folder / 'c.flac')
    outputs = ['--format', form, '--output', tmp_path / 'out'] if form == 'json' else []
    result = subprocess.run([*COMMAND, folder, *outputs], capture_output=True, check=False,
                            env={**os.environ, 'PYTHONIOENCODING': 'utf-8:strict'})
    assert result.returncode == 0, result.stderr
    if form == 'txt':
        said = [line.rpartition(': ')[2] for line in result.stdout.decode().splitlines()]
        assert said == texts
    else:
        assert len(list((tmp_path / 'out').iterdir())) == 3


def test_a_bad_file_is_named_and_the_others_go_on(capsys, texts, tmp_path, monkeypatch):
    monkeypatch.setenv('PATH', str(tmp_path))  # no ffmpeg
    (tmp_path / 'bad.wav').write_bytes(b'not sound')
    too_long = tmp_path / f'{300 * "x"}.wav'
    assert run(CLIPS[0], tmp_path / 'bad.wav', tmp_path / 'gone.wav', too_long, CLIPS[1]) == 1
    out, err = capsys.readouterr()
    assert [line.split(': ')[1] for line in out.splitlines()] == texts[:2]
    assert 'bad.wav is not audio' in err and 'no audio file at' in err
    assert f'File name too long: {str(too_long)!r}' in err
    assert '3 of 5 files failed' in err and 'Traceback' not in err


def test_a_file_that_is_not_there_is_named_before_the_model_is_loaded(capsys, tmp_path):
    gone, pipe, model = tmp_path / 'gone.flac', tmp_path / 'pipe', ['--model', 'gone.nemo']
    os.mkfifo(pipe)
    assert run(pipe, tmp_path / (300 * 'x'), *model) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert f'{pipe} is not a file' in first and 'File name too long' in second
    assert run(gone, *model, '--output', tmp_path / 'out') == 1
    assert capsys.readouterr().err == f'parakeet-ros: error: no audio file at {gone}\n'
    assert not (tmp_path / 'out').exists()
    assert run(gone, CLIPS[0], *model) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith(f'no audio file at {gone}') and 'gone.nemo' in second


def test_files_of_the_same_name_go_to_standard_output(capsys, texts, tmp_path):
    for folder in ('a', 'b'):
        (tmp_path / folder).mkdir()
        shutil.copy(CLIPS[0], tmp_path / folder / 'x.flac')
    assert run(tmp_path / 'a' / 'x.flac', tmp_path / 'b' / 'x.flac') == 0
    assert [line.split(': ')[1] for line in capsys.readouterr().out.splitlines()] == 2 * texts[:1]


def test_files_are_written_beside_each_other_below_the_folder(tmp_path, texts):
    (tmp_path / 'in' / 'deep').mkdir(parents=True)
    for place, clip in zip(('a.flac', 'deep/b.flac'), CLIPS):
        (tmp_path / 'in' / place).write_bytes(clip.read_bytes())
    assert run(tmp_path / 'in', '--output', tmp_path / 'out', '--format', 'json') == 0
    assert [json.loads((tmp_path / 'out' / name).read_text())['text']
            for name in ('a.json', 'deep/b.json')] == texts[:2]
    assert len([path for path in (tmp_path / 'out').rglob('*') if path.is_file()]) == 2


def test_a_text_that_cannot_be_written_is_a_failure_and_the_others_go_on(capsys, texts, tmp_path):
    (tmp_path / f'{CLIPS[0].stem}.txt').mkdir()
    assert run(*CLIPS[:2], '--output', tmp_path) == 1
    assert f'{CLIPS[0].stem}.txt' in capsys.readouterr().err
    assert (tmp_path / f'{CLIPS[1].stem}.txt').read_text() == f'{texts[1]}\n'
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize('arguments, message', [
    ([], 'arguments are required: FILE'),
    (['a.wav', '--format', 'doc'], 'invalid choice'),
    (['a.wav', 'b.wav', '--format', 'srt'], 'several files as srt need --output DIR'),
    (['a.wav', '--piece-s', '1'], '--piece-s is 1; give 4 to 600'),
    (['a.wav', '--hotword', 'tray:heavy'], "the weight 'heavy'"),
    (['*.nothing'], 'no files fit'),
])
def test_wrong_usage_exits_with_2_and_says_why(capsys, arguments, message):
    with pytest.raises(SystemExit) as error:
        run(*arguments)
    assert error.value.code == 2
    assert message in capsys.readouterr().err


def test_a_model_that_is_not_there_exits_with_1(capsys):
    assert main(['transcribe', '--model', 'gone.nemo', str(CLIPS[0])]) == 1
    assert 'gone.nemo' in capsys.readouterr().err


def test_standard_input_is_transcribed(texts):
    result = subprocess.run([*COMMAND, '-'], input=CLIPS[0].read_bytes(), capture_output=True,
                            check=True)
    assert result.stdout.decode() == f'{texts[0]}\n' and not result.stderr


@pytest.mark.parametrize(('closed', 'status'), [('>&-', 0), ('2>&-', 0), ('<&-', 1)])
def test_a_standard_stream_may_be_closed(texts, closed, status):
    recording = '-' if closed == '<&-' else CLIPS[0]
    result = subprocess.run(['sh', '-c', f'"$@" {closed}', 'sh', *COMMAND, recording],
                            capture_output=True, text=True, check=False)
    assert result.returncode == status, result.stderr
    assert result.stdout == (f'{texts[0]}\n' if closed == '2>&-' else '')
    assert 'Traceback' not in result.stderr and ('standard input' in result.stderr) == status


@pytest.mark.parametrize(('number', 'status'), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_who_is_stopped_says_so_without_a_traceback_and_leaves_nothing(tmp_path, number, status):
    samples = np.random.default_rng(0).standard_normal(16_000 * 600).astype(np.float32)
    soundfile.write(tmp_path / 'long.wav', 0.1 * samples, 16_000)
    with (tmp_path / 'long.wav').open('r+b') as file:  # not finished, so that a copy is read
        file.seek(40)
        file.write((32_000).to_bytes(4, 'little'))
    (tmp_path / 'temporary').mkdir()
    process = subprocess.Popen(
        [*COMMAND[:3], '--verbose', *COMMAND[3:], str(tmp_path / 'long.wav'), '--output',
         str(tmp_path / 'out')], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        # a shell without job control ignores SIGINT in what it runs in the background
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        env={**os.environ, 'TMPDIR': str(tmp_path / 'temporary')})
    assert process.stderr is not None
    while 'was not finished by its recorder' not in process.stderr.readline():
        assert process.poll() is None
    time.sleep(0.2)  # into the work
    assert list((tmp_path / 'temporary').iterdir())
    process.send_signal(number)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == status and 'Traceback' not in messages
    assert not list((tmp_path / 'out').iterdir())
    assert not list((tmp_path / 'temporary').iterdir())


def test_a_terminal_sees_the_progress():
    leader, follower = os.openpty()
    result = subprocess.run([*COMMAND, *map(str, CLIPS)], stdout=subprocess.PIPE, stderr=follower,
                            check=True)
    os.close(follower)
    shown = os.read(leader, 100_000).decode()
    os.close(leader)
    assert '100%' in shown and 'RTFx' in shown and 'left' in shown and '3/3' in shown
    assert shown.endswith('\r\x1b[2K')
    assert len(result.stdout.splitlines()) == 3


def test_progress_counts_to_the_end_or_says_only_what_is_known():
    known, unknown = Progress([10.0, 30.0]), Progress([10.0, None])
    for progress in (known, unknown):
        progress.begin_file('a/first.wav')
        progress.add(10.0)
    assert ' 25%  0:10 of 0:40  RTFx' in known.line()
    assert known.line().endswith(' left  1/2 first.wav')
    assert unknown.line().startswith('0:10  RTFx')
    assert 'left' not in unknown.line()
