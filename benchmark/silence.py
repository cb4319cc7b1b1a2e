"""Word error rate with silence before the speech: how much, of which kind, kept or left out."""

from collections.abc import Sequence
from typing import Any

import jiwer
import numpy as np
from numpy.typing import NDArray
from parakeet_ros.engine import Transcriber
from report import print_table

NOISE_DB = -70.0  # dBFS, that of the held-out clips
SHIFTS_S = tuple(ms / 1000 for ms in range(0, 80, 10))  # the phases of an encoder frame
LEADS_S = (0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0)


def silence_rows(engine: Transcriber, waveforms: Sequence[NDArray[np.float32]],
                 said: Sequence[str]) -> list[dict[str, Any]]:
    """
    Decode recordings with silence before them, as it is and as ``stream`` leaves it out.

    :param waveforms: float32 mono `[n_samples]`, 16 kHz.
    :param said: the text of each.
    :returns: for each silence its length in s, its kind, and the WER in percent both ways.
    """
    rows = []
    for lead_s in SHIFTS_S + LEADS_S:
        for kind in ('digital', 'noise') if lead_s else ('none',):
            padded = [np.concatenate([_silence(lead_s, kind, engine.sample_rate), waveform])
                      for waveform in waveforms]
            rows.append({'silence_s': lead_s, 'kind': kind} | {
                way: 100 * jiwer.wer(list(said), [_heard(engine, each, keep) for each in padded])
                for way, keep in (('kept', True), ('left_out', False))})
    return rows


def print_silence(rows: Sequence[dict[str, Any]]) -> None:
    """Print the rows, and the range of WER over the shifts, below 0.6 s, and from there on."""
    print_table(rows, {'silence_s': 'silence before, s', 'kind': 'kind',
                       'kept': 'WER kept, %', 'left_out': 'left out, %'})
    print()
    for name, low_s, high_s in (('less than an encoder frame', 0.0, 0.08),
                                ('0.08 to 0.6 s', 0.08, 0.6), ('0.6 s or more', 0.6, np.inf)):
        for way in ('kept', 'left_out'):
            wers = [row[way] for row in rows if low_s <= row['silence_s'] < high_s]
            print(f'{name}, {way.replace("_", " ")}: {min(wers):.1f} to {max(wers):.1f} %')
    print()


def _heard(engine: Transcriber, waveform: NDArray[np.float32], keep: bool) -> str:
    """Return the text of a recording."""
    pieces = engine.stream(waveform, keep_silence=keep)
    return ' '.join(piece.text for piece in pieces if piece.text)


def _silence(seconds: float, kind: str, sample_rate: int) -> NDArray[np.float32]:
    """Return digital silence, or a faint noise."""
    n_samples = round(seconds * sample_rate)
    if kind != 'noise':
        return np.zeros(n_samples, np.float32)
    noise = np.random.default_rng(n_samples).standard_normal(n_samples)
    return (10.0 ** (NOISE_DB / 20) * noise).astype(np.float32)
