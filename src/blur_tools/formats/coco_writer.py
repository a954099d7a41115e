"""Write COCO's JSON (https://cocodataset.org/#format-data), so that `coco.read_coco` and pycocotools read it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from blur_tools import __version__
from blur_tools.detections import KINDS, Detection, Polygon
from blur_tools.errors import DetectionsError
from blur_tools.formats._keys import check_key, shown_key
from blur_tools.formats._writing import write_text
from blur_tools.formats.coco import PictureLabels

__all__ = ["CATEGORIES", "write_coco"]

CATEGORIES = {kind: number for number, kind in enumerate(KINDS, start=1)}
"""COCO's ``category_id`` of each kind."""


def write_coco(path: str | os.PathLike[str], pictures: Mapping[str, PictureLabels]) -> None:
    """Write pictures and what is in them as a COCO label file, whole or not at all.

    An object's outline is its ``segmentation``, ``bbox`` and ``area`` are those of the outline, ``iscrowd`` is 0.
    Beyond the format each has ``score`` where it has one, and ``attributes`` with ``source``, ``keep`` and, where it
    is no target, ``neutral``. `Detection.result` is not written: the ``.blur.json`` form loses nothing.

    Parameters
    ----------
    path : path
        Replaced at once where it exists.
    pictures : mapping of str to PictureLabels
        By relative path with ``/`` (COCO's ``file_name``).

    Raises
    ------
    DetectionsError
        A key that is no relative path, or a size that is none; the message names the picture.
    OutputError
        It cannot be written.
    """
    form = {
        "info": {"description": f"Plates and faces, written by blur_tools {__version__}", "version": "1.0"},
        "licenses": [],
        "images": [_image(number, key, labels) for number, (key, labels) in enumerate(pictures.items(), start=1)],
        "annotations": list(_annotations(pictures)),
        "categories": [
            {"id": number, "name": kind, "supercategory": "anonymized"} for kind, number in CATEGORIES.items()
        ],
    }
    write_text(path, [json.dumps(form, allow_nan=False), "\n"])


def _image(number: int, key: str, labels: PictureLabels) -> dict[str, Any]:
    width, height = labels.size
    try:
        name = check_key(key)
    except ValueError as error:
        raise DetectionsError(str(error)) from error
    if width < 1 or height < 1:
        raise DetectionsError(f"picture {shown_key(key)}: {width}x{height} is no size in pixels")
    return {"id": number, "file_name": name, "width": width, "height": height}


def _annotations(pictures: Mapping[str, PictureLabels]) -> Iterator[dict[str, Any]]:
    number = 0
    for image, labels in enumerate(pictures.values(), start=1):
        for item, neutral in zip(labels.objects, labels.neutral, strict=True):
            number += 1
            yield {"id": number, "image_id": image} | _annotation(item, neutral)


def _annotation(item: Detection, neutral: bool) -> dict[str, Any]:
    left, top, right, bottom = item.box
    attributes: dict[str, Any] = {"source": item.source, "keep": item.keep}
    return {
        "category_id": CATEGORIES[item.kind],
        "segmentation": [[value for point in item.polygon for value in point]],
        "bbox": [left, top, right - left, bottom - top],
        "area": _area(item.polygon),
        "iscrowd": 0,
        **({} if item.score is None else {"score": item.score}),
        "attributes": attributes | ({"neutral": True} if neutral else {}),
    }


def _area(polygon: Polygon) -> float:
    """By the shoelace formula."""
    after = polygon[1:] + polygon[:1]
    return abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(polygon, after, strict=True))) / 2
