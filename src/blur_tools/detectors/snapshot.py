"""Plates asked of a Snapshot server: Plate Recognizer's SDK or its cloud, which also read them.

This is how the Blur API itself finds plates. Snapshot gives upright boxes; each is refined to a quadrilateral.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from blur_tools.detections import Box, Detection
from blur_tools.detectors.quads import quadrilateral
from blur_tools.detectors.tiles import Candidate
from blur_tools.errors import AnswerError, PictureError, ServiceError
from blur_tools.picture import FORMATS, Picture
from blur_tools.service.client import Service
from blur_tools.service.upload import map_boxes, upload_of
from blur_tools.settings import BlurSettings
from blur_tools.sources import Source, safe_name

__all__ = ["Snapshot"]

CLOUD = "https://api.platerecognizer.com/v1/plate-reader/"
PATH = "/v1/plate-reader/"

CLOUD_RATE, CLOUD_LIMIT = 1.0, 2_400_000
"""Calls a second and bytes an upload that every account of the cloud may have."""

REDACTION: Mapping[str, Any] = {"mode": "redaction"}
"""The default of the server's CONFIG: fewer plates are missed, with more false alarms."""

SLICE_QUALITY = 95

INFO_TIMEOUT = 3.0
"""Seconds for what an SDK says of itself."""


class Snapshot:
    """A Snapshot server.

    Parameters
    ----------
    url : str, optional
        The SDK's address, such as ``http://localhost:8080``; by default Snapshot Cloud, which needs a token.
    token : str, optional
        Of the account.
    rate : float, optional
        Calls a second; by default 1 for the cloud, else unlimited.

    Raises
    ------
    SettingsError
        A bad value.
    """

    def __init__(self, url: str | None = None, *, token: str | None = None, rate: float | None = None) -> None:
        self.is_cloud = url is None
        address = CLOUD if url is None else url
        if urlsplit(address).path in ("", "/"):
            address = urljoin(address, PATH)
        self._service = Service(address, token=token, rate=CLOUD_RATE if self.is_cloud and rate is None else rate)
        self._limit = CLOUD_LIMIT if self.is_cloud else None
        # apart from the calls that count: it neither takes their turns nor makes them pause
        self._about = Service(urljoin(address, "/info/"), token=token, retries=0, total=INFO_TIMEOUT)

    def __repr__(self) -> str:
        return f"Snapshot({self._service.shown!r})"

    def find_plates(self, picture: Picture, part: Box, settings: BlurSettings) -> list[Candidate]:
        """Plates in one part of a picture.

        Parameters
        ----------
        picture : Picture
            Where to look.
        part : (xmin, ymin, xmax, ymax)
            Which part of it, in pixels of the upright picture.
        settings : BlurSettings
            ``regions``, ``config``, ``camera_id`` and ``snapshot_filename`` are forwarded.

        Returns
        -------
        list of Candidate
            Quadrilaterals clockwise from the plate's top left, in pixels of the upright picture; each with Snapshot's
            whole object, whose boxes are moved to the same pixels.

        Raises
        ------
        ServiceError
            What Snapshot answered instead, or that it did not.
        """
        whole = part == (0, 0, *picture.upright_size)
        looked = picture if whole and picture.source.data else _slice(picture, part)
        upload = upload_of(looked, self._limit)
        name = safe_name(settings.snapshot_filename) if settings.snapshot_filename else upload.name
        about = picture.source.origin
        answer = self._service.post(about, _fields(settings), [("upload", (name, upload.data))])

        def placed(box: Box) -> Box:
            xmin, ymin, xmax, ymax = upload.upright_box(box)
            left, top = (0, 0) if whole else part[:2]
            return xmin + left, ymin + top, xmax + left, ymax + top

        results = answer.get("results")
        if not isinstance(results, list):
            raise AnswerError(about, f"{self._service.shown} gave an answer without results")
        try:
            found = [_candidate(picture, map_boxes(result, placed)) for result in results]
        except (ValueError, OverflowError) as error:
            raise AnswerError(about, f"{self._service.shown} gave numbers that no picture has") from error
        lowest = settings.plate_threshold
        return [item for item in found if item and (lowest is None or item.score is None or item.score >= lowest)]

    def info(self) -> dict[str, Any] | None:
        """What the SDK says of itself; None when it cannot be reached, answers with an error, or is the cloud."""
        if self.is_cloud:
            return None
        try:
            return self._about.get(self._about.address)
        except ServiceError:
            return None


def _slice(picture: Picture, part: Box) -> Picture:
    left, top, right, bottom = part
    image = picture.view((max(1, round(right - left)), max(1, round(bottom - top))), part)
    buffer = io.BytesIO()
    try:
        image.save(buffer, "JPEG", quality=SLICE_QUALITY)
    except (OSError, ValueError) as error:
        raise PictureError(picture.source.origin, f"a part of it cannot be sent as JPEG: {error}") from error
    source = Source(buffer.getvalue(), picture.source.name, picture.source.origin)
    return Picture(source, FORMATS["JPEG"], image)


def _fields(settings: BlurSettings) -> list[tuple[str, str]]:
    fields = [("regions", region) for region in settings.regions or ()]
    fields.append(("config", json.dumps({**REDACTION, **(settings.config or {})})))
    if settings.camera_id is not None:
        fields.append(("camera_id", settings.camera_id))
    return fields


def _candidate(picture: Picture, result: Any) -> Candidate | None:
    """One of Snapshot's results as a candidate; None for a vehicle without a plate."""
    box = _plate_box(result)
    if box is None:
        return None
    scores = (result.get("dscore"), result.get("score"), _inner(result).get("score"))
    score = next((float(value) for value in scores if isinstance(value, int | float)), None)
    # a detection checks what it is made of
    plate = Detection("plate", quadrilateral(picture, box), score, result=result)
    return Candidate(plate.polygon, score, result)


def _plate_box(result: Any) -> Box | None:
    # in vehicle mode `plate` is an object with a box of its own, or null
    holder = result if isinstance(result, Mapping) and "box" in result else _inner(result)
    box = holder.get("box")
    corners = ("xmin", "ymin", "xmax", "ymax")
    if not isinstance(box, Mapping) or not all(isinstance(box.get(name), int | float) for name in corners):
        return None
    xmin, ymin, xmax, ymax = (float(box[name]) for name in corners)
    return min(xmin, xmax), min(ymin, ymax), max(xmin, xmax), max(ymin, ymax)


def _inner(result: Any) -> Mapping[str, Any]:
    plate = result.get("plate") if isinstance(result, Mapping) else None
    return plate if isinstance(plate, Mapping) else {}
