"""
Record what a recogniser hears and says into a bag, to be replayed or heard again.

Runs `ros2 bag record` on the audio topic, its info, the topics of speech, /diagnostics and
/parameter_events. Interrupting the launch closes the bag.
"""

from pathlib import Path
from tempfile import NamedTemporaryFile

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from parakeet_ros.bags.recording import qos_overrides, topic_pattern
import yaml

QOS_FILE = Path(get_package_share_directory('parakeet_ros')) / 'config' / 'record_qos.yaml'
CLOSE_S = '30'  # a slow disk may take so long to write what is in memory

ARGUMENTS = (
    DeclareLaunchArgument(
        'namespace', default_value='', description='Namespace of the node and its topics.'),
    DeclareLaunchArgument(
        'audio_topic', default_value='audio',
        description='Topic of the microphone; audio_info is expected beside it.'),
    DeclareLaunchArgument(
        'output', default_value='',
        description='Folder of the bag, which must not exist; named after the time if empty.'),
    DeclareLaunchArgument(
        'storage', default_value='mcap',
        description='mcap, which on Humble is a package of its own, or sqlite3.'),
)


def record(context: LaunchContext) -> list[ExecuteProcess]:
    """Build the recorder's command line from the arguments."""
    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    profiles = yaml.safe_load(QOS_FILE.read_text(encoding='utf-8'))
    with NamedTemporaryFile('w', prefix='record_qos_', suffix='.yaml', delete=False) as file:
        yaml.safe_dump(qos_overrides(profiles, value('namespace')), file)
    command = ['ros2', 'bag', 'record', '--storage', value('storage'),
               '--regex', topic_pattern(value('namespace'), value('audio_topic')),
               '--qos-profile-overrides-path', file.name]
    if value('output'):
        command += ['--output', value('output')]
    return [ExecuteProcess(
        cmd=command, output='screen', sigterm_timeout=CLOSE_S,
        on_exit=lambda event, context: Path(file.name).unlink(missing_ok=True))]


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments and start the recorder."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=record)])
