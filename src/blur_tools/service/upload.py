"""What of a picture is sent to a service, and what its pixels are in those of the picture."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, cast

from PIL import Image

from blur_tools.detections import Box, Detection, Polygon
from blur_tools.errors import PictureError, TooLargeError
from blur_tools.orientation import box_to_stored, box_to_upright, polygon_to_stored, turn_upright
from blur_tools.picture import Picture

__all__ = ["Upload", "map_boxes", "upload_of"]

QUALITIES = (95, 90, 85, 80, 75)
"""JPEG qualities that are tried, best first, before a picture is made smaller."""

FULL_COLOUR, HALF_COLOUR = 0, 2  # Pillow's names for 4:4:4 and 4:2:0
SMALLEST_SIDE = 32

_UNUSUAL = ("HEIF", "AVIF")
"""Formats that a service need not read: where it only detects it is sent a JPEG, as of 16 bits a channel."""

_CORNERS = {"xmin", "ymin", "xmax", "ymax"}


@dataclass(frozen=True)
class Upload:
    """A file that is sent in place of a picture.

    Attributes
    ----------
    picture : Picture
        The picture that it stands for.
    data : bytes
        The file; upright whatever the picture's orientation tag says.
    name : str
        Its file name.
    size : (width, height)
        Of the file in pixels.
    warnings : tuple of str
        What a person should know.
    """

    picture: Picture
    data: bytes
    name: str
    size: tuple[int, int]
    warnings: tuple[str, ...] = ()

    @property
    def is_original(self) -> bool:
        """Whether the pixels sent are those of the picture, at their place."""
        return self.picture.orientation == 1 and self.size == self.picture.size

    def sent_box(self, box: Box) -> Box:
        """A box of the stored picture in pixels of the file."""
        upright = box_to_upright(box, self.picture.size, self.picture.orientation)
        return cast("Box", tuple(value * scale for value, scale in zip(upright, 2 * self._scale, strict=True)))

    def upright_polygon(self, polygon: Polygon) -> Polygon:
        """A polygon of the file in pixels of the upright picture."""
        x_scale, y_scale = self._scale
        return cast("Polygon", tuple((x / x_scale, y / y_scale) for x, y in polygon))

    def stored(self, detection: Detection) -> Detection:
        """A detection in the file as one in the stored picture, the boxes in its ``result`` included."""
        if self.is_original:
            return detection
        upright = self.upright_polygon(detection.polygon)
        polygon = polygon_to_stored(upright, self.picture.size, self.picture.orientation)
        return Detection(
            detection.kind,
            polygon,
            detection.score,
            detection.source,
            detection.keep,
            map_boxes(detection.result, self._stored_box),
        )

    def upright_box(self, box: Box) -> Box:
        """A box of the file in pixels of the upright picture."""
        return cast("Box", tuple(value / scale for value, scale in zip(box, 2 * self._scale, strict=True)))

    def _stored_box(self, box: Box) -> Box:
        return box_to_stored(self.upright_box(box), self.picture.size, self.picture.orientation)

    @property
    def _scale(self) -> tuple[float, float]:
        width, height = self.picture.upright_size
        return self.size[0] / width, self.size[1] / height


def upload_of(picture: Picture, limit: int | None = None, *, keep_format: bool = False) -> Upload:
    """The file to send for a picture.

    The picture's own file, where it lies upright, within the limit and in a format that services read. Else a JPEG of
    its upright pixels, of the highest quality that fits, and made smaller only when none does.

    Parameters
    ----------
    picture : Picture
        Decoded.
    limit : int, optional
        Most bytes of the file.
    keep_format : bool
        The service renders: its picture must come back in the format of the original and at full size.

    Raises
    ------
    TooLargeError
        With `keep_format`: the picture is over the limit.
    PictureError
        It cannot be encoded, or, with `keep_format`, need not come back with all its bits.
    """
    data = picture.source.data
    if keep_format and picture.deep is not None:
        reason = 'has 16 bits a channel, of which a service may give 8 back; render="local" keeps them'
        raise PictureError(picture.source.origin, reason)
    usual = keep_format or (picture.format.name not in _UNUSUAL and picture.deep is None)
    if picture.orientation == 1 and usual and (limit is None or len(data) <= limit):
        return Upload(picture, data, picture.source.name, picture.size)
    if keep_format:
        return _same_format(picture, limit)
    name = f"{PurePath(picture.source.name).stem}.jpg"
    width, height = size = picture.upright_size
    shrink, view = 1.0, picture.view(size)
    while True:
        for quality in QUALITIES:
            data = _jpeg(view, quality)
            if limit is None or len(data) <= limit:
                return Upload(picture, data, name, view.size, _said(picture, limit, view.size, quality))
        # bytes fall a little slower than pixels
        shrink *= min(0.9, math.sqrt(cast("int", limit) / len(data)))
        if min(width, height) * shrink < SMALLEST_SIDE:
            raise TooLargeError(picture.source.origin, f"cannot be made to fit into an upload of {limit:,} bytes")
        view = picture.view((round(width * shrink), round(height * shrink)))


def _said(picture: Picture, limit: int | None, size: tuple[int, int], quality: int) -> tuple[str, ...]:
    if limit is None or len(picture.source.data) <= limit:
        return ()
    what = f"as a JPEG of quality {quality}"
    if size != picture.upright_size:
        what += " and at a smaller size"
    return (f"over the upload limit of {limit:,} bytes: sent {what}, for detection only",)


def _jpeg(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling=FULL_COLOUR if quality > 90 else HALF_COLOUR)
    return buffer.getvalue()


def _same_format(picture: Picture, limit: int | None) -> Upload:
    data = picture.source.data
    if picture.orientation != 1:
        data = _turned(picture)
    if limit is not None and len(data) > limit:
        reason = f'{len(data):,} bytes; the upload limit is {limit:,}; render="local" keeps its quality and needs less'
        raise TooLargeError(picture.source.origin, reason)
    warning = "was sent upright and without its metadata; the service's picture lies upright"
    return Upload(picture, data, picture.source.name, picture.upright_size, (warning,))


_TURNED: Mapping[str, dict[str, Any]] = {
    "JPEG": {"quality": QUALITIES[0], "subsampling": FULL_COLOUR},
    "PNG": {"compress_level": 1},
    "WEBP": {"quality": QUALITIES[0]},
}


def _turned(picture: Picture) -> bytes:
    image = turn_upright(picture.image, picture.orientation)
    image.info = {}
    options = dict(_TURNED.get(picture.format.name, {}))
    if profile := picture.info.get("icc_profile"):  # without it the numbers would mean other colours
        options["icc_profile"] = profile
    buffer = io.BytesIO()
    try:
        image.save(buffer, picture.format.name, **options)
    except (OSError, ValueError) as error:
        raise PictureError(picture.source.origin, f"cannot be turned upright for the service: {error}") from error
    return buffer.getvalue()


def map_boxes(value: Any, change: Callable[[Box], Box]) -> Any:
    """JSON with every ``{"xmin", "ymin", "xmax", "ymax"}`` in it changed, wherever a service puts them."""
    if isinstance(value, Mapping):
        done = {key: map_boxes(item, change) for key, item in value.items()}
        if done.keys() >= _CORNERS and all(isinstance(done[key], int | float) for key in _CORNERS):
            xmin, ymin, xmax, ymax = change((done["xmin"], done["ymin"], done["xmax"], done["ymax"]))
            done |= {
                "xmin": math.floor(xmin), "ymin": math.floor(ymin), "xmax": math.ceil(xmax), "ymax": math.ceil(ymax)
            }  # fmt: skip
        return done
    return [map_boxes(item, change) for item in value] if isinstance(value, list) else value
