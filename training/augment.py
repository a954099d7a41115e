"""Light, weather, lens and sensor: what may happen to a picture between the street and the file."""

from __future__ import annotations

import cv2
import numpy as np

from training.data import Floats, Pixels

__all__ = ["photograph", "softened"]

MIDDLE = 116.0  # about the mean brightness of a picture; contrast turns around it


def photograph(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """The picture ``(h, w, 3)`` as another camera might have taken it, at another hour."""
    image = _coloured(pixels, rng)
    image = (image - MIDDLE) * rng.uniform(0.5, 1.4) + MIDDLE * rng.uniform(0.5, 1.4)
    if rng.random() < 0.12:
        image = _night(image, rng)
    if rng.random() < 0.10:
        image = _glare(image, rng)
    if rng.random() < 0.06:
        image = _rain(image, rng)
    if rng.random() < 0.2:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 1.8))
    if rng.random() < 0.15:
        image = _shaken(image, rng)
    if rng.random() < 0.35:
        image = image + rng.normal(0, rng.uniform(2, 14), (*image.shape[:2], 1)).astype(np.float32)
    seen = np.clip(image, 0, 255).astype(np.uint8)
    return _compressed(seen, rng) if rng.random() < 0.25 else seen


def _coloured(pixels: Pixels, rng: np.random.Generator) -> Floats:
    """Gray, a colour cast (tinted windscreens, sodium lamps), or channels exchanged."""
    draw = rng.random()
    if draw < 0.25:
        return cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR).astype(np.float32)
    image = pixels.astype(np.float32)
    if draw < 0.7:
        image *= rng.uniform(0.6, 1.4, 3).astype(np.float32)
    if rng.random() < 0.12:
        image = image[:, :, rng.permutation(3)]
    return image


def _night(image: Floats, rng: np.random.Generator) -> Floats:
    """Dark and noisy, with what was bright still bright: plates return the headlamps' light."""
    gamma = rng.uniform(1.3, 2.4)
    dark = np.power(np.clip(image, 0, 255) / 255, gamma).astype(np.float32) * 255
    return dark * rng.uniform(0.5, 1.1) + rng.normal(0, rng.uniform(3, 14), image.shape).astype(np.float32)


def _glare(image: Floats, rng: np.random.Generator) -> Floats:
    """One soft bright spot: the sun, or a lamp, on what is seen."""
    height, width = image.shape[:2]
    y, x = np.ogrid[:height, :width]
    center, radius = rng.uniform(0, (height, width)), rng.uniform(0.1, 0.4) * max(height, width)
    spot = np.exp(-(((y - center[0]) ** 2 + (x - center[1]) ** 2) / (2 * radius**2)))
    return image + (spot[:, :, None] * rng.uniform(60, 190)).astype(np.float32)


def _rain(image: Floats, rng: np.random.Generator) -> Floats:
    """Streaks of one direction over a flattened contrast."""
    height, width = image.shape[:2]
    drops = (rng.random((height, width)) > 0.996).astype(np.float32) * 255
    length, lean = int(rng.integers(5, 15)), rng.uniform(-0.4, 0.4)
    kernel = np.zeros((length, length), np.float32)
    for step in range(length):
        kernel[step, int(np.clip(length / 2 + (step - length / 2) * lean, 0, length - 1))] = 1 / 3
    streaks = cv2.filter2D(drops, -1, kernel)
    return image * 0.85 + 18 + np.minimum(streaks, 255)[:, :, None] * rng.uniform(0.2, 0.7)


def _shaken(image: Floats, rng: np.random.Generator) -> Floats:
    """Motion blur along any direction."""
    length = int(rng.integers(3, 10))
    kernel = np.zeros((11, 11), np.float32)
    angle = rng.uniform(0, np.pi)
    reach = np.float32([np.cos(angle), np.sin(angle)]) * length / 2
    cv2.line(kernel, *(tuple(np.round(5 + sign * reach).astype(int).tolist()) for sign in (-1, 1)), 1)
    return cv2.filter2D(image, -1, kernel / kernel.sum())


def _compressed(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Through a JPEG file of low to fair quality."""
    coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 85))])[1]
    return cv2.imdecode(coded, cv2.IMREAD_COLOR)


def softened(pixels: Pixels, factor: float) -> Pixels:
    """As if taken from `factor` times as far and enlarged again."""
    if factor <= 1:
        return pixels
    height, width = pixels.shape[:2]
    size = max(4, round(width / factor)), max(3, round(height / factor))
    return cv2.resize(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), (width, height))
