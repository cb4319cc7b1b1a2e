"""
The steps of ``decoding.py`` where a look at a value is a wait: decoding with hotwords on a GPU.

The host queues a round of steps, then another, and only then asks whether the first has brought
all utterances to their end.  Steps after the end change nothing.
"""

from __future__ import annotations

from collections import deque

from torch import Tensor

from .arrival import Arrival
from .decoding import (
    begin,
    DecodingOptions,
    Hypothesis,
    is_active,
    pack,
    predict_step,
    read,
    search_step,
)
from .transducer import Transducer

STEPS = 8  # in a round


def decode_ahead(
    transducer: Transducer, encoded: Tensor, lengths: Tensor, options: DecodingOptions
) -> list[Hypothesis]:
    """
    Return what ``greedy_decode`` does, without stopping the device.

    :param encoded: encoder output ``[B, T, D]`` in the transducer's dtype.
    :param lengths: valid encoder frames int64 ``[B]``, on the same device.
    """
    max_symbols = options.max_symbols or transducer.config.max_symbols
    state, hotwords = begin(transducer, encoded, lengths, max_symbols, options)
    underway: deque[Arrival] = deque()
    while True:
        for _ in range(STEPS):
            search_step(transducer, state, max_symbols, options.confidence, hotwords)
            predict_step(transducer, state)
        underway.append(Arrival(is_active(state).any()))
        if len(underway) > 1 and not underway.popleft().wait():
            return read(Arrival(pack(state)).wait())
