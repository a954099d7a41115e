"""A file that holds a review or a table, and no picture: a ``.blur.json`` is opened, of others it is said how."""

from __future__ import annotations

import logging
from pathlib import Path

import pandas as pd

from blur_tools.audit._sizes import stored_size
from blur_tools.errors import AuditError, PictureError
from blur_tools.formats._keys import place_of
from blur_tools.formats.blur_json import PictureRecord, read_blur_json

__all__ = ["LABELS", "label_table", "refuse_file"]

logger = logging.getLogger("blur_tools")

LABELS = ".blur.json"

_INSTEAD = {
    ".jsonl": "is the journal of a review: AuditSession.resume(path) goes on with it",
    ".csv": "is a table: AuditSession.open(pandas.read_csv(path)) opens its pictures",
    ".parquet": "is a table: AuditSession.open(pandas.read_parquet(path)) opens its pictures",
    ".json": "is no .blur.json; formats.coco.read_coco reads COCO's labels, set_detections takes them over",
    ".txt": "is no picture; a list of paths is opened as a list",
}


def label_table(path: Path) -> pd.DataFrame:
    """The pictures of a ``.blur.json`` as a table for a review; they lie where the file lies.

    Raises
    ------
    DetectionsError
        The file cannot be read.
    AuditError
        There are no pictures in it.
    """
    records = read_blur_json(path)
    if not records:
        raise AuditError(f"{path}: there are no pictures in it")
    rows = []
    for key, record in records.items():
        place = place_of(path.parent, key)
        if _is_another(place, record) and record.decision != "unreviewed":
            logger.warning("%s is of another size than when it was decided on: it is to be looked at again", place)
            record = PictureRecord(record.detections, record.size, error=record.error)
        rows.append(_row(place, record))
    return pd.DataFrame(rows, dtype=object)


def refuse_file(path: Path) -> None:
    """Refuse what is a file of ours, but no picture.

    Raises
    ------
    AuditError
        It is one; how it is opened.
    """
    instead = _INSTEAD.get(path.suffix.lower())
    if instead is not None:
        raise AuditError(f"{path} {instead}")


def _is_another(place: str, record: PictureRecord) -> bool:
    """Whether the picture that lies there has another size than the one that the file speaks of."""
    if record.size is None:
        return False
    try:
        return stored_size(place) != record.size
    except PictureError:
        return False  # it is said when it is looked at


def _row(place: str, record: PictureRecord) -> dict[str, str | None]:
    return {
        "image": place,
        "detections": None if record.detections is None else record.detections.to_json(),
        "decision": record.decision,
        "reviewer": record.reviewer or None,
        "decided_at": record.decided_at or None,
        "error": record.error or None,
    }
