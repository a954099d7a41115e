"""The text of plates, read by the two networks that the wheel of rapidocr carries (extra ``[ocr]``).

A plate is flattened to an upright strip; one network finds the lines of text in it, the other reads each. Only the
networks' files are taken from rapidocr, none of its code is run: its reader logs to the screen, may download models
and fonts into its own folder, and takes its settings in attributes that threads would share. Measured on the same 194
photographed plates, this reads 80 % and 82 % of them without a mistake (corners from our detector and from labels),
rapidocr 78 % and 82 % when it is set up for plates; as it comes it takes 1.2 s a plate instead of 0.05 s.

The networks know Latin, Greek, Chinese and Japanese signs, but no Arabic, Cyrillic, Hebrew or Korean ones: of plates
in those scripts only the Latin letters and digits are read, and the others can be taken for signs that look alike.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from blur_tools.detections import FARTHEST, Polygon
from blur_tools.detectors._network import Floats, Network, planes
from blur_tools.errors import ExtraMissingError, ModelError
from blur_tools.orientation import polygon_to_upright
from blur_tools.picture import Picture

__all__ = ["Line", "Reading", "can_read", "lines_of", "read_plate", "reader"]

STRIP_HEIGHT = 96
"""Height in pixels of the flattened plate: lines are found at this size, and two of them still are 40 pixels high."""

LINE_HEIGHT = 48
"""Height in pixels of what the reading network takes."""

MARGIN_X, MARGIN_Y = 0.04, 0.08
"""What the strip shows beyond the plate, in its widths and heights: corners are seldom exact."""

WHOLE_X, WHOLE_Y = 0.01, 0.05
"""What is cut off a plate that is read as one line: its rim."""

NARROWEST, WIDEST = 1 / 3, 10
"""Bounds of a strip's width, in its heights."""

LOWEST_SIDE = 6
"""Pixels of the picture below which nobody can read a line."""

TEXT, LINE = 0.3, 0.3
"""Least score of a pixel to be text, and of a line on average."""

SMALLEST_LINE = 3
"""Least width and height in pixels of the strip of a line's middle part, as the network marks it."""

GROWTH = 1.2
"""How far a line reaches beyond its marked middle part, in areas of that part over its perimeter."""

STEEPEST_SHAPE = 1.5
"""Width over height of a line from which its slope can be told."""

LEVEL = 0.04
"""Slope below which a line is read as it lies."""

SMALL_PRINT = 0.65
"""Lines lower than this part of the highest are no number: the name of a place, a dealer or a year."""

ONE_LINE = 1.9
"""Width over height from which a plate may have one line only."""

SURE = 0.9
"""Certainty of its least sure character from which a text is not read in a second way."""

LIKELY = 0.5
"""Certainty from which a sign that is no Latin letter or digit counts: emblems and flags look like such signs."""

READABLE = 0.7
"""Least score of a reading: of 543 right ones none was below 0.74, of those of Arabic plates half are."""

_Char = tuple[str, float]
_Matrix = npt.NDArray[np.float64]


class Line(NamedTuple):
    """A line of text: its middle and size in pixels of what shows it, and the rows it goes down for each column."""

    x: float
    y: float
    width: float
    height: float
    slope: float


@dataclass(frozen=True)
class Reading:
    """What a plate says.

    Parameters
    ----------
    text : str
        Lower case, letters and digits only; those of any script (`str.isalnum`) that the networks know, full-width
        ones as usual ones. Several lines are joined, from top to bottom.
    score : float
        Mean of the characters' certainties, 0 to 1. It says how clear the signs are, not that they are right: on
        many plates 0 and O or 1 and I are drawn alike.
    """

    text: str
    score: float


def reader() -> str:
    """What reads plates, by its networks' hashes, as far as it is installed."""
    return f"{_FINDER.digits}+{_READER.digits}" if can_read() else "none"


def can_read() -> bool:
    """Whether what reads plates is installed, in the version that we know; it is not loaded for that."""
    try:
        _FINDER.check()
        _READER.check()
    except (ExtraMissingError, ModelError):  # who asks for a reading is told which
        return False
    return True


def read_plate(picture: Picture, polygon: Polygon) -> Reading | None:
    """Read one plate; several threads may do so at once.

    Parameters
    ----------
    picture : Picture
        Where the plate is.
    polygon : four (x, y)
        Its corners in pixels of the stored picture, clockwise from the plate's top left. Where they begin at
        another corner, as those of a box drawn in a picture that is stored on its side, it is found.

    Returns
    -------
    Reading or None
        None when nothing could be read: no text, a plate a few pixels high, corners that span no convex
        quadrilateral or lie outside the picture.

    Raises
    ------
    ExtraMissingError
        rapidocr is not installed, or not in a version that carries the networks.
    ModelError
        A network is not the expected file.
    """
    _FINDER.start()
    _READER.start()
    corners = np.array(polygon_to_upright(polygon, picture.size, picture.orientation), np.float64)
    if not _is_readable(corners):
        return None
    found = max((_read(picture, turned) for turned in _turns(corners)), key=_evidence)
    score = float(np.mean([certainty for _, certainty in found])) if found else 0.0
    return Reading("".join(char for char, _ in found), score) if score >= READABLE else None


class _Carried(Network):
    """A network that the wheel of rapidocr carries."""

    def start(self) -> Any:
        """The session, made once a process."""
        return self._session or self._start()

    def check(self) -> None:
        """Make sure that the file is there."""
        if self._session is None:
            self.weights()

    @cached_property
    def signs(self) -> list[str]:
        """What each class of the reading network stands for; the first is no sign."""
        return ["", *self.start().get_modelmeta().custom_metadata_map["character"].splitlines(), " "]

    def weights(self) -> bytes:
        """The checked bytes of the file."""
        package = find_spec("rapidocr")  # which does not load it
        folders = (package.submodule_search_locations if package else None) or ()
        try:
            data = next(Path(folder, "models", self.file).read_bytes() for folder in folders)
        except (OSError, StopIteration) as error:
            raise ExtraMissingError("reading plates", "ocr") from error
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise ModelError(f"{self.file} of rapidocr is not the expected file (SHA-256 {self.sha256}); reinstall it")
        return data


_FINDER = _Carried("PP-OCRv6_det_small.onnx", "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f")
_READER = _Carried("PP-OCRv6_rec_small.onnx", "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884")


# ---- where the plate is


def _is_readable(corners: _Matrix) -> bool:
    """Whether corners are a convex quadrilateral, clockwise, of a size that can be read."""
    if not np.abs(corners).max() <= FARTHEST:  # so for nan, too
        return False
    edges = np.roll(corners, -1, axis=0) - corners
    following = np.roll(edges, -1, axis=0)
    bends = edges[:, 0] * following[:, 1] - edges[:, 1] * following[:, 0]
    return bool((bends > 0).all() and min(_size(corners)) >= LOWEST_SIDE)


def _size(corners: _Matrix) -> tuple[float, float]:
    """Mean width and height of a quadrilateral."""
    sides = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    return float(sides[0] + sides[2]) / 2, float(sides[1] + sides[3]) / 2


def _turns(corners: _Matrix) -> Iterator[_Matrix]:
    """The corners as given and, where their top edge does not run to the right, from that on which does."""
    yield corners
    edges = np.roll(corners, -1, axis=0) - corners
    top = int(np.argmax(edges[:, 0] / np.linalg.norm(edges, axis=1)))
    if top != 0:
        yield np.roll(corners, -top, axis=0)


def _plane(corners: _Matrix) -> _Matrix:
    """The 3 x 3 matrix that maps the unit square to a convex quadrilateral (Heckbert 1989, section 2.2.3)."""
    start, right, across, down = corners
    bend = start - right + across - down
    (ax, ay), (bx, by) = right - across, down - across
    area = ax * by - bx * ay
    g, h = (bend[0] * by - bx * bend[1]) / area, (ax * bend[1] - bend[0] * ay) / area
    sides = np.column_stack([right - start + g * right, down - start + h * down, start])
    return np.vstack([sides, [g, h, 1]])


def _strip(picture: Picture, corners: _Matrix) -> Image.Image | None:
    """The plate and a margin, flattened; None if out of sight.

    It is `STRIP_HEIGHT` pixels high and a multiple of 32 wide, as the network that finds lines wants it.
    """
    width, height = _size(corners)
    across, down = 1 + 2 * MARGIN_X, 1 + 2 * MARGIN_Y
    shape = min(max(width * across / (height * down), NARROWEST), WIDEST)
    columns, rows = 32 * round(STRIP_HEIGHT * shape / 32), STRIP_HEIGHT
    spread = [[across / columns, 0, -MARGIN_X], [0, down / rows, -MARGIN_Y], [0, 0, 1]]
    plane = _plane(corners) @ np.array(spread)
    x, y, depth = plane @ np.array([[0, columns, columns, 0], [0, 0, rows, rows], [1, 1, 1, 1]])
    if depth.min() <= 0:  # the margin reaches beyond the horizon
        return None
    low = np.maximum(np.floor([(x / depth).min() - 1, (y / depth).min() - 1]), 0)
    high = np.minimum(np.ceil([(x / depth).max() + 1, (y / depth).max() + 1]), picture.upright_size)
    if (low >= high).any():
        return None
    # of a large plate no more pixels than needed: the warp takes its samples without looking between them
    scale = min(1.0, 1.5 * rows / (height * down), 1.5 * columns / (width * across))
    size = max(1, round((high[0] - low[0]) * scale)), max(1, round((high[1] - low[1]) * scale))
    view = picture.view(size, (float(low[0]), float(low[1]), float(high[0]), float(high[1])))
    zoom_x, zoom_y = size / (high - low)
    plane = np.array([[zoom_x, 0, -zoom_x * low[0]], [0, zoom_y, -zoom_y * low[1]], [0, 0, 1]]) @ plane
    coefficients = (plane / plane[2, 2]).ravel()[:8].tolist()
    return view.transform((columns, rows), Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BICUBIC)


# ---- what it says


def _read(picture: Picture, corners: _Matrix) -> list[_Char]:
    """Its characters by the lines that are found in it, or as one line where that shows more."""
    strip = _strip(picture, corners)
    if strip is None:
        return []
    found = [char for line in _lines(strip) for char in _characters(strip, line)]
    width, height = _size(corners)
    if width < ONE_LINE * height or (found and min(certainty for _, certainty in found) >= SURE):
        return found
    within_x, within_y = (1 - 2 * WHOLE_X) / (1 + 2 * MARGIN_X), (1 - 2 * WHOLE_Y) / (1 + 2 * MARGIN_Y)
    middle = Line(strip.width / 2, strip.height / 2, within_x * strip.width, within_y * strip.height, 0.0)
    whole = _characters(strip, middle)
    return max(found, whole, key=_evidence)


def _evidence(text: list[_Char]) -> float:
    """How much there is to a text: more characters are better if they are likelier than not."""
    return sum(certainty - 0.5 for _, certainty in text)


def _lines(strip: Image.Image) -> list[Line]:
    """Lines of text, from top to bottom and left to right, without small print."""
    lines = lines_of(strip)
    return _in_order([line for line in lines if line.height >= SMALL_PRINT * max(other.height for other in lines)])


def lines_of(image: Image.Image) -> list[Line]:
    """Lines of text in an RGB picture whose sides are multiples of 32, in its pixels.

    Raises
    ------
    ExtraMissingError
        rapidocr is not installed, or not in a version that carries the networks.
    """
    from scipy import ndimage

    marks = _FINDER.run(_normal(image))[0][0, 0]
    labels, _ = ndimage.label(marks > TEXT, np.ones((3, 3)))
    lines = []
    for label, (down, across) in enumerate(ndimage.find_objects(labels), 1):
        rows, columns = np.nonzero(labels[down, across] == label)
        rows, columns = rows + down.start, columns + across.start
        slope = _slope(columns, rows)
        middle = (columns.min() + columns.max() + 1) / 2
        level = rows - slope * (columns + 0.5 - middle)
        wide, high = float(np.ptp(columns)) + 1, float(np.ptp(level)) + 1
        if min(high, wide) >= SMALLEST_LINE and marks[rows, columns].mean() >= LINE:
            # the network marks the middle of a line, so that lines do not touch
            growth = GROWTH * high * wide / (2 * (high + wide))
            lines.append(Line(middle, level.min() + high / 2, wide + 2 * growth, high + 2 * growth, slope))
    return lines


def _slope(columns: npt.NDArray[Any], rows: npt.NDArray[Any]) -> float:
    """Rows a line of text goes down for each column to the right, from the pixels that it covers."""
    # a line as high as it is long has no direction that could be told
    if np.ptp(columns) < STEEPEST_SHAPE * np.ptp(rows):
        return 0.0
    aside = columns - columns.mean()
    slope = float((aside * rows).sum() / max((aside**2).sum(), 1))
    return slope if abs(slope) >= LEVEL else 0.0


def _in_order(lines: list[Line]) -> list[Line]:
    """From top to bottom; those of about the same height from left to right."""
    levels: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: line.y):
        # the middle of it above the last quarter of the one before: beside it, not below
        if levels and line.y < levels[-1][-1].y + levels[-1][-1].height / 4:
            levels[-1].append(line)
        else:
            levels.append([line])
    return [line for level in levels for line in sorted(level, key=lambda line: line.x)]


def _characters(strip: Image.Image, line: Line) -> list[_Char]:
    """The letters and digits of one line, each with its certainty."""
    if line.slope:
        level = (1, 0, 0, line.slope, 1, -line.slope * line.x)
        strip = strip.transform(strip.size, Image.Transform.AFFINE, level, Image.Resampling.BICUBIC)
    left, right = max(line.x - line.width / 2, 0), min(line.x + line.width / 2, strip.width)
    top, bottom = max(line.y - line.height / 2, 0), min(line.y + line.height / 2, strip.height)
    width = max(8, round((right - left) * LINE_HEIGHT / (bottom - top)))
    cut = strip.resize((width, LINE_HEIGHT), Image.Resampling.BICUBIC, (left, top, right, bottom))
    # unlike rapidocr without grey beside short lines: quicker, and read better
    classes = _READER.run(_normal(cut))[0][0]
    best, certainties = classes.argmax(axis=1), classes.max(axis=1)
    begins = np.diff(best, prepend=-1) != 0  # a sign is seen over several columns, and another like it after a gap
    return [
        (char, float(certainty))
        for kind, certainty in zip(best[begins], certainties[begins], strict=True)
        for char in unicodedata.normalize("NFKC", _READER.signs[kind]).lower()
        if char.isalnum() and (char.isascii() or certainty >= LIKELY)
    ]


def _normal(image: Image.Image) -> Floats:
    """An RGB image as the networks want it: ``(1, 3, height, width)``, blue first, -1 to 1."""
    pixels = planes(image, blue_first=True).astype(np.float32)
    return pixels / np.float32(127.5) - np.float32(1)
