"""Pascal VOC's XML (http://host.robots.ox.ac.uk/pascal/VOC): a file for each picture in the folder ``Annotations``.

Pixels are counted from 1, and ``xmax`` and ``ymax`` are the last ones inside. Boxes are whole pixels, rounded outwards
and cut at the picture's border; the exact corners stand in ``polygon``, as supervision and Roboflow write it, also
counted from 1. Score, source and keep stand in ``attributes``, as CVAT writes them; ``difficult`` is a neutral object.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from blur_tools.detections import Detection, Detections, Polygon, box_polygon
from blur_tools.errors import DetectionsError
from blur_tools.formats._folder import counted, files_below, one_a_stem, read_small, write_folder
from blur_tools.formats._keys import check_key
from blur_tools.formats.coco import kind_of, ordered_corners, shows
from blur_tools.formats.labels import LONGEST_NAME, Labels, PictureLabels, Problem

__all__ = ["read_voc", "write_voc"]

PART = "Annotations"
DIGITS = 9
"""Decimals of a corner."""


def write_voc(folder: str | os.PathLike[str], pictures: Mapping[str, PictureLabels]) -> dict[str, str]:
    """Write pictures and what is in them as Pascal VOC's files.

    Parameters
    ----------
    folder : path
        Of the data set; ``Annotations`` of an earlier export in it is replaced.
    pictures : mapping of str to PictureLabels
        By relative path with ``/``.

    Returns
    -------
    dict of str to str
        Pictures, by key, that are not in it or not wholly, and why.

    Raises
    ------
    DetectionsError
        A key that is no relative path, or a name that XML cannot hold.
    OutputError
        It cannot be written, or the folder has annotations that no export has written.
    """
    stems, left = one_a_stem(pictures)
    files = {}
    for key, stem in stems.items():
        text, lost = _document(key, pictures[key])
        files[f"{stem}.xml"] = text
        if lost:
            left[key] = counted(["lie outside the picture"] * lost, len(pictures[key].objects), "and are left out")
    write_folder(folder, PART, files, {key: pictures[key] for key in stems})
    return left


def read_voc(folder: str | os.PathLike[str]) -> Labels:
    """Read Pascal VOC's files.

    A picture is its ``filename`` in the folder that its file has below ``Annotations``. An object named with "plate" is
    a plate, else one with "face" a face. Four corners in ``polygon`` are its outline, else its ``bndbox``.

    Parameters
    ----------
    folder : path
        With ``Annotations`` in it, or itself the folder of the files.

    Returns
    -------
    Labels
        By the pictures' relative path; and everything that could not be used as it stands.

    Raises
    ------
    DetectionsError
        No such folder.
    """
    problems: list[Problem] = []
    found: dict[str, PictureLabels] = {}
    for stem, path in files_below(Path(folder), PART, ".xml"):
        data = read_small(path, stem, problems)
        root = None if data is None else _parsed(data, stem, problems)
        if root is None:
            continue
        name = (root.findtext("filename") or "").strip()
        where = PurePosixPath(stem).parent.as_posix()
        key = name if "/" in name or where == "." else f"{where}/{name}"
        try:
            check_key(key)
        except ValueError as error:
            problems.append(Problem("unsafe name", name[:LONGEST_NAME] or stem, None, f"{error}; it is left out"))
            continue
        size = _size(root)
        if size is None:
            problems.append(Problem("broken file", key, None, f"{path.name} does not say the picture's size"))
        elif key in found:
            problems.append(Problem("repeated picture", key, None, f"{path.name} is of it, too, and is left out"))
        else:
            found[key] = _labels(root, key, size, problems)
    return Labels(found, tuple(problems))


def _document(key: str, labels: PictureLabels) -> tuple[str, int]:
    """A picture's file, and how many objects are not in it."""
    root = Element("annotation")
    place = PurePosixPath(key)
    _text(root, "folder", "" if place.parent.name == "" else place.parent.as_posix())
    _text(root, "filename", place.name)
    _text(SubElement(root, "source"), "database", "blur_tools")
    size = SubElement(root, "size")
    for name, value in zip(("width", "height", "depth"), (*labels.size, 3), strict=True):
        _text(size, name, value)
    _text(root, "segmented", 0)
    lost = 0
    for item, neutral in zip(labels.objects, labels.neutral, strict=True):
        if shows(_rounded(item.polygon), labels.size):
            _object(root, item, labels.size, neutral)
        else:
            lost += 1
    ElementTree.indent(root)
    try:
        text = ElementTree.tostring(root, encoding="unicode")
        ElementTree.fromstring(text)  # noqa: S314  (our own)
    except (ValueError, ElementTree.ParseError) as error:
        raise DetectionsError(f"picture {key!r}: its name or a source cannot stand in XML") from error
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n', lost


def _object(root: Element, item: Detection, size: tuple[int, int], neutral: bool) -> None:
    entry = SubElement(root, "object")
    xmin, ymin, xmax, ymax = item.box
    cut = xmin < 0 or ymin < 0 or xmax > size[0] or ymax > size[1]
    for name, value in (("name", item.kind), ("pose", "Unspecified"), ("truncated", int(cut)),
                        ("difficult", int(neutral))):  # fmt: skip
        _text(entry, name, value)
    box = SubElement(entry, "bndbox")
    left, top = min(max(math.floor(xmin), 0), size[0] - 1), min(max(math.floor(ymin), 0), size[1] - 1)
    right, bottom = max(min(math.ceil(xmax), size[0]), left + 1), max(min(math.ceil(ymax), size[1]), top + 1)
    for name, value in zip(("xmin", "ymin", "xmax", "ymax"), (left + 1, top + 1, right, bottom), strict=True):
        _text(box, name, value)
    outline = SubElement(entry, "polygon")
    for number, (x, y) in enumerate(_rounded(item.polygon), start=1):
        _text(outline, f"x{number}", repr(x + 1))
        _text(outline, f"y{number}", repr(y + 1))
    attributes = SubElement(entry, "attributes")
    score = {} if item.score is None else {"score": repr(item.score)}
    for name, said in (score | {"source": item.source, "keep": str(item.keep).lower()}).items():
        attribute = SubElement(attributes, "attribute")
        _text(attribute, "name", name)
        _text(attribute, "value", said)


def _rounded(polygon: Polygon) -> Polygon:
    """Corners as they come back: what counts from 1 loses the last digits of what counts from 0."""
    a, b, c, d = ((round(x, DIGITS), round(y, DIGITS)) for x, y in polygon)
    return a, b, c, d


def _text(parent: Element, name: str, value: Any) -> None:
    SubElement(parent, name).text = str(value)


class _Plain(ElementTree.TreeBuilder):
    """Refuses a document type: entities make a small file a large one, and reach for other files; labels have none."""

    def doctype(self, *_: Any) -> None:
        """Called before anything of it is read."""
        raise ValueError("it has a document type")


def _parsed(data: bytes, stem: str, problems: list[Problem]) -> Element | None:
    try:
        root = ElementTree.fromstring(data, ElementTree.XMLParser(target=_Plain()))  # noqa: S314
        if root.tag != "annotation":
            raise ValueError(f"it is a {root.tag[:20]!r}, not an annotation")
    except (ElementTree.ParseError, ValueError, RecursionError, LookupError) as error:
        problems.append(Problem("broken file", stem, None, f"its XML cannot be read: {error}"))
        return None
    return root


def _size(root: Element) -> tuple[int, int] | None:
    values = [_number(root.findtext(f"size/{name}")) for name in ("width", "height")]
    width, height = (int(value) if value is not None and 1 <= value < 1 << 31 else 0 for value in values)
    return (width, height) if width and height else None


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) < 1e9 else None


def _labels(root: Element, key: str, size: tuple[int, int], problems: list[Problem]) -> PictureLabels:
    objects, neutral = [], []
    for number, entry in enumerate(root.iterfind("object"), start=1):
        name = (entry.findtext("name") or "").strip()
        kind = kind_of(name)
        if kind is None:
            problems.append(Problem("unknown category", key, number, f"object {number}: {name[:LONGEST_NAME]!r}"))
            continue
        polygon = _polygon(entry, key, number, problems)
        if polygon is None or not shows(polygon, size):
            detail = f"object {number} has no area in the picture of {size[0]}x{size[1]}"
            problems.append(Problem("degenerate box", key, number, detail))
            continue
        said = {a.findtext("name"): (a.findtext("value") or "") for a in entry.iterfind("attributes/attribute")}
        score = _number(said.get("score"))
        objects.append(
            Detection(
                kind,
                polygon,
                score if score is not None and 0 <= score <= 1 else None,
                said.get("source", "label"),
                keep=said.get("keep") == "true",
            )
        )
        neutral.append((entry.findtext("difficult") or "").strip() == "1")
    return PictureLabels(size, Detections(objects), tuple(neutral))


def _polygon(entry: Element, key: str, number: int, problems: list[Problem]) -> Polygon | None:
    """Corners counted from 0; None where there is neither an outline nor a box."""
    outline = entry.find("polygon")
    count = 0 if outline is None else sum(child.tag.startswith("x") for child in outline)
    if outline is not None and count == 4:
        values = [(_number(outline.findtext(f"x{i}")), _number(outline.findtext(f"y{i}"))) for i in range(1, 5)]
        points = [(round(x - 1, DIGITS), round(y - 1, DIGITS)) for x, y in values if x is not None and y is not None]
        if len(points) == 4:
            return _as_written(points)
    sides = [_number(entry.findtext(f"bndbox/{name}")) for name in ("xmin", "ymin", "xmax", "ymax")]
    left, top, right, bottom = (value if value is not None else math.nan for value in sides)
    if not (right >= left and bottom >= top):
        return None
    if count:
        detail = f"object {number}: an outline that is not four corners; its box is taken"
        problems.append(Problem("outline reduced", key, number, detail))
    return box_polygon(left - 1, top - 1, right, bottom)


def _as_written(points: list[tuple[float, float]]) -> Polygon:
    """Corners as they stand where they go clockwise, as ours do; else put in order."""
    after = [*points[1:], points[0]]
    turns = [
        (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0])
        for a, b, c in zip(points, after, [*after[1:], after[0]], strict=True)
    ]
    return (points[0], points[1], points[2], points[3]) if min(turns) >= 0 else ordered_corners(points)
