"""The player: what it joins, the stamps that it gives, and what it refuses."""

import os
from pathlib import Path
import signal
import subprocess
import sys
import time
from typing import Any

from audio_common_msgs.msg import AudioData, AudioDataStamped, AudioInfo
from hypothesis import given, HealthCheck, settings
from hypothesis import strategies as st
from local_ros import LocalRos, next_domain, TIMEOUT_S
import numpy as np
from numpy.typing import NDArray
from parakeet_ros.audio_messages import time_to_ns
from parakeet_ros.player import assemble, AudioPlayer, parse_arguments, TAIL_S
from parakeet_ros.recording import RecordingError
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile
import soundfile

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def write(path: Path, seconds: float, sample_rate: int = 16_000, channels: int = 1) -> Path:
    """Write a file of a constant, 0.5, which no pause can be taken for."""
    samples = np.full((round(seconds * sample_rate), channels), 0.5, np.float32)
    soundfile.write(path, samples, sample_rate)
    return path


# --- joining recordings -------------------------------------------------------------------------


@pytest.mark.parametrize('gap_s', [0.0, 0.25, 1.0])
def test_recordings_are_joined_with_gaps_and_a_tail(tmp_path: Path, gap_s: float) -> None:
    files = [write(tmp_path / f'{i}.wav', seconds) for i, seconds in enumerate((0.5, 0.25, 1.0))]
    waveform, sample_rate = assemble(files, gap_s)
    assert sample_rate == 16_000 and waveform.dtype == np.float32
    assert waveform.shape == (round((1.75 + 2 * gap_s + TAIL_S) * 16_000), 1)
    start = 0
    for seconds, pause_s in ((0.5, gap_s), (0.25, gap_s), (1.0, TAIL_S)):
        end = start + round(seconds * 16_000)
        assert np.all(waveform[start:end] > 0.4)
        start = end + round(pause_s * 16_000)
        assert np.all(np.abs(waveform[end:start]) < 0.01)
        assert np.count_nonzero(waveform[end:start]) == start - end, 'no digital silence'


def test_the_same_recording_twice_has_one_gap_between(tmp_path: Path) -> None:
    file = write(tmp_path / 'a.wav', 0.5)
    waveform, _ = assemble([file, file], gap_s=0.25)
    assert len(waveform) == round((0.5 + 0.25 + 0.5 + TAIL_S) * 16_000)


@pytest.mark.parametrize(('first', 'second'), [
    ((16_000, 1), (48_000, 2)), ((44_100, 2), (16_000, 1)), ((48_000, 3), (8_000, 2))])
def test_all_recordings_take_the_format_of_the_first(
        tmp_path: Path, first: tuple[int, int], second: tuple[int, int]) -> None:
    files = [write(tmp_path / 'a.wav', 0.5, *first), write(tmp_path / 'b.wav', 0.5, *second)]
    waveform, sample_rate = assemble(files, gap_s=0.0)
    assert (sample_rate, waveform.shape[1]) == first
    assert len(waveform) == pytest.approx((1.0 + TAIL_S) * sample_rate, abs=2)
    middle = waveform[round(0.75 * sample_rate)]
    np.testing.assert_allclose(middle, 0.5, atol=0.01)


def test_an_empty_recording_is_a_pause(tmp_path: Path) -> None:
    files = [write(tmp_path / 'a.wav', 0.0), write(tmp_path / 'b.wav', 0.0, 48_000)]
    waveform, _ = assemble(files, gap_s=0.5)
    assert len(waveform) == round((0.5 + TAIL_S) * 16_000)


def test_what_is_no_recording_is_named(tmp_path: Path) -> None:
    text = tmp_path / 'notes.wav'
    text.write_text('no sound')
    with pytest.raises(RecordingError, match=r'notes\.wav'):
        assemble([text], 1.0)
    with pytest.raises(FileNotFoundError, match=r'gone\.wav'):
        assemble([tmp_path / 'gone.wav'], 1.0)


# --- publishing -----------------------------------------------------------------------------


def play(ros: LocalRos, waveform: NDArray[np.float32], sample_rate: int, chunk_ms: float,
         rate: float, begin_ns: int, stamped: bool = True) -> list[Any]:
    """Play to a listener and return its messages."""
    player = ros.add(AudioPlayer(waveform, sample_rate, stamped))
    listener = ros.node('listener')
    heard: list[Any] = []
    kind = AudioDataStamped if stamped else AudioData
    listener.create_subscription(kind, 'audio', heard.append, 10_000)
    assert player.wait_for_listener(30.0)
    player.play(chunk_ms, rate, False, begin_ns)
    expected = -(-len(waveform) // max(1, round(sample_rate * chunk_ms / 1e3)))
    ros.until(lambda: len(heard) >= expected, f'{expected} messages')
    ros.remove(player)
    ros.remove(listener)
    return heard


@given(sample_rate=st.sampled_from([8_000, 11_025, 16_000, 44_100, 48_000]),
       n_samples=st.integers(1, 900), chunk_ms=st.floats(1.0, 40.0),
       rate=st.sampled_from([0.7, 1.0, 3.0, 100.0, float('inf')]),
       begin_ns=st.integers(0, 2**31 * 10**9 - 10**9))
@settings(max_examples=12, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_stamp_is_the_begin_and_the_samples_before_it_at_any_rate_and_chunk(
        ros: LocalRos, sample_rate: int, n_samples: int, chunk_ms: float, rate: float,
        begin_ns: int) -> None:
    waveform = np.linspace(-1, 1, n_samples, dtype=np.float32)[:, None]
    heard = play(ros, waveform, sample_rate, chunk_ms, rate, begin_ns)
    sent = 0
    for message in heard:
        assert time_to_ns(message.header.stamp) == begin_ns + sent * 10**9 // sample_rate
        sent += len(message.audio.data) // 2
    data = b''.join(bytes(message.audio.data) for message in heard)
    assert data == np.round(waveform * 32_767).astype('<i2').tobytes()


def test_raw_audio_is_the_same_bytes_without_a_stamp(ros: LocalRos) -> None:
    waveform = np.linspace(-1, 1, 640, dtype=np.float32).reshape(320, 2)
    heard = play(ros, waveform, 16_000, 5.0, 100.0, 0, stamped=False)
    assert [len(message.data) for message in heard] == [320, 320, 320, 320]
    assert b''.join(bytes(m.data) for m in heard) == (
        np.round(waveform * 32_767).astype('<i2').tobytes())


def test_samples_beyond_full_scale_are_limited(ros: LocalRos) -> None:
    [message] = play(ros, np.array([[2.0], [-2.0]], np.float32), 16_000, 20.0, 1.0, 0)
    assert np.frombuffer(bytes(message.audio.data), '<i2').tolist() == [32_767, -32_767]


def test_a_late_listener_is_told_the_format(ros: LocalRos) -> None:
    ros.add(AudioPlayer(np.zeros((10, 2), np.float32), 44_100, stamped=True))
    heard: list[AudioInfo] = []
    ros.node('listener').create_subscription(AudioInfo, 'audio_info', heard.append, LATCHED)
    ros.until(lambda: heard, 'audio_info')
    info = heard[0]
    assert (info.channels, info.sample_rate, info.sample_format, info.coding_format) == (
        2, 44_100, 'S16LE', 'wave')
    assert info.bitrate == 44_100 * 2 * 16


def test_nobody_listening_is_noticed(ros: LocalRos) -> None:
    player = ros.add(AudioPlayer(np.zeros((1, 1), np.float32), 16_000, stamped=True))
    assert not player.wait_for_listener(0.1)


# --- the command line ---------------------------------------------------------------------------


def test_defaults_play_in_real_time_in_chunks_of_20_ms() -> None:
    options = parse_arguments(['a.wav'])
    assert (options.files, options.rate, options.chunk_ms) == ([Path('a.wav')], 1.0, 20.0)
    assert options.start_stamp is None and not options.loop and not options.raw


@pytest.mark.parametrize('arguments', [
    [], ['a.wav', '--rate', '0'], ['a.wav', '--rate', '-1'], ['a.wav', '--rate', 'nan'],
    ['a.wav', '--rate', 'fast'], ['a.wav', '--chunk-ms', '0'], ['a.wav', '--chunk-ms', 'inf'],
    ['a.wav', '--gap-s', '-1'], ['a.wav', '--gap-s', 'inf'], ['a.wav', '--start-stamp', 'nan'],
    ['a.wav', '--start-stamp', '-1'], ['a.wav', '--start-stamp', '1e12'], ['a.wav', '--nonsense']])
def test_arguments_that_make_no_sense_are_refused(
        arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        parse_arguments(arguments)
    assert raised.value.code == 2
    message = capsys.readouterr().err
    assert (arguments[1] if len(arguments) > 1 else 'FILE') in message


@pytest.mark.parametrize('name', ['gone.wav', 'notes.wav'])
def test_a_file_that_cannot_be_played_ends_with_its_name_and_status_2(
        tmp_path: Path, name: str) -> None:
    (tmp_path / 'notes.wav').write_text('no sound')
    result = subprocess.run(
        [sys.executable, '-m', 'parakeet_ros.player', str(tmp_path / name)],
        capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2
    assert name in result.stderr and 'Traceback' not in result.stderr
    assert result.stderr.startswith('audio_player: ')


def until_caught(pid: int, number: signal.Signals) -> None:
    """Wait until a process handles a signal, of which nothing else tells from outside."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        status = Path(f'/proc/{pid}/status').read_text()
        if int(status.partition('SigCgt:')[2].split()[0], 16) >> (number - 1) & 1:
            return
        assert time.monotonic() < deadline, f'{number} is not handled'
        time.sleep(0.02)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize('wait_s', ['60', '0.01'], ids=['waiting', 'playing'])
def test_the_player_can_be_ended_without_a_complaint(
        tmp_path: Path, number: signal.Signals, wait_s: str) -> None:
    file = write(tmp_path / 'a.wav', 60.0)
    environment = {**os.environ, 'ROS_DOMAIN_ID': str(next_domain())}
    with subprocess.Popen(
            [sys.executable, '-m', 'parakeet_ros.player', str(file), '--wait-s', wait_s],
            stderr=subprocess.PIPE, text=True, env=environment) as player:
        if wait_s == '60':
            until_caught(player.pid, signal.SIGTERM)
            time.sleep(1.0)  # until it waits
        else:
            assert 'Nobody listens' in player.stderr.readline()
        player.send_signal(number)
        _, complaint = player.communicate(timeout=30)
    assert (player.returncode, complaint) == (0, '')
