"""Persons of the sample scenes: behind a hedge or a car, on a poster, on a billboard."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from blur_tools._scenes.stage import RGB, Pixel, Spot, Stage, homography, letters, through

__all__ = ["paint_billboard", "paint_person", "paint_poster"]

FACE: tuple[Pixel, ...] = ((178, 66), (272, 66), (272, 179), (178, 179))
"""Corners of the face in the portrait."""
PIXEL = 1 / 484
"""Metres a pixel of the portrait, by the usual height of a face."""
OUTLINE: tuple[Pixel, ...] = (
    (201, 23), (185, 38), (163, 51), (155, 66), (157, 104), (170, 117), (186, 149), (163, 152), (140, 161), (127, 178),
    (121, 196), (121, 212), (65, 246), (44, 282), (26, 342), (19, 390), (20, 419), (30, 495), (36, 512), (498, 512),
    (505, 490), (500, 466), (493, 421), (478, 384), (455, 361), (418, 345), (393, 344), (362, 350), (359, 318),
    (350, 285), (333, 260), (306, 240), (304, 222), (296, 206), (280, 186), (257, 171), (265, 152), (272, 137),
    (290, 117), (299, 96), (299, 72), (288, 43), (276, 31), (248, 18), (227, 16),
)  # fmt: skip
"""The person's outline in the portrait, traced by hand."""


@lru_cache(maxsize=1)
def _portrait() -> Image.Image:
    # slow to import, untyped, and only this needs it
    return Image.fromarray(import_module("skimage.data").astronaut())


def _cut_out(jacket: RGB | None) -> Image.Image:
    """The person alone, in another jacket if asked."""
    photo = _portrait()
    if jacket:
        pixels = np.asarray(photo, np.float32)
        # the suit is the only orange thing below the chin
        suit = ((pixels[..., :1] - pixels[..., 2:] - 50) / 60).clip(0, 1)
        suit[:190] = 0
        dyed = pixels.mean(2, keepdims=True) / 125 * np.array(jacket, np.float32)
        photo = Image.fromarray((pixels * (1 - suit) + dyed * suit).clip(0, 255).astype(np.uint8))
    cut = photo.convert("RGBA")
    cut.putalpha(_silhouette())
    return cut


@lru_cache(maxsize=1)
def _silhouette() -> Image.Image:
    mask = Image.new("L", _portrait().size)
    ImageDraw.Draw(mask).polygon(OUTLINE, fill=255)
    # a pixel inwards, so that nothing of the portrait's own background shines through
    return mask.filter(ImageFilter.MinFilter(3)).filter(ImageFilter.GaussianBlur(1))


def _hang_portrait(stage: Stage, tile: Image.Image, face: Sequence[Pixel], corners: Sequence[Spot]) -> None:
    """Put up a tile that shows the portrait, and note where its face went."""
    quad = stage.hang(tile, corners)
    width, height = tile.size
    way = homography([(0, 0), (width, 0), (width, height), (0, height)], quad)
    stage.note_face(through(way, face))


def paint_person(
    stage: Stage, x: float, z: float, *, height: float = 1.7, jacket: RGB | None = None, flip: bool = False
) -> None:
    """A person seen from the hips up, so something must stand before the legs."""
    tile, face, middle = _cut_out(jacket), FACE, 225.0
    if flip:
        tile = tile.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        face, middle = tuple((512 - u, v) for u, v in face), 512 - middle
    left, top = x - middle * PIXEL, height + 16 * PIXEL
    right, bottom = left + 512 * PIXEL, top - 512 * PIXEL
    _hang_portrait(stage, tile, face, [(left, top, z), (right, top, z), (right, bottom, z), (left, bottom, z)])


def _headline(tile: Image.Image, text: str, box: tuple[int, int, int, int], color: tuple[int, int, int]) -> None:
    """A line of text that fills the box's height at most, and its width at most."""
    left, top, width, height = box
    tile.paste(color, (left, top), letters(text, width, height, bold=0.015, stretch=1.0))


def paint_poster(stage: Stage, x: float, y: float, z: float, *, wide: float = 1.2, turn: float = 0.0) -> None:
    """A poster with the portrait in a dark frame; x, y, z are the middle of its lower edge."""
    tile = Image.new("RGBA", (600, 900), (22, 40, 88, 255))
    # the portrait without its right fifth, a little taller than wide
    scale = 700 / 512
    tile.paste(_portrait().resize((700, 700), Image.Resampling.LANCZOS).crop((0, 0, 600, 700)))
    pen = ImageDraw.Draw(tile)
    for u, radius, color in ((110, 58, (206, 150, 92)), (262, 40, (92, 140, 190)), (386, 30, (176, 80, 60))):
        pen.ellipse((u - radius, 800 - radius, u + radius, 800 + radius), fill=(*color, 255))
    for side in (-0.36, 0.36):
        leg, away = x + side * wide, z + side * turn
        stage.sheet([(leg - 0.04, 0), (leg + 0.04, 0), (leg + 0.04, y), (leg - 0.04, y)], away, (62, 66, 72))
    _stand_up(stage, tile, [(u * scale, v * scale) for u, v in FACE], (x, y, z), wide, turn)


def paint_billboard(stage: Stage, x: float, y: float, z: float, *, wide: float = 4.4, turn: float = 0.0) -> None:
    """A wide board with the person beside a headline; x, y, z are the middle of its lower edge."""
    tile = Image.new("RGBA", (1100, 540), (24, 58, 92, 255))
    pen = ImageDraw.Draw(tile)
    for radius, blue in ((420, 104), (330, 122), (240, 142)):
        pen.ellipse((800 - radius, 320 - radius, 800 + radius, 320 + radius), fill=(30, blue - 34, blue, 255))
    person = _cut_out(None).resize((540, 540), Image.Resampling.LANCZOS)
    tile.paste(person, (530, 0), person)
    _headline(tile, "Fly", (60, 70, 400, 120), (250, 214, 96))
    _headline(tile, "to the moon", (60, 240, 440, 76), (176, 198, 224))
    _headline(tile, "and be home for dinner", (60, 400, 440, 34), (150, 174, 200))
    for post in (-0.35, 0.35):
        left, right = x + post * wide - 0.09, x + post * wide + 0.09
        stage.sheet([(left, 0), (right, 0), (right, y), (left, y)], z, (84, 88, 94))
    scale = 540 / 512
    _stand_up(stage, tile, [(530 + u * scale, v * scale) for u, v in FACE], (x, y, z), wide, turn)


def _stand_up(stage: Stage, tile: Image.Image, face: Sequence[Pixel], foot: Spot, wide: float, turn: float) -> None:
    """Hang a tile in a dark frame; its right edge stands `turn` metres behind its left one."""
    x, y, z = foot
    high = wide * tile.height / tile.width

    def corners(edge: float) -> list[Spot]:
        left, right, low, top = x - wide / 2 - edge, x + wide / 2 + edge, y - edge, y + high + edge
        near, far = z - turn / 2, z + turn / 2
        return [(left, top, near), (right, top, far), (right, low, far), (left, low, near)]

    stage.fill(corners(0.07), (52, 55, 60))
    _hang_portrait(stage, tile, face, corners(0.0))
