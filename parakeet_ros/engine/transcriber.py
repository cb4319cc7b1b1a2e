"""
Waveform or recording to transcript: the engine's front door.

Knows nothing of microphones, streams of messages or ROS.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
import os
import threading
from typing import overload, TypeVar

import numpy as np
from numpy.typing import NDArray
from parakeet_ros.recording import read_blocks
import torch
from torch import Tensor

from .alignment import align_tokens, group_words
from .buckets import MAX_FRAMES
from .decoding import DecodingOptions, DEFAULT_OPTIONS, Hypothesis
from .device import OwnStream
from .features import MIN_FRAMES
from .hotwords import Hotwords
from .joining import join
from .long_form import PIECE_S, PieceLength
from .memory import FreedMemory
from .model import Model
from .recordings import transcribe_pieces
from .stopwatch import Stopwatch
from .tokenizer import Tokenizer
from .transcript import Timings, Transcript
from .waveform import check_waveform, Waveform

Audio = Waveform | str | os.PathLike[str]
_Audio = TypeVar('_Audio', bound=Audio)
_LARGE = 100_000_000  # parameters
_BATCH = 8  # waveforms of a list that are decoded together


class Transcriber:
    """
    A loaded model.

    Safe to call from any number of threads, all methods mixed: each utterance, batch, or piece of
    a recording runs alone under a lock, since they would compete for the same cores or GPU
    anyway, and none leaves anything behind for the next.  One iterator of ``stream`` belongs to
    one thread at a time, as every iterator.
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
        self._freed = FreedMemory()
        # Who transcribes once with a large model does not wait until its weights are packed.
        self._packs = model.n_encoder_parameters < _LARGE
        self._queue = OwnStream(model.device)

    @property
    def device(self) -> torch.device:
        """Return the device that the model is on."""
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        """Return the encoder's number format; features are always float32."""
        return self.model.encoder.dtype

    @property
    def sample_rate(self) -> int:
        """Return the samples per second that waveforms must have."""
        return self.config.features.sample_rate

    @property
    def n_parameters(self) -> int:
        """Return the number of parameters."""
        return self.model.n_parameters

    def warm_up(self) -> None:
        """
        Run noise, so that the first utterance finds caches and kernels ready.

        One second; where there are CUDA graphs, before it the longest that they are made for.
        They share scratch memory: what the longest needs has room for the others, while the
        blocks that a shorter one left would be too small for a longer one.
        """
        self._packs = True
        lengths = [self.sample_rate]
        if self.model.graphs.n_free:  # a graph is captured in the second call
            longest = MAX_FRAMES * self.config.features.hop_samples
            lengths = [longest, longest, self.sample_rate, self.sample_rate]
        for n_samples in lengths:
            noise = torch.randn(n_samples, generator=torch.Generator().manual_seed(0))
            self.transcribe(0.01 * noise, self.sample_rate)

    def hotwords(self, phrases: Iterable[str | tuple[str, float]]) -> Hotwords:
        """
        Prepare phrases that the model should rather write than what sounds like them.

        Make it once and pass it to any number of calls: ``DecodingOptions(hotwords=...)``.

        :param phrases: each alone or with a weight above 0: by how much the phrase's logits, all
            its tokens together, may be behind those of what the model would write.
        :raises ValueError: a phrase or weight cannot be used, named in the message, or the model
            has a CTC head.
        """
        hotwords = Hotwords.build(phrases, self.tokenizer)
        self._check_hotwords(hotwords)
        return hotwords

    @overload
    def transcribe(
        self, audio: Audio, sample_rate: int = ..., options: DecodingOptions = ..., *,
        piece_s: float = ..., keep_silence: bool = ...,
    ) -> Transcript: ...

    @overload
    def transcribe(
        self, audio: list[_Audio] | tuple[Audio, ...], sample_rate: int = ...,
        options: DecodingOptions = ..., *, piece_s: float = ..., keep_silence: bool = ...,
    ) -> list[Transcript]: ...

    def transcribe(
        self,
        audio: Audio | list[_Audio] | tuple[Audio, ...],
        sample_rate: int = 16_000,
        options: DecodingOptions = DEFAULT_OPTIONS,
        *,
        piece_s: float = PIECE_S,
        keep_silence: bool = False,
    ) -> Transcript | list[Transcript]:
        """
        Transcribe an utterance or a recording, or a list or tuple of them.

        A waveform is one utterance and is decoded whole, exactly as it is; for a long one use
        ``stream``.  A path is a recording of any length, ``-`` standard input: it is streamed,
        and the pieces are joined.  The waveforms of a list are decoded in batches.  Audio too
        short to have two feature frames (20 ms), or none, gives an empty text.

        :param audio: float32 mono ``[n_samples]``, full scale 1.0, or the path of any file that
            libsndfile or an installed ffmpeg reads; or a list or tuple of these.
        :param sample_rate: of waveforms, in Hz; files say their own and are resampled.
        :param piece_s: for files, as for ``stream``; so is ``keep_silence``.
        :returns: a transcript, for a list or tuple a list of them.
        :raises ValueError: a waveform of another type, dtype, shape or sample rate, or with a
            sample that is not finite or absurdly large.
        :raises FileNotFoundError: there is no such file.
        :raises RecordingError: a file is not readable sound; also a ValueError.
        """
        if isinstance(audio, (list, tuple)):
            return self._transcribe_list(audio, sample_rate, options, piece_s, keep_silence)
        if isinstance(audio, (str, os.PathLike)):
            return join(list(self.stream(
                audio, options=options, piece_s=piece_s, keep_silence=keep_silence)))
        return self.transcribe_batch([audio], sample_rate, options)[0]

    def stream(
        self,
        source: Audio | Iterable[Waveform],
        sample_rate: int = 16_000,
        options: DecodingOptions = DEFAULT_OPTIONS,
        *,
        piece_s: float = PIECE_S,
        keep_silence: bool = False,
    ) -> Iterator[Transcript]:
        """
        Transcribe a long recording piece by piece, in bounded memory.

        The recording is cut at pauses (``long_form.py``).  Each piece gives one transcript, also
        a piece without words, as soon as it is heard; its times and frames are on the recording's
        clock: sample counts over the sample rate, so they never drift.

        :param source: the path of a file, ``-`` for standard input, a waveform, or an iterable of
            waveforms that follow each other, of any length each.
        :param sample_rate: of waveforms, in Hz; files say their own and are resampled.
        :param piece_s: the longest piece, 4 to 600 s.  Memory and, for attention, time grow with
            its square.
        :param keep_silence: decode the silence at the edges of pieces too, as NeMo would; else it
            is left out, because models lose words beside it (``edges.py``).
        :returns: an iterator; a file is opened at once and read as the iterator goes on.
        :raises ValueError: as for ``transcribe``; in the iterator for what comes up while reading.
        :raises FileNotFoundError: there is no such file.
        """
        frame_samples = round(self.config.encoder_frame_s * self.sample_rate)
        length = PieceLength.of(piece_s, frame_samples, self.sample_rate)
        if isinstance(source, (str, os.PathLike)):
            blocks: Iterable[NDArray[np.float32]] = read_blocks(source, self.sample_rate)
        else:
            self._check_sample_rate(sample_rate)
            waveforms = [source] if isinstance(source, (np.ndarray, Tensor)) else source
            blocks = (check_waveform(waveform).numpy(force=True) for waveform in waveforms)
        return transcribe_pieces(
            lambda piece: self.transcribe(piece, self.sample_rate, options),
            blocks, length, self.sample_rate, keep_silence)

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
        with self._lock, torch.inference_mode(), self._queue.use():
            stopwatch = Stopwatch(self.device)
            if self._packs:
                self.model.pack()
            self._check_sample_rate(sample_rate)
            self._check_hotwords(options.hotwords)
            checked = [check_waveform(waveform) for waveform in waveforms]
            hypotheses = self._decode(checked, options, stopwatch)
            transcripts = [
                self._transcript(hypothesis, len(waveform) / self.sample_rate)
                for hypothesis, waveform in zip(hypotheses, checked, strict=True)
            ]
            timings = stopwatch.stop()
            self._packs = True
            self._freed.note_call()
        audio_s = sum(transcript.audio_s for transcript in transcripts)
        return [
            replace(transcript, timings=timings.share(
                transcript.audio_s / audio_s if audio_s else 1.0 / len(transcripts)))
            for transcript in transcripts
        ]

    def _transcribe_list(
        self, audio: Sequence[Audio], sample_rate: int, options: DecodingOptions, piece_s: float,
        keep_silence: bool,
    ) -> list[Transcript]:
        """Decode waveforms in batches of about the same length, which pads least; files alone."""
        results: dict[int, Transcript] = {}
        waveforms: dict[int, Tensor] = {}
        for i, item in enumerate(audio):
            if isinstance(item, (str, os.PathLike)):
                results[i] = self.transcribe(
                    item, options=options, piece_s=piece_s, keep_silence=keep_silence)
            else:
                waveforms[i] = check_waveform(item)
        by_length = sorted(waveforms, key=lambda i: len(waveforms[i]))
        for first in range(0, len(by_length), _BATCH):
            batch = by_length[first:first + _BATCH]
            transcripts = self.transcribe_batch(
                [waveforms[i] for i in batch], sample_rate, options)
            results.update(zip(batch, transcripts, strict=True))
        return [results[i] for i in range(len(audio))]

    def _decode(
        self, waveforms: Sequence[Tensor], options: DecodingOptions, stopwatch: Stopwatch
    ) -> list[Hypothesis]:
        """Run the stages on those utterances that are long enough to have features."""
        hypotheses = [Hypothesis.empty() for _ in waveforms]
        rows = [i for i, waveform in enumerate(waveforms)
                if self.model.features.n_frames(len(waveform)) >= MIN_FRAMES]
        if not rows:
            return hypotheses
        decoded = self.model.recognize([waveforms[i] for i in rows], options, stopwatch)
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

    def _check_hotwords(self, hotwords: Hotwords | None) -> None:
        if not hotwords:
            return
        if self.model.head.config.kind == 'ctc':
            raise ValueError(f'hotwords need a transducer, and {self.name} is decoded by its CTC '
                             "head; load a TDT or RNN-T model, or a hybrid with head='transducer'")
        if hotwords.pieces != self.tokenizer.pieces:
            raise ValueError('the hotwords were made for another vocabulary than that of '
                             f'{self.name}; make them with its own hotwords()')

    def _check_sample_rate(self, sample_rate: int) -> None:
        if sample_rate != self.sample_rate:
            raise ValueError(f'sample_rate is {sample_rate} Hz but the model {self.name} needs '
                             f'{self.sample_rate} Hz; resample the waveform first')
