"""Raw PCM bytes of any common layout to a float32 mono waveform."""
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from parakeet_ros.audio.buffer import Waveform

MIX_DOWN = -1  # as a channel: the mean of all channels
MIN_SAMPLE_RATE_HZ = 8_000
MAX_SAMPLE_RATE_HZ = 192_000
MAX_CHANNELS = 64

# GStreamer's names, as audio_common uses them -> bytes per sample.
SAMPLE_FORMATS = {'S16LE': 2, 'S24LE': 3, 'S32LE': 4, 'F32LE': 4, 'S8': 1, 'U8': 1}

Bytes = bytes | bytearray | memoryview | npt.NDArray[np.uint8]


class AudioFormatError(ValueError):
    """Audio in a form that cannot be read; the message names the value and the remedy."""


@dataclass(frozen=True)
class AudioFormat:
    """
    Describe headerless interleaved PCM.

    :param sample_rate: in Hz, 8000 to 192000.
    :param channels: interleaved channels, 1 to 64.
    :param sample_format: a key of `SAMPLE_FORMATS`, in any case.
    :raises AudioFormatError: when a value is not supported.
    """

    sample_rate: int
    channels: int
    sample_format: str

    def __post_init__(self) -> None:
        """Check the values and bring the name of the sample format to upper case."""
        if not MIN_SAMPLE_RATE_HZ <= self.sample_rate <= MAX_SAMPLE_RATE_HZ:
            raise AudioFormatError(
                f'sample rate {self.sample_rate} Hz is not supported: '
                f'publish {MIN_SAMPLE_RATE_HZ} to {MAX_SAMPLE_RATE_HZ} Hz')
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise AudioFormatError(
                f'{self.channels} channels are not supported: publish 1 to {MAX_CHANNELS}')
        name = self.sample_format.upper()
        if name not in SAMPLE_FORMATS:
            raise AudioFormatError(
                f'sample format {self.sample_format!r} is not supported: publish raw PCM '
                f'(audio_capture: format:=wave) as one of {", ".join(SAMPLE_FORMATS)}')
        object.__setattr__(self, 'sample_format', name)

    @property
    def bytes_per_frame(self) -> int:
        """Bytes of one sample of every channel."""
        return SAMPLE_FORMATS[self.sample_format] * self.channels

    def duration_s(self, n_bytes: int) -> float:
        """Return the seconds of audio in so many bytes."""
        return n_bytes / (self.bytes_per_frame * self.sample_rate)


class PcmDecoder:
    """
    Turn a byte stream into a waveform, however the stream is split into chunks.

    Bytes of an incomplete frame wait for the next call. Samples that are not finite become 0 and
    are counted in `bad_samples`; samples at or beyond full scale are limited to it and counted
    in `clipped_samples`. Both count before channels are mixed or selected.
    """

    def __init__(self, audio_format: AudioFormat, channel: int = MIX_DOWN) -> None:
        """
        Choose what to decode.

        :param channel: the channel to listen to, counted from 0, or `MIX_DOWN`.
        :raises AudioFormatError: when the format has no such channel.
        """
        if not MIX_DOWN <= channel < audio_format.channels:
            raise AudioFormatError(
                f'channel {channel} does not exist in {audio_format.channels}-channel audio: '
                f'choose 0 to {audio_format.channels - 1}, or {MIX_DOWN} to mix them down')
        self._format = audio_format
        self._channel = channel
        self._pending = b''
        self.bad_samples = 0
        self.clipped_samples = 0

    @property
    def pending_bytes(self) -> int:
        """Bytes of the incomplete frame that waits for the next call."""
        return len(self._pending)

    def reset(self) -> None:
        """Forget the incomplete frame; the counters stay."""
        self._pending = b''

    def skip(self, data: Bytes) -> None:
        """Leave out `data`; what follows is still read from the beginning of a frame."""
        raw = self._pending + bytes(data)
        self._pending = raw[len(raw) - len(raw) % self._format.bytes_per_frame:]

    def decode(self, data: Bytes) -> Waveform:
        """Return the frames that `data` completes as float32 `[n]` in -1..1."""
        raw = self._pending + (data.tobytes() if isinstance(data, np.ndarray) else bytes(data))
        n_frames, rest = divmod(len(raw), self._format.bytes_per_frame)
        self._pending = raw[len(raw) - rest:]
        samples = self._to_float(raw[:len(raw) - rest]).reshape(n_frames, self._format.channels)
        if self._channel != MIX_DOWN:
            return np.ascontiguousarray(samples[:, self._channel])
        if self._format.channels == 1:
            return samples[:, 0]
        mixed: Waveform = samples.mean(axis=1, dtype=np.float32)
        return mixed

    def _to_float(self, raw: bytes) -> Waveform:
        """Convert whole samples to float32 in -1..1, counting the bad and the clipped."""
        name = self._format.sample_format
        if name == 'F32LE':
            return self._limit(np.frombuffer(raw, '<f4').astype(np.float32))
        if name == 'S24LE':  # widen to 32 bits, the new low byte 0
            wide = np.zeros((len(raw) // 3, 4), np.uint8)
            wide[:, 1:] = np.frombuffer(raw, np.uint8).reshape(-1, 3)
            return self._scale(wide.view('<i4')[:, 0], 1 << 31, top=(1 << 31) - (1 << 8))
        if name == 'U8':  # silence is 128
            signed = (np.frombuffer(raw, np.uint8) ^ 0x80).view(np.int8)
            return self._scale(signed, 1 << 7)
        dtype, full_scale = {'S8': ('i1', 1 << 7), 'S16LE': ('<i2', 1 << 15),
                             'S32LE': ('<i4', 1 << 31)}[name]
        return self._scale(np.frombuffer(raw, dtype), full_scale)

    def _scale(self, samples: npt.NDArray[np.signedinteger], full_scale: int,
               top: int = 0) -> Waveform:
        """Divide by full scale; `top` is the largest positive value, full scale - 1 if 0."""
        clipped = (samples == -full_scale) | (samples == (top or full_scale - 1))
        self.clipped_samples += int(np.count_nonzero(clipped))
        scaled: Waveform = samples.astype(np.float32) * np.float32(1 / full_scale)
        return scaled

    def _limit(self, samples: Waveform) -> Waveform:
        """Replace what is not finite by 0 and limit the rest to full scale."""
        bad = ~np.isfinite(samples)
        self.bad_samples += int(np.count_nonzero(bad))
        samples[bad] = 0.0
        self.clipped_samples += int(np.count_nonzero(np.abs(samples) >= 1.0))
        np.clip(samples, -1.0, 1.0, out=samples)
        return samples
