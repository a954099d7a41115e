"""The contact sheet: what hidden regions look like in the results, and not one pixel beside them.

What is shown is hidden anew from the original, at a strength that leaves nothing to read; of a region only those pixels
that its mask hides wholly, all others are transparent. The file of the result is only compared with it: whatever it
holds, no pixel of it gets onto the sheet.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from blur_tools.audit._ours import result_below
from blur_tools.audit._report_data import Run
from blur_tools.detections import Detections
from blur_tools.errors import BlurError
from blur_tools.orientation import turn_upright
from blur_tools.picture import Picture, load_picture
from blur_tools.pipeline import redact_loaded
from blur_tools.redaction.effects import STRONG
from blur_tools.redaction.masks import Region, regions
from blur_tools.settings import BlurSettings
from blur_tools.sources import is_url

__all__ = ["Crop", "contact_sheet"]

SIDE = 144
"""Longest side of a crop in pixels."""
MOST_OF_ONE = 3
"""Regions of one picture that are shown."""
TRIED = 4
"""Times as many pictures as crops are tried."""
BLOCK = 8
"""Side in pixels of the squares in which a result is compared: one letter that is left must not drown in the rest."""
UNEQUAL, UNDONE = 1.0, 0.2
"""Mean difference of levels in a square, and as a share of what hiding changed there, up to which a result is alike."""
SMALLEST = 6
FLAWLESS_FACE = 10
"""Intensity at which a face is a flat fill; blurred ones can be recognized by software."""


@dataclass(frozen=True)
class Crop:
    """One hidden region: its kind, its size in pixels, and a PNG of it as a ``data:`` URL."""

    kind: str
    size: tuple[int, int]
    url: str


def contact_sheet(run: Run, out: Path, settings: BlurSettings, most: int) -> tuple[list[Crop], dict[str, int]]:
    """Crops of hidden regions of pictures all over the run, and why others are not shown.

    Parameters
    ----------
    run : Run
        The table.
    out : path
        The folder of the results.
    settings : BlurSettings
        As they were made.
    most : int
        How many crops.
    """
    left: Counter[str] = Counter()
    crops: list[Crop] = []
    # all over the run, and the same at every call
    order = sorted(run.done(), key=lambda i: hashlib.sha256(f"{i} {run.names[i]}".encode(errors="replace")).digest())
    for i in [i for i in order if run.found[i]][: TRIED * most]:
        if len(crops) >= most:
            break
        try:
            crops += list(_of_picture(run, i, out, settings, left))[: most - len(crops)]
        except (BlurError, OSError):
            left["the result or its original cannot be read"] += 1
    return crops, dict(left)


def _of_picture(run: Run, i: int, out: Path, settings: BlurSettings, left: Counter[str]) -> Iterator[Crop]:
    source, blurred, found = run.cells[i], run.columns["blurred"][i], run.found[i] or Detections()
    if blurred is None or is_url(source):
        left["the result or its original is not on this machine"] += 1
        return
    if run.columns["method"][i] == "server":
        left["a service rendered it, by masks that are not known"] += 1
        return
    before = load_picture(source)
    hidden = regions(found, settings, before.size)
    strong = [region for region in hidden if _is_strong(region, settings)]
    if len(strong) < len(hidden):
        left["their strength leaves something that can be read or recognized"] += len(hidden) - len(strong)
    if not strong:
        return
    after = load_picture(result_below(out, blurred)[1])
    expected = redact_loaded(load_picture(source), found, settings).data  # it overwrites the pixels it is given
    made = None if expected is None else load_picture(expected)
    shown = 0
    for region in strong:
        if made is None or made.size != after.size or not _is_alike(region, before, after, made):
            left["the result is not what these settings make of the original"] += 1
        elif shown < MOST_OF_ONE and min(region.mask.size) >= SMALLEST:
            shown += 1
            yield _crop(region, made)


def _is_strong(region: Region, settings: BlurSettings) -> bool:
    if settings.effect == "fill":
        return True
    if region.kind == "face":
        return settings.intensity("face") >= FLAWLESS_FACE
    return settings.intensity("plate") >= STRONG and not settings.logo  # a logo can be transparent


def _is_alike(region: Region, before: Picture, after: Picture, made: Picture) -> bool:
    """Whether the result differs from what was `made` now by little, and by little of what hiding has changed."""
    hard = np.asarray(region.mask) == 255
    one, two, three = (np.asarray(p.image.crop(region.box).convert("RGB"), np.float64) for p in (before, after, made))
    changed, apart = (_by_block(np.abs(picture - three).mean(axis=2), hard) for picture in (one, two))
    return bool(hard.any() and (apart <= np.maximum(UNEQUAL, UNDONE * changed)).all())


def _by_block(values: Any, hard: Any) -> Any:
    """Means of `values` where `hard`, in each square of the region."""
    rows, columns = (np.arange(0, length, BLOCK) for length in hard.shape)

    def total(of: Any) -> Any:
        return np.add.reduceat(np.add.reduceat(of, rows, axis=0), columns, axis=1)

    return total(np.where(hard, values, 0.0)) / np.maximum(total(hard.astype(np.float64)), 1)


def _crop(region: Region, made: Picture) -> Crop:
    pixels: Any = made.image.crop(region.box).convert("RGB")
    hard = region.mask.point(lambda value: 255 if value == 255 else 0)
    clear = Image.new("RGB", pixels.size)  # what lies under transparency can be read as well
    clear.paste(pixels, (0, 0), hard)
    clear.putalpha(hard)
    image = turn_upright(clear, made.orientation)
    size = image.size
    if max(size) > SIDE:
        image.thumbnail((SIDE, SIDE), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return Crop(region.kind, size, f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}")
