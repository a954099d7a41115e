"""The compressed pixels of a JPEG, followed code by code: what is spare in them, and whether they are others' too."""

from __future__ import annotations

from typing import Any

import numpy as np

from blur_tools.picture import MAX_PIXELS
from blur_tools.redaction._jpeg_blocks import Bools, touched_units
from blur_tools.redaction._jpeg_markers import PROGRESSIVE_HUFFMAN, Frame, JpegError, NotFollowed
from blur_tools.redaction.jpeg import scan_module

__all__ = ["spare_bytes"]


def spare_bytes(data: bytes, frame: Frame) -> list[int]:
    """For each scan of a JPEG, how many bytes stand behind its last code, or behind those of its restart intervals.

    Raises
    ------
    NotFollowed
        Files of this kind are not followed, or this one is too large.
    JpegError
        The compressed data is damaged.
    """
    if frame.size[0] * frame.size[1] > MAX_PIXELS:
        raise NotFollowed("it is too large")
    module = scan_module(frame, False)
    try:
        if frame.process == PROGRESSIVE_HUFFMAN:
            wanted = module.measured(data, frame)
            pairs = zip(frame.scans, wanted, strict=True)
            return [max(0, scan.segment.stop - scan.segment.start - len(view)) for scan, view in pairs]
        return [_spare(module.SequentialScan(data, frame, scan, untouched(frame))) for scan in frame.scans]
    except IndexError as error:  # the compiled loops' check of bounds
        raise JpegError(module.DAMAGED) from error


def untouched(frame: Frame) -> list[Bools]:
    """For each data unit of each component that no mask touches it."""
    return [touched_units((), frame, index) for index in range(len(frame.components))]


def _spare(scan: Any) -> int:
    # up to seven bits fill up the last byte
    return int(np.maximum(0, (scan.stops - scan.ends) // 8).sum())
