"""
Detectors of speech for `bench_vad.py`: ours, webrtcvad and silero-vad, each cut by the same rules.

The peers only tell, frame by frame, whether there is speech. What makes utterances of that are
the rules and settings of our segmenter: speech begins with `min_speech_s` of speech within twice
that time, ends with `hangover_s` without, and keeps its pre-roll and post-roll. webrtcvad judges
10 ms in its mode 3, the strictest. silero-vad judges 32 ms: speech from a probability of 0.5 on,
and once begun down to 0.35, as its own iterator has it.
"""
from collections.abc import Callable
from dataclasses import dataclass
import importlib
from typing import Any

import numpy as np
import numpy.typing as npt
from parakeet_ros.audio import (
    EnergyVad,
    FRAME_SAMPLES,
    SAMPLE_RATE_HZ,
    Segmenter,
    SegmenterConfig,
    Waveform,
)
from parakeet_ros.audio.settings import to_frames
from parakeet_ros.audio.vad import frame_powers

Spans = list[tuple[float, float]]  # beginnings and ends in seconds
Flags = npt.NDArray[np.bool_]  # one for each frame of 10 ms

SILERO_SAMPLES = 512
SILERO_ONSET, SILERO_OFFSET = 0.5, 0.35
SHORT_S = FRAME_SAMPLES / SAMPLE_RATE_HZ


@dataclass(frozen=True)
class Detected:
    """What a detector found: speech, the audio kept with each, and all that it took for speech."""

    speech: Spans
    kept: Spans
    starts: Spans  # as speech, and what was dropped afterwards


def whole_frames(waveform: Waveform) -> Waveform:
    """Leave out the last, incomplete frame."""
    return waveform[:len(waveform) // FRAME_SAMPLES * FRAME_SAMPLES]


def energy(waveform: Waveform, config: SegmenterConfig) -> Detected:
    """Use our segmenter."""
    segmenter, vad, starts = Segmenter(config), EnergyVad(config), []
    utterances = segmenter.process(waveform) + segmenter.flush()
    was_speech = False
    for power in [*frame_powers(whole_frames(waveform)).tolist(), None]:
        is_speech = power is not None and vad.step(power)
        if was_speech and not is_speech:
            starts.append((vad.speech_start_frame * SHORT_S, vad.speech_end_frame * SHORT_S))
        was_speech = is_speech
    return Detected(
        [(u.speech_start_sample / SAMPLE_RATE_HZ, u.speech_end_sample / SAMPLE_RATE_HZ)
         for u in utterances],
        [(u.start_sample / SAMPLE_RATE_HZ, u.end_sample / SAMPLE_RATE_HZ) for u in utterances],
        starts)


def webrtc(module: Any) -> Callable[[Waveform, SegmenterConfig], Detected]:
    """Use webrtcvad."""
    def detect(waveform: Waveform, config: SegmenterConfig) -> Detected:
        vad = module.Vad(3)
        pcm = np.round(np.clip(whole_frames(waveform), -1, 1) * 32_767).astype('<i2')
        flags = np.array([vad.is_speech(frame.tobytes(), SAMPLE_RATE_HZ)
                          for frame in pcm.reshape(-1, FRAME_SAMPLES)])
        return cut(flags, flags, config)
    return detect


def silero(module: Any) -> Callable[[Waveform, SegmenterConfig], Detected]:
    """Use silero-vad."""
    import torch
    model = module.load_silero_vad()

    def detect(waveform: Waveform, config: SegmenterConfig) -> Detected:
        model.reset_states()
        n_windows = len(waveform) // SILERO_SAMPLES
        windows = torch.from_numpy(waveform[:n_windows * SILERO_SAMPLES]).view(n_windows, -1)
        with torch.inference_mode():
            odds = np.array([model(window, SAMPLE_RATE_HZ).item() for window in windows])
        middles = np.arange(len(waveform) // FRAME_SAMPLES) * FRAME_SAMPLES + FRAME_SAMPLES // 2
        odds = odds[np.minimum(middles // SILERO_SAMPLES, n_windows - 1)]
        return cut(odds >= SILERO_ONSET, odds >= SILERO_OFFSET, config)
    return detect


def cut(begins: Flags, goes_on: Flags, config: SegmenterConfig) -> Detected:
    """Make utterances of frames that can begin speech and frames that can prolong it."""
    needed, hangover = to_frames(config.min_speech_s), to_frames(config.hangover_s)
    speech, start, end, candidates = [], -1, 0, []
    for frame, (begin, on) in enumerate(zip(begins.tolist(), goes_on.tolist(), strict=True)):
        if start >= 0:
            if on:
                end = frame + 1
            elif frame + 1 - end >= hangover:
                speech.append((start * SHORT_S, end * SHORT_S))
                start, candidates = -1, []
            continue
        candidates = [c for c in candidates if frame - c < 2 * needed] + [frame] * begin
        if len(candidates) == needed:
            start, end = candidates[0], frame + 1
    if start >= 0:
        speech.append((start * SHORT_S, end * SHORT_S))
    kept, last_s = [], len(begins) * SHORT_S
    for start_s, end_s in speech:
        previous_s = kept[-1][1] if kept else 0.0
        kept.append((max(start_s - config.pre_roll_s, previous_s),
                     min(end_s + config.post_roll_s, last_s)))
    return Detected(speech, kept, speech)


def available() -> tuple[dict[str, Callable[[Waveform, SegmenterConfig], Detected]], list[str]]:
    """Return the detectors that can run here, and the names of the packages that are missing."""
    found: dict[str, Callable[[Waveform, SegmenterConfig], Detected]] = {'energy': energy}
    missing = []
    for name, package, make in (('webrtcvad', 'webrtcvad', webrtc),
                                ('silero-vad', 'silero_vad', silero)):
        try:
            found[name] = make(importlib.import_module(package))
        except ModuleNotFoundError:
            missing.append(name)
    return found, missing
