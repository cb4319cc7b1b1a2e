"""``parakeet-ros bag``: what the robot heard, from the bags that it has recorded."""

from __future__ import annotations

import argparse

from parakeet_ros.cli import bag_report, bag_transcribe, bag_tune

_VERBS = (bag_transcribe, bag_report, bag_tune)


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb and those below it."""
    parser = verbs.add_parser(
        'bag', help='hear again what a robot has recorded',
        description='Work on bags of rosbag2 (mcap or sqlite3), without ROS.')
    below = parser.add_subparsers(title='verbs', metavar='VERB', required=True)
    for verb in _VERBS:
        verb.add_parser(below)
