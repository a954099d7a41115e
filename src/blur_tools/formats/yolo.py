"""YOLO's text labels (https://docs.ultralytics.com/datasets): a file for each picture, a line for each object.

A line is a number of a class and four values of a box (centre, width, height), or the x and y of three corners or more
of an outline; all are shares of the picture's width and height, 0 to 1. The folder is that of Ultralytics:
``data.yaml``, ``labels/`` and, for the pictures, ``images/``. The format has no word for score, source and keep, cuts
what lies outside the picture, and does not know the picture's size: ``exported.blur.json`` beside it does. What is
changed in ``labels`` counts; the other file is only asked about lines that still stand as they were written.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from blur_tools.detections import KINDS, Detection, Kind, Point, Polygon, box_polygon
from blur_tools.errors import DetectionsError
from blur_tools.formats._folder import (
    SizeOf,
    counted,
    files_below,
    key_of,
    one_a_stem,
    pictures_by_stem,
    read_beside,
    read_small,
    restored,
    size_of_key,
    write_folder,
)
from blur_tools.formats.coco import kind_of, ordered_corners, shows
from blur_tools.formats.labels import Labels, PictureLabels, Problem, ProblemKind
from blur_tools.outlines import hull, inside

__all__ = ["read_yolo", "write_yolo"]

PART = "labels"
DIGITS = 6
"""Decimals of a share: a hundredth of a pixel in a picture of 10,000."""

OUTSIDE = 0.01
"""As far as a share may be below 0 or above 1: tools round, and some boxes reach over the border."""

_NAMES = re.compile(r"^names:[ \t]*(.*)$", re.MULTILINE)
_ENTRY = re.compile(r"^[ \t]*(?:-[ \t]+|(\d+)[ \t]*:[ \t]*)(.+?)[ \t]*(?:#.*)?$")


def write_yolo(
    folder: str | os.PathLike[str], pictures: Mapping[str, PictureLabels], *, outlines: bool = False
) -> dict[str, str]:
    """Write pictures and what is in them as YOLO's labels.

    Parameters
    ----------
    folder : path
        Of the data set; an earlier export in it is replaced.
    pictures : mapping of str to PictureLabels
        By relative path with ``/``, which is that below ``images``.
    outlines : bool
        Lines of corners in place of boxes.

    Returns
    -------
    dict of str to str
        Pictures, by key, that are not in it or not wholly, and why.

    Raises
    ------
    DetectionsError
        A key that is no relative path.
    OutputError
        It cannot be written, or the folder has labels that no export has written.
    """
    stems, left = one_a_stem(pictures)
    files = {}
    for key, stem in stems.items():
        labels = pictures[key]
        lines = [_line(item, labels.size, outlines) for item in labels.objects]
        files[f"{stem}.txt"] = "".join(f"{line}\n" for line in lines if line is not None)
        lost = ["lie outside the picture" for line in lines if line is None]
        if lost:
            left[key] = counted(lost, len(lines), "and are only in exported.blur.json")
    names = "".join(f"  {number}: {kind}\n" for number, kind in enumerate(KINDS))
    data = f"# the pictures belong into the folder images\npath: .\ntrain: images\nval: images\nnames:\n{names}"
    write_folder(folder, PART, files, {key: pictures[key] for key in stems}, {"data.yaml": data})
    return left


def read_yolo(
    folder: str | os.PathLike[str],
    *,
    size_of: SizeOf,
    pictures: str | os.PathLike[str] | None = None,
    kinds: Mapping[int, Kind] | None = None,
) -> Labels:
    """Read YOLO's labels.

    Parameters
    ----------
    folder : path
        With ``labels`` in it, or itself the folder of the labels.
    size_of : callable
        Tells a picture file's stored size.
    pictures : path, optional
        Where the pictures are; by default ``images`` beside the labels, else the folder.
    kinds : mapping of int to {"plate", "face"}, optional
        What each class means; by default what ``data.yaml`` calls it.

    Returns
    -------
    Labels
        By the pictures' relative path, those without a label file as pictures in which nothing is; and every file and
        line that could not be used as it stands.

    Raises
    ------
    DetectionsError
        No such folder, or nothing says what the classes mean.
    """
    root = Path(folder)
    problems: list[Problem] = []
    names = dict(kinds or {}) or _kinds(root)
    place = _pictures(root, pictures)
    beside, stems = read_beside(root, problems), pictures_by_stem(place)
    if pictures is None and not stems:
        place = None  # they are elsewhere
    for name in beside:  # the pictures need not be at hand
        stems.setdefault(name.rpartition(".")[0], [name])
    found: dict[str, PictureLabels] = {}
    bare = dict(stems)
    for stem, path in files_below(root, PART, ".txt"):
        bare.pop(stem, None)
        key = None if path.name == "classes.txt" else key_of(stem, stems, problems)
        if key is None:
            continue
        record = beside.get(key)
        size = size_of_key(key, record.size if record else None, place, size_of, problems)
        data = read_small(path, key, problems)
        if size is None or data is None:
            continue
        reader = _Reader(key, size, names, problems)
        lines = data.decode("utf-8-sig", errors="replace").split("\n")
        entries = [
            (" ".join(text.split()), reader.line(text, number))
            for number, text in enumerate(lines, start=1)
            if text.strip()
        ]
        found[key] = PictureLabels(size, restored(entries, record, reader.written))
    for key in (key for keys in bare.values() for key in keys):
        record = beside.get(key)
        size = size_of_key(key, record.size if record else None, place, size_of, problems)
        if size is not None:
            written = _Reader(key, size, names, problems).written
            found[key] = PictureLabels(size, restored([], record, written))
    return Labels(found, tuple(problems))


def _pictures(root: Path, said: str | os.PathLike[str] | None) -> Path | None:
    """Where the pictures are looked for."""
    if said is not None:
        return Path(said)
    beside = root.parent / "images" if root.name == PART else root / "images"
    return beside if beside.is_dir() else root


def _line(item: Detection, size: tuple[int, int], outlines: bool) -> str | None:
    """An object's line; None where it has no area in the picture."""
    width, height = size
    frame = box_polygon(0, 0, width, height)
    shown = inside(hull(item.polygon), frame)
    if len(shown) < 3 or not shows(shown, size):
        return None
    number = KINDS.index(item.kind)
    if outlines:
        # whole corners stay as they are: a hull begins at another one
        corners = item.polygon if set(shown) == set(item.polygon) else shown
        values = [value / side for point in corners for value, side in zip(point, size, strict=True)]
    else:
        xs, ys = zip(*shown, strict=True)
        (left, right), (top, bottom) = (min(xs), max(xs)), (min(ys), max(ys))
        values = [(left + right) / 2 / width, (top + bottom) / 2 / height, (right - left) / width,
                  (bottom - top) / height]  # fmt: skip
    return " ".join([str(number), *(f"{min(max(value, 0), 1):.{DIGITS}f}" for value in values)])


@dataclass(frozen=True)
class _Reader:
    """Reads the lines of one picture's file."""

    key: str
    size: tuple[int, int]
    kinds: Mapping[int, Kind]
    problems: list[Problem]

    def written(self, item: Detection) -> set[str]:
        """The lines that an object can have been written as."""
        return {line for outlines in (False, True) if (line := _line(item, self.size, outlines)) is not None}

    def line(self, text: str, number: int) -> Callable[[Detection | None], Detection | None]:
        """What makes a detection of a line."""
        return lambda known: known or self._object(text, number)

    def _object(self, text: str, number: int) -> Detection | None:
        """What a line says; None, and a problem, where it says nothing that can be used."""
        words = text.split()
        try:
            number_of, values = float(words[0]), [float(word) for word in words[1:]]
            kind = int(number_of)
            if len(values) < 4 or kind != number_of or not all(-OUTSIDE <= value <= 1 + OUTSIDE for value in values):
                raise ValueError
        except (ValueError, OverflowError):
            self._tell("broken entry", number, f"is no label of a class and shares from 0 to 1: {text[:60]!r}")
            return None
        if kind not in self.kinds:
            self._tell("unknown category", number, f"is of class {kind}")
            return None
        polygon = self._corners(values, number)
        if polygon is None or not shows(polygon, self.size):
            self._tell("degenerate box", number, f"has no area in the picture of {self.size[0]}x{self.size[1]}")
            return None
        # tools append the score to what they predict
        score = values[-1] if len(values) % 2 and 0 <= values[-1] <= 1 else None
        return Detection(self.kinds[kind], polygon, score, "label")

    def _corners(self, values: Sequence[float], number: int) -> Polygon | None:
        """An outline in pixels."""
        width, height = self.size
        if len(values) < 6:
            x, y, w, h = (value * side for value, side in zip(values[:4], (width, height) * 2, strict=True))
            return box_polygon(x - w / 2, y - h / 2, x + w / 2, y + h / 2) if w > 0 and h > 0 else None
        points: list[Point] = [(x * width, y * height) for x, y in zip(values[0::2], values[1::2], strict=False)]
        if len(points) == 4:
            return ordered_corners(points)
        self._tell("outline reduced", number, f"is an outline of {len(points)} corners; its box is taken")
        xs, ys = zip(*points, strict=True)
        return box_polygon(min(xs), min(ys), max(xs), max(ys))

    def _tell(self, kind: ProblemKind, number: int, text: str) -> None:
        self.problems.append(Problem(kind, self.key, number, f"line {number} {text}"))


def _kinds(root: Path) -> dict[int, Kind]:
    """What the classes mean, by ``data.yaml`` or ``classes.txt``.

    Raises
    ------
    DetectionsError
        Neither says it.
    """
    for folder in (root, root.parent):
        for name in ("data.yaml", "data.yml", "classes.txt"):
            path = folder / name
            if not path.is_file():
                continue
            try:
                text = path.read_text("utf-8-sig")
            except (OSError, ValueError) as error:
                raise DetectionsError(f"{path}: cannot be read: {error}") from error
            names = text.splitlines() if name == "classes.txt" else _yaml_names(text)
            if names is None:
                raise DetectionsError(f"{path}: no list of names is found in it; say what each class means")
            found = {number: kind_of(word) for number, word in enumerate(names)}
            return {number: kind for number, kind in found.items() if kind is not None}
    raise DetectionsError(f"{root}: no data.yaml and no classes.txt says what the classes mean")


def _yaml_names(text: str) -> list[str] | None:
    """The value of ``names`` in the three ways that such files write it; None where it is written otherwise."""
    match = _NAMES.search(text)
    if match is None:
        return None
    inline = match.group(1).partition("#")[0].strip()
    if inline.startswith("[") and inline.endswith("]"):
        return [_bare(word) for word in inline[1:-1].split(",") if word.strip()]
    pairs = []
    if inline.startswith("{") and inline.endswith("}"):
        pairs = [entry.partition(":") for entry in inline[1:-1].split(",") if entry.strip()]
        entries = [(key.strip(), _bare(word)) for key, _, word in pairs]
    elif inline:
        return None
    else:
        entries = []
        for line in text[match.end() :].lstrip("\r\n").splitlines():
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            entry = _ENTRY.match(line)
            if entry is None:
                break
            entries.append((entry.group(1) or str(len(entries)), _bare(entry.group(2))))
    if not entries or not all(key.isdigit() and int(key) < 10_000 for key, _ in entries):
        return None
    names = [""] * (max(int(key) for key, _ in entries) + 1)
    for key, word in entries:
        names[int(key)] = word
    return names


def _bare(word: str) -> str:
    return word.strip().strip("'\"")
