"""New coefficients for the data units that a mask touches, from rendered pixels (ITU-T T.81, A.3.3 and A.3.4).

Each component is treated at its own sampling. A sample is hidden if any pixel that it stands for is; it then takes its
value from the rendered pixels. The others of its data unit keep what the file's own coefficients say, unrounded, so
that a unit that is touched at one corner stays what it was as far as its quantisation allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from blur_tools.redaction._jpeg_markers import Frame, JpegError
from blur_tools.redaction.masks import Region

__all__ = [
    "ZIGZAG",
    "Bools",
    "Patch",
    "Rendered",
    "colour_weights",
    "patch_of",
    "patches",
    "touched_units",
]

Array = npt.NDArray[np.generic]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
T = TypeVar("T", bound=np.generic)
Coefficients = npt.NDArray[np.int16]

ZIGZAG = np.array(
    sorted(range(64), key=lambda k: (k // 8 + k % 8, k % 8 if (k // 8 + k % 8) % 2 == 0 else k // 8)), np.intp
)
"""Position in a data unit, row by row, of each coefficient in zigzag order."""

MOST = 1023
"""Largest coefficient of 8-bit pictures: what baseline tables can code."""


def _transform() -> Floats:
    """The forward DCT of 64 samples, row by row, to 64 coefficients in zigzag order; its transpose is the inverse."""
    k = np.arange(8)
    basis = np.cos((2 * k[None, :] + 1) * k[:, None] * np.pi / 16) / 2
    basis[0] /= np.sqrt(2)
    return np.kron(basis, basis)[ZIGZAG].astype(np.float32)


_DCT = _transform()


def _times(rows: Floats, matrix: Floats) -> Floats:
    """``rows @ matrix``, in slices so small that no BLAS starts threads: a batch keeps the cores busy as it is."""
    size = 32
    padded = np.zeros((-(-len(rows) // size), size, 64), np.float32)
    padded.reshape(-1, 64)[: len(rows)] = rows
    product: Floats = np.matmul(padded, matrix).reshape(-1, 64)
    return product[: len(rows)]


BAND = 1 << 18
"""Pixels that are worked on at once: more would not stay in the processor's cache, and take memory."""


@dataclass(frozen=True)
class Patch:
    """The part of a picture around one region, or a band of it, in whole MCUs.

    Attributes
    ----------
    rows, columns : (first, behind the last)
        Its MCUs.
    hidden : bool array
        For each of its pixels whether any region hides it. Beyond the picture's last row and column they repeat:
        there encoders repeat pixels, and what is hidden must not survive in them.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    hidden: Bools


def patches(regions: Sequence[Region], frame: Frame) -> list[Patch]:
    """What is to be coded anew, region by region, large ones in bands; where they overlap, each knows of the others."""
    height, width = (8 * factor for factor in reversed(frame.sampling))
    boxes = np.array([region.box for region in regions]).reshape(-1, 4)
    found = []
    for left, top, right, bottom in boxes.tolist():
        columns, last = (left // width, -(-right // width)), -(-bottom // height)
        across = (columns[1] - columns[0]) * width
        step = max(1, BAND // (across * height))
        for first in range(top // height, last, step):
            rows = first, min(first + step, last)
            x, y = columns[0] * width, rows[0] * height
            hidden = np.zeros(((rows[1] - rows[0]) * height, across), np.bool_)
            near = (boxes[:, 0] < x + across) & (boxes[:, 2] > x) & (boxes[:, 1] < y + len(hidden)) & (boxes[:, 3] > y)
            for other in compress(regions, near):
                _join(hidden, other, x, y)
            _repeat(hidden, frame.size[0] - x, frame.size[1] - y)
            found.append(Patch(rows, columns, hidden))
    return found


def _join(hidden: Bools, region: Region, x: int, y: int) -> None:
    """Add a region's mask to that of a patch whose corner is at (x, y)."""
    left, top, right, bottom = region.box
    first = max(left, x), max(top, y)
    last = min(right, x + hidden.shape[1]), min(bottom, y + hidden.shape[0])
    mask = np.asarray(region.mask.crop((first[0] - left, first[1] - top, last[0] - left, last[1] - top)))
    hidden[first[1] - y : last[1] - y, first[0] - x : last[0] - x] |= mask > 0


def _repeat(pixels: Array, width: int, height: int) -> None:
    """Fill what lies beyond `width` and `height` with the last column and row before it."""
    if width < pixels.shape[1]:
        pixels[:, width:] = pixels[:, width - 1 : width]
    if height < pixels.shape[0]:
        pixels[height:] = pixels[height - 1 : height]


def _pooled(hidden: Bools, across: int, down: int) -> Bools:
    """Whether any of ``across * down`` pixels is hidden."""
    rows = hidden[::down]
    for i in range(1, down):
        rows = rows | hidden[i::down]
    pooled = rows[:, ::across]
    for i in range(1, across):
        pooled = pooled | rows[:, i::across]
    return pooled


def _by_unit(plane: npt.NDArray[T]) -> npt.NDArray[T]:
    """The 64 samples of each data unit: (rows, columns, 64)."""
    rows, columns = plane.shape[0] // 8, plane.shape[1] // 8
    return plane.reshape(rows, 8, columns, 8).transpose(0, 2, 1, 3).reshape(rows, columns, 64)


def _place(patch: Patch, frame: Frame, index: int) -> tuple[slice, slice]:
    """Where a patch lies among a component's data units."""
    component = frame.components[index]
    (top, bottom), (left, right) = patch.rows, patch.columns
    return (
        slice(top * component.vertical, bottom * component.vertical),
        slice(left * component.horizontal, right * component.horizontal),
    )


def patch_of(grid: npt.NDArray[np.intp], patch: Patch, frame: Frame, index: int) -> npt.NDArray[np.intp]:
    """A patch's part of a grid over a component's data units; -1 where the grid ends before the last MCU does."""
    place = _place(patch, frame, index)
    part = grid[place]
    room = [(0, wanted.stop - wanted.start - size) for wanted, size in zip(place, part.shape, strict=True)]
    return np.pad(part, room, constant_values=-1)


def touched_units(found: Sequence[Patch], frame: Frame, index: int) -> Bools:
    """For each data unit of a component, those that fill up MCUs included, whether a mask touches it."""
    component, (rows, columns) = frame.components[index], frame.mcus
    touched = np.zeros((rows * component.vertical, columns * component.horizontal), np.bool_)
    across, down = frame.ratio(index)
    for patch in found:
        touched[_place(patch, frame, index)] |= _pooled(patch.hidden, 8 * across, 8 * down)
    return touched


def colour_weights(frame: Frame, mode: str) -> tuple[Floats, Floats]:
    """How a file's components are made of the pixels that Pillow decodes it to.

    Returns
    -------
    (weights, offsets)
        A row of weights for each component, one for each channel, and what is added.

    Raises
    ------
    JpegError
        It has other channels than `mode`.
    """
    count = len(frame.components)
    if {1: "L", 3: "RGB", 4: "CMYK"}.get(count) != mode:
        raise JpegError(f"{count} components, decoded as {mode}")
    luminance = [[0.299, 0.587, 0.114], [-0.168735892, -0.331264108, 0.5], [0.5, -0.418687589, -0.081312411]]
    if count == 1:
        weights, offsets = [[1.0]], [0.0]
    elif count == 3:
        weights, offsets = (np.eye(3).tolist(), [0.0] * 3) if _is_rgb(frame) else (luminance, [0.0, 128.0, 128.0])
    # Pillow inverts all four, as Adobe's programs write them
    elif frame.transform is None or frame.transform == 0:
        weights, offsets = (-np.eye(4)).tolist(), [255.0] * 4
    else:
        weights = [[*row, 0.0] for row in luminance] + [[0.0, 0.0, 0.0, -1.0]]
        offsets = [0.0, 128.0, 128.0, 255.0]
    return np.array(weights, np.float32), np.array(offsets, np.float32)


def _is_rgb(frame: Frame) -> bool:
    """Whether three components are red, green and blue, as libjpeg decides it."""
    if frame.jfif:
        return False
    if frame.transform is not None:
        return frame.transform == 0
    return bytes(component.identifier for component in frame.components) == b"RGB"


class Rendered:
    """The rendered pixels of a patch, repeated beyond the picture, as samples of any component."""

    def __init__(self, image: Image.Image, patch: Patch, frame: Frame) -> None:
        self.patch, self.frame = patch, frame
        width, height = (8 * factor for factor in frame.sampling)
        x, y = patch.columns[0] * width, patch.rows[0] * height
        pixels = np.array(image.crop((x, y, x + patch.hidden.shape[1], y + patch.hidden.shape[0])))
        _repeat(pixels, frame.size[0] - x, frame.size[1] - y)
        self.pixels = pixels if pixels.ndim == 3 else pixels[..., None]
        # by the pixels of a sample: components often share these
        self._hidden: dict[tuple[int, int], tuple[Bools, Bools]] = {}
        self._means: dict[tuple[int, int], list[Floats]] = {}

    def replacements(
        self,
        index: int,
        weights: Floats,
        offset: float,
        slots: npt.NDArray[np.intp],
        original: Coefficients,
    ) -> tuple[npt.NDArray[np.intp], Coefficients]:
        """New coefficients of a component's touched data units.

        Parameters
        ----------
        index : int
            The component.
        weights, offset
            Its own, of `colour_weights`.
        slots : int array (rows, columns)
            For each of the patch's data units its row in `original`; negative if the file has none there.
        original : int16 array (n, 64)
            Coefficients as the file has them, in zigzag order.

        Returns
        -------
        (rows, coefficients)
            What is to be written over which rows.
        """
        ratio, divisors = self.frame.ratio(index), self.frame.quantisation[index]
        hidden, touched = self._hidden_samples(ratio)
        chosen = touched & (slots >= 0)
        rows, inside = slots[chosen], hidden[chosen]
        plane = np.full(self._channels(ratio)[0].shape, offset - 128, np.float32)
        for channel, weight in zip(self._channels(ratio), weights, strict=True):
            if weight:
                plane += weight * channel
        samples = _by_unit(plane)[chosen]
        partial = np.flatnonzero(~inside.all(-1))
        if len(partial):
            before = _times(original[rows[partial]] * divisors, _DCT)
            samples[partial] = np.where(inside[partial], samples[partial], before)
        coefficients = np.rint(_times(samples, _DCT.T) / divisors)
        return rows, np.clip(coefficients, -MOST, MOST).astype(np.int16)

    def _hidden_samples(self, ratio: tuple[int, int]) -> tuple[Bools, Bools]:
        """Which samples of each data unit are hidden, and which data units have any."""
        if ratio not in self._hidden:
            hidden = _by_unit(_pooled(self.patch.hidden, *ratio))
            self._hidden[ratio] = hidden, np.logical_or.reduce(hidden, axis=-1)
        return self._hidden[ratio]

    def _channels(self, ratio: tuple[int, int]) -> list[Floats]:
        """Each channel's mean over the pixels that a sample stands for."""
        if ratio not in self._means:
            across, down = ratio
            total = np.zeros((self.pixels.shape[0] // down, self.pixels.shape[1] // across, 1), np.uint16)
            for i, j in np.ndindex(across, down):
                total = total + self.pixels[j::down, i::across]
            means = total.astype(np.float32) / np.float32(across * down)
            self._means[ratio] = [np.ascontiguousarray(means[..., c]) for c in range(means.shape[2])]
        return self._means[ratio]
