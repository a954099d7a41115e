"""What detectors found beside the labels, as numbered sheets on which a person finds the unlabelled plates."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from _detectors_scored import Seen, on_unlabelled, overlap
from PIL import Image, ImageDraw

from blur_tools.detections import Box
from blur_tools.picture import load_picture

SURE = 0.25
BELOW = 100
"""How many of a set's candidates below `SURE` are shown, the highest-scored."""

SAME_IOU = 0.3
ON_LABEL = 0.25
"""What shares this part of itself or of a label with it is a bad box of a labelled plate."""

COLUMNS, ROWS, CELL = 6, 8, 160
CONTEXT = 2.2
"""Side of a crop, as a multiple of the longer side of what was found."""

LEAST = 40
NEW, KNOWN, LABEL = "#00e5ff", "#30ff30", "#ff9020"


@dataclass(frozen=True)
class Candidate:
    """One place beside the labels: its box as the surest detector gave it, and who found it with which score."""

    picture: str
    box: Box
    scores: Mapping[str, float]

    @property
    def best(self) -> float:
        """Highest score that any detector gave."""
        return max(self.scores.values())


def candidates(seen: Mapping[str, Sequence[Seen]]) -> list[Candidate]:
    """Of one set, by detector: what lies on no label, each place once, by picture; the surest, and some below."""
    places: dict[str, list[Candidate]] = {}
    alone = [(item.score or 0.0, picture.name, item.box, who) for who, pictures in seen.items()
             for picture in pictures for step in picture.steps for item in step.found
             if not any(_touches(item.box, label.box) for label in picture.labels.objects)]  # fmt: skip
    for score, name, box, who in sorted(alone, reverse=True):
        mine = places.setdefault(name, [])
        twin = next((i for i, other in enumerate(mine) if overlap(other.box, box) >= SAME_IOU), None)
        if twin is None:
            mine.append(Candidate(name, box, {who: score}))
        else:
            mine[twin] = Candidate(name, mine[twin].box, {who: score, **mine[twin].scores})
    every = sorted((item for mine in places.values() for item in mine), key=lambda item: -item.best)
    sure = sum(item.best >= SURE for item in every)
    return sorted(every[: sure + BELOW], key=lambda item: (item.picture, item.box))


def _touches(box: Box, label: Box) -> bool:
    sides = min(box[2], label[2]) - max(box[0], label[0]), min(box[3], label[3]) - max(box[1], label[1])
    shared = max(sides[0], 0) * max(sides[1], 0)
    areas = ((one[2] - one[0]) * (one[3] - one[1]) for one in (box, label))
    return shared > 0 and shared >= ON_LABEL * min(areas)


def write_sheets(group: str, seen: Mapping[str, Sequence[Seen]], source: Path, folder: Path) -> int:
    """Write ``<group>-<n>.png`` and ``<group>.json`` (number to picture, box and scores); gives how many candidates.

    Cyan is new, green stands in ``unlabelled.json`` already, orange is a label.
    """
    found = candidates(seen)
    known = {picture.name: picture for picture in next(iter(seen.values()))}
    cells = []
    for number, item in enumerate(found):
        mine = known[item.picture]
        colour = KNOWN if on_unlabelled(item.box, mine.unlabelled) else NEW
        drawn = [*((label.box, LABEL) for label in mine.labels.objects), (item.box, colour)]
        cells.append(Cell(source / item.picture, item.box, f"{number} {item.best:.2f}", drawn))
    lay(cells, folder, group)
    facts = {number: {"picture": item.picture, "box": [round(v, 1) for v in item.box],
                      "scores": {who: round(score, 3) for who, score in item.scores.items()}}
             for number, item in enumerate(found)}  # fmt: skip
    (folder / f"{group}.json").write_text(json.dumps(facts, indent=1))
    return len(found)


@dataclass(frozen=True)
class Cell:
    """One crop of a sheet: around a box, with words on it, and boxes drawn into it, each in its colour."""

    path: Path
    box: Box
    words: str
    drawn: Sequence[tuple[Box, str]]


def lay(cells: Sequence[Cell], folder: Path, name: str) -> None:
    """Write cells as ``<name>-<n>.png``, row by row."""
    folder.mkdir(parents=True, exist_ok=True)
    each = COLUMNS * ROWS
    for start in range(0, len(cells), each):
        sheet = Image.new("RGB", (COLUMNS * CELL, ROWS * CELL))
        for place, cell in enumerate(cells[start : start + each]):
            sheet.paste(_crop(cell), (place % COLUMNS * CELL, place // COLUMNS * CELL))
        sheet.save(folder / f"{name}-{start // each:02d}.png")


def _crop(cell: Cell) -> Image.Image:
    left, top, right, bottom = cell.box
    side = max(CONTEXT * max(right - left, bottom - top), LEAST)
    origin = (left + right - side) / 2, (top + bottom - side) / 2
    scale = CELL / side
    picture = load_picture(cell.path).image.convert("RGB")
    crop = picture.transform(
        (CELL, CELL), Image.Transform.AFFINE, (1 / scale, 0, origin[0], 0, 1 / scale, origin[1]),
        Image.Resampling.BICUBIC if scale > 0.7 else Image.Resampling.BILINEAR,
    )  # fmt: skip
    draw = ImageDraw.Draw(crop)
    for box, colour in cell.drawn:
        corners = _placed(box, origin, scale)
        draw.rectangle((corners[0] - 2, corners[1] - 2, corners[2] + 2, corners[3] + 2), outline=colour)
    draw.rectangle((0, 0, 7 * len(cell.words), 11), fill="black")
    draw.text((1, 0), cell.words, fill="yellow")
    return crop


def _placed(box: Iterable[float], origin: tuple[float, float], scale: float) -> list[float]:
    return [(value - origin[i % 2]) * scale for i, value in enumerate(box)]
