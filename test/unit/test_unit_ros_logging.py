"""What parts without ROS log, on /rosout."""

from collections.abc import Iterator
import logging

from local_ros import LocalRos
from parakeet_ros.ros_logging import log_to_ros
import pytest
from rcl_interfaces.msg import Log
from rclpy.qos import DurabilityPolicy, QoSProfile


@pytest.fixture
def of_engine() -> Iterator[logging.Logger]:
    """Return a logger of the package's, which is left as it was."""
    of_package, logger = (logging.getLogger(name) for name in (
        'parakeet_ros', 'parakeet_ros.engine.of_a_test'))
    level, handlers = of_package.level, list(of_package.handlers)
    yield logger
    of_package.setLevel(level)
    of_package.handlers = handlers


def test_what_the_engine_logs_is_on_rosout_as_the_nodes(
        ros: LocalRos, of_engine: logging.Logger) -> None:
    logs: list[tuple[str, int, str]] = []
    ros.node('operator').create_subscription(
        Log, '/rosout', lambda log: logs.append((log.name, int(log.level), log.msg)),
        QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL))
    node = ros.node('asr')
    log_to_ros(node.get_logger())
    of_engine.debug('not shown')
    for _ in range(2):  # rclpy ties a line of code to the first severity that it logs
        of_engine.info('took %d ms', 5)
        of_engine.warning('no graph')
        of_engine.error('no memory')
    try:
        raise IndexError('out of range')
    except IndexError:
        of_engine.exception('it failed')
    ros.until(lambda: len(logs) >= 7, 'all arrive')
    assert logs[:6] == 2 * [('asr', 20, 'took 5 ms'), ('asr', 30, 'no graph'),
                            ('asr', 40, 'no memory')]
    name, level, message = logs[6]
    assert (name, level) == ('asr', 40) and message.startswith('it failed\nTraceback')
    assert message.endswith('IndexError: out of range')
