"""What `audio_player` sends, as messages of the `audio_common_msgs` that is installed."""

from array import array
from typing import Any

from audio_common_msgs import msg
import numpy as np
from numpy.typing import NDArray
from parakeet_ros.audio_messages import MGONZS13
from parakeet_ros.audio_types import INFO_TYPE, INSTALLED
from parakeet_ros.conversions import ns_to_time

INT16 = 8  # PortAudio's number of the format, in messages of mgonzs13/audio_common
BITS = 16


def audio_type(stamped: bool) -> type:
    """Return the type of the audio topic; that of mgonzs13/audio_common always has stamps."""
    if INSTALLED == MGONZS13:
        return msg.AudioStamped
    return msg.AudioDataStamped if stamped else msg.AudioData


def audio_message(kind: type, samples: NDArray[np.int16], sample_rate: int, stamp_ns: int) -> Any:
    """Return a message of that type with samples `[n, channels]` and the time of the first."""
    if INSTALLED == MGONZS13:
        message = msg.AudioStamped(audio=msg.Audio(
            audio_data=msg.AudioData(int16_data=array('h', samples.tobytes())),
            info=msg.AudioInfo(format=INT16, channels=samples.shape[1], rate=sample_rate,
                               chunk=len(samples))))
    else:
        data = msg.AudioData(data=samples.astype('<i2').tobytes())
        if kind is msg.AudioData:
            return data
        message = msg.AudioDataStamped(audio=data)
    message.header.stamp = ns_to_time(stamp_ns)
    message.header.frame_id = 'microphone'
    return message


def info_message(channels: int, sample_rate: int) -> Any:
    """Return the message for `audio_info`, or None where each audio message tells its format."""
    if INFO_TYPE is None:
        return None
    return INFO_TYPE(channels=channels, sample_rate=sample_rate, sample_format='S16LE',
                     bitrate=sample_rate * channels * BITS, coding_format='wave')
