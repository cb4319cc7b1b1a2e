"""
The messages that audio comes in: two packages share the name `audio_common_msgs`. No ROS.

That of ros-drivers (apt) has `AudioDataStamped` and `AudioData`, bytes whose format `AudioInfo`
tells on a topic of its own. That of mgonzs13/audio_common has `AudioStamped`, typed samples with
their format beside them. Messages are read by their fields, whatever has made them: rclpy, or the
reader of a bag.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from parakeet_ros.audio import AudioFormat, AudioFormatError
from parakeet_ros.audio.timeline import NS_PER_S

ROS_DRIVERS, MGONZS13 = 'ros-drivers/audio_common', 'mgonzs13/audio_common'
# the name of each readable type -> the package that has it; the preferred ones first
READABLE = {
    'audio_common_msgs/msg/AudioDataStamped': ROS_DRIVERS,
    'audio_common_msgs/msg/AudioData': ROS_DRIVERS,
    'audio_common_msgs/msg/AudioStamped': MGONZS13,
}
INFO = 'audio_common_msgs/msg/AudioInfo'  # tells the format of the first two
PCM_CODINGS = ('', 'wave', 'raw', 'pcm')  # audio_capture writes 'wave' for headerless PCM

# audio_common_msgs/AudioInfo of mgonzs13/audio_common: PortAudio's number of a format -> our name
# of it, the array that holds the samples, and their type
TYPED_SAMPLES = {
    1: ('F32LE', 'float32_data', '<f4'),
    2: ('S32LE', 'int32_data', '<i4'),
    8: ('S16LE', 'int16_data', '<i2'),
    16: ('S8', 'int8_data', 'i1'),
    32: ('U8', 'uint8_data', 'u1'),
}


@dataclass(frozen=True)
class Chunk:
    """The audio of one message."""

    data: memoryview
    stamp_ns: int  # of its first sample; 0 where there is none
    audio_format: AudioFormat | None  # None where the message does not tell it


def unpack(message: Any) -> Chunk:
    """
    Take the audio out of a message of any of the types.

    :raises AudioFormatError: if the message tells a format that cannot be read.
    """
    stamp_ns = time_to_ns(message.header.stamp) if hasattr(message, 'header') else 0
    audio = getattr(message, 'audio', message)
    if hasattr(audio, 'info'):
        audio_format, data = typed_samples(audio)
        return Chunk(data, stamp_ns, audio_format)
    return Chunk(memoryview(audio.data), stamp_ns, None)


def time_to_ns(stamp: Any) -> int:
    """Return a stamp as nanoseconds."""
    return stamp.sec * NS_PER_S + stamp.nanosec


def format_from_info(info: Any) -> AudioFormat:
    """
    Read the format of raw audio from `audio_common_msgs/AudioInfo`.

    :raises AudioFormatError: for coded audio (mp3) and unknown formats, naming the remedy.
    """
    try:
        coding = info.coding_format.strip().lower()
        told = info.sample_rate, info.channels, info.sample_format
    except AttributeError as error:  # the definition that a bag holds is another
        raise AudioFormatError(f'audio_info has other fields than ours ({error})') from error
    if coding not in PCM_CODINGS:
        raise AudioFormatError(coded_audio_message(coding))
    return AudioFormat(*told)


def typed_samples(audio: Any) -> tuple[AudioFormat, memoryview]:
    """
    Read `audio_common_msgs/Audio` of mgonzs13/audio_common: its format and its samples as bytes.

    :raises AudioFormatError: if the format is not known, or the samples are in another array than
        the one that it names.
    """
    info, data = audio.info, audio.audio_data
    if info.format not in TYPED_SAMPLES:
        known = ', '.join(f'{number} ({name})' for number, (name, _, _) in TYPED_SAMPLES.items())
        raise AudioFormatError(f'sample format {info.format} is not supported: publish {known}')
    name, field, dtype = TYPED_SAMPLES[info.format]
    audio_format = AudioFormat(info.rate, info.channels, name)
    samples = np.asarray(getattr(data, field), dtype)
    filled = [other for _, other, _ in TYPED_SAMPLES.values() if len(getattr(data, other))]
    if filled and field not in filled:
        raise AudioFormatError(
            f'the format says {field} and the samples are in {", ".join(filled)}: let the '
            'publisher set info.format to what it sends')
    return audio_format, memoryview(samples).cast('B') if len(samples) else memoryview(b'')


def coded_audio_message(coding: str) -> str:
    """Say what to do about audio that is not PCM."""
    return (f'the audio is coded as {coding!r}, and only raw PCM can be read; start '
            'audio_capture with format:=wave')
