"""Launch asr.launch.py of the installed package with arguments, as `ros2 launch` does."""

from pathlib import Path
import sys

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

FILE = Path(get_package_share_directory('parakeet_ros')) / 'launch' / 'asr.launch.py'

if __name__ == '__main__':
    service = LaunchService()
    service.include_launch_description(LaunchDescription([IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(FILE)),
        launch_arguments=[tuple(each.split(':=', 1)) for each in sys.argv[1:]])]))
    sys.exit(service.run())
