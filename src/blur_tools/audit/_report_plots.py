"""Plots as inline SVG: no script, no font, no file beside them; colours come from the page's style."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

__all__ = ["bars", "heat_map", "intervals"]

WIDTH = 520.0


def bars(series: Sequence[tuple[str, str, Sequence[int]]], labels: Sequence[str], *, title: str, axis: str) -> str:
    """Grouped bars.

    Parameters
    ----------
    series : sequence of (name, class, counts)
        One group of bars each; the class gives its colour.
    labels : sequence of str
        One a bar, below the groups; or one more, at their edges.
    title, axis : str
        For who cannot see it, and what the labels are.
    """
    height, left, right, top, bottom = 210.0, 46.0, 8.0, 14.0, 44.0
    groups = len(series[0][2])
    most = max((max(counts, default=0) for _, _, counts in series), default=0)
    ticks = _ticks(most)
    span, tall = (WIDTH - left - right) / groups, height - top - bottom
    scale = tall / max(ticks[-1], 1)
    parts = []
    for tick in ticks:
        y = top + tall - tick * scale
        parts.append(f'<line class="grid" x1="{left}" x2="{WIDTH - right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:,}</text>')
    wide = span * 0.84 / len(series)
    for place, (name, style, counts) in enumerate(series):
        for group, count in enumerate(counts):
            x, y = left + span * (group + 0.08) + wide * place, count * scale
            parts.append(
                f'<rect class="{style}" x="{x:.1f}" y="{top + tall - y:.1f}" width="{max(wide - 1, 0.5):.1f}" '
                f'height="{y:.1f}"><title>{escape(name)}: {count:,}</title></rect>'
            )
    at_edges = len(labels) > groups
    step = max(1, math.ceil(len(labels) / 11))
    for number, label in enumerate(labels):
        if number % step == 0:
            x = left + span * (number + (0 if at_edges else 0.5))
            parts.append(
                f'<text class="tick" x="{x:.1f}" y="{height - bottom + 16}" text-anchor="middle">{escape(label)}</text>'
            )
    middle = (left + WIDTH - right) / 2
    parts.append(f'<text class="axis" x="{middle}" y="{height - 8}" text-anchor="middle">{escape(axis)}</text>')
    return _svg(WIDTH, height, title, parts)


def heat_map(counts: Sequence[Sequence[int]], style: str, *, title: str) -> str:
    """A grid of cells, the darker the more; a count of nothing stays empty."""
    rows, columns = len(counts), len(counts[0])
    side = WIDTH / columns
    most = max(max(row) for row in counts)
    parts = [f'<rect class="frame" x="0.5" y="0.5" width="{WIDTH - 1}" height="{side * rows - 1:.1f}"/>']
    for y, row in enumerate(counts):
        for x, count in enumerate(row):
            if count:
                shade = 0.15 + 0.85 * math.sqrt(count / most)
                parts.append(
                    f'<rect class="{style}" fill-opacity="{shade:.2f}" x="{x * side:.1f}" y="{y * side:.1f}" '
                    f'width="{side:.1f}" height="{side:.1f}"><title>{count:,}</title></rect>'
                )
    return _svg(WIDTH, side * rows, title, parts)


def intervals(rows: Sequence[tuple[str, str, float, float]], *, title: str) -> str:
    """One line for each (name, class, lower bound, value), on a scale up to 1."""
    left, right, tall, bottom = 120.0, 22.0, 34.0, 28.0
    height = tall * len(rows) + bottom
    lowest = min((low for _, _, low, _ in rows), default=0.0)
    start = next((edge for edge in (0.99, 0.95, 0.9, 0.8, 0.5) if lowest > edge), 0.0)
    scale = (WIDTH - left - right) / (1 - start)
    parts = []
    for tick in (start, start + (1 - start) / 2, 1.0):
        x = left + (tick - start) * scale
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{tall * len(rows):.1f}"/>')
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{height - 8:.1f}" text-anchor="middle">{100 * tick:.4g} %</text>'
        )
    for number, (name, style, low, value) in enumerate(rows):
        y = tall * (number + 0.5)
        x0, x1 = (left + (share - start) * scale for share in (low, value))
        parts.append(f'<text class="name" x="{left - 12}" y="{y + 4:.1f}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<line class="{style} bound" x1="{x0:.1f}" x2="{x1:.1f}" y1="{y}" y2="{y}"/>')
        parts.append(f'<line class="{style} end" x1="{x0:.1f}" x2="{x0:.1f}" y1="{y - 7}" y2="{y + 7}"/>')
        parts.append(f'<circle class="{style}" cx="{x1:.1f}" cy="{y}" r="5"/>')
    return _svg(WIDTH, height, title, parts)


def _ticks(most: int) -> list[int]:
    """Round numbers from 0 to `most` or a little more."""
    if most <= 0:
        return [0, 1]
    rough = most / 4
    power = 10 ** math.floor(math.log10(rough)) if rough >= 1 else 1
    step = next(int(factor * power) for factor in (1, 2, 5, 10) if factor * power >= rough)
    return list(range(0, (math.ceil(most / step) + 1) * step, step))


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(title, quote=True)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )
