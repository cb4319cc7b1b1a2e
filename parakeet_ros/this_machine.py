"""Keep the nodes of this process and of those that it starts to this machine."""

import os


def stay_on_this_machine() -> None:
    """Set what ROS reads when a context is made, unless it is set."""
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    if os.environ.get('ROS_DISTRO') == 'humble':  # which does not know that one
        os.environ.setdefault('ROS_LOCALHOST_ONLY', '1')
