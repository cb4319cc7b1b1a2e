"""The sizes of a model small enough to be trained in a test."""
from parakeet_ros.training.architecture import Sizes

TINY = Sizes(n_layers=1, d_model=16, n_heads=2, subsampling_channels=4, prediction_size=8,
             prediction_layers=2, joint_size=12)
