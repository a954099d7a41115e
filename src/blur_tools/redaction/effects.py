"""How a region is made unreadable; strength is measured in the object's own height.

The scale for plates follows an attacker who knows font, layout and filter and tries every character where the six
others are known. Measured on rendered plates of 40 to 480 pixels, 1,050 characters a cell, by
benchmarks/irreversibility.py (a small version is a test): a Gaussian of intensity 8, 9, 10 leaves 3.1, 2.8, 3.0 % of
the characters, blocks 4.7, 4.7, 3.2 %, a fill 2.6 %; chance is 2.8 %. Intensities 1 to 7 are cosmetic: they look
unreadable and are not (48 % at Gaussian 6). Exact values give characters away, however smooth: without rounding to 16
levels Gaussian 9 leaves 13 % of plates 480 pixels wide.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageFilter

__all__ = ["FACE_SIGMA", "PLATE_BLOCK", "PLATE_SIGMA", "hide"]

Box = tuple[int, int, int, int]

PLATE_SIGMA = (0.07, 0.1, 0.15, 0.22, 0.33, 0.5, 0.7, 1.5, 2.2, 3.0)
"""Standard deviation of the Gaussian at intensities 1 to 10, in plate heights."""

PLATE_BLOCK = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.15, 1.3)
"""Side of a block at intensities 1 to 10, in plate heights."""

FACE_SIGMA = (0.02, 0.03, 0.05, 0.07, 0.1, 0.14, 0.2, 0.28, 0.38)
"""Standard deviation of the Gaussian at intensities 1 to 9, in face heights; 10 is a fill."""

FACE_BLOCK = (0.03, 0.05, 0.07, 0.1, 0.125, 0.16, 0.2, 0.25, 0.34)
"""Side of a block at intensities 1 to 9, in face heights; 10 is a fill."""

LEAST_HEIGHT = 4.0
"""An object counts as at least so many pixels high: what has no height must be hidden too."""

STRONG = 8
"""Intensity from which a plate is to withstand the attack."""

LEVELS = 16
"""Grey levels a channel that blocks are rounded to: exact means give characters away."""


def hide(
    pixels: Image.Image,
    mask: Image.Image,
    kind: str,
    height: float,
    effect: str,
    intensity: int,
    box: Box | None = None,
) -> Image.Image:
    """Make the pixels of one region unreadable.

    Parameters
    ----------
    pixels : PIL.Image.Image
        The picture, mode ``L``, ``RGB`` or ``CMYK``.
    mask : PIL.Image.Image
        Where it will be used; a fill takes its colour from there.
    kind : {"plate", "face"}
        Chooses the scale.
    height : float
        The object's height in pixels.
    effect : {"gaussian", "pixelate", "fill"}
        What to do.
    intensity : int
        1 to 10; a fill is the same at all of them.
    box : (left, top, right, bottom), optional
        The region's part of the picture, all by default. What surrounds it is not looked at.

    Returns
    -------
    PIL.Image.Image
        Of the box's size, in the same mode.
    """
    box = box or (0, 0, *pixels.size)
    height = max(height, LEAST_HEIGHT)
    face_fill = kind == "face" and intensity == 10
    if effect == "fill" or face_fill:
        return fill(pixels.crop(box), mask)
    if effect == "pixelate":
        scale = PLATE_BLOCK if kind == "plate" else FACE_BLOCK
        return pixelate(pixels, max(2, math.ceil(scale[intensity - 1] * height)), box)
    if kind == "plate":
        return gaussian(pixels, PLATE_SIGMA[intensity - 1] * height, box, coarse=intensity >= STRONG)
    return gaussian(pixels, FACE_SIGMA[intensity - 1] * height, box)


def gaussian(pixels: Image.Image, sigma: float, box: Box | None = None, *, coarse: bool = False) -> Image.Image:
    """Blur a box, or all, with standard deviation `sigma` in pixels, its border repeated outwards.

    Reduced by a third of sigma first: as good as three box filters and many times as fast at the sizes that
    hide a plate, and it bounds what survives to ``ceil(w / k) * ceil(h / k)`` samples.
    """
    box = box or (0, 0, *pixels.size)
    size = width, height = box[2] - box[0], box[3] - box[1]
    sigma = min(sigma, 4.0 * max(size))  # one sample is left from three times on
    factor = max(1, int(sigma / 3))
    small = pixels.reduce(factor, box) if factor > 1 else pixels.crop(box)
    blurred = small.filter(ImageFilter.GaussianBlur(sigma / factor))
    if coarse:
        blurred = _rounded(blurred)
    if factor == 1:
        return blurred
    # the last column and row of samples may stand for fewer pixels than the others
    return blurred.resize(size, Image.Resampling.BILINEAR, box=(0, 0, width / factor, height / factor))


def pixelate(pixels: Image.Image, block: int, box: Box | None = None) -> Image.Image:
    """A box, or all, as blocks of `block` pixels, each its mean colour rounded to 16 levels a channel."""
    box = box or (0, 0, *pixels.size)
    width, height = box[2] - box[0], box[3] - box[1]
    block = min(block, max(width, height))
    means = _rounded(pixels.reduce(block, box))
    large = means.resize((means.width * block, means.height * block), Image.Resampling.NEAREST)
    return large.crop((0, 0, width, height))


_STEP = 256 // LEVELS
_ROUNDED = bytes(value // _STEP * _STEP + _STEP // 2 for value in range(256))


def _rounded(pixels: Image.Image) -> Image.Image:
    return Image.frombytes(pixels.mode, pixels.size, pixels.tobytes().translate(_ROUNDED))


def fill(pixels: Image.Image, mask: Image.Image) -> Image.Image:
    """One colour: the mean of what the mask hides."""
    counts = np.array(pixels.histogram(mask)).reshape(-1, 256)
    mean = [round(value) for value in (counts @ np.arange(256) / np.maximum(1, counts.sum(axis=1))).tolist()]
    return Image.new(pixels.mode, pixels.size, tuple(mean) if len(mean) > 1 else mean[0])
