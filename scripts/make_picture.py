"""Make ``docs/before-after.jpg``, the README's picture, from our own sample scenes."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from blur_tools import blur
from blur_tools.samples import scenes

PAGE = Path(__file__).resolve().parent.parent / "docs" / "before-after.jpg"
SCENES = ("two-cars.jpg", "avenue.jpg")
WIDTH, GAP = 640, 8


def half(data: bytes) -> Image.Image:
    """One picture at the page's size."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    return image.resize((WIDTH, WIDTH * image.height // image.width), Image.Resampling.LANCZOS)


def main() -> None:
    """Put originals above results."""
    chosen = [scene for scene in scenes() if Path(scene.name).name in SCENES]
    columns = [(half(scene.data), half(blur(scene.data).data or b"")) for scene in chosen]
    height = columns[0][0].height
    sheet = Image.new("RGB", (len(columns) * (WIDTH + GAP) - GAP, 2 * height + GAP), "white")
    for column, pair in enumerate(columns):
        for row, image in enumerate(pair):
            sheet.paste(image, (column * (WIDTH + GAP), row * (height + GAP)))
    sheet.save(PAGE, quality=88)


if __name__ == "__main__":
    main()
