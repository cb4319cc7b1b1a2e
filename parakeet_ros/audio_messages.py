"""
The messages that audio comes in: two packages share the name `audio_common_msgs`.

That of ros-drivers (apt) has `AudioDataStamped` and `AudioData`, bytes whose format `AudioInfo`
tells on a topic of its own. That of mgonzs13/audio_common has `AudioStamped`, typed samples with
their format beside them. Only one can be installed; which one is found out here.
"""

from dataclasses import dataclass
from typing import Any

from audio_common_msgs import msg
from parakeet_ros.audio import AudioFormat
from parakeet_ros.conversions import time_to_ns, typed_samples

ROS_DRIVERS, MGONZS13 = 'ros-drivers/audio_common', 'mgonzs13/audio_common'
# the name of each readable type -> the package that has it; the preferred ones first
READABLE = {
    'audio_common_msgs/msg/AudioDataStamped': ROS_DRIVERS,
    'audio_common_msgs/msg/AudioData': ROS_DRIVERS,
    'audio_common_msgs/msg/AudioStamped': MGONZS13,
}
INSTALLED = MGONZS13 if hasattr(msg, 'AudioStamped') else ROS_DRIVERS
TYPES = {name: getattr(msg, name.rpartition('/')[2])
         for name, package in READABLE.items() if package == INSTALLED}
# the message that tells the format of the others, None where each tells its own
INFO_TYPE: Any = msg.AudioInfo if INSTALLED == ROS_DRIVERS else None


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
