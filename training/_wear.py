"""What happens to a licence plate after it left the press: relief, frames, screws, age, dirt, light."""

from __future__ import annotations

import cv2
import numpy as np

Image = np.ndarray


def _clouds(rng: np.random.Generator, shape: tuple[int, int], cells: tuple[int, int]) -> Image:
    """Smooth noise in 0..1, `cells` bumps high and wide."""
    coarse = rng.random(cells, dtype=np.float32)
    return np.clip(cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC), 0, 1)


def _patches(rng: np.random.Generator, shape: tuple[int, int], number: tuple[int, int]) -> Image:
    """Smooth noise whose bumps are about as wide as high, `number` of them from top to bottom."""
    high = int(rng.integers(*number))
    return _clouds(rng, shape, (high, max(2, high * shape[1] // shape[0])))


def emboss(rng: np.random.Generator, image: Image, relief: Image) -> None:
    """Light one side of raised strokes and shade the other."""
    depth = rng.uniform(15, 80)
    shift = np.array([[1, 0, rng.choice((-1.0, 1.0))], [0, 1, rng.uniform(0.5, 2)]], np.float64)
    soft = cv2.blur(relief, (3, 3))
    moved = cv2.warpAffine(soft, shift, relief.shape[::-1])
    slope = (soft.astype(np.float32) - moved) * (depth / 255)
    image[:] = np.clip(image + slope[:, :, None], 0, 255)


def screws(rng: np.random.Generator, image: Image) -> None:
    """Add two or four heads of screws, or empty holes, where plates have them."""
    height, width = image.shape[:2]
    side = rng.uniform(0.06, 0.3)
    rows = [rng.uniform(0.06, 0.14)] if rng.random() < 0.6 else [0.09, 0.91]
    if width > 3 * height:
        rows = [rng.uniform(0.35, 0.65)]
        side = rng.uniform(0.02, 0.06)
    size = rng.uniform(0.025, 0.055) * height
    metal = rng.choice((30.0, 60.0, 150.0, 190.0, 225.0))
    tint = metal + rng.normal(0, 8, 3) - (np.array([60, 20, -10]) if rng.random() < 0.15 else 0)
    for row in rows:
        for column in (side, 1 - side):
            at = (round(width * column + rng.normal(0, 1)), round(height * row + rng.normal(0, 1)))
            cv2.circle(image, (at[0] + 1, at[1] + 1), max(1, round(size)), (40, 40, 40), -1, cv2.LINE_AA)
            cv2.circle(image, at, max(1, round(size)), tuple(np.clip(tint, 0, 255)), -1, cv2.LINE_AA)
            cv2.circle(image, at, max(1, round(size / 3)), tuple(np.clip(tint - 50, 0, 255)), -1, cv2.LINE_AA)


def round_corners(rng: np.random.Generator, image: Image) -> None:
    """Show something dark, or the car's paint, outside rounded corners."""
    height, width = image.shape[:2]
    radius = max(2, round(rng.uniform(0.03, 0.12) * height))
    keep = np.zeros((height, width), np.uint8)
    cv2.rectangle(keep, (radius, 0), (width - radius - 1, height), 255, -1)
    cv2.rectangle(keep, (0, radius), (width, height - radius - 1), 255, -1)
    for x in (radius, width - radius - 1):
        for y in (radius, height - radius - 1):
            cv2.circle(keep, (x, y), radius, 255, -1, cv2.LINE_AA)
    paint = rng.uniform(0, 90) + rng.normal(0, 15, 3) if rng.random() < 0.7 else rng.uniform(0, 255, 3)
    share = keep[:, :, None].astype(np.float32) / 255
    image[:] = image * share + np.clip(paint, 0, 255).astype(np.float32) * (1 - share)


def frame(rng: np.random.Generator, image: Image) -> Image:
    """Put a holder around the plate: dark, grey or chromed, thicker below as if a dealer's name stood there."""
    thin = max(1, round(image.shape[0] * rng.uniform(0.01, 0.05)))
    below = round(image.shape[0] * rng.uniform(0.04, 0.17)) if rng.random() < 0.4 else thin
    shade = rng.choice((18.0, 30.0, 45.0, 130.0, 205.0)) + rng.normal(0, 5)
    colour = tuple(np.clip(np.full(3, shade) + rng.normal(0, 4, 3), 0, 255))
    framed = cv2.copyMakeBorder(image, thin, below, thin, thin, cv2.BORDER_CONSTANT, value=colour)
    inside = (framed.shape[1] - thin - 1, framed.shape[0] - below - 1)
    cv2.rectangle(framed, (thin, thin), inside, tuple(0.6 * value for value in colour), 1)
    if below > 2 * thin:
        word = "".join(rng.choice(list("ABCDEGIMNORSTVW ."), rng.integers(6, 16)))
        ink = (215, 215, 215) if shade < 100 else (40, 40, 40)
        size = below / 38
        place = (round(framed.shape[1] * rng.uniform(0.1, 0.4)), framed.shape[0] - max(2, below // 4))
        cv2.putText(framed, word, place, cv2.FONT_HERSHEY_SIMPLEX, size, ink, 1, cv2.LINE_AA)
    return framed


def bend(rng: np.random.Generator, image: Image) -> Image:
    """Dent the plate inside its edge, with the light that a dent catches; the corners stay."""
    height, width = image.shape[:2]
    window = np.sin(np.linspace(0, np.pi, height, dtype=np.float32))[:, None]
    window = window * np.sin(np.linspace(0, np.pi, width, dtype=np.float32))[None]
    dents = (_clouds(rng, (height, width), (3, 5)) - 0.5) * window
    force = rng.uniform(4, 14)
    columns = np.arange(width, dtype=np.float32)[None] + dents * force
    rows = np.arange(height, dtype=np.float32)[:, None] + dents * (force * 0.7)
    bent = cv2.remap(image, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.clip(bent * (1 + dents[:, :, None] * rng.uniform(0.4, 1.5)), 0, 255).astype(np.uint8)


def fade(rng: np.random.Generator, image: Image) -> Image:
    """Bleach the colours towards a grey, or a yellowed grey."""
    towards = rng.uniform(110, 220) * np.array([rng.uniform(0.8, 1), 0.97, 1.0])
    strength = rng.uniform(0.1, 0.5)
    return (image * (1 - strength) + towards * strength).astype(np.uint8)


def dirt(rng: np.random.Generator, image: Image) -> Image:
    """Cover with dust, splashes or mud, thicker below."""
    height, width = image.shape[:2]
    fine = _clouds(rng, (height, width), (32, 32 * width // height))
    heavy = rng.random() < 0.3
    cover = (
        0.65 * _patches(rng, (height, width), (2, 12))
        + 0.35 * fine
        + np.linspace(-0.25, 0.25, height, dtype=np.float32)[:, None]
    )
    edge = rng.uniform(0.55, 0.8) if heavy else rng.uniform(0.35, 0.6)
    cover = np.clip((cover - edge) * (rng.uniform(2, 7) if heavy else 1.5), 0, 0.95 if heavy else 0.6)[:, :, None]
    mud = np.array(((55, 75, 95), (90, 110, 130), (120, 130, 140), (35, 40, 45)))[rng.integers(4)] + rng.normal(
        0, 10, 3
    )
    return np.clip(image * (1 - cover) + mud.astype(np.float32) * cover, 0, 255).astype(np.uint8)


def rust(rng: np.random.Generator, image: Image) -> Image:
    """Let rust grow in from the edges and run down."""
    height, width = image.shape[:2]
    rows = np.abs(np.linspace(-1, 1, height, dtype=np.float32))[:, None]
    columns = np.abs(np.linspace(-1, 1, width, dtype=np.float32))[None]
    near = np.maximum(rows, columns) ** 6
    patches = _clouds(rng, (height, width), (5, 12)) * 0.6 + _clouds(rng, (height, width), (24, 70)) * 0.4
    cover = np.clip((patches + 0.5 * near - rng.uniform(0.7, 0.95)) * 3, 0, 0.85)
    tint = np.array([30, 60, 120], np.float32) + np.float32(rng.normal(0, 12))
    return np.clip(image * (1 - cover[:, :, None]) + tint * cover[:, :, None], 0, 255).astype(np.uint8)


def light(rng: np.random.Generator, image: Image) -> Image:
    """Lay slanted light, the shadow of an edge or of leaves, or a glare over the plate."""
    height, width = image.shape[:2]
    across = np.linspace(-0.5, 0.5, width, dtype=np.float32)[None]
    down = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None]
    kind = rng.random()
    if kind < 0.4:
        factor = 1 + across * rng.normal(0, 0.35) + down * rng.normal(0, 0.3)
    elif kind < 0.65:
        slope, at = rng.normal(0, 2), rng.uniform(-0.35, 0.35)
        factor = 1 - rng.uniform(0.25, 0.65) * np.clip((down + slope * across - at) * rng.uniform(4, 25) + 0.5, 0, 1)
    elif kind < 0.78:
        leaves = _patches(rng, (height, width), (2, 7))
        factor = 1 - rng.uniform(0.15, 0.5) * np.clip((leaves - 0.5) * rng.uniform(2, 6) + 0.5, 0, 1)
    else:
        far = ((across - rng.uniform(-0.5, 0.5)) * width / height) ** 2 + (down - rng.uniform(-0.5, 0.5)) ** 2
        glare = np.exp(-far / rng.uniform(0.02, 0.6)) * rng.uniform(80, 260)
        return np.clip(image + glare[:, :, None], 0, 255).astype(np.uint8)
    return np.clip(image * factor[:, :, None], 0, 255).astype(np.uint8)


def scratches(rng: np.random.Generator, image: Image) -> None:
    """Draw a few thin scratches."""
    height, width = image.shape[:2]
    for _ in range(rng.integers(1, 8)):
        start = (int(rng.integers(width)), int(rng.integers(height)))
        end = (start[0] + int(rng.normal(0, 30)), start[1] + int(rng.normal(0, 15)))
        shade = float(rng.uniform(60, 230))
        cv2.line(image, start, end, (shade, shade, shade), 1, cv2.LINE_AA)


def grain(rng: np.random.Generator, image: Image) -> Image:
    """Add the noise of a sensor or of a rough surface."""
    noise = rng.standard_normal(image.shape[:2], dtype=np.float32)[:, :, None] * np.float32(rng.uniform(1, 9))
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def weather(rng: np.random.Generator, image: Image) -> Image:
    """Give a plate its life: each mark with its own chance, most plates with few.

    Parameters
    ----------
    rng
        Source of chance.
    image
        `uint8` BGR; may be written to.

    Returns
    -------
    Image
        `uint8` BGR; larger where a frame was put around it.
    """
    age = rng.random() ** 1.5
    if rng.random() < 0.35:
        screws(rng, image)
    for mark, chance in ((fade, 0.5 * age), (rust, 0.15 * age), (dirt, 0.55 * age), (bend, 0.1 + 0.35 * age)):
        if rng.random() < chance:
            image = mark(rng, image)
    if rng.random() < 0.3 * age:
        scratches(rng, image)
    outline = rng.random()
    if outline < 0.3:
        image = frame(rng, image)
    elif outline < 0.6:
        round_corners(rng, image)
    for mark, chance in ((light, 0.45), (grain, 0.5)):
        if rng.random() < chance:
            image = mark(rng, image)
    return image
