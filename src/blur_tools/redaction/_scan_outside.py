"""Proof that a redacted file shows what its original shows, everywhere but in the regions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from blur_tools.picture import Picture
from blur_tools.redaction._jpeg_blocks import Bools, patches, touched_units
from blur_tools.redaction._jpeg_markers import Frame, JpegError, read_frame
from blur_tools.redaction._scan_inside import bare_part, weaker_intensity
from blur_tools.redaction.jpeg import scan_module
from blur_tools.redaction.masks import PixelBox, Region
from blur_tools.settings import BlurSettings

__all__ = ["Comparison", "compare"]

BAND_UNITS = 1 << 18
"""Data units that are held at once, of each file."""
BAND_ROWS = 256


@dataclass(frozen=True)
class Comparison:
    """How two pictures of the same size compare.

    Attributes
    ----------
    basis : {"blocks", "pixels"}
        What was compared: a JPEG's coefficients, or decoded pixels.
    changed : int
        MCUs or pixels outside the regions (of MCUs, outside those that a region touches) that differ.
    largest : int
        Largest difference of a pixel outside the regions, 0 to 255, of 16 bits a channel 0 to 65535; 0 where blocks
        were compared.
    bare : tuple of (int, (left, top, right, bottom))
        Regions, by their position, of which a part still shows the original, with where that is.
    weaker : tuple of (int, int)
        Other regions that were hidden by a lower intensity than the settings say, as they look, with it.
    """

    basis: str
    changed: int
    largest: int = 0
    bare: tuple[tuple[int, PixelBox], ...] = ()
    weaker: tuple[tuple[int, int], ...] = ()

    @property
    def same(self) -> bool:
        """Whether everything outside the regions is as it was."""
        return self.changed == 0


def compare(before: Picture, after: Picture, regions: Sequence[Region], settings: BlurSettings) -> Comparison:
    """Compare a redacted picture with its original; both have the same size. `settings` say how strong to hide.

    JPEGs of the same coding are compared by their coefficients, block by block, all others by their pixels. Of a JPEG
    that cannot be followed here, pixels within one MCU around the touched ones are left out: decoders smooth colour
    over the border between blocks.
    """
    parts = ((number, bare_part(before, after, region, settings)) for number, region in enumerate(regions))
    bare = tuple((number, part) for number, part in parts if part is not None)
    shown = {number for number, _ in bare}
    looks = (
        (number, weaker_intensity(before, after, region, settings))
        for number, region in enumerate(regions)
        if number not in shown
    )
    weaker = tuple((number, intensity) for number, intensity in looks if intensity is not None)
    frame: Frame | None = None
    if before.format.name == after.format.name == "JPEG":
        try:
            frame = read_frame(before.source.data)
            changed = _differing_mcus(before.source.data, after.source.data, frame, regions)
            return Comparison("blocks", changed, bare=bare, weaker=weaker)
        except JpegError:
            pass
    mask = _hidden(before.size, regions, frame)
    changed, largest = 0, 0
    for difference, hidden in _differences(before, after, mask):
        outside = np.where(hidden, 0, difference)
        changed, largest = changed + int(np.count_nonzero(outside)), max(largest, int(outside.max()))
    return Comparison("pixels", changed, largest, bare, weaker)


def _differing_mcus(before: bytes, after: bytes, frame: Frame, regions: Sequence[Region]) -> int:
    """MCUs that no region touches and whose coefficients differ.

    Raises
    ------
    JpegError
        The two are coded in different ways, or in one that is not followed.
    """
    other = read_frame(after)
    module = scan_module(frame, True)
    if not _same_coding(frame, other):
        raise JpegError("they are coded in different ways")
    found = patches(regions, frame)
    touched = [touched_units(found, frame, index) for index in range(len(frame.components))]
    changed = 0
    try:
        for scan, second in zip(frame.scans, other.scans, strict=True):
            for wanted in _bands(frame):
                left = module.SequentialScan(before, frame, scan, wanted)
                right = module.SequentialScan(after, other, second, wanted)
                differ = (left.coefficients != right.coefficients).any((1, 2))
                free = ~left.mcus_of(touched)[left.mcus_of(wanted)]
                changed += int((differ & free).sum())
    except IndexError as error:  # the compiled loops' check of bounds
        raise JpegError(module.DAMAGED) from error
    return changed


def _same_coding(frame: Frame, other: Frame) -> bool:
    if (frame.process, frame.size, frame.components) != (other.process, other.size, other.components):
        return False
    if [scan.members for scan in frame.scans] != [scan.members for scan in other.scans]:
        return False
    return all(np.array_equal(frame.quantisation[i], other.quantisation[i]) for i in range(len(frame.components)))


def _bands(frame: Frame) -> Iterator[list[Bools]]:
    """Parts of the picture, each as the data units of all components that lie in it."""
    rows, columns = frame.mcus
    units = columns * sum(component.units for component in frame.components)
    step = max(1, BAND_UNITS // units)
    for first in range(0, rows, step):
        wanted = []
        for component in frame.components:
            band = np.zeros((rows * component.vertical, columns * component.horizontal), np.bool_)
            band[first * component.vertical : (first + step) * component.vertical] = True
            wanted.append(band)
        yield wanted


def _hidden(size: tuple[int, int], regions: Sequence[Region], frame: Frame | None) -> Bools:
    """The pixels that may differ; with a `frame` its touched MCUs, and one more around them."""
    width, height = size
    mask = np.zeros((height, width), np.bool_)
    for region in regions:
        left, top, right, bottom = region.box
        mask[top:bottom, left:right] |= np.asarray(region.mask) > 0
        if frame is not None:
            across, down = (8 * factor for factor in frame.sampling)
            rows = slice(max(0, top // down - 1) * down, (-(-bottom // down) + 1) * down)
            columns = slice(max(0, left // across - 1) * across, (-(-right // across) + 1) * across)
            mask[rows, columns] = True
    return mask


def _differences(before: Picture, after: Picture, mask: Bools) -> Iterator[tuple[npt.NDArray[np.int32], Bools]]:
    """The largest difference of each pixel over its channels, in bands of rows, with the mask's."""
    mode = before.image.mode if before.image.mode == after.image.mode else "RGBA"
    deep = before.deep is not None and after.deep is not None and before.deep.shape == after.deep.shape
    for top in range(0, before.size[1], BAND_ROWS):
        bottom = min(top + BAND_ROWS, before.size[1])
        old, new = (_band(picture, top, bottom, mode, deep) for picture in (before, after))
        yield np.abs(old - new).max(-1), mask[top:bottom]


def _band(picture: Picture, top: int, bottom: int, mode: str, deep: bool) -> npt.NDArray[np.int32]:
    if deep and picture.deep is not None:
        pixels = picture.deep[top:bottom].astype(np.int32)
    else:
        pixels = np.asarray(picture.image.crop((0, top, picture.size[0], bottom)).convert(mode)).astype(np.int32)
    return pixels if pixels.ndim == 3 else pixels[..., None]
