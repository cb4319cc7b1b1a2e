"""Which of the two packages `audio_common_msgs` is installed, and its message classes."""

from typing import Any

from audio_common_msgs import msg
from parakeet_ros.audio_messages import MGONZS13, READABLE, ROS_DRIVERS

INSTALLED = MGONZS13 if hasattr(msg, 'AudioStamped') else ROS_DRIVERS
TYPES = {name: getattr(msg, name.rpartition('/')[2])
         for name, package in READABLE.items() if package == INSTALLED}
# the message that tells the format of the others, None where each tells its own
INFO_TYPE: Any = msg.AudioInfo if INSTALLED == ROS_DRIVERS else None
