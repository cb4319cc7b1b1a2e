"""Start the recogniser and a player that stands in for the microphone."""

from glob import glob
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

SHARE = Path(get_package_share_directory('parakeet_ros'))


def play(context: LaunchContext) -> list[Node]:
    """Play the given file, or the package's recordings, once the node has loaded its model."""
    file = LaunchConfiguration('file').perform(context)
    files = [file] if file else sorted(glob(str(SHARE / 'demo' / '*.flac')))
    return [Node(
        package='parakeet_ros', executable='audio_player', output='screen',
        namespace=LaunchConfiguration('namespace'),
        remappings=[('audio', LaunchConfiguration('audio_topic'))],
        arguments=[*files, '--rate', LaunchConfiguration('rate'), '--wait-s', '3600'])]


def generate_launch_description() -> LaunchDescription:
    """Include asr.launch.py, whose arguments can be given too, and start the player."""
    return LaunchDescription([
        DeclareLaunchArgument(
            'file', default_value='', description='Sound file to play; some clips if empty.'),
        DeclareLaunchArgument(
            'model', default_value='builtin', description='The clips are in its vocabulary.'),
        DeclareLaunchArgument('rate', default_value='1.0', description='Times real time.'),
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(str(SHARE / 'launch' / 'asr.launch.py'))),
        OpaqueFunction(function=play),
    ])
