"""COCO's results (https://cocodataset.org/#format-results): what a detector says of the pictures of a label file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from blur_tools.errors import DetectionsError
from blur_tools.formats.coco import read_coco_form
from blur_tools.formats.labels import Labels

__all__ = ["is_results", "read_results"]


def is_results(path: str | os.PathLike[str]) -> bool:
    """Whether a JSON file holds a list, as COCO's results do, and not an object, as its labels."""
    try:
        with open(path, "rb") as file:
            return file.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"["
    except OSError:
        return False


def read_results(path: str | os.PathLike[str], labels: str | os.PathLike[str]) -> Labels:
    """Read COCO's results: a list of ``{"image_id", "category_id", "bbox", "score"}``.

    Parameters
    ----------
    path : path
        The results.
    labels : path
        The label file whose pictures and categories they speak of.

    Returns
    -------
    Labels
        Every picture of the label file, with what the results say is in it; and what could not be used.

    Raises
    ------
    DetectionsError
        A file cannot be read, or is not of this form.
    """
    entries, form = _json(path), _json(labels)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise DetectionsError(f"{os.fspath(path)}: not COCO results, which are a list of objects")
    if not isinstance(form, dict):
        raise DetectionsError(f"{os.fspath(labels)}: not COCO labels")
    numbered = [{"id": number} | entry for number, entry in enumerate(entries, start=1)]
    return read_coco_form(form | {"annotations": numbered}, os.fspath(path), results=True)


def _json(path: str | os.PathLike[str]) -> Any:
    try:
        return json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DetectionsError(f"{os.fspath(path)}: cannot be read as JSON: {error}") from error
