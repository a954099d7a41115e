"""Strips and tiles of a TIFF: whether they hold more than the picture's pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from blur_tools.redaction._scan_findings import NOTE, Findings, is_padding
from blur_tools.redaction._scan_packed import (
    Ends,
    deflate_end,
    lzma_end,
    lzw_end,
    packbits_end,
    too_many_codes,
    worth_compiling,
)

__all__ = ["Layout", "scan_strips"]

RAW, LZW, JPEG, PACKBITS, LZMA, DEFLATES = 1, 5, 7, 32773, 34925, (8, 32946)
YCBCR, PALETTE, SEPARATE = 6, 3, 2

MOST_REPORTED = 20
MOST_RUNS = 64 << 20
"""Bytes of PackBits of which the runs are counted."""

MARGIN = 1024
"""Pixels that a tile may be larger than its picture."""

COLOURS = {0: 1, 1: 1, 2: 3, 3: 1, 4: 1, 5: 4, 6: 3, 8: 3, 9: 3, 10: 3}
"""Channels of each photometric interpretation."""


@dataclass(frozen=True)
class Layout:
    """What a TIFF directory says of where its pixels are; each default is the one of TIFF 6.0."""

    width: int
    height: int  # both below 2**31
    bits: tuple[int, ...] = (1,)
    photometric: int = 1
    compression: int = RAW
    fill_order: int = 1
    planes: int = 1
    rows: int = 1 << 32
    tile: tuple[int, int] | None = None
    subsampling: tuple[int, int] = (2, 2)
    extra: tuple[int, ...] = ()

    def wanted(self, most: int) -> npt.NDArray[np.int64]:
        """Unpacked bytes of each strip or tile that the picture has; of the first `most`."""
        across, down = self.tile or (self.width, min(self.rows, self.height))
        if min(across, down, self.width, self.height) < 1:
            return np.zeros(0, np.int64)
        columns, rows = -(-self.width // across), -(-self.height // down)
        planes = [(bits,) for bits in self.bits] if self.planes == SEPARATE else [self.bits]
        number = np.arange(min(most, columns * rows * len(planes)))
        heights = np.full(len(number), down, np.int64)
        if self.tile is None:
            heights[number // columns % rows == rows - 1] = self.height - down * (rows - 1)
        sizes = np.stack([self._bytes(across, heights, bits) for bits in planes])
        return sizes[number // (columns * rows), np.arange(len(number))]

    def _bytes(self, width: int, heights: npt.NDArray[np.int64], bits: tuple[int, ...]) -> npt.NDArray[np.int64]:
        if self.photometric == YCBCR and len(bits) == 3 and self.compression != JPEG:
            across, down = (max(1, factor) for factor in self.subsampling)
            return -(-width // across) * -(-heights // down) * (across * down + 2)
        return (width * sum(bits) + 7) // 8 * heights


def scan_strips(found: Findings, where: str, layout: Layout, spans: npt.NDArray[np.int64]) -> None:
    """Look for bytes in strips or tiles that the pixels do not need.

    Parameters
    ----------
    where : str
        What the findings call it.
    layout : Layout
        What the directory says.
    spans : array ``(n, 2)``
        First byte and end of each strip or tile.
    """
    _channels(found, where, layout, spans)
    spans = spans.clip(0, len(found.data))
    wanted = layout.wanted(len(spans))
    if layout.tile is not None and (layout.tile[0] > layout.width + MARGIN or layout.tile[1] > layout.height + MARGIN):
        found.broken(where, "tiles far larger than the picture", int(spans[:, 0].min()), int(spans[:, 1].max()))
    report = _Report(found, where)
    for start, stop in spans[len(wanted) :].tolist():
        report.hidden("strips that are no part of the picture", start, stop)
    spans, wanted = spans[: len(wanted)], wanted[: len(spans)]
    if layout.compression == RAW:
        ends = spans[:, 0] + wanted
        for i in np.flatnonzero(spans[:, 1] > ends):
            report.hidden("bytes behind the last pixel", int(ends[i]), int(spans[i, 1]))
    elif found.thorough:
        _packed(found, where, layout, spans, wanted, report)
    report.end()


class _Report:
    """Adds what is hidden in many strips, up to some number one by one."""

    def __init__(self, found: Findings, where: str) -> None:
        self.found, self.where, self.reported = found, where, 0
        self.rest: list[tuple[int, int]] = []

    def hidden(self, what: str, start: int, stop: int) -> None:
        if start >= stop or is_padding(self.found.content(start, stop)):
            return
        self.reported += 1
        if self.reported <= MOST_REPORTED:
            self.found.hidden(self.where, what, start, stop)
        else:
            self.rest.append((start, stop))

    def end(self) -> None:
        if self.rest:
            first, last = min(self.rest)[0], max(stop for _, stop in self.rest)
            self.found.broken(self.where, f"{len(self.rest):,} more strips with bytes behind their pixels", first, last)


def _channels(found: Findings, where: str, layout: Layout, spans: npt.NDArray[np.int64]) -> None:
    """One channel more than the colours can be transparency; any other can be a picture of its own."""
    more = len(layout.bits) - COLOURS.get(layout.photometric, len(layout.bits))
    if more > 1 or (more == 1 and layout.extra not in ((1,), (2,))):
        found.picture(where, "channels that no viewer shows", int(spans[:, 0].min()), int(spans[:, 1].max()))


def _packed(
    found: Findings,
    where: str,
    layout: Layout,
    spans: npt.NDArray[np.int64],
    wanted: npt.NDArray[np.int64],
    report: _Report,
) -> None:
    ends: Callable[..., Ends | None]
    size = int((spans[:, 1] - spans[:, 0]).sum())
    if layout.compression == LZW:
        ends = partial(lzw_end, tiff=True, bits=8, compiled=worth_compiling(size))
    elif layout.compression == PACKBITS:
        ends = packbits_end
    elif layout.compression in DEFLATES:
        ends = deflate_end
    elif layout.compression == LZMA:
        ends = lzma_end
    else:
        if layout.compression == JPEG:
            _jpegs(found, spans)
        else:
            found.add(where, "not looked at behind the last pixel: packed in another way", *_hull(spans), "technical",
                      NOTE)  # fmt: skip
        return
    too_many = (layout.compression == LZW and too_many_codes(size)) or (
        layout.compression == PACKBITS and size > MOST_RUNS
    )
    if layout.fill_order != 1 or too_many:
        found.add(where, "not looked at behind the last pixel", *_hull(spans), "technical", NOTE)
        return
    for (start, stop), size in zip(spans.tolist(), wanted.tolist(), strict=True):
        found.spend(stop - start)
        end = ends(found.data[start:stop], wanted=size)
        if end is None:
            found.add(where, "packed pixels that are damaged", start, stop, "unknown", "warning")
        elif not end[1]:
            found.broken(where, "more pixels than the picture has", start, stop)
        else:
            report.hidden("bytes behind the last pixel", start + end[0], stop)


def _hull(spans: npt.NDArray[np.int64]) -> tuple[int, int]:
    return (int(spans[:, 0].min()), int(spans[:, 1].max())) if len(spans) else (0, 0)


def _jpegs(found: Findings, spans: npt.NDArray[np.int64]) -> None:
    """Each strip is a JPEG, which can hold all that one can."""
    from blur_tools.redaction._scan_jpeg import scan_jpeg

    for start, stop in spans.tolist():
        inner = Findings(found.content(start, stop), thorough=False)
        scan_jpeg(inner)
        for item in inner.items:
            first = start + item.offset
            found.add(f"TIFF/{item.where}", item.what, first, first + item.length, item.kind, item.severity)
