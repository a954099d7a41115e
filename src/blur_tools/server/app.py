"""The application: routes, what a request becomes, and what it is answered."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import threading
import time
import traceback
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from blur_tools import __version__
from blur_tools._parameters import LOGO_FOLDER
from blur_tools._stop import proceed, stoppable
from blur_tools.detectors.snapshot import Snapshot
from blur_tools.engines.local import LocalEngine
from blur_tools.errors import (
    BadRequestError,
    BlurError,
    ExtraMissingError,
    FetchError,
    ForbiddenError,
    PatternTimeoutError,
    PictureError,
    ServiceError,
    ServiceTimeoutError,
    SettingsError,
    ThrottledError,
    TooLargeError,
)
from blur_tools.picture import load_picture
from blur_tools.pipeline import redact_loaded
from blur_tools.redaction.logo import logo_of
from blur_tools.result import BlurResult
from blur_tools.server.config import ServerConfig
from blur_tools.server.form import Body, BodyTimeoutError, Form, UploadTooLargeError, read_form
from blur_tools.server.schema import DESCRIPTION
from blur_tools.server.security import Budget, Throttle, logo_file, may_pass
from blur_tools.server.waiting import GoneError, unless, waited, while_there
from blur_tools.service.answers import INVALID_TOKEN, throttled
from blur_tools.settings import BlurSettings
from blur_tools.sources import Source, load_source

__all__ = ["create_app"]

logger = logging.getLogger("blur_tools.server")

SMALLEST_SHARE = 4_000_000
"""Bytes that every request counts for: a short form can name a URL with a large file behind it."""

INFO_AGE = 10.0
"""Seconds for which Snapshot's word of itself holds."""

ASIDE = 4
"""Threads for what must not wait behind strangers' URLs: settings of a request, and Snapshot's word of itself."""

FETCHERS = 16
"""URLs that are fetched at once: waiting for others' servers must not keep the cores from working."""


LONGEST_WAIT = 60.0
"""Seconds that a request waits for room before it is told that the server is busy."""

PIECE, SEND_TIMEOUT = 1 << 18, 120.0
"""Bytes of an answer that are sent at a time, and seconds for all of them: who does not read holds memory."""


class _BusyError(Exception):
    """There was no room for a request in time."""


class _Answer(Response):
    """An answer that holds its share of the memory until it is sent."""

    def __init__(self, content: bytes, share: AsyncExitStack) -> None:
        super().__init__(content, media_type="application/json")
        self.share = share

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it in pieces: the server waits before each until those before are gone."""
        try:
            await self._send(send)
        except TimeoutError:
            logger.warning("an answer was not read in time; the connection is closed")
        finally:
            await self.share.aclose()

    async def _send(self, send: Send) -> None:
        async with asyncio.timeout(SEND_TIMEOUT):
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            for start in range(0, len(self.body), PIECE):
                piece, end = self.body[start : start + PIECE], start + PIECE >= len(self.body)
                await send({"type": "http.response.body", "body": piece, "more_body": not end})


def create_app(config: ServerConfig) -> FastAPI:
    """The application for a set-up; any ASGI server can run it.

    Parameters
    ----------
    config : ServerConfig
        How it is set up.

    Returns
    -------
    fastapi.FastAPI
        ``POST /`` and ``/v1/blur``, ``GET /info/`` and ``/health/``, each with and without its last slash.
    """
    server = _Server(config)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with server.running():
            yield

    app = FastAPI(
        title="Blur API", version=__version__, lifespan=lifespan, redirect_slashes=False,
        docs_url=None, redoc_url=None,  # their pages load scripts from elsewhere
    )  # fmt: skip
    for path in ("/", "/v1/blur", "/v1/blur/"):
        app.add_api_route(path, server.blur, methods=["POST"], name="blur", **DESCRIPTION)
    for path in ("/info/", "/info"):
        app.add_api_route(path, server.info, methods=["GET"], name="info")
    for path in ("/health/", "/health"):
        app.add_api_route(path, server.health, methods=["GET"], name="health")
    app.add_exception_handler(HTTPException, _http_error)
    return app


class _Server:
    def __init__(self, config: ServerConfig) -> None:
        self.config = config
        logo_of(self._with_logo(config.settings))  # a bad one is said now, not by every request
        self.snapshot = _snapshot(config)
        self.engine = LocalEngine(self.snapshot)
        self.throttle = Throttle(config.rate)
        self.ending = threading.Event()
        self.told: Any = None
        self.told_at = -math.inf

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Threads to work in; what is under way at the end is finished."""
        # three, taken in this order, so that nobody holds what another waits for
        third = max(1, self.config.memory // 3)
        self.bodies, self.fetched, self.answers = Budget(third), Budget(third), Budget(third)
        self.slots, self.fetching = asyncio.Semaphore(self.config.workers), asyncio.Semaphore(FETCHERS)
        self.one_asks = asyncio.Lock()
        self.workers = ThreadPoolExecutor(self.config.workers, "blur")
        self.fetchers = ThreadPoolExecutor(FETCHERS, "fetch")
        self.aside = ThreadPoolExecutor(ASIDE, "aside")
        try:
            yield
        finally:  # what was cancelled because the goodbye took too long is not begun, and what is under way ends
            self.ending.set()
            pools = (self.workers, self.fetchers, self.aside)
            for pool in pools:
                pool.shutdown(wait=False, cancel_futures=True)
            for pool in pools:
                await asyncio.to_thread(pool.shutdown)

    async def blur(self, request: Request) -> Response:
        """Find the plates and faces of a picture, and hide them where an intensity of 1 or more is asked for."""
        started = time.perf_counter()
        response, result = await self._answered(request)
        found = f"{len(result.detections.plates)} plates, {len(result.detections.faces)} faces" if result else "-"
        logger.info(
            "POST %s %d, %s, %.0f ms", request.url.path, response.status_code, found,
            1000 * (time.perf_counter() - started),
        )  # fmt: skip
        return response

    async def info(self, request: Request) -> Response:
        """Version of this server, and what the Snapshot SDK says of itself."""
        if refusal := self._refusal(request):
            return refusal
        return _json(200, {"version": __version__, "snapshot": await self._snapshot_info()})

    async def _snapshot_info(self) -> Any:
        """What Snapshot says of itself, asked once for all who want to know at the time."""
        if self.snapshot is None:
            return None
        async with self.one_asks:
            if time.monotonic() - self.told_at > INFO_AGE:
                self.told = await asyncio.get_running_loop().run_in_executor(self.aside, self.snapshot.info)
                self.told_at = time.monotonic()
        return self.told

    async def health(self, request: Request) -> Response:
        """Whether the server answers."""
        return _json(200, {"status": "ok"})

    async def _answered(self, request: Request) -> tuple[Response, BlurResult | None]:
        body = Body(request, self.config.max_bytes)
        refusal = self._refusal(request)
        if refusal is None:
            try:
                return await self._work(request, body)
            except (GoneError, ClientDisconnect):
                return _json(499, {"error": "the client is gone"}), None  # which nobody reads
            except Exception as error:
                refusal = _refused(error, self.config)
        await body.drain()
        return refusal, None

    def _refusal(self, request: Request) -> Response | None:
        # first, so that tokens cannot be guessed any faster
        if delay := self.throttle.delay(request.client.host if request.client else ""):
            return _throttled(delay)
        if not may_pass(request.headers.get("authorization"), self.config.required_token):
            return _json(403, INVALID_TOKEN)
        return None

    async def _work(self, request: Request, body: Body) -> tuple[Response, BlurResult]:
        gone = threading.Event()
        async with AsyncExitStack() as held, AsyncExitStack() as answered:
            source, settings = await self._asked(request, body, held, gone)
            async with AsyncExitStack() as slot:  # until there is room for the answer, so that few wait for that
                await waited(request, slot.enter_async_context(self.slots))
                work = partial(self._blurred, source, settings, gone)
                del source
                content, result = await while_there(request, gone, self.workers, work)
                del work
                await held.aclose()
                await waited(request, answered.enter_async_context(self.answers.take(len(content))))
            return _Answer(content, answered.pop_all()), result

    async def _asked(
        self, request: Request, body: Body, held: AsyncExitStack, gone: threading.Event
    ) -> tuple[Any, BlurSettings]:
        """The picture and what is to be done with it; `held` holds its memory."""
        room = held.enter_async_context(self.bodies.take(max(body.length, SMALLEST_SHARE)))
        try:
            share = await asyncio.wait_for(room, LONGEST_WAIT)
        except TimeoutError as error:
            raise _BusyError from error
        form = await read_form(body)
        share.keep(form.size)
        # in a thread: a stranger's patterns and lists can take long, and nobody else is to wait for them
        settings = await while_there(request, gone, self.aside, lambda: self._settings(form))
        if form.upload_url is None:
            return form.upload, settings
        async with AsyncExitStack() as slot:  # until its size has room: only so many are of a size not known yet
            await waited(request, slot.enter_async_context(self.fetching))
            source = await while_there(request, gone, self.fetchers, lambda: self._fetched(form.upload_url, gone))
            await waited(request, held.enter_async_context(self.fetched.take(len(source.data))))
        return source, settings

    def _settings(self, form: Form) -> BlurSettings:
        """What the server's own settings say, and over them what the request says."""
        base, said = self.config.settings, BlurSettings.from_form(form.fields)
        given = {p.name: getattr(said, p.name) for p in said.parameters() if p.api}
        given = {name: value for name, value in given.items() if value is not None}
        if said.config is not None:
            given["config"] = {**(base.config or {}), **said.config}
        return self._with_logo(replace(base, **given))

    def _with_logo(self, settings: BlurSettings) -> BlurSettings:
        """With the file that a path in ``/logos`` stands for."""
        if isinstance(settings.logo, str) and settings.logo.startswith(LOGO_FOLDER):
            return replace(settings, logo=logo_file(settings.logo, self.config.logos))
        return settings

    def _fetched(self, url: Any, gone: threading.Event) -> Source:
        public_only = not self.config.allow_private_urls
        with stoppable(unless(gone, self.ending)):
            return load_source(url, max_bytes=self.config.max_bytes, public_only=public_only)

    def _blurred(self, source: Any, settings: BlurSettings, gone: threading.Event) -> tuple[bytes, BlurResult]:
        with stoppable(unless(gone, self.ending)):
            proceed()
            picture = load_picture(source, max_pixels=self.config.max_pixels)
            answer = self.engine.detect(picture, settings)
            proceed()
            result = redact_loaded(picture, answer.detections, settings, self.engine, answer.warnings)
        return json.dumps(result.to_api(), allow_nan=False).encode(), result


def _snapshot(config: ServerConfig) -> Snapshot | None:
    if config.sdk_url is not None:
        return Snapshot(config.sdk_url, rate=config.snapshot_rate)  # the token is for the cloud alone
    if config.snapshot_token is None:
        return None
    return Snapshot(token=config.snapshot_token, rate=config.snapshot_rate)


def _json(status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    return Response(json.dumps(body), status, dict(headers or {}), "application/json")


def _throttled(seconds: float) -> Response:
    return _json(429, throttled(seconds), {"Retry-After": str(max(1, math.ceil(seconds)))})


def _refused(error: Exception, config: ServerConfig) -> Response:
    """The documented answer for what went wrong."""
    if isinstance(error, UploadTooLargeError):
        return _json(413, {"error": f"the upload is larger than {config.max_bytes:,} bytes"})
    if isinstance(error, _BusyError):
        return _json(503, {"error": "too much is waiting; try again"}, {"Retry-After": "10"})
    if isinstance(error, BodyTimeoutError):
        return _json(400, {"error": "the request did not arrive in time"})
    if isinstance(error, PictureError):
        name = "upload_url" if isinstance(error, FetchError) else "upload"
        return _json(400, {"error": f"{name}: {error}"})
    if isinstance(error, SettingsError | ExtraMissingError | PatternTimeoutError):
        return _json(400, {"error": str(error)})
    if isinstance(error, ServiceError):
        return _snapshot_failed(error)
    if isinstance(error, BlurError):
        logger.error("%s", type(error).__name__)
        return _json(500, {"error": str(error)})
    # where, but not with what: an unforeseen message could repeat a plate's text
    places = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    logger.error("%s at %s", type(error).__name__, " < ".join(reversed(places)))
    return _json(500, {"error": "an unforeseen error; the server's log says where"})


def _snapshot_failed(error: ServiceError) -> Response:
    """What a client hears of Snapshot: its status, and neither where it is nor what our log is told."""
    logger.warning("Snapshot: %s", error.reason)
    if isinstance(error, ForbiddenError):
        return _json(
            403, {"detail": "Snapshot refused the server's token, or its credits are used up.", "status_code": 403}
        )
    if isinstance(error, ThrottledError):
        return _throttled(error.retry_after or 1)
    status, said = 502, "Snapshot cannot be reached, or failed"
    if isinstance(error, TooLargeError):
        status, said = 413, "the upload is larger than Snapshot takes"
    elif isinstance(error, BadRequestError):
        status, said = 400, "Snapshot does not take the request: see regions, config and camera_id"
    elif isinstance(error, ServiceTimeoutError):
        status, said = 504, "Snapshot did not answer in time"
    return _json(status, {"error": said})


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # what it is registered for
    said = f"{error.detail}: {request.method} {request.url.path[:100]}"
    await Body(request, 0).drain()
    return _json(error.status_code, {"error": said}, error.headers)
