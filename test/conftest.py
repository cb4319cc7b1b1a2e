"""What holds for all tests."""

import signal


def pytest_configure() -> None:
    """Let Ctrl-C, also in a shell's background, and a kill end what tests have started, too."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
