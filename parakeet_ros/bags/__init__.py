"""
Bags of rosbag2: what the robot heard, read and heard again without ROS.

The PyPI library `rosbags` reads and writes them; it is imported when a bag is opened. The stages
that turn audio into text are the node's own: this package knows `parakeet_ros.ear` and what lies
below it, and neither rclpy nor any message package.
"""
