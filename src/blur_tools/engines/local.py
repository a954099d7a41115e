"""The default engine: our networks on this machine; no token, no network."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from blur_tools import __version__
from blur_tools._stop import proceed
from blur_tools.detections import Box, Detection, Detections, Kind
from blur_tools.detectors import faces, plates
from blur_tools.detectors.by_text import elsewhere, plates_by_text
from blur_tools.detectors.reading import can_read, read_plate, reader
from blur_tools.detectors.seam import both_sides, seam
from blur_tools.detectors.snapshot import Snapshot
from blur_tools.detectors.thorough import in_the_mirror, tiles
from blur_tools.detectors.tiles import Candidate, merge, slices
from blur_tools.engines._base import Answer
from blur_tools.engines._skip import matches, with_skipped
from blur_tools.orientation import box_to_stored, box_to_upright, polygon_to_stored
from blur_tools.picture import Picture
from blur_tools.service.upload import map_boxes
from blur_tools.settings import DEFAULT_OVERLAP, BlurSettings

__all__ = ["LocalEngine"]

SNAPSHOT_ONLY = ("regions", "config", "camera_id")

LOWEST_READING = 0.95
"""A reading less sure than this leaves no plate visible; of surer ones 90 % were right on evaluation photographs."""


class LocalEngine:
    """Plates and faces by the networks that ship with the package.

    Honours every parameter that concerns detection except ``regions``, ``config`` and ``camera_id``, which are
    Snapshot's (the result warns that they were not used). For ``skip_regexp`` and ``read_plates`` the plates are read,
    which needs the extra ``[ocr]``; with it, ``thorough`` also seeks plates by their text.

    Parameters
    ----------
    snapshot : Snapshot, optional
        Ask it for plates, and what stands on them, instead of our own network.
    """

    name = "local"

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        self.snapshot = snapshot

    def __repr__(self) -> str:
        return f"LocalEngine({self.snapshot or ''})"

    @property
    def versions(self) -> Mapping[str, str]:
        """The networks' weights; Snapshot's own version is not known."""
        found_by = "snapshot" if self.snapshot else plates.version()
        return {"plates": found_by, "faces": faces.NETWORK.version}

    @property
    def identity(self) -> Mapping[str, str]:
        """All that an answer depends on beside picture and settings."""
        others = {"snapshot": repr(self.snapshot), "corners": plates.NETWORK.version, "reader": reader()}
        return {"engine": self.name, "blur_tools": __version__, **others, **self.versions}

    def detect(self, picture: Picture, settings: BlurSettings) -> Answer:
        """Find plates and faces, each unless its intensity is -1.

        Raises
        ------
        ExtraMissingError
            Plates are to be read, and what reads them is not installed.
        ModelError
            A network's weights are missing.
        PatternTimeoutError
            A pattern of ``skip_regexp`` takes too long on a plate of this picture.
        ServiceError
            Snapshot failed.
        """
        found: list[Detection] = []
        if settings.intensity("plate") >= 0:
            found += self._placed("plate", self._plates(picture, settings), picture)
        if settings.intensity("face") >= 0:
            found += self._placed("face", _all_faces(picture, settings), picture)
        visible = _without_excluded(found, picture, settings)
        return Answer(self._judged(visible, picture, settings), tuple(self._warnings(settings)))

    def _warnings(self, settings: BlurSettings) -> Iterator[str]:
        unused = [name for name in SNAPSHOT_ONLY if getattr(settings, name) is not None and not self.snapshot]
        if unused:
            yield f"not used by the local engine: {', '.join(unused)}"
        if not settings.thorough or settings.intensity("plate") < 0:
            return
        if self.snapshot:
            yield "Snapshot was asked as without thorough: each part of a picture would be a call to it"
        elif not can_read():
            yield "plates were not sought by their text as well, which needs the extra: pip install 'blur-tools[ocr]'"

    def _plates(self, picture: Picture, settings: BlurSettings) -> list[Candidate]:
        def find(picture: Picture, part: Box) -> list[Candidate]:
            if self.snapshot:
                return self.snapshot.find_plates(picture, part, settings)
            return plates.find_plates(picture, part, settings.threshold_of("plate"), settings.thorough)

        if self.snapshot:
            # calls cost, and what it would read in the mirror is nonsense
            settings = replace(settings, thorough=False)
        join = partial(merge, iou=plates.SAME_PLATE_IOU, hold=True) if self.snapshot else plates.join_plates
        found = _searched(picture, settings, find, join)
        if settings.thorough and can_read():
            for part in _parts(picture, settings):
                seen = plates_by_text(picture, part)
                found += [one for one in elsewhere(seen, found) if one.rank >= settings.threshold_of("plate")]
        return found

    def _placed(self, kind: Kind, candidates: list[Candidate], picture: Picture) -> list[Detection]:
        version = self.versions[kind + "s"]
        source = version if version == "snapshot" else f"local:{version}"
        return [_detection(kind, candidate, picture, candidate.source or source) for candidate in candidates]

    def _judged(self, found: Detections, picture: Picture, settings: BlurSettings) -> Detections:
        """With what is to be skipped kept, and with the texts of these, or of all where they were asked for."""
        if self.snapshot:
            return with_skipped(found, settings.skip_regexp)
        if not (settings.skip_regexp or settings.read_plates):
            return found
        return found.map(lambda item: _read(item, picture, settings) if item.kind == "plate" else item)


def _read(item: Detection, picture: Picture, settings: BlurSettings) -> Detection:
    proceed()
    reading = read_plate(picture, item.polygon)
    if reading is None:
        return item
    matched = reading.score >= LOWEST_READING and matches(settings.skip_regexp or (), reading.text)
    if not (matched or settings.read_plates):
        return item
    # what stays visible may be read by anybody, so its text tells no more; the names are Snapshot's: `score` is how
    # sure the reading is, `dscore` how sure the detection
    result = {**item.result, "plate": reading.text, "score": reading.score, "dscore": item.score}
    return replace(item, keep=item.keep or matched, result=result)


def _parts(picture: Picture, settings: BlurSettings) -> list[Box]:
    """What is searched: the whole picture, and parts of it when ``split`` or ``thorough`` ask for them (upright)."""
    overlap = DEFAULT_OVERLAP if settings.overlap is None else settings.overlap
    parts = [_whole(picture), *slices(picture.upright_size, settings.split or 0, overlap)]
    return [*parts, *tiles(picture.upright_size)] if settings.thorough else parts


def _whole(picture: Picture) -> Box:
    width, height = picture.upright_size
    return 0.0, 0.0, float(width), float(height)


def _all_faces(picture: Picture, settings: BlurSettings) -> list[Candidate]:
    def find(picture: Picture, part: Box) -> list[Candidate]:
        return faces.find_faces(picture, part, settings.threshold_of("face"), settings.face_max_resolution)

    return _searched(picture, settings, find, partial(merge, iou=faces.SAME_FACE_IOU, hold=True))


def _searched(
    picture: Picture,
    settings: BlurSettings,
    find: Callable[[Picture, Box], list[Candidate]],
    join: Callable[[list[Candidate]], list[Candidate]],
) -> list[Candidate]:
    """What is found in all parts, joined."""
    found: list[Candidate] = []
    parts = _parts(picture, settings)
    for part in parts:
        proceed()
        found += find(picture, part)
    if settings.thorough:
        found += in_the_mirror(picture, parts, find)
    if settings.panorama:
        proceed()
        strip = seam(picture)
        found += both_sides(find(strip, _whole(strip)), picture.upright_size[0])
    return join(found) if len(parts) > 1 or settings.panorama or settings.thorough else found


def _detection(kind: Kind, candidate: Candidate, picture: Picture, source: str) -> Detection:
    polygon = polygon_to_stored(candidate.polygon, picture.size, picture.orientation)
    score = None if candidate.score is None else min(max(candidate.score, 0.0), 1.0)
    detection = Detection(kind, polygon, score, source)
    if candidate.result is not None:
        stored = map_boxes(candidate.result, lambda box: box_to_stored(box, picture.size, picture.orientation))
        return replace(detection, result=stored)
    xmin, ymin, xmax, ymax = _visible(detection.box, picture)
    box = {"xmin": math.floor(xmin), "ymin": math.floor(ymin), "xmax": math.ceil(xmax), "ymax": math.ceil(ymax)}
    return replace(detection, result={"box": box, "score": score})


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
