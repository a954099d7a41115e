"""Labels in COCO's JSON: what is truly in each picture, and everything in the file that could not be used.

The format is COCO's object detection (https://cocodataset.org/#format-data): ``images``, ``annotations`` and
``categories``. Coordinates are pixels of the stored picture; ``bbox`` is ``[left, top, width, height]``.
"""

from __future__ import annotations

import json
import math
import os
from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from blur_tools.detections import Detection, Detections, Kind, Point, Polygon, box_polygon
from blur_tools.errors import DetectionsError
from blur_tools.formats._keys import check_key
from blur_tools.formats.labels import LONGEST_NAME, Labels, PictureLabels, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["PictureLabels", "Problem", "kind_of", "ordered_corners", "read_coco", "read_coco_form", "shows"]


def read_coco(path: str | os.PathLike[str], kinds: Mapping[str, Kind] | None = None) -> Labels:
    """Read a COCO label file.

    A plate or face is its four corners where ``segmentation`` is one outline of exactly four points, put in
    order clockwise from top left (the corner with the smallest x + y: labels do not say how an object is
    turned); else its ``bbox``. It is neutral with ``iscrowd`` 1, or with ``confirmed`` or ``neutral`` true in
    its ``attributes``. `Detection.result` keeps ``id``, ``category`` (its name) and ``attributes``. What `write_coco`
    adds to the format is read as well: ``score``, and in the attributes ``source`` and ``keep``.

    Parameters
    ----------
    path : path
        The JSON file.
    kinds : mapping of str to {"plate", "face"}, optional
        What each category's name means; other categories are unknown. Without it, a name that contains
        "plate" is a plate, else one that contains "face" a face, whatever the case.

    Returns
    -------
    Labels
        Labels by relative path, and what could not be used. A name that is no relative path below one folder
        (absolute, or with ``..``) is left out. Several images with one file name are all left
        out: only one of them can be what the file shows, and nothing says which.

    Raises
    ------
    DetectionsError
        The file cannot be read, is not JSON or not COCO's labels; the message names it.
    """
    try:
        form = json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DetectionsError(f"{os.fspath(path)}: cannot be read as JSON: {error}") from error
    return read_coco_form(form, os.fspath(path), kinds)


def read_coco_form(form: Any, path: str, kinds: Mapping[str, Kind] | None = None, *, results: bool = False) -> Labels:
    """`read_coco` for what is already parsed; `path` is for the error's text.

    Of a detector's `results` one whose score is none between 0 and 1 is left out: it would be ranked first.
    """
    try:
        problems: list[Problem] = []
        images = _images(form["images"], problems)
        reader = _Reader(images, _categories(form["categories"], kinds), problems=problems, results=results)
        for annotation in form["annotations"]:
            reader.add(annotation)
        return reader.labels()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DetectionsError(f"{path}: not COCO labels: {error!r}") from error


@dataclass(frozen=True)
class _Image:
    name: str
    size: tuple[int, int]


@dataclass(frozen=True)
class _Category:
    name: str
    kind: Kind | None


@dataclass
class _Reader:
    """Annotations sorted into images, by the images' identifiers."""

    images: dict[Any, _Image | None]
    categories: dict[Any, _Category]
    found: dict[Any, list[tuple[Detection, bool]]] = field(default_factory=lambda: defaultdict(list))
    problems: list[Problem] = field(default_factory=list)
    results: bool = False

    def add(self, annotation: Mapping[str, Any]) -> None:
        """Sort in one annotation, or list what is wrong with it."""
        number, key = annotation.get("id"), annotation["image_id"]
        image = self.images.get(key)
        if image is None and key in self.images:
            return  # its picture is a problem already
        if image is None:
            self.problems.append(Problem("unknown image", "", number, f"there is no image {key!r}"))
            return
        category = self.categories.get(annotation["category_id"])
        if category is None or category.kind is None:
            what = repr(category.name) if category else f"number {annotation['category_id']!r}"
            self.problems.append(Problem("unknown category", image.name, number, f"category {what}"))
            return
        polygon = self._polygon(annotation, image)
        if polygon is not None:
            attributes = annotation.get("attributes") or {}
            result = {"id": number, "category": category.name, "attributes": dict(attributes)}
            neutral = annotation.get("iscrowd") == 1 or any(
                str(attributes.get(name)).lower() in ("true", "1") for name in ("confirmed", "neutral")
            )
            score = annotation.get("score")
            if score is not None and not _is_score(score):
                lost = "is left out" if self.results else "counts as one without a score"
                detail = f"score {score!r} is none between 0 and 1; it {lost}"[:LONGEST_NAME]
                self.problems.append(Problem("broken entry", image.name, number, detail))
                if self.results:
                    return
            found = Detection(category.kind, polygon, source="label", result=result)
            self.found[key].append((replace(found, **_ours(annotation, attributes)), neutral))

    def _polygon(self, annotation: Mapping[str, Any], image: _Image) -> Polygon | None:
        outline, box = annotation.get("segmentation"), annotation.get("bbox")
        # what our writer wrote begins at the object's own top left
        corners = _corners(outline, ordered=isinstance(annotation.get("attributes"), dict)
                           and {"source", "keep"} <= annotation["attributes"].keys())  # fmt: skip
        if corners is not None and shows(corners, image.size):
            return corners
        polygon = _box(box)
        if polygon is None or not shows(polygon, image.size):
            detail = f"bbox {box!r} has no area in the picture of {image.size[0]}x{image.size[1]}"
            self.problems.append(Problem("degenerate box", image.name, annotation.get("id"), detail))
            return None
        if outline:
            detail = "an outline that is not four corners; its bbox is taken"
            self.problems.append(Problem("outline reduced", image.name, annotation.get("id"), detail))
        return polygon

    def labels(self) -> Labels:
        """What was sorted in, by file name."""
        keys: dict[str, list[Any]] = defaultdict(list)
        named = {key: image for key, image in self.images.items() if image is not None}
        for key, image in named.items():
            keys[image.name].append(key)
        pictures = {}
        for name, several in keys.items():
            if len(several) > 1:
                lost = sum(len(self.found[key]) for key in several)
                detail = f"images {', '.join(map(repr, several))} have this name; {lost} objects left out"
                self.problems.append(Problem("repeated picture", name, None, detail))
                continue
            found = self.found[several[0]]
            objects = Detections(item for item, _ in found)
            pictures[name] = PictureLabels(named[several[0]].size, objects, tuple(flag for _, flag in found))
        return Labels(pictures, tuple(self.problems))


def _ours(annotation: Mapping[str, Any], attributes: Mapping[str, Any]) -> dict[str, Any]:
    """What `write_coco` adds to the format, where it stands there as it writes it."""
    score, source, keep = annotation.get("score"), attributes.get("source"), attributes.get("keep")
    facts: dict[str, Any] = {}
    if _is_score(score):
        facts["score"] = score
    if isinstance(source, str):
        facts["source"] = source
    if keep is True:  # only a clear True may leave an object visible
        facts["keep"] = True
    return facts


def _is_score(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _images(records: Iterable[Mapping[str, Any]], problems: list[Problem]) -> dict[Any, _Image | None]:
    """By identifier; None where the name leads out of the pictures' folder, which is listed in `problems`."""
    images: dict[Any, _Image | None] = {}
    for record in records:
        key, name = record["id"], record["file_name"]
        if key in images:
            raise ValueError(f"two images have the id {key!r}")
        if not isinstance(name, str) or not name:
            raise ValueError(f"image {key!r} has no file_name")
        size = _pixels(record["width"]), _pixels(record["height"])
        try:
            images[key] = _Image(check_key(name.removeprefix("./")), size)
        except ValueError as error:
            images[key] = None
            problems.append(Problem("unsafe name", name[:LONGEST_NAME], None, f"{error}; it is left out"))
    return images


def _pixels(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 1 or value != value // 1:
        raise ValueError(f"{value!r} is not a size in pixels")
    return int(value)


def _categories(records: Iterable[Mapping[str, Any]], kinds: Mapping[str, Kind] | None) -> dict[Any, _Category]:
    categories: dict[Any, _Category] = {}
    for record in records:
        name = str(record["name"])
        if record["id"] in categories:
            raise ValueError(f"two categories have the id {record['id']!r}")
        kind = kind_of(name) if kinds is None else kinds.get(name)
        categories[record["id"]] = _Category(name, kind)
    return categories


def kind_of(name: str) -> Kind | None:
    """What a category's name means: a plate where it holds "plate", else a face where it holds "face"."""
    kinds: tuple[Kind, ...] = ("plate", "face")
    return next((kind for kind in kinds if kind in name.lower()), None)


def _corners(outline: Any, *, ordered: bool = False) -> Polygon | None:
    """Corners of a ``segmentation``, clockwise from top left; None where it is no outline of four points."""
    if not isinstance(outline, list) or len(outline) != 1 or not isinstance(outline[0], list):
        return None
    values = _numbers(outline[0], 8)
    if values is None:
        return None
    points = list(zip(values[::2], values[1::2], strict=True))
    return (points[0], points[1], points[2], points[3]) if ordered else ordered_corners(points)


def ordered_corners(points: Sequence[Point]) -> Polygon:
    """Four corners, clockwise from the one with the smallest x + y."""
    x, y = sum(point[0] for point in points) / 4, sum(point[1] for point in points) / 4
    # y points down, so growing angles go clockwise
    turned = sorted(points, key=lambda point: math.atan2(point[1] - y, point[0] - x))
    first = turned.index(min(turned, key=sum))
    return cast("Polygon", tuple(turned[first:] + turned[:first]))


def _box(box: Any) -> Polygon | None:
    values = _numbers(box, 4)
    if values is None:
        return None
    left, top, width, height = values
    return box_polygon(left, top, left + width, top + height) if width > 0 and height > 0 else None


def _numbers(values: Any, count: int) -> list[float] | None:
    """Exactly `count` finite numbers; None where it is anything else."""
    if not isinstance(values, list) or len(values) != count:
        return None
    # far beyond any picture, and squares of it are still finite
    usable = all(isinstance(value, int | float) and abs(value) < 1e9 for value in values)
    return [float(value) for value in values] if usable else None


def shows(polygon: Sequence[Point], size: tuple[int, int]) -> bool:
    """Whether the polygon has an area, and its upright box one in the picture."""
    after = [*polygon[1:], *polygon[:1]]
    area = sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(polygon, after, strict=True))
    xs, ys = zip(*polygon, strict=True)
    inside = max(xs) > 0 and max(ys) > 0 and min(xs) < size[0] and min(ys) < size[1]
    return area != 0 and inside
