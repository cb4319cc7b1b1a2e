"""
Say what a Python offers to scripts/setup, as one line of words.

Printed: version, then whether it has ensurepip, C headers and a working rclpy (yes or no), the
CUDA version of its torch (``-`` where there is none), and its path. Neither torch nor, without a
sourced ROS, rclpy is imported: they are slow to load. Runs on any Python 3, to turn the old ones
down too.
"""
import importlib.util
import os
import runpy
import sys
import sysconfig


def cuda_of_torch():
    """Return the CUDA version that the installed torch was built for, or ``-``."""
    spec = importlib.util.find_spec('torch')
    # a torch inside a virtual environment would not be visible from a new one
    if spec is None or spec.origin is None or sys.prefix != sys.base_prefix:
        return '-'
    version_file = os.path.join(os.path.dirname(spec.origin), 'version.py')
    try:
        return runpy.run_path(version_file).get('cuda') or '-'
    except OSError:
        return '-'


def imports_rclpy():
    """Tell whether rclpy, with its compiled part, loads in a shell where ROS is sourced."""
    if not os.environ.get('ROS_DISTRO'):
        return False
    try:
        import rclpy  # noqa: F401
    except ImportError:
        return False
    return True


def main():
    """Print the line."""
    headers = os.path.join(sysconfig.get_path('include'), 'Python.h')
    answers = [importlib.util.find_spec('ensurepip'), os.path.exists(headers), imports_rclpy()]
    words = ['yes' if answer else 'no' for answer in answers]
    version = '.'.join(str(part) for part in sys.version_info[:2])
    print(version, *words, cuda_of_torch(), sys.executable)  # which may have spaces


if __name__ == '__main__':
    main()
