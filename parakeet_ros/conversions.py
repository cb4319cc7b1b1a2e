"""Our times as ROS messages."""

from builtin_interfaces.msg import Time
from parakeet_ros.speech_messages import stamp_fields


def ns_to_time(ns: int) -> Time:
    """Return nanoseconds as a stamp, the nearest that there is."""
    sec, nanosec = stamp_fields(ns)
    return Time(sec=sec, nanosec=nanosec)
