"""Label files of every format, in and out: one function to read, one to write."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from blur_tools.audit._ours import refuse_foreign
from blur_tools.audit._sizes import stored_size
from blur_tools.batch.columns import text_dtype
from blur_tools.batch.rows import storable
from blur_tools.errors import DetectionsError, PictureError, SettingsError
from blur_tools.formats._keys import place_of
from blur_tools.formats.api_json import read_api, write_api
from blur_tools.formats.blur_json import PictureRecord, read_blur_json, write_blur_json
from blur_tools.formats.coco import read_coco
from blur_tools.formats.coco_results import is_results, read_results
from blur_tools.formats.coco_writer import write_coco
from blur_tools.formats.labels import Labels, PictureLabels, Problem
from blur_tools.formats.voc import read_voc, write_voc
from blur_tools.formats.yolo import read_yolo, write_yolo

__all__ = [
    "FOLDERS", "FORMATS", "check_pictures", "format_of", "guess_format", "labels_frame", "problem_lines", "read_labels",
    "refuse_others", "write_pictures",
]  # fmt: skip

FOLDERS = ("yolo", "yolo-outlines", "voc", "api")
"""Formats that are a folder with a file for each picture."""

FORMATS = ("blur.json", "coco", *FOLDERS)


def format_of(path: str | os.PathLike[str], form: str | None) -> str:
    """The format that is asked for, or that a name means.

    Raises
    ------
    SettingsError
        It is none of `FORMATS`.
    """
    name = os.fspath(path).lower()
    if form is None and name.endswith(".json"):
        form = "blur.json" if name.endswith(".blur.json") else "coco"
    if form not in FORMATS:
        said = repr(form) if form else f"{os.fspath(path)!r} does not say which format is meant, it"
        raise SettingsError("format", f"{said} is none of {', '.join(FORMATS)} (.blur.json, .json)")
    return form


def guess_format(path: str | os.PathLike[str]) -> str:
    """The format of label files that are there; a folder is known by what lies in it.

    Raises
    ------
    SettingsError
        It cannot be told.
    """
    place = Path(path)
    if not place.is_dir():
        return format_of(path, None)
    signs = {"yolo": ("labels", ".txt"), "voc": ("Annotations", ".xml"), "api": ("answers", ".json")}
    for form, (part, _) in signs.items():
        if (place / part).is_dir():
            return form
    for form, (_, ending) in signs.items():
        if next(place.rglob(f"*{ending}"), None) is not None:
            return form
    raise SettingsError("from", f"{place} has no labels in it that are known: no .txt, .xml or .json")


def write_pictures(path: str | os.PathLike[str], pictures: Mapping[str, PictureLabels], form: str) -> dict[str, str]:
    """Write labels in one of `FORMATS`, whole or not at all.

    Returns
    -------
    dict of str to str
        Pictures, by key, that are not in it as they stand, and why.

    Raises
    ------
    DetectionsError, OutputError
        As the writer of the format says; a file is there that we have not written.
    """
    refuse_others(path, form)
    left: dict[str, str] = {}
    match form:
        case "blur.json":
            write_blur_json(path, {key: PictureRecord(one.objects, one.size) for key, one in pictures.items()})
        case "coco":
            write_coco(path, pictures)
        case "voc":
            left = write_voc(path, pictures)
        case "api":
            left = write_api(path, pictures)
        case _:
            left = write_yolo(path, pictures, outlines=form == "yolo-outlines")
    return left if form in ("coco", "voc") else _with_neutral(left, pictures)


def _with_neutral(left: Mapping[str, str], pictures: Mapping[str, PictureLabels]) -> dict[str, str]:
    """What is left out, with the objects that a format without a word for it makes targets."""
    told = dict(left)
    for key, one in pictures.items():
        if count := sum(one.neutral):
            said = f"{count} of {len(one.objects)} objects are neutral, which the format cannot say: they are targets"
            told[key] = f"{told[key]}; {said}" if key in told else said
    return told


def refuse_others(path: str | os.PathLike[str], form: str) -> None:
    """Refuse to replace a file of a format that is one file where no export of ours has written it.

    Raises
    ------
    OutputError
        There is such a file.
    """
    marks = {"blur.json": '"blur.json"', "coco": "written by blur_tools"}
    if form in marks:
        refuse_foreign(path, marks[form], f"{form} file that an export of ours has written")


def read_labels(
    path: str | os.PathLike[str],
    form: str | None = None,
    *,
    pictures: str | os.PathLike[str] | None = None,
    labels: str | os.PathLike[str] | None = None,
) -> Labels:
    """Read label files of any format.

    Parameters
    ----------
    path : path
        A file, or the folder of a format that has one for each picture.
    form : str, optional
        One of `FORMATS`; by default what the name, or the folder's content, says.
    pictures : path, optional
        Folder of the pictures: those that are not there, and those of another size, are problems.
    labels : path, optional
        The COCO labels that a list of COCO's results speaks of.

    Returns
    -------
    Labels
        By relative path, and everything that could not be used as it stands.

    Raises
    ------
    DetectionsError, SettingsError
        It cannot be read, or its format cannot be told.
    """
    form = guess_format(path) if form is None else format_of(path, form)

    def size_of(place: str) -> tuple[int, int]:
        return stored_size(place)

    match form:
        case "blur.json":
            found = _of_records(read_blur_json(path), pictures)
        case "coco" if is_results(path):
            if labels is None:
                raise DetectionsError(f"{os.fspath(path)}: COCO results need the labels whose pictures they are of")
            found = read_results(path, labels)
        case "coco":
            found = read_coco(path)
        case "voc":
            found = read_voc(path)
        case "api":
            return read_api(path, size_of=size_of, pictures=pictures)
        case _:
            return read_yolo(path, size_of=size_of, pictures=pictures)
    return found if pictures is None else check_pictures(found, pictures)


def check_pictures(labels: Labels, folder: str | os.PathLike[str]) -> Labels:
    """The labels, with a problem for each picture that is not below `folder`, cannot be read or has another size."""
    problems = [*labels.problems, *labels.missing_files(folder)]
    gone = {problem.picture for problem in problems if problem.kind == "missing file"}
    for key in labels.pictures:
        if key in gone:
            continue
        try:
            problem = labels.size_problem(key, stored_size(place_of(Path(folder), key)))
        except PictureError as error:
            problem = Problem("broken file", key, None, f"the picture: {error.reason}")
        problems += [] if problem is None else [problem]
    return replace(labels, problems=tuple(problems))


def labels_frame(labels: Labels, folder: str | os.PathLike[str]) -> pd.DataFrame:
    """Labels as a table of the pictures below `folder`, as ``df.blur.redact`` and a review take it."""
    rows = [
        (storable(place_of(Path(folder), key)), one.objects.to_json(), len(one.objects.plates), len(one.objects.faces))
        for key, one in labels.pictures.items()
    ]
    frame = pd.DataFrame(rows, columns=["image", "detections", "n_plates", "n_faces"])
    return frame.astype({"image": text_dtype(), "detections": text_dtype(), "n_plates": "Int64", "n_faces": "Int64"})


def _of_records(records: Mapping[str, PictureRecord], folder: str | os.PathLike[str] | None) -> Labels:
    """Pictures of a ``.blur.json`` that were searched; a size that it does not say is that of the file."""
    pictures: dict[str, PictureLabels] = {}
    problems: list[Problem] = []
    for key, record in records.items():
        size = record.size
        if record.detections is None:
            problems.append(Problem("broken entry", key, None, record.error or "nobody has searched it"))
            continue
        if size is None and folder is not None:
            try:
                size = stored_size(place_of(Path(folder), key))
            except PictureError as error:
                problems.append(Problem("missing file", key, None, error.reason))
        if size is None:
            detail = "its size is not known; it is left out"
            problems.append(Problem("broken entry", key, None, detail))
            continue
        pictures[key] = PictureLabels(size, record.detections)
    return Labels(pictures, tuple(problems))


def problem_lines(problems: Iterable[Problem]) -> list[str]:
    """Problems for a person, one a line, and how many there are of each kind."""
    listed = list(problems)
    counts = Labels({}, tuple(listed)).counts
    lines = [storable(f"{p.kind}: {p.picture}{': ' if p.picture else ''}{p.detail}") for p in listed]
    return [*lines, ", ".join(f"{number} of {kind!r}" for kind, number in counts.items())] if lines else []
