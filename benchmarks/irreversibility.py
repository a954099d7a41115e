"""Strength: what an attacker still gets out of hidden plates and faces, by effect and intensity.

Plates: he knows font, layout, filter and strength, and each character's neighbours. Every picture is a JPEG that goes
through `blur_tools.redact`; his candidates go through the same renderer. Faces: an embedder that was trained to tell
people apart is shown the hidden face and a gallery of the originals.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache

import numpy as np
from _attack import CHANCE, Attack, random_text
from _identity import LEAST_SIDE, rates
from _results import machine, table, write_section
from PIL import Image
from scipy.stats import beta

from blur_tools import BlurSettings, Detection, redact
from blur_tools._cores import available_cores
from blur_tools.detections import box_polygon
from blur_tools.redaction.masks import regions
from blur_tools.redaction.pixels import render

WIDTHS = (40, 80, 160, 320, 480)
ASPECT = 4.2
QUALITY = 92
SURROUNDINGS = 90
"""Grey level of what is around a plate."""

EFFECTS = ("gaussian", "pixelate")
CELLS = [(effect, intensity) for effect in EFFECTS for intensity in range(1, 11)] + [("fill", 10)]


class Scene:
    """A plate in a picture, hidden with some settings; the attacker has the part that was changed."""

    def __init__(self, width: int, settings: BlurSettings) -> None:
        self.attack = Attack(width, round(width / ASPECT))
        self.settings = settings
        pad = width // 4
        self.size = width + 2 * pad, self.attack.height + 2 * pad
        self.place = pad, pad
        polygon = box_polygon(pad, pad, pad + width, pad + self.attack.height)
        self.detection = Detection("plate", polygon)
        self.regions = regions([self.detection], settings, self.size)

    def _with(self, plate: Image.Image) -> Image.Image:
        scene = Image.new("L", self.size, SURROUNDINGS)
        scene.paste(plate, self.place)
        return scene

    def published(self, plate: Image.Image) -> Image.Image:
        """What comes out of the whole job."""
        camera = io.BytesIO()
        self._with(plate).save(camera, "JPEG", quality=QUALITY)
        result = redact(camera.getvalue(), [self.detection], self.settings)
        return Image.open(io.BytesIO(result.data)).crop(self.regions[0].box)

    def hidden(self, plate: Image.Image) -> Image.Image:
        """A candidate of the attacker's."""
        scene = self._with(plate)
        render(scene, self.regions, self.settings)
        return scene.crop(self.regions[0].box)


@lru_cache(maxsize=64)
def _scene(width: int, effect: str, intensity: int) -> Scene:
    return Scene(width, BlurSettings(plates=intensity, effect=effect))


def attacked(job: tuple[str, int, int, int]) -> int:
    """Characters recovered of one plate: ``(effect, intensity, width, seed)``."""
    effect, intensity, width, seed = job
    rng = np.random.default_rng([seed, width, intensity])
    scene = _scene(width, effect, intensity)
    text = random_text(rng, scene.attack.count)
    return scene.attack.recovered(text, scene.published(scene.attack.photograph(text, rng)), scene.hidden)


def upper_bound(hits: int, trials: int) -> float:
    """One-sided 95 % bound of a share (Clopper and Pearson 1934)."""
    return 1.0 if hits == trials else float(beta.ppf(0.95, hits + 1, trials - hits))


def plates(per_width: int) -> str:
    """The table of plates."""
    jobs = [(*cell, width, seed) for cell in CELLS for width in WIDTHS for seed in range(per_width)]
    with ProcessPoolExecutor(available_cores()) as pool:
        found = list(pool.map(attacked, jobs, chunksize=per_width))
    each = Attack().count * per_width
    rows = []
    for effect, intensity in CELLS:
        hits = [
            sum(n for n, job in zip(found, jobs, strict=True) if job[:3] == (effect, intensity, width))
            for width in WIDTHS
        ]
        total = each * len(WIDTHS)
        name = effect if effect == "fill" else f"{effect} {intensity}"
        shares = [f"{100 * hit / each:.0f} %" for hit in hits]
        bound = f"{100 * upper_bound(sum(hits), total):.1f} %"
        rows.append([name, *shares, f"**{100 * sum(hits) / total:.1f} %**", bound])
    head = ["effect, intensity", *(f"{width} px" for width in WIDTHS), "all widths", "at most (95 %)"]
    return f"{each * len(WIDTHS):,} characters a row, {each} a cell; chance is {CHANCE:.1%}.\n\n{table(head, rows)}"


def faces() -> str:
    """The table of faces."""
    found, people = rates([(effect, n) for effect in EFFECTS for n in range(1, 10, 2)] + [("fill", 10)])
    rows: list[Sequence[object]] = [
        [name, f"{100 * first:.0f} %", f"{100 * ten:.0f} %"] for name, (first, ten) in found.items()
    ]
    head = ["effect, intensity", "right face first", "among the first ten"]
    about = (
        f"{people} faces of at least {LEAST_SIDE} pixels in a gallery of their own originals; chance is "
        f"{100 / people:.1f} % and {1000 / people:.0f} %."
    )
    return f"{about}\n\n{table(head, rows)}"


def main() -> None:
    """Measure both and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plates", type=int, default=30, help="plates for each width and row (default 30)")
    options = parser.parse_args()
    text = f"""\
## Strength: `python benchmarks/irreversibility.py`

{machine()}

**Plates.** Share of characters that an attacker gets right who knows the font, the layout, the effect and its strength
and the six other characters, from one picture: rendered plates with noise, a shift by part of a pixel, unknown light,
JPEG quality {QUALITY}, through `blur_tools.redact`. {plates(options.plates)}

Intensities up to 7 are **cosmetic**.

**Faces.** How often an embedder (dlib's ResNet, 128 values) that sees the hidden face, at its known place, finds the
same photograph's original in a gallery. It was not trained on hidden faces; one that is gets further (McPherson et al.
2016, arXiv 1609.00408), and telling people apart by hair, clothes or place is not measured: no blur is safe. Intensity
10, the default, is a fill. {faces()}
"""
    write_section("strength", text)


if __name__ == "__main__":
    main()
