"""Which settings of the detector suit recordings whose words are known; no torch, no ROS."""
