"""
The node with its real engine, which fails where a test wants it to.

Waveforms that reach FULL_SCALE raise. More than MEMORY_S seconds of audio at once is out of
memory. Every batch takes BUSY_S seconds longer. To take Python apart would take a minute.
"""

import atexit
import os
import time
from typing import Any

from parakeet_ros.engine import Transcriber
from parakeet_ros.node import main
import torch

FULL_SCALE = 0.99
MEMORY_S, BUSY_S = float(os.environ['MEMORY_S']), float(os.environ['BUSY_S'])
transcribe_batch = Transcriber.transcribe_batch


def fail_or_transcribe(self: Transcriber, waveforms: Any, *args: Any, **kwargs: Any) -> Any:
    """Transcribe what may be transcribed."""
    if len(waveforms[0]) != self.sample_rate:  # not the second of noise of the warm-up
        time.sleep(BUSY_S)
    if any(abs(waveform).max() >= FULL_SCALE for waveform in waveforms):
        raise RuntimeError('this waveform is too loud for me')
    seconds = sum(len(waveform) for waveform in waveforms) / self.sample_rate
    if seconds > MEMORY_S:
        raise torch.OutOfMemoryError(f'CUDA out of memory. Tried to hear {seconds} s.')
    return transcribe_batch(self, waveforms, *args, **kwargs)


Transcriber.transcribe_batch = fail_or_transcribe

atexit.register(time.sleep, 60)

if __name__ == '__main__':
    main()
