"""
Draw one noisy minute: what the detector hears, knows, decides, and the words that come out.

Three backgrounds follow one another, 20 s each, with held-out clips before them at 10 dB: a fan, a
motor, music. From top to bottom: the waveform with the labelled commands; level, noise floor and
both thresholds; the utterances and their words, as the built-in model hears them.

`plot_minute.py FILE.png`. Needs matplotlib: `pip install matplotlib`.
"""
import argparse
from pathlib import Path
import sys
import textwrap
from typing import Any

from make_noisy_set import make_scene, Spoken
import numpy as np
from numpy.typing import NDArray
from parakeet_ros.audio import EnergyVad, SAMPLE_RATE_HZ, Segmenter, SegmenterConfig
from parakeet_ros.audio.vad import DELAY_FRAMES, frame_powers
from parakeet_ros.engine import load_model
import torch

try:
    import matplotlib
    from PIL import Image
except ModuleNotFoundError:
    sys.exit('plot_minute: matplotlib is missing; install it with: pip install matplotlib')
matplotlib.use('Agg')  # no window

PART_S = 20.0
PARTS = (('fan', 10), ('motor', 10), ('music', 10))
SEED = 3
WRAP_CHARACTERS = 16
COLOURS = {'speech': '#2a6fbb', 'label': '#f2c14e', 'floor': '#444444',
           'onset': '#c8442f', 'offset': '#e69a8d', 'level': '#8aa9c8'}


def noisy_minute() -> tuple[NDArray[np.float32], list[Spoken]]:
    """Join the beginnings of three scenes; commands that the end would cut are left in half."""
    parts, spoken = [], []
    for index, (background, snr_db) in enumerate(PARTS):
        scene = make_scene(background, snr_db, SEED, 8)
        parts.append(scene.waveform[:round(PART_S * SAMPLE_RATE_HZ)])
        begin_s = index * PART_S
        spoken += [Spoken(s.text, begin_s + s.start_s, min(begin_s + s.end_s, begin_s + PART_S))
                   for s in scene.spoken if s.start_s < PART_S]
    return np.concatenate(parts), spoken


def draw_waveform(axes: Any, waveform: NDArray[np.float32], spoken: list[Spoken]) -> None:
    """Draw the extremes of every 20 ms, and the labels."""
    frames = waveform[:len(waveform) // 320 * 320].reshape(-1, 320)
    times_s = np.arange(len(frames)) * 0.02
    axes.fill_between(times_s, frames.min(axis=1), frames.max(axis=1),
                      color=COLOURS['speech'], linewidth=0)
    for index, s in enumerate(spoken):
        axes.axvspan(s.start_s, s.end_s, color=COLOURS['label'], alpha=0.45, linewidth=0,
                     label='spoken' if index == 0 else None)
    for index, (background, snr_db) in enumerate(PARTS):
        axes.text(index * PART_S + 0.3, 0.97, f'{background}, {snr_db} dB', fontsize=10,
                  va='top', transform=axes.get_xaxis_transform())
    axes.set_ylabel('waveform')
    axes.set_yticks([])
    axes.legend(loc='upper right', fontsize=9)


def draw_levels(axes: Any, waveform: NDArray[np.float32]) -> None:
    """Draw level, floor and thresholds as the detector has them after each frame."""
    vad, rows = EnergyVad(SegmenterConfig()), []
    for power in frame_powers(waveform).tolist():
        vad.step(power)
        rows.append((vad.level_db, vad.noise_floor_db, vad.onset_threshold_db,
                     vad.offset_threshold_db))
    level, floor, onset, offset = np.array(rows).T
    times_s = np.arange(len(rows)) / 100
    axes.plot(times_s, level, color=COLOURS['level'], linewidth=0.6, label='level')
    judged_s = times_s - DELAY_FRAMES / 100
    axes.plot(judged_s, floor, color=COLOURS['floor'], linewidth=1.5, label='noise floor')
    axes.plot(judged_s, onset, color=COLOURS['onset'], linewidth=1.2, label='onset threshold')
    axes.plot(judged_s, offset, color=COLOURS['offset'], linewidth=1.2, label='offset threshold')
    axes.set_ylabel('dBFS')
    axes.set_ylim(np.percentile(floor, 1) - 8, level.max() + 2)
    axes.legend(loc='lower center', ncols=4, fontsize=9)
    axes.grid(axis='y', linewidth=0.3)


def draw_words(axes: Any, waveform: NDArray[np.float32]) -> None:
    """Draw the utterances and what the model hears in them, above and below by turns."""
    engine, segmenter = load_model('builtin', device='cpu'), Segmenter()
    for index, utterance in enumerate(segmenter.process(waveform) + segmenter.flush()):
        start_s, end_s = (sample / SAMPLE_RATE_HZ
                          for sample in (utterance.start_sample, utterance.end_sample))
        axes.barh(0, end_s - start_s, left=start_s, height=0.5, align='center',
                  color=COLOURS['speech'], alpha=0.75)
        above = index % 2 == 0
        text = textwrap.fill(engine.transcribe(utterance.waveform).text, WRAP_CHARACTERS)
        start_s = min(start_s, PART_S * len(PARTS) - 5)  # so that the text does not leave the page
        axes.text(start_s, 0.35 if above else -0.35, text, fontsize=8, linespacing=1.1,
                  va='bottom' if above else 'top', clip_on=True)
    axes.set_ylim(-2.0, 1.5)
    axes.set_yticks([])
    axes.set_ylabel('utterances, words')
    axes.set_xlabel('seconds')


def main() -> int:
    """Draw the minute."""
    parser = argparse.ArgumentParser(prog='plot_minute', description='Draw one noisy minute.')
    parser.add_argument('file', type=Path, help='the PNG to write')
    options = parser.parse_args()
    from matplotlib import pyplot  # after the choice above
    torch.set_num_threads(1)
    waveform, spoken = noisy_minute()
    figure, axes = pyplot.subplots(3, 1, figsize=(12, 7), sharex=True, layout='constrained',
                                   height_ratios=(1, 2, 1.7))
    draw_waveform(axes[0], waveform, spoken)
    draw_levels(axes[1], waveform)
    draw_words(axes[2], waveform)
    axes[0].set_xlim(0, PART_S * len(PARTS))
    figure.savefig(options.file, dpi=84)
    Image.open(options.file).convert('RGB').quantize(64).save(options.file, optimize=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
