"""The default engine: our networks on this machine; no token, no network."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from blur_tools.detections import Box, Detection, Detections, Kind
from blur_tools.detectors import faces, plates
from blur_tools.detectors.tiles import Candidate, merge, slices
from blur_tools.engines._base import Answer
from blur_tools.errors import SettingsError
from blur_tools.orientation import box_to_upright, polygon_to_stored
from blur_tools.picture import Picture
from blur_tools.settings import DEFAULT_OVERLAP, BlurSettings

__all__ = ["LocalEngine"]

Search = Callable[[Picture, BlurSettings], list[Candidate]]

SNAPSHOT_ONLY = ("regions", "config", "camera_id")


class LocalEngine:
    """Plates and faces by the networks that ship with the package.

    Honours every parameter that concerns detection except ``regions``, ``config`` and ``camera_id``, which are
    Snapshot's (the result warns that they were not used), and ``skip_regexp``, which needs the plates' text.
    """

    name = "local"

    def __repr__(self) -> str:
        return "LocalEngine()"

    @property
    def versions(self) -> Mapping[str, str]:
        """The two networks' weights."""
        return {"plates": plates.NETWORK.version, "faces": faces.NETWORK.version}

    def detect(self, picture: Picture, settings: BlurSettings) -> Answer:
        """Find plates and faces, each unless its intensity is -1.

        Raises
        ------
        SettingsError
            ``skip_regexp`` was given.
        ModelError
            A network's weights are missing.
        """
        if settings.skip_regexp:
            raise SettingsError(
                "skip_regexp", "needs the text of plates, which the local engine does not read in this version"
            )
        searches: dict[Kind, Search] = {"plate": _all_plates, "face": _all_faces}
        wanted: list[Kind] = [kind for kind in searches if settings.intensity(kind) >= 0]
        found = [item for kind in wanted for item in self._detections(kind, searches[kind](picture, settings), picture)]
        unused = [name for name in SNAPSHOT_ONLY if getattr(settings, name) is not None]
        warnings = (f"not used by the local engine: {', '.join(unused)}",) if unused else ()
        return Answer(_without_excluded(found, picture, settings), warnings)

    def _detections(self, kind: Kind, candidates: list[Candidate], picture: Picture) -> list[Detection]:
        source = f"local:{self.versions[kind + 's']}"
        return [_detection(kind, candidate, picture, source) for candidate in candidates]


def _parts(picture: Picture, settings: BlurSettings) -> list[Box]:
    """What is searched: the whole picture, and its slices when ``split`` asks for them (upright pixels)."""
    width, height = picture.upright_size
    overlap = DEFAULT_OVERLAP if settings.overlap is None else settings.overlap
    return [(0.0, 0.0, float(width), float(height)), *slices((width, height), settings.split or 0, overlap)]


def _all_plates(picture: Picture, settings: BlurSettings) -> list[Candidate]:
    parts = _parts(picture, settings)
    found = [c for part in parts for c in plates.find_plates(picture, part, settings.threshold_of("plate"))]
    return merge(found, plates.SAME_PLATE_IOU) if len(parts) > 1 else found


def _all_faces(picture: Picture, settings: BlurSettings) -> list[Candidate]:
    parts, limit = _parts(picture, settings), settings.face_max_resolution
    found = [c for part in parts for c in faces.find_faces(picture, part, settings.threshold_of("face"), limit)]
    return merge(found, faces.SAME_FACE_IOU) if len(parts) > 1 else found


def _detection(kind: Kind, candidate: Candidate, picture: Picture, source: str) -> Detection:
    polygon = polygon_to_stored(candidate.polygon, picture.size, picture.orientation)
    detection = Detection(kind, polygon, min(candidate.score, 1.0), source)
    xmin, ymin, xmax, ymax = detection.box
    width, height = picture.size
    box = {
        "xmin": max(0, math.floor(xmin)),
        "ymin": max(0, math.floor(ymin)),
        "xmax": min(width, math.ceil(xmax)),
        "ymax": min(height, math.ceil(ymax)),
    }
    return Detection(kind, polygon, detection.score, source, result={"box": box, "score": detection.score})


def _without_excluded(found: list[Detection], picture: Picture, settings: BlurSettings) -> Detections:
    """Leave out what lies entirely inside one excluded area: less than that could leave an object visible."""
    areas = _margins(picture, settings)
    areas += [box_to_upright(box, picture.size, picture.orientation) for box in settings.rectangles]
    if not areas:
        return Detections(found)
    return Detections(
        item
        for item in found
        if not any(
            _inside(box_to_upright(_visible(item.box, picture), picture.size, picture.orientation), a) for a in areas
        )
    )


def _margins(picture: Picture, settings: BlurSettings) -> list[Box]:
    """The four excluded strips, in upright pixels."""
    width, height = picture.upright_size
    top, left, bottom, right = ((value or 0) / 100 for value in (settings.et, settings.el, settings.eb, settings.er))
    strips: list[tuple[float, Box]] = [
        (top, (0, 0, width, height * top)),
        (left, (0, 0, width * left, height)),
        (bottom, (0, height * (1 - bottom), width, height)),
        (right, (width * (1 - right), 0, width, height)),
    ]
    return [strip for share, strip in strips if share > 0]


def _visible(box: Box, picture: Picture) -> Box:
    width, height = picture.size
    xmin, ymin, xmax, ymax = box
    return max(0.0, xmin), max(0.0, ymin), min(float(width), xmax), min(float(height), ymax)


def _inside(box: Box, area: Box) -> bool:
    return box[0] >= area[0] and box[1] >= area[1] and box[2] <= area[2] and box[3] <= area[3]
