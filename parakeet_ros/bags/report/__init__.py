"""One HTML file that shows what was heard of a bag; numpy and soundfile, no torch, no ROS."""
