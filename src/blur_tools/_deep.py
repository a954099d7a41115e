"""Pixels of more than 8 bits a channel: of PNG and TIFF exactly as the file has them, of HEIC as it is decoded.

Pillow has no image of 16-bit colours: it drops the low byte of each sample while it decodes. Its decoders take the
name of a layout, though, and there are layouts that take the first and layouts that take the second byte of each
sample. So a file is decoded twice, by the same tried code, once for each half.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, TiffImagePlugin

from blur_tools._formats import Format

__all__ = ["MODES", "Deep", "deep_layout", "read_deep"]

Deep = npt.NDArray[np.uint16]
"""Stored pixels ``(h, w)`` or ``(h, w, channels)``."""

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
"""The mode of 8 bits with as many channels."""

_PNG_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
_OPPOSITE = {"RGB;16B": "RGB;16L", "RGB;16L": "RGB;16B", "RGBA;16B": "RGBA;16L", "RGBA;16L": "RGBA;16B"}

BITS, PHOTOMETRIC, EXTRA, FORMAT, PLANES, FILL_ORDER = 258, 262, 338, 339, 284, 266
_GRAY, _RGB = 1, 2
_UNASSOCIATED = (2,)  # alpha that the colours are not multiplied with


def deep_layout(kind: Format, image: Image.Image, data: bytes) -> int | None:
    """Channels of a file of samples of more than 8 bits that `read_deep` can read; None if it cannot."""
    if kind.name == "PNG":
        return _PNG_CHANNELS.get(data[25]) if data[24] == 16 else None
    if kind.name == "HEIF":
        return {"RGB": 3, "RGBA": 4}.get(image.mode)
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return None
    tags = image.tag_v2
    bits, extra = tuple(tags.get(BITS, ())), tuple(tags.get(EXTRA, ()))
    plain = set(tags.get(FORMAT, (1,))) == {1} and tags.get(PLANES, 1) == 1 and tags.get(FILL_ORDER, 1) == 1
    if set(bits) != {16} or not plain:
        return None
    known: dict[Any, int] = {(_GRAY, 1, ()): 1, (_RGB, 3, ()): 3, (_RGB, 4, _UNASSOCIATED): 4}
    return known.get((tags.get(PHOTOMETRIC), len(bits), extra))


def read_deep(
    kind: Format, image: Image.Image, data: bytes, channels: int, decoded: Callable[[Image.Image], Image.Image]
) -> tuple[Image.Image, Deep]:
    """Decode a file that `deep_layout` has looked at.

    Parameters
    ----------
    kind : Format
        PNG, TIFF or HEIF.
    image : PIL.Image.Image
        The file, opened.
    data : bytes
        The file.
    channels : int
        What `deep_layout` gave.
    decoded : callable
        Decodes an opened file to pixels as they are stored.

    Returns
    -------
    PIL.Image.Image
        The same in 8 bits (the high byte of each sample), of the mode that `MODES` names.
    array
        Of uint16.
    """
    if kind.name == "HEIF":
        pixels = _heif(data)
    elif channels == 1:
        pixels = np.asarray(decoded(image)).astype(np.uint16)
    elif channels == 2:
        pixels = _gray_alpha(image, decoded)
    else:
        pixels = np.asarray(decoded(image)).astype(np.uint16)
        pixels <<= np.uint16(8)
        pixels |= np.asarray(decoded(_for_low_bytes(kind.open(io.BytesIO(data)))))
    if (key := image.info.get("transparency")) is not None and channels in (1, 3):
        pixels = _with_alpha(pixels, key)
    shape = (*pixels.shape, 1)[:3]
    if shape[2] not in MODES or (shape[2] != channels and shape[2] != channels + 1):
        raise ValueError(f"{channels} channels, decoded as {pixels.shape}")
    return Image.fromarray((pixels >> 8).astype(np.uint8)), pixels


def _heif(data: bytes) -> Deep:
    """10 or 12 bits, moved up to 16."""
    from pillow_heif import open_heif

    return np.array(open_heif(data, convert_hdr_to_8bit=False), np.uint16)


def _for_low_bytes(image: Any) -> Image.Image:
    """An opened file, to be decoded to the bytes of its samples that Pillow drops."""
    image.tile = [tile._replace(args=_opposite(tile.args)) for tile in image.tile]
    return image  # type: ignore[no-any-return]


def _opposite(args: Any) -> Any:
    """A decoder's arguments, with the layout that takes the other byte of each sample."""
    if isinstance(args, str):
        return _OPPOSITE[args]
    raw = args[0]
    native = raw[:-1] + ("B" if sys.byteorder == "little" else "L")  # behind libtiff: in this machine's order
    return (native if raw.endswith(";16N") else _OPPOSITE[raw], *args[1:])


def _gray_alpha(image: Any, decoded: Callable[[Image.Image], Image.Image]) -> Deep:
    # four bytes a pixel, of which Pillow is told that they are four channels
    image._mode, image.tile = "RGBA", [tile._replace(args="RGBA") for tile in image.tile]
    parts = np.asarray(decoded(image)).astype(np.uint16)
    return parts[..., 0::2] << np.uint16(8) | parts[..., 1::2]


def _with_alpha(pixels: Deep, key: Any) -> Deep:
    """With a channel of alpha in place of the one colour that a PNG calls transparent."""
    same = pixels == np.array(key, np.uint16)
    if pixels.ndim == 3:
        same = same.all(-1)
    alpha = np.where(same, 0, 0xFFFF).astype(np.uint16)
    return np.dstack([pixels, alpha])
