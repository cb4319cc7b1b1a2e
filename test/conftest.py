"""What holds for all tests."""

import os
import signal

from hypothesis import HealthCheck, settings
from parakeet_ros.threads import wait_without_spinning

# As in the node, and in what tests start: a product takes 50 times as long while threads spin
# where other work has a core.
wait_without_spinning()

# A machine that others use may need any time for an example. New ones are for developers to find.
settings.register_profile(
    'ours', deadline=None, derandomize=bool(os.environ.get('CI')),
    suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile('ours')


def pytest_configure() -> None:
    """Let Ctrl-C, also in a shell's background, and a kill end what tests have started, too."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
