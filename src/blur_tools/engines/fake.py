"""A Blur service that does as it is told, for tests: ours, and those of programs that use a remote engine.

It speaks the Blur API, Snapshot's reading of plates, ``/info/`` and ``/v1/statistics/`` on a loopback port, answers
what it was given, notes every call, and can be told to throttle, fail, hang or break off.

>>> from blur_tools import detect, engine
>>> with FakeBlur(faces=[{"box": {"xmin": 1, "ymin": 2, "xmax": 9, "ymax": 12}, "score": 0.9}]) as fake:
...     fake.then(status=503)
...     found = detect("street.jpg", engine=engine(fake.url))  # doctest: +SKIP
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl

from blur_tools.service.answers import INVALID_TOKEN, throttled

__all__ = ["Call", "FakeBlur"]

BLUR_PATHS = ("", "/v1/blur")
SNAPSHOT_PATH = "/v1/plate-reader"
_NAME = re.compile(rb'\bname="([^"]*)"')
_FILENAME = re.compile(rb'\bfilename="([^"]*)"')


@dataclass(frozen=True)
class Call:
    """A request that reached the service.

    Attributes
    ----------
    method, path : str
        Of the request; the path without its last slash.
    headers : mapping
        Names in lower case.
    fields : sequence of (name, text)
        Of the form.
    files : mapping of name to (file name, bytes)
        Parts that have a file name.
    time : float
        `time.monotonic` of its arrival.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    fields: Sequence[tuple[str, str]]
    files: Mapping[str, tuple[str, bytes]]
    time: float

    def all(self, name: str) -> list[str]:
        """Every value of a field."""
        return [value for key, value in self.fields if key == name]

    def get(self, name: str) -> str | None:
        """The only value of a field, or None; a `ValueError` if there are several."""
        values = self.all(name)
        if len(values) > 1:
            raise ValueError(f"{name} was sent {len(values)} times")
        return values[0] if values else None


@dataclass
class _Step:
    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False
    cut: bool = False


class FakeBlur:
    """A Blur service on a free port of this machine; a context manager.

    Parameters
    ----------
    plates, faces : list of dict
        What each answer says, in the API's shape.
    results : list of dict
        What Snapshot says, or a callable that is given the `Call`.
    picture : bytes or callable, optional
        The picture of an answer when one was asked for, or what makes it of the upload; the upload itself by default.
    blurring : bool
        Whether there is a picture in an answer at all.
    token : str, optional
        Calls without it are answered 403.
    limit : int, optional
        Larger uploads are answered 413.
    rate : float, optional
        Calls a second; more are answered 429.
    """

    def __init__(
        self,
        plates: Iterable[Mapping[str, Any]] = (),
        faces: Iterable[Mapping[str, Any]] = (),
        *,
        results: Iterable[Mapping[str, Any]] | Callable[[Call], Iterable[Mapping[str, Any]]] = (),
        picture: bytes | Callable[[bytes], bytes] | None = None,
        blurring: bool = True,
        token: str | None = None,
        limit: int | None = None,
        rate: float | None = None,
    ) -> None:
        self.plates, self.faces, self.results = list(plates), list(faces), results
        self.picture, self.blurring = picture, blurring
        self.token, self.limit, self.rate = token, limit, rate
        self.calls: list[Call] = []
        self._steps: deque[_Step] = deque()
        self._lock = threading.Lock()
        self._last = float("-inf")
        self._closed = threading.Event()
        self._server = _server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        """Its address, without a last slash."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def posts(self) -> list[Call]:
        """The calls that sent a picture."""
        return [call for call in self.calls if call.method == "POST"]

    def then(
        self,
        *,
        status: int = 200,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        hang: bool = False,
        cut: bool = False,
    ) -> Self:
        """Say how the next call is answered; said several times, the calls after it.

        Parameters
        ----------
        status, body, headers
            Of the answer; a `body` that is no text or bytes is sent as JSON.
        hang : bool
            Do not answer until the service is closed.
        cut : bool
            Break off in the middle of the answer.
        """
        self._steps.append(_Step(status, body, headers or {}, hang, cut))
        return self

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _step(self, call: Call) -> _Step:
        with self._lock:
            self.calls.append(call)
            if self._steps:
                return self._steps.popleft()
            if self.token and call.headers.get("authorization") != f"Token {self.token}":
                return _Step(403, INVALID_TOKEN)
            if self.rate and call.method == "POST":
                if call.time - self._last < 1 / self.rate:
                    return _Step(429, throttled(1 / self.rate))
                self._last = call.time
        if call.path not in (*BLUR_PATHS, SNAPSHOT_PATH, "/info", "/v1/statistics"):
            return _Step(404, {"detail": "Not found."})
        upload = call.files.get("upload", ("", b""))[1]
        if self.limit is not None and len(upload) > self.limit:
            return _Step(413, {"error": "The upload is too large."})
        return _Step(body=self._answer(call, upload))

    def _answer(self, call: Call, upload: bytes) -> dict[str, Any]:
        if call.path == "/info":
            return {"version": "1.0.2", "snapshot": {"version": "1.3.8", "total_calls": 2500, "usage": {"calls": 10}}}
        if call.path == "/v1/statistics":
            usage = {"month": 11, "calls": len(self.posts), "year": 2026, "resets_on": "2026-12-01T00:00:00Z"}
            return {"usage": usage, "total_calls": 2500}
        if call.path == SNAPSHOT_PATH:
            results = self.results(call) if callable(self.results) else self.results
            return {"results": [dict(result) for result in results], "camera_id": call.get("camera_id")}
        intensities = [int(value) for name in ("plates", "faces") for value in call.all(name)]
        answer: dict[str, Any] = {"plates": self.plates, "faces": self.faces, "blur": None}
        if self.blurring and max(intensities, default=0) >= 1:
            picture = self.picture(upload) if callable(self.picture) else self.picture or upload
            name = call.files.get("upload", ((call.get("upload_url") or "").rpartition("/")[2], b""))[0]
            answer["blur"] = {
                "content_type": None, "filename": name, "base64": base64.b64encode(picture).decode()
            }  # fmt: skip
        return answer


def _server(fake: FakeBlur) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            self._serve(b"")

        def do_POST(self) -> None:
            self._serve(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

        def _serve(self, body: bytes) -> None:
            fields, files = _form(self.headers.get("Content-Type") or "", body)
            headers = {name.lower(): value for name, value in self.headers.items()}
            path = self.path.partition("?")[0].rstrip("/")
            step = fake._step(Call(self.command, path, headers, fields, files, time.monotonic()))
            if step.hang:
                fake._closed.wait()
                self.close_connection = True
                return
            data = step.body if isinstance(step.body, bytes) else _text(step.body).encode()
            self.send_response(step.status)
            for name, value in step.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data) + 100 * step.cut))
            self.end_headers()
            self.wfile.write(data)
            self.close_connection = self.close_connection or step.cut

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that goes away is no news."""

    return Server(("127.0.0.1", 0), Handler)


def _text(body: Any) -> str:
    return body if isinstance(body, str) else json.dumps(body)


def _form(content_type: str, body: bytes) -> tuple[list[tuple[str, str]], dict[str, tuple[str, bytes]]]:
    kind, _, options = content_type.partition(";")
    if kind.strip() == "application/x-www-form-urlencoded":
        return parse_qsl(body.decode(), keep_blank_values=True), {}
    fields: list[tuple[str, str]] = []
    files: dict[str, tuple[str, bytes]] = {}
    boundary = options.partition("boundary=")[2].strip().strip('"').encode()
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary)[1:-1] if boundary else ():
        head, _, content = part.partition(b"\r\n\r\n")
        name, filename = _NAME.search(head), _FILENAME.search(head)
        if name and filename:
            files[name.group(1).decode()] = filename.group(1).decode(), content
        elif name:
            fields.append((name.group(1).decode(), content.decode()))
    return fields, files
