"""Any sample rate to the recogniser's, chunk by chunk."""
import numpy as np
from parakeet_ros.audio.buffer import Waveform
from parakeet_ros.audio.pcm import AudioFormatError, MAX_SAMPLE_RATE_HZ, MIN_SAMPLE_RATE_HZ
from parakeet_ros.audio.settings import SAMPLE_RATE_HZ
import soxr


class Resampler:
    """
    Resample a stream with soxr's HQ filter.

    Output sample k is the input at the time k / output_rate: the filter's delay only postpones
    when samples come out, by some tens of milliseconds, never where they belong. Equal rates pass
    through untouched.
    """

    def __init__(self, input_rate: int, output_rate: int = SAMPLE_RATE_HZ) -> None:
        """
        Prepare the filter; rates in Hz.

        :raises AudioFormatError: when a rate is not between 8 and 192 kHz.
        """
        for rate in (input_rate, output_rate):
            if not MIN_SAMPLE_RATE_HZ <= rate <= MAX_SAMPLE_RATE_HZ:
                raise AudioFormatError(
                    f'sample rate {rate} Hz is not supported: '
                    f'use {MIN_SAMPLE_RATE_HZ} to {MAX_SAMPLE_RATE_HZ} Hz')
        self._stream = None if input_rate == output_rate else soxr.ResampleStream(
            input_rate, output_rate, num_channels=1, dtype='float32', quality='HQ')

    def process(self, waveform: Waveform, last: bool = False) -> Waveform:
        """
        Take float32 `[n]`, return float32 `[m]`, what has become ready.

        :param last: return what the filter still holds too, and start a new stream.
        """
        if self._stream is None:
            return waveform
        resampled: Waveform = self._stream.resample_chunk(
            np.ascontiguousarray(waveform, np.float32), last=last)
        if last:
            self._stream.clear()
        return resampled

    def reset(self) -> None:
        """Forget the past and start a new stream."""
        if self._stream is not None:
            self._stream.clear()
