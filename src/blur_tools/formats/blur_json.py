"""``.blur.json``: detections and decisions of a set of pictures in one file that loses nothing.

The schema is in ``docs/blur-json.md``. Coordinates are pixels of the stored picture; pictures are named by their path
relative to a folder that the file does not say.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

from blur_tools import __version__
from blur_tools.detections import Detection, Detections
from blur_tools.errors import DetectionsError
from blur_tools.formats._keys import check_key, shown_key
from blur_tools.formats._writing import write_text

__all__ = ["DECISIONS", "Decision", "PictureRecord", "read_blur_json", "write_blur_json"]

FORMAT = "blur.json"
VERSION = 1
"""Version of the schema; a reader refuses a newer one."""

Decision = Literal["unreviewed", "accepted", "edited", "flagged"]
"""What a person said of a picture; ``edited`` is accepted after a change."""
DECISIONS: tuple[Decision, ...] = get_args(Decision)


@dataclass(frozen=True)
class PictureRecord:
    """What the file says of one picture.

    Attributes
    ----------
    detections : Detections or None
        What is in it; None when nobody has looked.
    size : (int, int) or None
        Width and height of the stored picture in pixels; None when unknown.
    decision : {"unreviewed", "accepted", "edited", "flagged"}
        What a person said.
    reviewer, decided_at : str
        Who said it and when (ISO 8601); ``""`` when nobody did.
    error : str
        Why it could not be read or searched; ``""`` when it could.
    """

    detections: Detections | None
    size: tuple[int, int] | None = None
    decision: Decision = "unreviewed"
    reviewer: str = ""
    decided_at: str = ""
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        """The picture's object in the file."""
        found = self.detections
        return {
            "size": None if self.size is None else list(self.size),
            "detections": None if found is None else [item.to_json() for item in found],
            "decision": self.decision,
            "reviewer": self.reviewer,
            "decided_at": self.decided_at,
            "error": self.error,
        }

    @classmethod
    def from_json(cls, value: Any) -> PictureRecord:
        """Read a picture's object; everything but ``detections`` may be missing.

        Raises
        ------
        DetectionsError
            What is wrong with it.
        """
        if not isinstance(value, Mapping) or "detections" not in value:
            raise DetectionsError("a picture is an object with detections")
        unknown = value.keys() - {"size", "detections", "decision", "reviewer", "decided_at", "error"}
        if unknown:
            raise DetectionsError(f"unknown entries: {', '.join(sorted(map(shown_key, unknown)))}")
        decision = value.get("decision", "unreviewed")
        if decision not in DECISIONS:
            raise DetectionsError(f"decision {shown_key(decision)} is none of {', '.join(DECISIONS)}")
        reviewer, error = _text(value, "reviewer"), _text(value, "error")
        return cls(_detections(value["detections"]), _size(value.get("size")), decision, reviewer, _time(value), error)


def write_blur_json(path: str | os.PathLike[str], pictures: Mapping[str, PictureRecord]) -> None:
    """Write a ``.blur.json``, whole or not at all.

    Parameters
    ----------
    path : path
        Replaced at once where it exists.
    pictures : mapping of str to PictureRecord
        By relative path with ``/``; the order is kept.

    Raises
    ------
    DetectionsError
        A key that is no relative path, or a value that the reader refuses; the message names the picture.
    OutputError
        It cannot be written.
    """
    write_text(path, _lines(pictures))


def read_blur_json(path: str | os.PathLike[str]) -> dict[str, PictureRecord]:
    """Read a ``.blur.json``.

    Returns
    -------
    dict of str to PictureRecord
        By relative path, in the file's order.

    Raises
    ------
    DetectionsError
        The file cannot be read, is not of this format, is newer, or an entry is wrong; the message names the file
        and the entry.
    """
    name = os.fspath(path)
    try:
        form = json.loads(Path(path).read_bytes(), object_pairs_hook=_unique, parse_constant=_no_number)
    except (OSError, ValueError, RecursionError) as error:
        raise DetectionsError(f"{name}: cannot be read as JSON: {error}") from error
    if not isinstance(form, Mapping) or form.get("format") != FORMAT:
        raise DetectionsError(f'{name}: not a .blur.json: "format" is not "{FORMAT}"')
    version = form.get("version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise DetectionsError(f"{name}: version {shown_key(version)} is no whole number from 1")
    if version > VERSION:
        raise DetectionsError(f"{name}: version {version} is newer than this blur_tools, which reads {VERSION}")
    if not isinstance(form.get("pictures"), Mapping):
        raise DetectionsError(f"{name}: pictures is no object")
    pictures = {}
    for key, value in form["pictures"].items():
        try:
            pictures[check_key(key)] = PictureRecord.from_json(value)
        except (DetectionsError, ValueError) as error:
            raise DetectionsError(f"{name}: picture {shown_key(key)}: {error}") from error
    return pictures


def _lines(pictures: Mapping[str, PictureRecord]) -> Iterator[str]:
    """The file's text: one picture a line, so that versions of it can be compared."""
    head = {"format": FORMAT, "version": VERSION, "generator": f"blur_tools {__version__}"}
    yield json.dumps(head)[:-1] + ', "pictures": {'
    comma = "\n"
    for key, record in pictures.items():
        try:
            text = json.dumps(record.to_json(), allow_nan=False, separators=(",", ":"))
            PictureRecord.from_json(json.loads(text))  # what a reader refuses would lose all the others as well
            yield f"{comma}{json.dumps(check_key(key))}: {text}"
        except (DetectionsError, TypeError, ValueError) as error:
            raise DetectionsError(f"picture {shown_key(key)}: {error}") from error
        comma = ",\n"
    yield "\n}}\n"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are all different: of two entries for one picture, one would be lost unseen."""
    found = dict(pairs)
    if len(found) != len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"{shown_key(twice)} stands twice")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def _detections(value: Any) -> Detections | None:
    if value is None:
        return None
    if not isinstance(value, list):
        raise DetectionsError("detections is no list")
    found = []
    for number, entry in enumerate(value):
        try:
            found.append(Detection.from_json(entry))
        except DetectionsError as error:
            raise DetectionsError(f"detection {number}: {error}") from error
    return Detections(found)


def _size(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    whole = isinstance(value, list) and all(type(side) is int and 0 < side < 1 << 31 for side in value)
    if not whole or len(value) != 2:
        raise DetectionsError(f"size {shown_key(value)} is not [width, height] in pixels")
    return value[0], value[1]


def _text(value: Mapping[str, Any], name: str) -> str:
    text = value.get(name, "")
    if not isinstance(text, str):
        raise DetectionsError(f"{name} must be text, not {type(text).__name__}")
    return text


def _time(value: Mapping[str, Any]) -> str:
    text = _text(value, "decided_at")
    try:
        if text:
            datetime.fromisoformat(text)
    except ValueError as error:
        raise DetectionsError(f"decided_at {shown_key(text)} is no ISO 8601 time") from error
    return text
