"""`Detection` and `Detections`: what was found in one picture, as polygons in pixels of the stored picture."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast, overload

from blur_tools._frozen import frozen_object, thawed
from blur_tools.errors import DetectionsError

__all__ = ["KINDS", "Box", "Detection", "Detections", "Kind", "Point", "Polygon", "box_polygon"]

Kind = Literal["plate", "face"]
KINDS: tuple[Kind, ...] = ("plate", "face")
Point = tuple[float, float]
Polygon = tuple[Point, Point, Point, Point]
Box = tuple[float, float, float, float]

FARTHEST = 1e9
"""Largest coordinate in pixels; areas and lengths stay exact enough up to there."""

JSON_VERSION = 1
"""Version of the lossless form; a reader refuses a newer one."""


def box_polygon(xmin: float, ymin: float, xmax: float, ymax: float) -> Polygon:
    """The four corners of an upright box, clockwise from top left."""
    return ((xmin, ymin), (xmax, ymin), (xmax, ymax), (xmin, ymax))


@dataclass(frozen=True)
class Detection:
    """One plate or face.

    Parameters
    ----------
    kind : {"plate", "face"}
        What it is.
    polygon : sequence of four (x, y)
        Corners in pixels of the stored picture (as numpy readers see it, whatever its orientation tag),
        clockwise from the object's top left; they may lie outside the picture.
    score : float or None
        Confidence of the detection, 0 to 1; None when a person drew it.
    source : str
        Which engine or person it came from.
    keep : bool
        A person (or ``skip_regexp``) wants it left visible: it stays in the table, unrendered.
    result : mapping
        The Snapshot object, or the local ``{"box", "score"}``.

    Raises
    ------
    DetectionsError
        Unknown kind, not four finite corners, a score outside 0 to 1.
    """

    kind: Kind
    polygon: Polygon
    score: float | None = None
    source: str = ""
    keep: bool = False
    result: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise DetectionsError(f"kind {self.kind!r} is none of {', '.join(KINDS)}")
        object.__setattr__(self, "polygon", _polygon(self.polygon))
        if self.score is not None:
            object.__setattr__(self, "score", _score(self.score))
        object.__setattr__(self, "keep", _truth(self.keep))
        if not isinstance(self.source, str):
            raise DetectionsError(f"source must be text, not {type(self.source).__name__}")
        try:
            object.__setattr__(self, "result", frozen_object(self.result))
        except (TypeError, ValueError, RecursionError) as error:
            raise DetectionsError(f"result must be what JSON can say: {error}") from error

    @property
    def box(self) -> Box:
        """Smallest upright box around the polygon: ``(xmin, ymin, xmax, ymax)`` in pixels."""
        xs, ys = zip(*self.polygon, strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    @property
    def text(self) -> str | None:
        """The plate's text where it was read, else None."""
        plate = self.result.get("plate")
        # in Snapshot's vehicle mode `plate` is an object, or null
        if isinstance(plate, Mapping):
            plate = _nested(plate, "props", "plate", 0, "value")
        return plate if isinstance(plate, str) else None

    def to_json(self) -> dict[str, Any]:
        """The lossless form as an object."""
        return {
            "kind": self.kind,
            "polygon": [list(point) for point in self.polygon],
            "score": self.score,
            "source": self.source,
            "keep": self.keep,
            "result": thawed(self.result),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Detection:
        """Read the lossless form; only ``kind`` and ``polygon`` must be there."""
        if not isinstance(value, Mapping) or not {"kind", "polygon"} <= value.keys():
            raise DetectionsError("a detection needs kind and polygon")
        unknown = value.keys() - {"kind", "polygon", "score", "source", "keep", "result"}
        if unknown:
            raise DetectionsError(f"unknown entries in a detection: {', '.join(sorted(map(str, unknown)))}")
        return cls(**cast("dict[str, Any]", dict(value)))


class Detections(Sequence[Detection]):
    """What was found in one picture: an immutable sequence of `Detection`.

    Two forms: `to_api` / `from_api` are the Blur API's exact JSON, which has no word for who found a
    detection or whether a person keeps it; `to_json` / `from_json` lose nothing.
    """

    __slots__ = ("_items",)

    def __init__(self, items: Iterable[Detection] = ()) -> None:
        self._items = tuple(items)
        for item in self._items:
            if not isinstance(item, Detection):
                raise DetectionsError(f"a Detection is needed, not {type(item).__name__}")

    @overload
    def __getitem__(self, index: int) -> Detection: ...
    @overload
    def __getitem__(self, index: slice) -> Detections: ...
    def __getitem__(self, index: int | slice) -> Detection | Detections:
        return Detections(self._items[index]) if isinstance(index, slice) else self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Detection]:
        return iter(self._items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Detections) and self._items == other._items

    def __hash__(self) -> int:
        return hash(self._items)

    def __repr__(self) -> str:
        return f"Detections({len(self.plates)} plates, {len(self.faces)} faces)"

    @property
    def plates(self) -> Detections:
        """Only the plates."""
        return Detections(item for item in self if item.kind == "plate")

    @property
    def faces(self) -> Detections:
        """Only the faces."""
        return Detections(item for item in self if item.kind == "face")

    def map(self, change: Callable[[Detection], Detection]) -> Detections:
        """The same with `change` done to each detection."""
        return Detections(change(item) for item in self)

    def with_source(self, source: str) -> Detections:
        """The same, said to come from `source`."""
        return self.map(lambda item: replace(item, source=source))

    def to_api(self) -> dict[str, Any]:
        """``{"faces": [...], "plates": [...]}`` in the API's shape; kept detections are in it too."""
        return {
            "faces": [{"box": _api_box(item.box), "score": item.score} for item in self.faces],
            "plates": [
                {"polygon": [list(point) for point in item.polygon], "result": thawed(item.result)}
                for item in self.plates
            ],
        }

    @classmethod
    def from_api(cls, answer: Mapping[str, Any], source: str = "") -> Detections:
        """Read the API's answer (other keys of it, such as ``blur``, are ignored).

        Raises
        ------
        DetectionsError
            The answer has not the documented shape; the message says where.
        """
        if not isinstance(answer, Mapping):
            raise DetectionsError(f"not an answer of the Blur API: {type(answer).__name__}")
        for key in ("plates", "faces"):
            if not isinstance(answer.get(key), list):
                said = answer.get("error") or answer.get("detail")
                reason = f"it says {said!r}" if said else f"{key} is no list"
                raise DetectionsError(f"not an answer of the Blur API: {reason}")
        try:
            plates = [_api_plate(entry, source) for entry in answer["plates"]]
            faces = [_api_face(entry, source) for entry in answer["faces"]]
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise DetectionsError(f"not an answer of the Blur API: {error!r}") from error
        return cls([*plates, *faces])

    def to_json(self) -> str:
        """The lossless form as text: ``{"version": 1, "detections": [...]}``."""
        form = {"version": JSON_VERSION, "detections": [item.to_json() for item in self]}
        return json.dumps(form, allow_nan=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes | Mapping[str, Any]) -> Detections:
        """Read the lossless form, as text or already parsed.

        Raises
        ------
        DetectionsError
            Not JSON, not this form, or written by a newer version.
        """
        try:
            form = text if isinstance(text, Mapping) else json.loads(text)
        except (TypeError, ValueError, RecursionError) as error:
            raise DetectionsError(f"detections are not JSON: {error}") from error
        if not isinstance(form, Mapping) or not isinstance(form.get("detections"), list):
            raise DetectionsError('detections have the form {"version": 1, "detections": [...]}')
        version = form.get("version")
        if version != JSON_VERSION:
            raise DetectionsError(f"detections of version {version!r}; this blur_tools reads {JSON_VERSION}")
        return cls(Detection.from_json(entry) for entry in form["detections"])


def _polygon(points: Any) -> Polygon:
    try:
        if isinstance(points, Mapping) or any(isinstance(point, str | bytes | Mapping) for point in points):
            raise TypeError("not points")
        corners = tuple((float(x), float(y)) for x, y in points)
    except (TypeError, ValueError, OverflowError) as error:
        raise DetectionsError("a polygon is four (x, y) points") from error
    if len(corners) != 4:
        raise DetectionsError(f"a polygon has four points, not {len(corners)}")
    if not all(abs(value) <= FARTHEST for point in corners for value in point):  # false for nan, too
        raise DetectionsError(f"a polygon's coordinates must be finite and within {FARTHEST:g} pixels")
    return corners


def _score(value: Any) -> float:
    try:
        score = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise DetectionsError("a score is a number from 0 to 1, or None") from error
    if not 0 <= score <= 1:
        raise DetectionsError(f"score {score:g} is not between 0 and 1")
    return score


def _truth(value: Any) -> bool:
    # only a clear True may leave an object visible; numpy has a type of its own for it
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return bool(value)
    raise DetectionsError(f"keep must be True or False, not {type(value).__name__}")


def _api_box(box: Box) -> dict[str, float]:
    # the API speaks of whole pixels: round outwards, never inwards
    xmin, ymin, xmax, ymax = box
    return {"xmin": math.floor(xmin), "ymin": math.floor(ymin), "xmax": math.ceil(xmax), "ymax": math.ceil(ymax)}


def _api_plate(entry: Mapping[str, Any], source: str) -> Detection:
    result = {} if entry.get("result") is None else entry["result"]
    # `score` is how sure the reading is, `dscore` how sure the detection
    score = next((result[key] for key in ("dscore", "score") if isinstance(result.get(key), int | float)), None)
    return Detection("plate", entry["polygon"], score, source, result=result)


def _api_face(entry: Mapping[str, Any], source: str) -> Detection:
    box = entry["box"]
    (left, right), (top, bottom) = (sorted((box[f"{axis}min"], box[f"{axis}max"])) for axis in "xy")
    return Detection("face", box_polygon(left, top, right, bottom), entry.get("score"), source, result=entry)


def _nested(value: Any, *keys: str | int) -> Any:
    """Follow keys and indices into JSON; None where one is missing."""
    for key in keys:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return None
    return value
