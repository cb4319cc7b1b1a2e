"""The encoder as CUDA graphs, one for each shape that inputs are padded to."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor
from torch.nn import functional

from .buckets import batch_bucket, frame_bucket, MAX_FRAMES
from .cuda_graph import CUDAGraphed, GraphPool

Encoder = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class EncoderGraphs:
    """
    Runs an encoder, by graphs where its launches take longer than its arithmetic.

    No utterance hears padding, so that a bucket changes its frames by no more than rounding does.
    With many frames the GPU is busy anyway, and scratch memory would grow with them: then, and
    without CUDA, the encoder runs as it is.
    """

    def __init__(self, encoder: Encoder, pool: GraphPool) -> None:
        """Wrap an encoder; graphs are captured as their shapes come up."""
        self._encoder = encoder
        self._pool = pool
        self._graphs: dict[tuple[int, int], CUDAGraphed] = {}

    def __call__(self, features: Tensor, lengths: Tensor) -> Tensor:
        """
        Encode a padded batch.

        :param features: float32 ``[B, n_mels, T]``, zero after the valid frames.
        :param lengths: valid frames int64 ``[B]``, on the same device.
        :returns: encoder frames ``[B, T', D]``, perhaps more than are valid in any utterance;
            valid until the next call.
        """
        n, _, n_frames = features.shape
        n_rows, n_padded = batch_bucket(n), frame_bucket(n_frames)
        is_known = (n_rows, n_padded) in self._graphs
        if n_rows * n_padded > MAX_FRAMES or not is_known and self._pool.n_free == 0:
            return _frames(self._encoder, features, lengths)
        if not is_known:
            self._graphs[n_rows, n_padded] = CUDAGraphed(
                partial(_frames, self._encoder), self._pool,
                f'encoding of {n_rows} x {n_padded} frames')
        features = functional.pad(features, (0, n_padded - n_frames, 0, 0, 0, n_rows - n))
        lengths = functional.pad(lengths, (0, n_rows - n))
        return self._graphs[n_rows, n_padded](features, lengths).narrow(0, 0, n)


def _frames(encoder: Encoder, features: Tensor, lengths: Tensor) -> Tensor:
    """Return the encoder frames; their number the host has worked out already."""
    return encoder(features, lengths)[0]
