"""A histogram of latencies as SVG, drawn by the CSS of the page."""
from __future__ import annotations

from collections.abc import Sequence
from html import escape
import math

import numpy as np

WIDTH, HEIGHT = 640, 180  # of the drawing's own units; the page scales it
LEFT, BOTTOM, TOP, RIGHT = 44, 40, 16, 26  # margins for the labels
NICE = (1.0, 2.0, 5.0)
N_BARS = 24


def percentiles(values_ms: Sequence[float]) -> dict[str, float]:
    """Return the figures that are named beside the histogram, in ms; there must be a value."""
    p50, p95 = np.percentile(values_ms, [50, 95])
    return {'median': float(p50), '95th percentile': float(p95), 'longest': max(values_ms)}


def bins(values_ms: Sequence[float]) -> tuple[float, float, list[int]]:
    """
    Return where the first bar begins, the width of each in ms, and how many lie in each.

    Values are negative where the recorder's clock went back.
    """
    low, high = min(values_ms), max(values_ms)
    width = _nice((high - low) / N_BARS or abs(high) / N_BARS or 1.0)
    start = math.floor(low / width) * width
    counts = [0] * (int((high - start) / width) + 1)
    for value in values_ms:
        counts[min(int((value - start) / width), len(counts) - 1)] += 1
    return start, width, counts


def histogram(values_ms: Sequence[float], label: str) -> str:
    """Return the drawing; nothing without values."""
    if not values_ms:
        return ''
    start, width, counts = bins(values_ms)
    # a few bars would be as wide as doors
    slots = max(len(counts), N_BARS // 2)
    step = (WIDTH - LEFT - RIGHT) / slots
    height = HEIGHT - TOP - BOTTOM
    parts = [f'<svg class="histogram" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
             f'aria-label="{escape(label)}">']
    for share in (0.5, 1.0):
        y = TOP + height * (1 - share)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" '
                     f'y2="{y:.1f}"/>')
        if max(counts) * share == int(max(counts) * share):
            parts.append(f'<text class="count" x="{LEFT - 6}" y="{y + 4:.1f}">'
                         f'{max(counts) * share:.0f}</text>')
    for index, count in enumerate(counts):
        bar = height * count / max(counts)
        begin = start + index * width
        parts.append(
            f'<rect class="bar" x="{LEFT + index * step + 1:.1f}" y="{TOP + height - bar:.1f}" '
            f'width="{step - 2:.1f}" height="{bar:.1f}"><title>{begin:g} to {begin + width:g} ms: '
            f'{count}</title></rect>')
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{TOP + height}" '
                 f'y2="{TOP + height}"/>')
    every = max(1, math.ceil(slots / 8))
    for index in range(0, slots + 1, every):
        parts.append(f'<text class="tick" x="{LEFT + index * step:.1f}" y="{HEIGHT - 20}">'
                     f'{start + index * width:g}</text>')
    parts.append(f'<text class="unit" x="{WIDTH - RIGHT}" y="{HEIGHT - 2}">ms</text></svg>')
    return ''.join(parts)


def _nice(value: float) -> float:
    """Return the next of 1, 2, 5, 10, ... not below a positive value."""
    power = 10.0 ** math.floor(math.log10(value))
    for factor in NICE:
        if value <= factor * power:
            return factor * power
    return 10 * power
