"""What holds for all tests."""

import signal

from hypothesis import HealthCheck, settings

# A machine that others use may need any time for an example.
settings.register_profile(
    'ours', deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile('ours')


def pytest_configure() -> None:
    """Let Ctrl-C, also in a shell's background, and a kill end what tests have started, too."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
