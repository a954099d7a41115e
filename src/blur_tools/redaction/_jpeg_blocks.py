"""New coefficients for the data units that a mask touches, from rendered pixels (ITU-T T.81, A.3.3 and A.3.4).

Each component is treated at its own sampling. A sample is hidden if any pixel that it stands for is; it then takes its
value from the rendered pixels. The others of its data unit keep what the file's own coefficients say, unrounded, so
that a unit that is touched at one corner stays what it was as far as its quantisation allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops

from blur_tools.redaction._jpeg_markers import Frame, JpegError
from blur_tools.redaction.masks import Region

__all__ = ["ZIGZAG", "Bools", "Holder", "Patch", "patch_of", "patches", "replace_units", "touched_units"]

Array = npt.NDArray[np.generic]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Slots = npt.NDArray[np.intp]
T = TypeVar("T", bound=np.generic)
Coefficients = npt.NDArray[np.int16]

ZIGZAG = np.array(
    sorted(range(64), key=lambda k: (k // 8 + k % 8, k % 8 if (k // 8 + k % 8) % 2 == 0 else k // 8)), np.intp
)
"""Position in a data unit, row by row, of each coefficient in zigzag order."""

MOST = 1023
"""Largest coefficient of 8-bit pictures: what baseline tables can code."""

MIDDLE = 128
"""The sample that a coefficient of zero stands for (A.3.1)."""


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
    whole = len(rows) // size * size
    product = np.empty_like(rows)
    np.matmul(rows[:whole].reshape(-1, size, 64), matrix, out=product[:whole].reshape(-1, size, 64))
    if whole < len(rows):
        np.matmul(rows[whole:], matrix, out=product[whole:])
    return product


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
    # by the pixels of a sample: components often share these
    _units: dict[tuple[int, int], Units] = field(default_factory=dict, repr=False)

    def units(self, ratio: tuple[int, int]) -> Units:
        """What is hidden of a component one of whose samples stands for so many pixels, across and down."""
        if ratio not in self._units:
            self._units[ratio] = Units.of(_pooled(self.hidden, *ratio))
        return self._units[ratio]


@dataclass(frozen=True)
class Units:
    """What is hidden of a patch's data units.

    Attributes
    ----------
    hidden : bool array
        Its samples.
    touched, whole : bool arrays
        For each data unit whether any sample is hidden, and whether all are.
    """

    hidden: Bools
    touched: Bools
    whole: Bools

    @classmethod
    def of(cls, hidden: Bools) -> Units:
        """From the samples; whole data units."""
        # eight samples in a row as one number
        eights = hidden.view(np.uint64).reshape(len(hidden) // 8, 8, -1)
        touched, whole = np.bitwise_or.reduce(eights, axis=1), np.bitwise_and.reduce(eights, axis=1)
        return cls(hidden, touched != 0, whole == _ALL)


_ALL = np.ones(8, np.bool_).view(np.uint64)[0]


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
    if across in (2, 4):  # as one number, which is quicker
        several: Bools = rows.view(f"u{across}") != 0
        return several
    pooled = rows[:, ::across]
    for i in range(1, across):
        pooled = pooled | rows[:, i::across]
    return np.ascontiguousarray(pooled)


def _by_unit(plane: npt.NDArray[T], chosen: Bools) -> npt.NDArray[T]:
    """The 64 samples, of a byte each, of the chosen data units."""
    rows, columns = chosen.shape
    eights = plane.view(np.uint64).reshape(rows, 8, columns).swapaxes(1, 2)
    return eights[chosen].view(plane.dtype).reshape(-1, 64)


def _place(patch: Patch, frame: Frame, index: int) -> tuple[slice, slice]:
    """Where a patch lies among a component's data units."""
    component = frame.components[index]
    (top, bottom), (left, right) = patch.rows, patch.columns
    return (
        slice(top * component.vertical, bottom * component.vertical),
        slice(left * component.horizontal, right * component.horizontal),
    )


def patch_of(grid: Slots, patch: Patch, frame: Frame, index: int) -> Slots:
    """A patch's part of a grid over a component's data units; -1 where the grid ends before the last MCU does."""
    place = _place(patch, frame, index)
    part = grid[place]
    room = [(0, wanted.stop - wanted.start - size) for wanted, size in zip(place, part.shape, strict=True)]
    return np.pad(part, room, constant_values=-1) if any(behind for _, behind in room) else part


def touched_units(found: Sequence[Patch], frame: Frame, index: int) -> Bools:
    """For each data unit of a component, those that fill up MCUs included, whether a mask touches it."""
    component, (rows, columns) = frame.components[index], frame.mcus
    touched = np.zeros((rows * component.vertical, columns * component.horizontal), np.bool_)
    for patch in found:
        touched[_place(patch, frame, index)] |= patch.units(frame.ratio(index)).touched
    return touched


# --- the samples of rendered pixels ----------------------------------------------------------------------------------

_LUMINANCE = (0.299, 0.587, 0.114, 0.0)
_COLOUR = (_LUMINANCE, (-0.168735892, -0.331264108, 0.5, 128.0), (0.5, -0.418687589, -0.081312411, 128.0))
"""Y, Cb and Cr: what red, green and blue count in them, and what is added (T.871, 7)."""


def _colour_model(frame: Frame, mode: str) -> str:
    """What a file's components are of the pixels that Pillow decodes it to: a mode, or ``YCbCr`` or ``YCCK``.

    Raises
    ------
    JpegError
        It has other channels than `mode`.
    """
    count = len(frame.components)
    if {1: "L", 3: "RGB", 4: "CMYK"}.get(count) != mode:
        raise JpegError(f"{count} components, decoded as {mode}")
    if count == 3:
        return "RGB" if _is_rgb(frame) else "YCbCr"
    return mode if count == 1 or not frame.transform else "YCCK"


def _is_rgb(frame: Frame) -> bool:
    """Whether three components are red, green and blue, as libjpeg decides it."""
    if frame.jfif:
        return False
    if frame.transform is not None:
        return frame.transform == 0
    return bytes(component.identifier for component in frame.components) == b"RGB"


class _Pixels:
    """The rendered pixels of a patch, repeated beyond the picture, as samples of any component."""

    def __init__(self, image: Image.Image, patch: Patch, frame: Frame) -> None:
        self.frame, self.model = frame, _colour_model(frame, image.mode)
        width, height = (8 * factor for factor in frame.sampling)
        x, y = patch.columns[0] * width, patch.rows[0] * height
        pixels = image.crop((x, y, x + patch.hidden.shape[1], y + patch.hidden.shape[0]))
        if x + pixels.width > image.width or y + pixels.height > image.height:
            values = np.array(pixels)
            _repeat(values, image.width - x, image.height - y)
            pixels = Image.fromarray(values, image.mode)
        # by the pixels of a sample
        self._means = {(1, 1): pixels}

    def samples(self, index: int) -> npt.NDArray[np.uint8]:
        """A component's: of the mean of the pixels that each stands for, as encoders take it."""
        ratio = self.frame.ratio(index)
        if ratio not in self._means:
            self._means[ratio] = self._means[1, 1].reduce(ratio)
        return np.asarray(self._component(self._means[ratio], index))

    def _component(self, pixels: Image.Image, index: int) -> Image.Image:
        if index < 3 and self.model in ("YCbCr", "YCCK"):
            colours = Image.merge("RGB", pixels.split()[:3]) if self.model == "YCCK" else pixels
            return colours.convert("L", _COLOUR[index])
        channel = pixels.getchannel(index)
        # Pillow inverts all four, as Adobe's programs write them
        return ImageChops.invert(channel) if pixels.mode == "CMYK" else channel


# --- their coefficients ----------------------------------------------------------------------------------------------


class Holder(Protocol):
    """What holds the coefficients of a component.

    Attributes
    ----------
    original, replaced : int16 arrays (data units, 64)
        As the file has them and as they will be written, in zigzag order.
    """

    original: Coefficients
    replaced: Coefficients

    def slots(self, index: int, patch: Patch) -> Slots:
        """For a patch's data units of a component: their rows in `original`, negative if they have none."""


def replace_units(image: Image.Image, found: Sequence[Patch], frame: Frame, holders: Sequence[Holder]) -> None:
    """Write over all touched data units what the rendered pixels make of them.

    Parameters
    ----------
    image : PIL.Image.Image
        The picture as Pillow decodes it, rendered in the regions.
    found : sequence of Patch
        What is hidden.
    frame : Frame
        Of the file.
    holders : sequence of Holder
        Of each component.

    Raises
    ------
    JpegError
        The file has other channels than the image.
    """
    new = [_NewUnits(holder, frame.quantisation[index]) for index, holder in enumerate(holders)]
    for patch in found:
        pixels = _Pixels(image, patch, frame)
        for index, units in enumerate(new):
            units.add(patch.units(frame.ratio(index)), holders[index].slots(index, patch), pixels.samples(index))
    for units in new:
        units.finish()


class _NewUnits:
    """Touched data units of one component, gathered from many small patches: every step costs the same for each."""

    def __init__(self, holder: Holder, divisors: Floats) -> None:
        self.holder = holder
        self.forward = np.ascontiguousarray(_DCT.T / divisors)
        self.inverse = divisors[:, None] * _DCT
        self.count = 0
        self.rows: list[Slots] = []
        self.samples: list[npt.NDArray[np.uint8]] = []
        self.whole: list[Bools] = []
        self.inside: list[Bools] = []

    def add(self, units: Units, slots: Slots, samples: npt.NDArray[np.uint8]) -> None:
        """Those of a patch."""
        chosen = units.touched & (slots >= 0)
        whole = units.whole[chosen]
        self.rows.append(slots[chosen])
        self.samples.append(_by_unit(samples, chosen))
        self.whole.append(whole)
        self.inside.append(_by_unit(units.hidden, chosen & ~units.whole))
        self.count += len(whole)
        if self.count > BAND // 64:
            self.finish()

    def finish(self) -> None:
        """Write what was gathered."""
        if not self.count:
            return
        rows = np.concatenate(self.rows)
        samples = np.subtract(np.concatenate(self.samples), MIDDLE, dtype=np.float32)
        partial = np.flatnonzero(~np.concatenate(self.whole))
        before = _times(self.holder.original[rows[partial]].astype(np.float32), self.inverse)
        samples[partial] = np.where(np.concatenate(self.inside), samples[partial], before)
        coefficients = _times(samples, self.forward)
        np.rint(coefficients, out=coefficients)
        self.holder.replaced[rows] = np.clip(coefficients, -MOST, MOST, out=coefficients)
        self.count, self.rows, self.samples, self.whole, self.inside = 0, [], [], [], []
