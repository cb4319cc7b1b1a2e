"""Who speaks for the robot may die while it speaks, whether or not messages tell who that is."""

from collections.abc import Callable
import time

from local_ros import LocalRos
from parakeet_ros import robot_voice
from parakeet_ros.robot_voice import RobotVoice
import pytest
from std_msgs.msg import Bool


@pytest.mark.parametrize('leaves', ['speaker', 'bystander'])
@pytest.mark.parametrize('is_told', [True, False])
def test_the_robot_is_silent_when_who_speaks_for_it_is_gone(
        ros: LocalRos, monkeypatch: pytest.MonkeyPatch, is_told: bool, leaves: str) -> None:
    known: list[bool] = []  # whether a message told whose it is: never on Jazzy

    def with_info(callback: Callable[..., None]) -> Callable[..., None]:
        def call(message: Bool, info: dict[str, object]) -> None:
            info = {key: each for key, each in info.items() if is_told or key != 'publisher_gid'}
            known.append('publisher_gid' in info)
            callback(message, info)
        return call

    monkeypatch.setattr(robot_voice, 'with_info', with_info)
    told: list[tuple[bool, int]] = []
    listener, robot = ros.node('listener'), ros.node('robot')
    voice = RobotVoice(listener, lambda *change: told.append(change))  # type: ignore[arg-type]
    publishers = {name: robot.create_publisher(Bool, 'robot_speaking', 10)
                  for name in ('bystander', 'speaker')}
    topic = publishers['speaker'].topic_name
    ros.until(lambda: len(listener.get_publishers_info_by_topic(topic)) == 2, 'both are listed')
    ros.until(publishers['speaker'].get_subscription_count, 'the listener is known')
    publishers['speaker'].publish(Bool(data=True))
    ros.until(lambda: voice.speaks, 'the robot speaks')
    voice.watch()
    assert voice.speaks
    robot.destroy_publisher(publishers[leaves])
    ros.until(lambda: len(listener.get_publishers_info_by_topic(topic)) == 1, 'it is gone')
    voice.watch()
    assert voice.speaks == (leaves == 'bystander' and known[-1])
    assert [speaks for speaks, _ in told] == [True, False][:1 if voice.speaks else 2]
    assert 0 < told[0][1] <= time.time_ns() and [at for _, at in told[1:]] == [0] * len(told[1:])
