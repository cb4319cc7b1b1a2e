"""Speech recognition for ROS 2 robots: NVIDIA Parakeet in plain PyTorch, behind an energy VAD."""

# What a robot with a GPU wants. Unlike 'builtin' it comes from the Hugging Face hub.
DEFAULT_MODEL = 'nvidia/parakeet-tdt-0.6b-v3'
