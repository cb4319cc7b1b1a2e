"""What holds for all tests."""

import signal


def pytest_configure() -> None:
    """Let the processes that tests start hear Ctrl-C; a job in a shell's background does not."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
