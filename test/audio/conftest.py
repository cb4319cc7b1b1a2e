"""Held-out clips and time lines made from them."""
from collections.abc import Callable
from dataclasses import dataclass, field
import json
from pathlib import Path

import numpy as np
from parakeet_ros.audio import SAMPLE_RATE_HZ, Waveform
from parakeet_ros.recording import read_audio
import pytest

HELDOUT = Path(__file__).parents[1] / 'data' / 'heldout'

TimeLine = tuple[Waveform, list[tuple[int, int]]]


@dataclass(frozen=True)
class Clip:
    """A held-out recording; `commands` holds the spans of speech of a long one, in seconds."""

    name: str
    waveform: Waveform
    commands: list[tuple[float, float]] = field(default_factory=list)


@pytest.fixture(scope='session')
def clips() -> list[Clip]:
    """Return all held-out clips, the short ones (one utterance each) and the long ones."""
    found = []
    for line in (HELDOUT / 'manifest.jsonl').read_text().splitlines():
        entry = json.loads(line)
        samples, rate = read_audio(HELDOUT / entry['path'])
        assert rate == SAMPLE_RATE_HZ
        found.append(Clip(entry['path'], samples[:, 0], [
            (command['start'], command['end']) for command in entry.get('commands', [])]))
    return found


@pytest.fixture(scope='session')
def short_clips(clips: list[Clip]) -> list[Clip]:
    """Return the clips of one utterance."""
    return [clip for clip in clips if not clip.commands]


@pytest.fixture(scope='session')
def long_clips(clips: list[Clip]) -> list[Clip]:
    """Return the clips of several commands with pauses."""
    return [clip for clip in clips if clip.commands]


@pytest.fixture(scope='session')
def lay_out() -> Callable[..., TimeLine]:
    """Return a function that puts waveforms on a noisy time line, with gaps around them."""
    def _lay_out(waveforms: list[Waveform], gap_s: float, noise_rms: float) -> TimeLine:
        gap = np.zeros(round(gap_s * SAMPLE_RATE_HZ), np.float32)
        parts, spans, position = [gap], [], len(gap)
        for waveform in waveforms:
            spans.append((position, position + len(waveform)))
            parts += [waveform, gap]
            position += len(waveform) + len(gap)
        line = np.concatenate(parts)
        noise = np.random.default_rng(7).standard_normal(len(line), dtype=np.float32)
        return line + np.float32(noise_rms) * noise, spans
    return _lay_out
