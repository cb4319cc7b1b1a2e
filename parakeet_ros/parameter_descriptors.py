"""Settings as ROS describes parameters."""

from parakeet_ros.parameters import READ_ONLY, Setting
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor


def descriptor(setting: Setting) -> ParameterDescriptor:
    """Describe a setting to ROS."""
    result = ParameterDescriptor(
        description=f'{setting.description} ({setting.change})',
        read_only=setting.change == READ_ONLY,
        # a YAML file or `ros2 param set` may give 12 where 12.0 is meant
        dynamic_typing=isinstance(setting.default, float))
    if setting.bounds is not None and isinstance(setting.default, float):
        low, high = setting.bounds
        result.floating_point_range.append(
            FloatingPointRange(from_value=float(low), to_value=float(high)))
    elif setting.bounds is not None:
        low, high = setting.bounds
        result.integer_range.append(
            IntegerRange(from_value=int(low), to_value=int(high), step=1))
    return result
