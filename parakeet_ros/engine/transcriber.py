"""
Waveform to transcript: the engine's front door.

Knows nothing of microphones, sample formats, resampling, pauses or ROS: it takes one utterance,
float32 mono at the model's sample rate, and gives its text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
import threading
import time

import torch
from torch import Tensor

from .alignment import align_tokens, group_words
from .decoding import DecodingOptions, DEFAULT_OPTIONS, Hypothesis
from .device import synchronize
from .features import MIN_FRAMES
from .model import Model
from .tokenizer import Tokenizer
from .transcript import Timings, Transcript
from .waveform import check_waveform, Waveform


class Transcriber:
    """
    A loaded model.

    Safe to call from several threads: calls run one after the other under a lock, since they
    would compete for the same cores or GPU anyway.
    """

    def __init__(self, model: Model, tokenizer: Tokenizer, name: str) -> None:
        """
        Wrap a model with its weights in place.

        :param name: what the model is called in messages, such as its source.
        """
        self.model = model
        self.name = name
        self.config = model.config
        self.tokenizer = tokenizer
        self._lock = threading.Lock()

    @property
    def device(self) -> torch.device:
        """Return the device that the model is on."""
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        """Return the encoder's number format; features and head are always float32."""
        return self.model.encoder.dtype

    @property
    def sample_rate(self) -> int:
        """Return the samples per second that waveforms must have."""
        return self.config.features.sample_rate

    @property
    def n_parameters(self) -> int:
        """Return the number of parameters."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def warm_up(self) -> None:
        """Run one second of noise, so that the first utterance finds caches and kernels ready."""
        noise = torch.randn(self.sample_rate, generator=torch.Generator().manual_seed(0))
        self.transcribe(0.01 * noise, self.sample_rate)

    def transcribe(
        self,
        waveform: Waveform,
        sample_rate: int = 16_000,
        options: DecodingOptions = DEFAULT_OPTIONS,
    ) -> Transcript:
        """
        Transcribe one utterance.

        Audio too short to have two feature frames (20 ms), or none, gives an empty text.

        :param waveform: float32 mono ``[n_samples]``, full scale 1.0.
        :raises ValueError: another type, dtype, shape or sample rate, or a sample that is not
            finite.
        """
        return self.transcribe_batch([waveform], sample_rate, options)[0]

    def transcribe_batch(
        self,
        waveforms: Sequence[Waveform],
        sample_rate: int = 16_000,
        options: DecodingOptions = DEFAULT_OPTIONS,
    ) -> list[Transcript]:
        """
        Transcribe several utterances in one padded batch.

        Each gets what it would get alone, up to the rounding of batched arithmetic; the batch
        costs memory for its longest member times its size.

        :param waveforms: as for ``transcribe``; an empty sequence gives an empty list.
        :raises ValueError: as for ``transcribe``; no utterance is transcribed then.
        """
        stopwatch = _Stopwatch(self.device)
        with self._lock, torch.inference_mode(), stopwatch.measure('total_ms'):
            self._check_sample_rate(sample_rate)
            checked = [check_waveform(waveform) for waveform in waveforms]
            hypotheses = self._decode(checked, options, stopwatch)
            transcripts = [
                self._transcript(hypothesis, len(waveform) / self.sample_rate)
                for hypothesis, waveform in zip(hypotheses, checked, strict=True)
            ]
        audio_s = sum(transcript.audio_s for transcript in transcripts)
        return [
            replace(transcript, timings=stopwatch.share(
                transcript.audio_s / audio_s if audio_s else 1.0 / len(transcripts)))
            for transcript in transcripts
        ]

    def _decode(
        self, waveforms: Sequence[Tensor], options: DecodingOptions, stopwatch: _Stopwatch
    ) -> list[Hypothesis]:
        """Run the stages on those utterances that are long enough to have features."""
        model = self.model
        hypotheses = [Hypothesis.empty() for _ in waveforms]
        rows = [i for i, waveform in enumerate(waveforms)
                if model.features.n_frames(len(waveform)) >= MIN_FRAMES]
        if not rows:
            return hypotheses
        with stopwatch.measure('features_ms'):
            features, n_frames = model.features([waveforms[i].to(self.device) for i in rows])
        with stopwatch.measure('encoder_ms'):
            encoded, lengths = model.encoder(features, n_frames)
        with stopwatch.measure('decoder_ms'):
            decoded = model.decode(encoded.float(), lengths, options)
        for row, hypothesis in zip(rows, decoded, strict=True):
            hypotheses[row] = hypothesis
        return hypotheses

    def _transcript(self, hypothesis: Hypothesis, audio_s: float) -> Transcript:
        """Turn token ids into text and words; the timings come when the clock has stopped."""
        tokens = align_tokens(hypothesis, self.tokenizer, self.model.head.config.kind,
                              self.config.encoder_frame_s)
        return Transcript(
            text=self.tokenizer.text(hypothesis.tokens),
            words=group_words(tokens, self.tokenizer),
            tokens=tokens,
            score=hypothesis.score,
            audio_s=audio_s,
            timings=Timings(),
        )

    def _check_sample_rate(self, sample_rate: int) -> None:
        if sample_rate != self.sample_rate:
            raise ValueError(f'sample_rate is {sample_rate} Hz but the model {self.name} needs '
                             f'{self.sample_rate} Hz; resample the waveform first')


class _Stopwatch:
    """Milliseconds of the stages, the device drained at both ends of each."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._elapsed_ms: dict[str, float] = {}

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Time the block as one stage."""
        synchronize(self._device)
        started = time.perf_counter()
        yield
        synchronize(self._device)
        self._elapsed_ms[stage] = (time.perf_counter() - started) * 1000.0

    def share(self, fraction: float) -> Timings:
        """Return an utterance's part of the times."""
        return Timings(**{stage: ms * fraction for stage, ms in self._elapsed_ms.items()})
