"""Our own sample scenes, made by code: streets with cars and persons, and the truth about where they are.

For the demonstration, the documentation and the tests, so that nobody else's picture has to travel with the package.
The one photograph in them is the portrait of Eileen Collins (NASA, public domain) that scikit-image carries; the
plates are invented. The files are as mixed as real data sets are: see `scenes`.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image, ImageDraw

from blur_tools._scenes.cars import Car, Plate, paint_car
from blur_tools._scenes.people import paint_billboard, paint_person, paint_poster
from blur_tools._scenes.stage import DRAWN_AT, Light, Stage
from blur_tools._scenes.street import (
    paint_end,
    paint_ground,
    paint_hedge,
    paint_row,
    paint_shelter,
    paint_sky,
    paint_tree,
)
from blur_tools.detections import Detections
from blur_tools.orientation import polygon_to_stored, turn_stored

__all__ = ["Scene", "scenes", "write_scenes"]


@dataclass(frozen=True)
class Scene:
    """One sample picture.

    Parameters
    ----------
    name : str
        File name.
    data : bytes
        The encoded file.
    truth : Detections
        What is in it, in pixels of the stored picture, each polygon clockwise from the object's own top left;
        a plate's text is in ``result["plate"]``, in lower case as the services give it.
    """

    name: str
    data: bytes
    truth: Detections


@lru_cache(maxsize=1)
def scenes() -> tuple[Scene, ...]:
    """The sample scenes, the same bytes at every call.

    In order: a JPEG with a thumbnail and a GPS position in its EXIF, a large JPEG, a dusky JPEG, a JPEG that is
    stored lying on its side (orientation tag 6), a PNG with transparent corners, a grey JPEG, and a street with
    neither plate nor face.

    Returns
    -------
    tuple of Scene
    """
    return tuple(Scene(name, *encode(painter())) for name, (_, painter, encode) in _RECIPES.items())


def write_scenes(folder: str | Path) -> list[Path]:
    """Write the sample scenes into a small tree of folders.

    Parameters
    ----------
    folder : str or Path
        Where to; it is made if need be.

    Returns
    -------
    list of Path
        The files, in the order of `scenes`.
    """
    paths = []
    for scene in scenes():
        path = Path(folder) / _RECIPES[scene.name][0] / scene.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(scene.data)
        paths.append(path)
    return paths


# ---- the scenes: each painter lists what stands in it from far to near

WHITE, SILVER, RED, BLUE = (226, 228, 230), (168, 172, 178), (168, 30, 34), (34, 66, 128)
GREEN, BLACK, YELLOW, TEAL = (58, 74, 62), (44, 46, 52), (226, 176, 44), (28, 104, 112)
DUSK = Light((58, 66, 112), (236, 178, 142), (0.98, 0.92, 0.9), 100.0, 0.9, -0.12, 0.45, True)
OVERCAST = Light((150, 160, 172), (206, 210, 214), (0.98, 0.98, 1.0), 90.0, 0.5, 0.06)
WARM = Light((98, 150, 206), (240, 226, 204), (1.0, 0.97, 0.9), 130.0, 0.7, -0.24)


def _street(
    stage: Stage, *, road: float = 3.6, walk: float = 6.4, end: float = 80, trees: Sequence[float] = (46, 32, 21)
) -> None:
    paint_sky(stage)
    paint_ground(stage, road, walk)
    paint_end(stage, end)
    for side in (-1, 1):
        paint_row(stage, side, side * walk, 2.6, end - 6)
    for z in trees:
        paint_tree(stage, -road - 1.0, z, 6.4)
        paint_tree(stage, road + 1.0, z + 3, 6.6)


def _two_cars() -> Stage:
    stage = Stage((1440, 960), Light(), 11, eye=(2.0, 1.7), horizon=0.48, focal=0.95)
    _street(stage)
    paint_person(stage, 4.3, 5.5)
    paint_hedge(stage, 3.68, 6.2, 5.2, 0.95)
    paint_car(stage, Car("sedan", RED, Plate("eu", "KA RL 482"), -1.9, 9.2, -4, front=True))
    paint_car(stage, Car("hatch", SILVER, Plate("eu", "B MX 1907"), 1.4, 6.2))
    return stage


def _avenue() -> Stage:
    stage = Stage((1920, 1280), WARM, 8, eye=(1.4, 1.8), horizon=0.48, focal=0.95)
    _street(stage, road=5.2, walk=8.2, trees=(50, 38, 28))
    paint_billboard(stage, -5.1, 2.2, 16.0, wide=3.2, turn=0.8)
    paint_car(stage, Car("van", WHITE, Plate("us", "8TRK204"), 4.1, 9.4))
    paint_person(stage, 6.2, 9.6, jacket=(60, 74, 104), flip=True)
    paint_hedge(stage, 5.4, 8.0, 9.2, 0.95)
    paint_car(stage, Car("suv", BLUE, Plate("us", "6LWN731"), -1.55, 7.7, -3, front=True))
    paint_car(stage, Car("sedan", YELLOW, Plate("us", "4CAB118"), 1.6, 6.2))
    return stage


def _evening() -> Stage:
    stage = Stage((1200, 800), DUSK, 26, eye=(1.4, 1.6), focal=1.0)
    _street(stage, trees=(52, 36))
    paint_poster(stage, 4.7, 0.45, 8.0, turn=0.3)
    paint_car(stage, Car("hatch", WHITE, Plate("br", "QXA4F27"), -1.6, 8.2, -4, front=True))
    paint_car(stage, Car("suv", TEAL, Plate("br", "RIO2B19"), 1.5, 5.8, 3))
    return stage


def _bus_stop() -> Stage:
    stage = Stage((960, 1280), OVERCAST, 33, eye=(2.6, 1.7), horizon=0.51, focal=1.25)
    _street(stage)
    paint_shelter(stage, 3.75, 5.6, 7.0, 10.5)
    paint_poster(stage, 4.68, 0.38, 7.0, wide=1.25)
    paint_car(stage, Car("hatch", GREEN, Plate("uk", "LK19 VRW"), 2.0, 5.4))
    return stage


def _car_park() -> Stage:
    stage = Stage((1080, 720), Light(), 47, eye=(0.0, 1.72), horizon=0.48, focal=0.9)
    paint_sky(stage)
    paint_ground(stage, 40, 60, dashes=False)
    paint_end(stage, 60)
    for x in range(-18, 19, 4):
        paint_tree(stage, x + 0.7, 24, 5.6)
    paint_hedge(stage, -14, 14, 17, 1.1)
    for line in (-2.7, 0.2, 3.1):
        bay = [(line, 0, 5.5), (line + 0.1, 0, 5.5), (line + 0.1, 0, 11), (line, 0, 11)]
        stage.fill(bay, (214, 212, 206))
    paint_car(stage, Car("suv", RED, Plate("two", "HH KM274"), -1.05, 6.6, -3))
    paint_car(stage, Car("sedan", BLUE, Plate("two", "ZG 583AB"), 1.75, 6.2, 3, front=True))
    paint_person(stage, -1.0, 2.7)
    return stage


def _camera_7() -> Stage:
    stage = Stage((1152, 768), replace(OVERCAST, clouds=0.8), 61, eye=(0.8, 3.0), horizon=0.22, focal=1.1)
    _street(stage)
    paint_person(stage, 4.6, 10.4, jacket=(70, 70, 74))
    paint_hedge(stage, 3.9, 6.2, 10.0, 0.95)
    paint_car(stage, Car("van", WHITE, Plate("eu", "WI 640 CD"), 1.7, 9.8))
    paint_car(stage, Car("sedan", BLACK, Plate("eu", "NE 25 KT"), -1.7, 7.9, -4, front=True))
    return stage


def _empty_street() -> Stage:
    stage = Stage((1080, 720), Light(clouds=0.6), 73, eye=(0.8, 1.7))
    _street(stage, trees=(44, 30, 20, 13))
    paint_hedge(stage, 3.9, 6.0, 7.4, 0.9)
    return stage


# ---- the files


def _save(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def _jpeg(stage: Stage) -> tuple[bytes, Detections]:
    return _save(stage.finish(), "JPEG", quality=90), Detections(stage.truth)


def _telltale_jpeg(stage: Stage) -> tuple[bytes, Detections]:
    """As a telephone writes it: a small second copy of the picture and the place where it was taken."""
    picture = stage.finish()
    small = picture.copy()
    small.thumbnail((240, 240))
    exif = _with_thumbnail(_telltale_exif(), _save(small, "JPEG", quality=80))
    return _save(picture, "JPEG", quality=92, exif=exif), Detections(stage.truth)


def _telltale_exif() -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = "blur_tools", "Sample camera"
    exif[ExifTags.Base.DateTime] = "2024:05:17 09:24:31"
    # the Royal Observatory in Greenwich: a place, but nobody's home
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(
        {
            ExifTags.GPS.GPSLatitudeRef: "N",
            ExifTags.GPS.GPSLatitude: (51.0, 28.0, 40.0),
            ExifTags.GPS.GPSLongitudeRef: "W",
            ExifTags.GPS.GPSLongitude: (0.0, 0.0, 5.0),
        }
    )
    return exif.tobytes()


def _with_thumbnail(exif: bytes, thumbnail: bytes) -> bytes:
    """Add a thumbnail to EXIF, which Pillow can read but not write: a second directory, then the JPEG."""
    head, tiff = exif[:6], exif[6:]
    order = "<" if tiff[:2] == b"II" else ">"
    first = struct.unpack_from(order + "I", tiff, 4)[0]
    # the first directory ends with the place of the next one
    link = first + 2 + 12 * struct.unpack_from(order + "H", tiff, first)[0]
    start = len(tiff) + len(tiff) % 2
    entries = (
        (ExifTags.Base.Compression, 3, 6 if order == "<" else 6 << 16),
        (ExifTags.Base.JpegIFOffset, 4, start + 2 + 3 * 12 + 4),
        (ExifTags.Base.JpegIFByteCount, 4, len(thumbnail)),
    )
    table = struct.pack(order + "H", 3)
    for tag, kind, value in entries:
        table += struct.pack(order + "HHII", tag, kind, 1, value)
    linked = tiff[:link] + struct.pack(order + "I", start) + tiff[link + 4 :]
    return head + linked.ljust(start, b"\0") + table + struct.pack(order + "I", 0) + thumbnail


def _lying_jpeg(stage: Stage) -> tuple[bytes, Detections]:
    """As a camera held upright writes it: pixels on their side, and the tag that says so."""
    stored = turn_stored(stage.finish(), LYING)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = LYING
    truth = Detections(stage.truth).map(
        lambda item: replace(item, polygon=polygon_to_stored(item.polygon, stored.size, LYING))
    )
    return _save(stored, "JPEG", quality=90, exif=exif), truth


def _grey_jpeg(stage: Stage) -> tuple[bytes, Detections]:
    return _save(stage.finish().convert("L"), "JPEG", quality=88), Detections(stage.truth)


def _png(stage: Stage) -> tuple[bytes, Detections]:
    """With transparent round corners, as from a slide."""
    picture = stage.finish().convert("RGBA")
    mask = Image.new("L", (stage.width, stage.height))
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, stage.width - 1, stage.height - 1), 80, fill=255)
    picture.putalpha(mask.reduce(DRAWN_AT))
    return _save(picture, "PNG", compress_level=2), Detections(stage.truth)


LYING = 6
"""The orientation tag of the picture that is stored on its side."""

_RECIPES: dict[str, tuple[str, Callable[[], Stage], Callable[[Stage], tuple[bytes, Detections]]]] = {
    "two-cars.jpg": ("north", _two_cars, _telltale_jpeg),
    "avenue.jpg": ("north", _avenue, _jpeg),
    "evening.jpg": ("north", _evening, _jpeg),
    "bus-stop.jpg": ("south", _bus_stop, _lying_jpeg),
    "car-park.png": ("south", _car_park, _png),
    "camera-7.jpg": ("south/fixed", _camera_7, _grey_jpeg),
    "empty-street.jpg": ("", _empty_street, _jpeg),
}
"""Of each file: its folder, who paints it, how it is written."""
