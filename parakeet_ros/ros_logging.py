"""What the engine and other parts without ROS log, in the node's log: console, files, /rosout."""

import logging
from typing import Any


class RosHandler(logging.Handler):
    """
    Hands records on to a node's logger, which has the last word on what level is shown.

    :param logger: of rclpy.
    """

    def __init__(self, logger: Any) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record, with its traceback if it has one."""
        message = self.format(record)
        # rclpy ties a line to one severity: each has a line of its own
        if record.levelno >= logging.ERROR:
            self._logger.error(message)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(message)
        elif record.levelno >= logging.INFO:
            self._logger.info(message)
        else:
            self._logger.debug(message)


def log_to_ros(logger: Any) -> None:
    """Send what this package logs to a node's logger, for as long as the process lives."""
    of_package = logging.getLogger(__package__)
    of_package.setLevel(logging.DEBUG)
    of_package.addHandler(RosHandler(logger))
