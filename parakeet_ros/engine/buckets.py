"""
Shapes that CUDA graphs are kept for: inputs are padded up to the next one.

Steps grow with the length, so that at most a fifth of a longer input is padding and the number
of shapes is small.
"""

from __future__ import annotations

MAX_FRAMES = 3072  # of features, 30.7 s: a longer utterance runs without a graph
MAX_ENCODER_FRAMES = MAX_FRAMES // 8
_LEAST_STEP = 64


def batch_bucket(n: int) -> int:
    """Return the next power of two."""
    return 1 << max(0, n - 1).bit_length()


def frame_bucket(n_frames: int) -> int:
    """Return the length that features of some length are padded to, 10 ms frames both."""
    step = max(_LEAST_STEP, batch_bucket(n_frames) // 8)
    return -(-n_frames // step) * step
