"""The Blur API as an engine: Plate Recognizer's cloud, its server on your machine, or ours."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import Any
from urllib.parse import urljoin, urlsplit

from blur_tools.detections import Detection, Detections
from blur_tools.engines._base import Answer
from blur_tools.engines._skip import with_skipped
from blur_tools.errors import AnswerError, DetectionsError, PictureError, ServiceError, SettingsError
from blur_tools.picture import Picture, load_picture
from blur_tools.redaction.pixels import redact_picture
from blur_tools.result import BlurResult
from blur_tools.service.client import READ_TIMEOUT, Service
from blur_tools.service.pacing import MOST_RETRIES
from blur_tools.service.upload import Upload, upload_of
from blur_tools.settings import BlurSettings
from blur_tools.sources import Source, is_url, shown_place, url_name

__all__ = ["RemoteEngine", "remote_engine"]

CLOUD, ONPREMISE = "https://blur.platerecognizer.com/v1/blur", "http://localhost:8001"
STATISTICS = "https://api.platerecognizer.com/v1/statistics/"
TOKEN_VARIABLE, URL_VARIABLE = "PLATE_RECOGNIZER_TOKEN", "BLUR_TOOLS_URL"

CLOUD_RATE = 1.0
"""Calls a second that every account of the cloud may make; paid ones may make 8."""

CLOUD_LIMIT = 2_400_000
"""Bytes of an upload that the cloud was seen to take; nominally it is 3 MB."""

INFO_TIMEOUT = 3.0
"""Seconds for what a service of one's own says of itself."""

CORNERS = ("xmin", "ymin", "xmax", "ymax")
LOCAL_SEARCH = ("panorama", "thorough")
"""Ways to search that only the local engine has."""

LOCAL_ONLY = ("effect", "shape", "margin", "feather", *LOCAL_SEARCH)
"""What only our own renderer has; the service has settings of its own for some."""


class RemoteEngine:
    """A Blur service.

    With ``render="local"``, the default, it is asked once for detections, with ``plates`` and ``faces`` 0 (or -1), and
    this machine renders: the picture keeps its quality. With ``render="server"`` its picture is taken.

    Parameters
    ----------
    name : str
        What results call it.
    url : str
        Where pictures are posted to.
    token : str, optional
        Sent as the API wants it.
    rate : float, optional
        Calls a second over all threads; by default unlimited.
    retries : int
        Further tries after 429, 502, 503, 504 and broken connections.
    timeout : float
        Seconds without a sign of life.
    upload_limit : int, optional
        Most bytes of an upload. A larger picture is re-encoded, and if need be made smaller, for detection only.
    send_urls : bool
        Hand URLs over as ``upload_url`` for the service to fetch, with ``render="server"``; otherwise they are fetched
        here and uploaded.

    Raises
    ------
    SettingsError
        A bad option.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        token: str | None = None,
        rate: float | None = None,
        retries: int = MOST_RETRIES,
        timeout: float = READ_TIMEOUT,
        upload_limit: int | None = None,
        send_urls: bool = False,
    ) -> None:
        if upload_limit is not None and (not isinstance(upload_limit, int) or upload_limit < 1):
            raise SettingsError("upload_limit", f"{upload_limit!r} is not a number of bytes")
        self.name = name
        self.upload_limit = upload_limit
        self.send_urls = bool(send_urls)
        calling: dict[str, Any] = {"token": token, "rate": rate, "retries": retries, "timeout": timeout}
        self._service = Service(url, **calling)
        self._options = calling | {"upload_limit": upload_limit, "send_urls": send_urls}
        self._versions: dict[str, str] = {}
        self._learning, self._learned = threading.Lock(), False

    def __repr__(self) -> str:
        return f"RemoteEngine({self.name!r}, {self._service.shown!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        # other processes make one of their own; the token goes with it
        return _remade, (self.name, self._service.address, tuple(self._options.items()))

    @property
    def pace(self) -> tuple[str, float | None]:
        """The address that is called, and how often a second at most."""
        return self._service.address, self._options["rate"]

    @property
    def versions(self) -> Mapping[str, str]:
        """The service's versions, once `info` was asked; an answer itself does not tell them."""
        return dict(self._versions)

    @property
    def identity(self) -> Mapping[str, Any]:
        """All that an answer depends on beside picture and settings, as far as it is known without asking."""
        return {"engine": self.name, "service": self._service.address, "upload_limit": self.upload_limit}

    def learn_versions(self) -> None:
        """Ask a service of one's own for its versions, once; it need not answer, and no call is counted."""
        with self._learning:
            if self._learned or self._service.address == CLOUD:
                return
            self._learned = True
            address = urljoin(_root(self._service.address), "info/")
            about = Service(address, token=self._options["token"], retries=0, timeout=INFO_TIMEOUT, total=INFO_TIMEOUT)
            with suppress(ServiceError):
                self._note(about.get(address))

    def detect(self, picture: Picture, settings: BlurSettings) -> Answer:
        """Ask for what is in a picture; nothing is rendered.

        Raises
        ------
        ServiceError
            What the service answered instead, or that it did not.
        SettingsError
            URLs are to be handed over, and ``render`` is not ``"server"``.
        """
        if self.send_urls and settings.render == "local":
            raise SettingsError("render", 'must be "server" when URLs are handed over to the service (send_urls)')
        # the rendering is ours
        asked = settings.for_detection()
        upload = upload_of(picture, self.upload_limit)
        answer = self._post(upload, asked)
        found = self._detections(picture.source.origin, answer, settings).map(upload.stored)
        unused = [name for name in LOCAL_SEARCH if getattr(settings, name)]
        warnings = (f"not used by a service: {', '.join(unused)}",) if unused else ()
        return Answer(with_skipped(found, settings.skip_regexp), (*upload.warnings, *warnings))

    def blur(self, source: Any, settings: BlurSettings) -> BlurResult:
        """Ask for a picture with everything hidden, as the service renders it.

        Its pixels are taken as they are; what else its file holds is rebuilt as for our own results.

        Parameters
        ----------
        source : anything that `blur_tools.blur` takes
            With ``send_urls`` a URL is handed over.
        settings : BlurSettings
            With ``plates`` and ``faces`` said.

        Raises
        ------
        ServiceError, SettingsError, PictureError
            As for `detect`; an `AnswerError` when there is no picture although one was asked for.
        """
        unused = [name for name in LOCAL_ONLY if getattr(settings, name) != getattr(BlurSettings(), name)]
        warnings: tuple[str, ...] = (f"not used when the service renders: {', '.join(unused)}",) if unused else ()
        if self.send_urls and is_url(source):
            about, name = shown_place(source), url_name(source)
            answer = self._service.post(about, *_form(settings, [("upload_url", source)]))
            found = self._detections(about, answer, settings)
        else:
            picture = load_picture(source)
            upload = upload_of(picture, self.upload_limit, keep_format=True)
            about, name = picture.source.origin, picture.source.name
            answer = self._post(upload, settings)
            found = self._detections(about, answer, settings).map(upload.stored)
            warnings += upload.warnings
        found = with_skipped(found, settings.skip_regexp)
        result = BlurResult(found, filename=name, engine=self.name, versions=self.versions, warnings=warnings)
        if max(settings.intensity("plate"), settings.intensity("face")) < 1:
            return result
        return self._with_picture(result, answer, about, settings)

    def info(self) -> dict[str, Any]:
        """What the service says of itself: ``{"version", "snapshot"}``; on-premise only.

        Raises
        ------
        ServiceError
            It does not answer so.
        """
        answer = self._service.get(urljoin(_root(self._service.address), "info/"))
        self._note(answer)
        return answer

    def usage(self) -> dict[str, Any]:
        """The account's quota and calls: ``{"usage": {"month", "calls", "year", "resets_on"}, "total_calls"}``.

        Raises
        ------
        ServiceError
            It does not answer so.
        """
        address = self._service.address
        return self._service.get(STATISTICS if address == CLOUD else urljoin(_root(address), "v1/statistics/"))

    def _note(self, info: Mapping[str, Any]) -> None:
        snapshot = info.get("snapshot")
        versions = {
            "blur": info.get("version"),
            "snapshot": snapshot.get("version") if isinstance(snapshot, Mapping) else None,
        }
        self._versions = {part: version for part, version in versions.items() if isinstance(version, str)}

    def _post(self, upload: Upload, settings: BlurSettings) -> dict[str, Any]:
        """Send a picture with every parameter as the file sent has it."""
        boxes = [upload.sent_box(box) for box in settings.rectangles]
        corners: dict[str, Any] = {name: [box[i] for box in boxes] for i, name in enumerate(CORNERS)}
        sent = replace(settings, **corners)
        fields, files = _form(sent)
        files.insert(0, ("upload", (upload.name, upload.data)))
        return self._service.post(upload.picture.source.origin, fields, files)

    def _detections(self, about: str, answer: Mapping[str, Any], settings: BlurSettings) -> Detections:
        try:
            found = Detections.from_api(answer, self.name)
        except DetectionsError as error:
            # no cause: it would repeat the answer as it came
            raise AnswerError(about, f"{self._service.shown} gave {self._service.scrubbed(str(error))}") from None
        lowest = {"plate": settings.plate_threshold, "face": settings.face_threshold}
        return Detections(item for item in found if _counts(item, lowest[item.kind]))

    def _with_picture(
        self, result: BlurResult, answer: Mapping[str, Any], about: str, settings: BlurSettings
    ) -> BlurResult:
        try:
            given = BlurResult.from_api(answer)
        except DetectionsError as error:
            # no cause: it would repeat the answer as it came
            raise AnswerError(about, f"{self._service.shown} gave {self._service.scrubbed(str(error))}") from None
        if given.data is None:
            reason = f'{self._service.shown} gave no picture: blurring is not enabled there; render="local" needs none'
            raise AnswerError(about, reason)
        try:
            picture = load_picture(Source(given.data, result.filename, about))
            clean = redact_picture(picture, (), replace(settings, logo=None))
        except PictureError as error:
            raise AnswerError(about, f"{self._service.shown} gave a picture that is none: {error.reason}") from error
        return replace(result, data=clean.data, content_type=picture.format.content_type, method="server")


@lru_cache(maxsize=8)
def _remade(name: str, url: str, options: tuple[tuple[str, Any], ...]) -> RemoteEngine:
    """An engine of another process, once in this one: its connections serve all that is done here."""
    return RemoteEngine(name, url, **dict(options))


def remote_engine(name: str, **options: Any) -> RemoteEngine:
    """The engine of a name: ``"cloud"``, ``"onpremise"`` or an http(s) URL.

    Raises
    ------
    SettingsError
        An unknown or bad option; no token for the cloud.
    """
    known = {"token", "rate", "retries", "timeout", "upload_limit", "send_urls", "url"}
    if is_url(name):
        known -= {"url"}
        options["url"], name = name, shown_place(name)
    for option in options.keys() - known - {"url"}:
        raise SettingsError("engine", f"a remote engine has no option {option}; there are {', '.join(sorted(known))}")
    if name == "cloud":
        options["url"] = options.get("url") or CLOUD
        options = {"rate": CLOUD_RATE, "upload_limit": CLOUD_LIMIT} | options
        # no other address is given the token of the environment
        if options.get("token") is None and options["url"] == CLOUD:
            options["token"] = os.environ.get(TOKEN_VARIABLE)
        if not options.get("token"):
            raise SettingsError("token", f"the cloud needs one: set {TOKEN_VARIABLE}, or give token=")
    url = options.pop("url", None) or os.environ.get(URL_VARIABLE) or ONPREMISE
    return RemoteEngine(name, url, **options)


def _form(
    settings: BlurSettings, first: list[tuple[str, str]] | None = None
) -> tuple[list[tuple[str, str]], list[tuple[str, tuple[str, bytes]]]]:
    """Text fields, and file parts: a logo that is a file."""
    form = settings.to_form()
    fields = [(name, value) for name, value in form if isinstance(value, str)]
    files = [(name, ("logo", value)) for name, value in form if isinstance(value, bytes)]
    return [*(first or ()), *fields], files


def _counts(item: Detection, lowest: float | None) -> bool:
    """Whether a detection's score reaches a threshold that was said; the service's own holds otherwise."""
    return lowest is None or item.score is None or item.score >= lowest


def _root(url: str) -> str:
    """The address below which ``info/`` stands."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/").removesuffix("/v1/blur")
    return f"{parts.scheme}://{parts.netloc}{path}/"
