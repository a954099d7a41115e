"""The Blur API's JSON, kept in files: one answer for each picture, in the folder ``answers``.

A file is the exact answer of the service, ``{"plates": [...], "faces": [...], "blur": null}``, called as its picture
with ``.json`` behind it. Answers that somebody has kept from the service are read as well; their ``blur`` is not looked
at. The API has no word for source and keep, rounds the boxes of faces outwards and does not tell the picture's size:
``exported.blur.json`` beside it keeps them. Plates keep their ``result``, **with the text that was read**.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from blur_tools.detections import Detection, Detections
from blur_tools.errors import DetectionsError
from blur_tools.formats._folder import (
    BESIDE,
    SizeOf,
    files_below,
    key_of,
    pictures_by_stem,
    read_beside,
    read_small,
    restored,
    size_of_key,
    write_folder,
)
from blur_tools.formats._keys import check_key
from blur_tools.formats.labels import Labels, PictureLabels, Problem
from blur_tools.sources import SUFFIXES

__all__ = ["read_api", "write_api"]

PART = "answers"


def write_api(folder: str | os.PathLike[str], pictures: Mapping[str, PictureLabels]) -> dict[str, str]:
    """Write what is in pictures as the Blur API's answers.

    Parameters
    ----------
    folder : path
        Of the data set; ``answers`` of an earlier export in it is replaced.
    pictures : mapping of str to PictureLabels
        By relative path with ``/``.

    Returns
    -------
    dict of str to str
        Always empty: every picture has its file.

    Raises
    ------
    DetectionsError
        A key that is no relative path.
    OutputError
        It cannot be written, or the folder has answers that no export has written.
    """
    files = {}
    for key, labels in pictures.items():
        try:
            name = check_key(key)
        except ValueError as error:
            raise DetectionsError(str(error)) from error
        files[f"{name}.json"] = json.dumps({**labels.objects.to_api(), "blur": None}, allow_nan=False) + "\n"
    write_folder(folder, PART, files, pictures)
    return {}


def read_api(
    folder: str | os.PathLike[str], *, size_of: SizeOf, pictures: str | os.PathLike[str] | None = None
) -> Labels:
    """Read answers of the Blur API.

    Parameters
    ----------
    folder : path
        With ``answers`` in it, or itself the folder of the files.
    size_of : callable
        Tells a picture file's stored size.
    pictures : path, optional
        Where the pictures are: needed for their sizes where no export of ours has written them down.

    Returns
    -------
    Labels
        By the pictures' relative path; and every file that could not be used.

    Raises
    ------
    DetectionsError
        No such folder.
    """
    root = Path(folder)
    place = None if pictures is None else Path(pictures)
    problems: list[Problem] = []
    beside, stems = read_beside(root, problems), pictures_by_stem(place)
    found: dict[str, PictureLabels] = {}
    for name, path in files_below(root, PART, ".json"):
        if path.name == BESIDE:
            continue
        key: str | None = name
        if not name.lower().endswith(SUFFIXES) and name not in beside:  # kept by its name without ending
            key = key_of(name, stems, problems)
        data = None if key is None else read_small(path, name, problems)
        if key is None or data is None:
            continue
        try:
            answer = json.loads(data)
            items = Detections.from_api(answer, "label")
        except (ValueError, RecursionError) as error:
            problems.append(Problem("broken file", key, None, f"{path.name}: {error}"))
            continue
        record = beside.get(key)
        size = size_of_key(key, record.size if record else None, place, size_of, problems)
        if size is not None:
            entries = [(_where(item), _with_result(item)) for item in items]
            found[key] = PictureLabels(size, restored(entries, record, lambda item: [_where(item)]))
    return Labels(found, tuple(problems))


def _with_result(said: Detection) -> Callable[[Detection | None], Detection]:
    """The detection that was written, with what the answer says of it."""
    return lambda known: said if known is None else replace(known, result=said.result)


def _where(item: Detection) -> str:
    """What the API's form keeps of where a detection is."""
    form = Detections([item]).to_api()
    where: Any = form["faces"][0]["box"] if item.kind == "face" else form["plates"][0]["polygon"]
    return json.dumps([item.kind, where])
