"""Speech recognition for ROS 2 robots: NVIDIA Parakeet in plain PyTorch, behind an energy VAD."""
