"""
The executable `audio_player`: publish sound files as a robot's microphone would.

Stamps count samples from the start, so a chunk's stamp is the time of its first sample at any
`--rate`. The format of the first file is the format of the topic.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
import signal
import sys
import time

import numpy as np
from numpy.typing import NDArray
from parakeet_ros.audio_topics import info_topic
from parakeet_ros.player_messages import audio_message, audio_type, info_message
from parakeet_ros.recording import read_audio
import rclpy
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args
import soxr

INT16_MAX = 32767
TAIL_S = 1.0  # silence after the last file, so that its last utterance ends as on a robot
BOUNDS = {  # of the options; a stamp holds no more than 2**31 s
    'rate': (0.01, 1e6), 'chunk_ms': (0.1, 10_000.0), 'gap_s': (0.0, 3600.0),
    'start_stamp': (0.0, 2e9)}
NOISE_FLOOR = 3e-4  # RMS of the silence between files, -70 dBFS: a room is never digitally silent


class AudioPlayer(Node):
    """
    Publish a waveform on `audio`, its format on `audio_info` or in each message.

    :param waveform: float32 `[n_samples, channels]` in [-1, 1].
    :param stamped: publish `AudioDataStamped`, else `AudioData`, where there is the choice.
    """

    def __init__(self, waveform: NDArray[np.float32], sample_rate: int, stamped: bool) -> None:
        super().__init__('audio_player')
        self.sample_rate = sample_rate
        self._samples = np.round(np.clip(waveform, -1, 1) * INT16_MAX).astype(np.int16)
        info = info_message(waveform.shape[1], sample_rate)
        if info is not None:
            self._info = self.create_publisher(type(info), info_topic(self), QoSProfile(
                depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL))
            self._info.publish(info)
        self._type = audio_type(stamped)
        self._audio = self.create_publisher(self._type, 'audio', 100)

    def wait_for_listener(self, timeout_s: float) -> bool:
        """Wait until somebody subscribes; false if nobody did in time."""
        deadline = time.monotonic() + timeout_s
        while self._audio.get_subscription_count() == 0:
            if time.monotonic() > deadline:
                return False
            rclpy.spin_once(self, timeout_sec=0.05)
        return True

    def play(self, chunk_ms: float, rate: float, loop: bool, begin_ns: int) -> None:
        """
        Publish everything, `rate` times as fast as it was recorded; for ever if `loop`.

        :param begin_ns: stamp of the first sample.
        """
        chunk = max(1, round(self.sample_rate * chunk_ms / 1e3))
        begin_s = time.monotonic()
        sent = 0
        for samples in self._chunks(chunk, loop):
            # a microphone hands over a chunk when its last sample has been taken
            due_s = begin_s + (sent + len(samples)) / self.sample_rate / rate
            while (wait_s := due_s - time.monotonic()) > 0:
                rclpy.spin_once(self, timeout_sec=wait_s)
            self._audio.publish(audio_message(
                self._type, samples, self.sample_rate,
                begin_ns + sent * 1_000_000_000 // self.sample_rate))
            sent += len(samples)
        self._audio.wait_for_all_acked(rclpy.duration.Duration(seconds=5))

    def _chunks(self, chunk: int, loop: bool) -> Iterator[NDArray[np.int16]]:
        while True:
            for start in range(0, len(self._samples), chunk):
                yield self._samples[start:start + chunk]
            if not loop:
                return


def assemble(files: list[Path], gap_s: float) -> tuple[NDArray[np.float32], int]:
    """
    Join recordings with pauses of faint noise; all take the first one's format.

    :returns: float32 `[n_samples, channels]` and the sample rate in Hz.
    :raises RecordingError: if a file cannot be read.
    """
    noise = np.random.default_rng(0)
    parts: list[NDArray[np.float32]] = []
    sample_rate, channels = 0, 0
    for number, file in enumerate(files, start=1):
        waveform, file_rate = read_audio(file)
        if not sample_rate:
            sample_rate, channels = file_rate, waveform.shape[1]
        if file_rate != sample_rate:
            waveform = soxr.resample(waveform, file_rate, sample_rate)
        if waveform.shape[1] != channels:
            waveform = np.repeat(waveform.mean(axis=1, keepdims=True), channels, axis=1)
        pause_s = gap_s if number < len(files) else TAIL_S
        silence = noise.normal(0, NOISE_FLOOR, (round(pause_s * sample_rate), channels))
        parts += [waveform, silence.astype(np.float32)]
    return np.concatenate(parts), sample_rate


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog='audio_player', description='Publish sound files as a microphone topic.')
    parser.add_argument('files', nargs='+', type=Path, metavar='FILE',
                        help='WAV, FLAC, OGG, or with ffmpeg any other')
    parser.add_argument('--rate', type=float, default=1.0, help='times real time')
    parser.add_argument('--chunk-ms', type=float, default=20.0, help='length of a message')
    parser.add_argument('--gap-s', type=float, default=1.0, help='pause between files')
    parser.add_argument('--loop', action='store_true', help='begin again at the end')
    parser.add_argument('--raw', action='store_true',
                        help='publish AudioData instead of AudioDataStamped')
    parser.add_argument('--wait-s', type=float, default=30.0,
                        help='how long to wait for a subscriber before playing to nobody')
    parser.add_argument('--start-stamp', type=float, metavar='SECONDS',
                        help='stamp of the first sample instead of the time of day')
    options = parser.parse_args(arguments)
    for name, (low, high) in BOUNDS.items():
        value = getattr(options, name)
        if value is not None and not low <= value <= high:  # also true of NaN
            parser.error(f'--{name.replace("_", "-")} is {value:g}; give {low:g} to {high:g}')
    return options


def main(args: list[str] | None = None) -> int:
    """Play files on the audio topic."""
    options = parse_arguments(remove_ros_args(args or sys.argv)[1:])
    try:
        waveform, sample_rate = assemble(options.files, options.gap_s)
    except (ValueError, OSError) as error:
        print(f'audio_player: {error}', file=sys.stderr)
        return 2
    # rclpy would shut down under our feet, and whatever is called next would fail
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    player = None
    try:
        for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT: a shell's background ignores it
            signal.signal(number, signal.default_int_handler)
        player = AudioPlayer(waveform, sample_rate, stamped=not options.raw)
        if not player.wait_for_listener(options.wait_s):
            player.get_logger().warning(
                f'Nobody listens to {player.resolve_topic_name("audio")}.')
        begin_ns = player.get_clock().now().nanoseconds
        if options.start_stamp is not None:
            begin_ns = round(options.start_stamp * 1e9)
        player.play(options.chunk_ms, options.rate, options.loop, begin_ns)
    except KeyboardInterrupt:
        pass
    finally:
        if player is not None:
            player.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
