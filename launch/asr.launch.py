"""
Start the speech recogniser.

Only what is given on the command line is passed on: every default is the node's own or stands in
the parameter file.
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch.utilities.type_utils import coerce_to_type
from launch_ros.actions import LifecycleNode
from launch_ros.substitutions import FindPackageShare

OVERRIDES = {'model': str, 'device': str, 'autostart': bool, 'use_sim_time': bool}

ARGUMENTS = (
    DeclareLaunchArgument(
        'namespace', default_value='', description='Namespace of the node and its topics.'),
    DeclareLaunchArgument(
        'params_file',
        default_value=PathJoinSubstitution(
            [FindPackageShare('parakeet_ros'), 'config', 'asr.yaml']),
        description='Parameter file of the node.'),
    DeclareLaunchArgument(
        'audio_topic', default_value='audio',
        description='Topic of the microphone; audio_info is expected beside it.'),
    DeclareLaunchArgument(
        'model', default_value='',
        description='builtin, a path or a name on the Hugging Face hub, instead of the one in '
                    'params_file.'),
    DeclareLaunchArgument(
        'device', default_value='',
        description='auto, cpu, cuda or cuda:N, instead of the one in params_file.'),
    DeclareLaunchArgument(
        'autostart', default_value='', description='Configure and activate at start, or not.'),
    DeclareLaunchArgument(
        'use_sim_time', default_value='', description='Take the time from /clock.'),
    DeclareLaunchArgument(
        'log_level', default_value='info', description='debug, info, warn, error or fatal.'),
    DeclareLaunchArgument(
        'respawn', default_value='false', description='Start the node again when it dies.'),
)


def start(context: LaunchContext) -> list[LifecycleNode]:
    """Build the node from the arguments."""
    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    overrides = {name: coerce_to_type(value(name), data_type=kind)
                 for name, kind in OVERRIDES.items() if value(name)}
    return [LifecycleNode(
        package='parakeet_ros', executable='asr', name='asr', namespace=value('namespace'),
        parameters=[value('params_file'), overrides],
        remappings=[('audio', value('audio_topic'))],
        arguments=['--ros-args', '--log-level', value('log_level')],
        respawn=coerce_to_type(value('respawn'), data_type=bool), respawn_delay=1.0,
        output='screen', emulate_tty=True)]


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments and start the node."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start)])
