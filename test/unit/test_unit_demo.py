"""The demonstration as its user runs it: a process of its own, with the node and the player."""

from collections.abc import Iterator
from dataclasses import dataclass
import os
from pathlib import Path
import signal
import subprocess
import sys

from heldout import Clip, spoken
from local_ros import next_domain
import pytest
import soundfile

TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Ended:
    """What a demonstration left behind."""

    status: int
    out: str
    err: str
    is_group_alive: bool


@pytest.fixture
def start_demo(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Return a function that starts the demonstration in a process group of its own."""
    monkeypatch.setenv('ROS_DOMAIN_ID', str(next_domain()))
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> 'subprocess.Popen[str]':
        started.append(subprocess.Popen(
            [sys.executable, '-u', '-m', 'parakeet_ros.demo', *map(str, arguments)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True))
        return started[-1]

    yield start
    for process in started:
        if is_group_alive(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def is_group_alive(group: int) -> bool:
    """Tell whether any process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def end(process: 'subprocess.Popen[str]') -> Ended:
    """Wait for the end."""
    out, err = process.communicate(timeout=TIMEOUT_S)
    return Ended(process.returncode, out, err, is_group_alive(process.pid))


@pytest.fixture
def recording(tmp_path: Path, easy_clip: Clip) -> Path:
    """Return a recording of one sentence, about 3 s."""
    path = tmp_path / 'my recording.wav'
    soundfile.write(path, spoken(easy_clip), 16_000)
    return path


def test_a_recording_becomes_a_text_and_a_table(
        start_demo, recording: Path, easy_clip: Clip) -> None:
    ended = end(start_demo(recording))
    assert (ended.status, ended.is_group_alive) == (0, False), ended
    assert f"'{easy_clip.text}'" in ended.out
    table = {line[:22].strip(): line[24:] for line in ended.out.splitlines()[-6:]}
    assert (table['utterances'], table['dropped']) == ('1', '0')
    assert table['end of speech to text'].startswith('p50 ')
    assert float(table['audio in them'].removesuffix(' s')) < 3.0
    assert float(table['RTFx']) > 0


def test_a_recording_without_speech_says_so(start_demo, tmp_path: Path, easy_clip: Clip) -> None:
    path = tmp_path / 'quiet.wav'
    soundfile.write(path, spoken(easy_clip)[:8_000], 16_000)  # the pause before the clip
    ended = end(start_demo(path))
    assert (ended.status, ended.is_group_alive) == (0, False), ended
    assert 'No speech' in ended.out


def test_a_missing_recording_is_named(start_demo) -> None:
    ended = end(start_demo('/nonexistent.wav'))
    assert (ended.status, ended.is_group_alive) == (2, False), ended
    assert '/nonexistent.wav is not a file' in ended.err and 'Traceback' not in ended.err


def test_a_file_that_is_no_recording_is_named(start_demo, tmp_path: Path) -> None:
    path = tmp_path / 'notes.wav'
    path.write_text('no sound')
    ended = end(start_demo(path))
    assert (ended.status, ended.is_group_alive) == (2, False), ended
    assert 'notes.wav' in ended.err and 'Traceback' not in ended.err


def test_a_missing_model_is_named_and_nothing_is_left_running(
        start_demo, recording: Path) -> None:
    ended = end(start_demo(recording, '--model', '/nonexistent.nemo'))
    assert (ended.status, ended.is_group_alive) == (1, False), ended
    assert '/nonexistent.nemo' in ended.err and 'Traceback' not in ended.err


@pytest.mark.parametrize('moment', ['Starting', 'Playing', 'after the end of speech'])
def test_ctrl_c_ends_everything_at_any_moment(
        start_demo, recording: Path, moment: str) -> None:
    process = start_demo(recording, recording, recording)
    while moment not in (line := process.stdout.readline()):
        assert line, f'it ended before it said {moment!r}: {end(process)}'
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process
    ended = end(process)
    assert (ended.status, ended.is_group_alive) == (130, False), ended
