"""Block-lossless JPEG: only the MCUs that a mask touches are coded anew, all others keep their bits.

The compressed data is followed code by code to find where MCUs begin. What lies outside the touched ones is copied bit
by bit; inside, data units that no mask touches keep their coefficients, and the others get those of the rendered pixels
(`_jpeg_blocks`), coded with the file's own tables. Behind a touched MCU one DC difference of each component is coded
anew, because the DC before it changed. Sequential Huffman pictures of 8 bits are handled, in one scan or several.

If a table lacks a code that is needed (programs that optimise tables leave unused ones out), it is added behind the
existing ones, which keep theirs; where there is no room for it, the new data units become the nearest that have codes.

Bits between the last code and the end of the compressed data are not copied: anything could hide there.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from PIL import Image

from blur_tools.redaction._jpeg_blocks import patches, replace_units, touched_units
from blur_tools.redaction._jpeg_markers import (
    PROCESSES,
    PROGRESSIVE_HUFFMAN,
    Frame,
    JpegError,
    NotFollowed,
    Segment,
    check_scans,
    read_frame,
)
from blur_tools.redaction.masks import Region

__all__ = ["redacted_scans", "scan_module"]


def redacted_scans(data: bytes, image: Image.Image, regions: Sequence[Region]) -> list[tuple[Segment, memoryview]]:
    """The scans of a JPEG file with the rendered pixels in the regions.

    Parameters
    ----------
    data : bytes
        The file.
    image : PIL.Image.Image
        Its pixels as Pillow decodes them, rendered in the regions.
    regions : sequence of Region
        What is hidden; nothing gives the scans as they are, without what hides between and behind their codes.

    Returns
    -------
    list of (Segment, memoryview)
        For `metadata.clean_jpeg`: each scan of the file, and what takes its place, its segment with its compressed
        data, where needed a table before it.

    Raises
    ------
    NotFollowed
        Files of this kind are not done here.
    JpegError
        The file is damaged, or cannot be done; the text says why.
    """
    frame = read_frame(data)
    if frame.size != image.size:
        raise JpegError("its header is read in two ways")
    scans = scan_module(frame, bool(regions))
    try:
        if frame.process == PROGRESSIVE_HUFFMAN:
            new: list[memoryview] = scans.measured(data, frame)
        else:
            new = _spliced(scans, data, frame, image, regions)
        return list(zip((scan.segment for scan in frame.scans), new, strict=True))
    except IndexError as error:  # the compiled loops' check of bounds
        raise JpegError(scans.DAMAGED) from error


def scan_module(frame: Frame, hiding: bool) -> ModuleType:
    """The module that follows codes; it is loaded here, since compiled loops are slow to load.

    Raises
    ------
    NotFollowed
        It cannot follow these, or numba is missing or does not work.
    JpegError
        They do not go together.
    """
    check_scans(frame)
    sequential = frame.process in (0xC0, 0xC1)
    if not (sequential or (frame.process == PROGRESSIVE_HUFFMAN and not hiding)) or frame.precision != 8:
        raise NotFollowed(f"it is {PROCESSES.get(frame.process, 'differential')}")
    if sequential:
        members = sorted(index for scan in frame.scans for index in scan.members)
        if members != list(range(len(frame.components))):
            raise JpegError("a component is in no scan")
        if any(scan.spectral != (0, 63, 0, 0) for scan in frame.scans):
            raise JpegError("a scan of a part of the coefficients")
    try:
        from blur_tools.redaction import _jpeg_scans
    except ImportError as error:
        raise NotFollowed("numba is not installed") from error
    except Exception as error:  # whatever a numba that is broken, or does not go with this numpy, raises
        raise NotFollowed(f"the loops that follow it cannot be compiled: {type(error).__name__}: {error}") from error
    return _jpeg_scans


def _spliced(module: Any, data: bytes, frame: Frame, image: Image.Image, regions: Sequence[Region]) -> list[memoryview]:
    found = patches(regions, frame)
    touched = [touched_units(found, frame, index) for index in range(len(frame.components))]
    scans = [module.SequentialScan(data, frame, scan, touched) for scan in frame.scans]
    holders = {index: scan for scan in scans for index in scan.scan.members}
    replace_units(image, found, frame, [holders[index] for index in range(len(frame.components))])
    return [scan.rewritten(data) for scan in scans]
