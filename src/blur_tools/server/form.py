"""A request's body, read within bounds and taken apart: the picture, and the parameters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.message import Message
from email.utils import collapse_rfc2231_value
from urllib.parse import parse_qsl

from fastapi import Request
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect
from starlette.types import Message as Received

from blur_tools.errors import SettingsError
from blur_tools.sources import Source, is_url, safe_name

__all__ = ["Body", "BodyTimeoutError", "Form", "UploadTooLargeError", "read_form"]

PATIENCE, BODY_TIMEOUT = 10.0, 120.0
"""Seconds without a byte of a body, and seconds more for a whole one: the slow hold memory that others wait for."""

LEAST_PACE = 20_000
"""Bytes a second of a body that does not say its length."""

DRAINED_BYTES, DRAIN_TIMEOUT = 128_000_000, 20.0
"""How much of a refused request's body is read and dropped: many clients hear an answer only once they have sent."""

FORM_ROOM = 1_000_000
"""Bytes for what stands beside the picture: parameters and a logo that is a small file."""

MOST_PARTS = 1000
LARGEST_VALUE = 100_000

MULTIPART, URLENCODED = "multipart/form-data", "application/x-www-form-urlencoded"


class UploadTooLargeError(Exception):
    """More bytes than the server takes."""


class BodyTimeoutError(Exception):
    """The body does not arrive in time."""


@dataclass(frozen=True)
class Form:
    """What a request holds.

    Attributes
    ----------
    upload : Source or None
        The picture's file, unless there is a URL.
    upload_url : str or None
        Where it is to be fetched; has priority.
    fields : list of (name, value)
        The parameters; bytes are a file part.
    """

    upload: Source | None
    upload_url: str | None
    fields: list[tuple[str, str | bytes]]

    @property
    def size(self) -> int:
        """Bytes that it holds, about."""
        held = sum(len(name) + len(value) for name, value in self.fields)
        return held + (len(self.upload.data) if self.upload else 0)


class _Parser(MultiPartParser):
    spool_max_size = 1 << 62  # never to a file: the picture stays in memory, whose bound is ours
    ended = False

    def on_headers_finished(self) -> None:
        """Older Python clients say a name that is not ASCII in the extended form alone, which is dropped otherwise."""
        said, header = self._current_part.content_disposition or b"", Message()
        header["Content-Disposition"] = said.decode("latin-1")
        extended = header.get_param("filename", header="Content-Disposition")
        if isinstance(extended, tuple):
            name = safe_name(collapse_rfc2231_value(extended))  # has no quotes
            self._current_part.content_disposition = said + b'; filename="' + name.encode() + b'"'
        super().on_headers_finished()

    def on_end(self) -> None:
        """The last boundary was there: nothing is missing."""
        self.ended = True

    def close(self) -> None:
        """Close all files, also of parts that did not end."""
        for file in self._files_to_close_on_error:
            file.close()


class Body:
    """A request's body, read at most once.

    Parameters
    ----------
    request : fastapi.Request
        Whose body nobody else reads.
    max_bytes : int
        Of the picture; beside it there is some room for parameters.

    Attributes
    ----------
    received : int
        Bytes that `parts` has given.
    """

    def __init__(self, request: Request, max_bytes: int) -> None:
        self.request = request
        self.max_bytes = max_bytes
        self.received = 0
        self._limit = max_bytes + FORM_ROOM
        self._begun, self._more = False, True

    @property
    def is_declared(self) -> bool:
        """Whether it says its length before it comes."""
        headers = self.request.headers
        # of both, the chunks are what counts
        return headers.get("content-length", "").isdecimal() and "transfer-encoding" not in headers

    @property
    def length(self) -> int:
        """Most bytes that it can have and be taken: what it declares, else what is allowed.

        Raises
        ------
        UploadTooLargeError
            It declares more than is allowed.
        """
        length = int(self.request.headers["content-length"]) if self.is_declared else self._limit
        if length > self._limit:
            raise UploadTooLargeError
        return length

    async def parts(self) -> AsyncIterator[bytes]:
        """Its bytes as they come.

        Raises
        ------
        UploadTooLargeError
            They are more than allowed.
        BodyTimeoutError
            None come for `PATIENCE`, or fewer than would be needed to end in time.
        """
        pace = max(self.length, 1) / BODY_TIMEOUT if self.is_declared else LEAST_PACE
        begun = asyncio.get_running_loop().time()
        while self._more:
            # so much of the time as has come of the bytes: what is held for long is paid for in traffic
            message = await self._received_by(begun + PATIENCE + min(self.received / pace, BODY_TIMEOUT))
            self.received += len(message.get("body", b""))
            if self.received > self._limit:
                raise UploadTooLargeError
            yield message.get("body", b"")

    async def _received_by(self, moment: float) -> Received:
        try:
            async with asyncio.timeout_at(min(moment, asyncio.get_running_loop().time() + PATIENCE)):
                return await self._receive()
        except TimeoutError as error:
            self._more = False
            raise BodyTimeoutError from error

    async def _receive(self) -> Received:
        self._begun = True
        message = await self.request.receive()
        if message["type"] == "http.disconnect":
            self._more = False
            raise ClientDisconnect
        self._more = message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Let a refused client send the rest, within reason and keeping none of it, so that it hears why."""
        if not self._begun and "100-continue" in self.request.headers.get("expect", "").lower():
            return  # who asks first whether to send waits for our word
        size = 0
        try:
            async with asyncio.timeout(DRAIN_TIMEOUT):
                while self._more and size < DRAINED_BYTES:
                    size += len((await self._receive()).get("body", b""))
        except (TimeoutError, ClientDisconnect):
            return


async def read_form(body: Body) -> Form:
    """Read and take apart a request's body.

    Raises
    ------
    SettingsError
        It cannot be understood; names the field where there is one.
    UploadTooLargeError, BodyTimeoutError
        It is too large or too slow.
    starlette.requests.ClientDisconnect
        The client is gone.
    """
    named, options = parse_options_header(body.request.headers.get("content-type", ""))
    kind = named.decode("latin-1").strip().lower()
    if options.get(b"charset", b"utf-8").lower() not in (b"utf-8", b"utf8", b"us-ascii"):
        # some of Python's codecs take seconds for what others do at once
        raise SettingsError("Content-Type", "the charset must be utf-8")
    if kind == MULTIPART:
        form = await _multipart(body)
    elif kind == URLENCODED:
        form = _form([], _pairs(b"".join([part async for part in body.parts()])))
    else:
        raise SettingsError("Content-Type", f"{MULTIPART} or {URLENCODED} is needed")
    if form.upload is not None and len(form.upload.data) > body.max_bytes:
        raise UploadTooLargeError
    return form


async def _multipart(body: Body) -> Form:
    parser = _Parser(
        body.request.headers,
        body.parts(),  # type: ignore[arg-type]
        max_files=MOST_PARTS,
        max_fields=MOST_PARTS,
        max_part_size=LARGEST_VALUE,
    )
    try:
        items = [_item(name, item) for name, item in (await parser.parse()).multi_items()]
    except MultiPartException as error:
        raise SettingsError("body", f"is no valid {MULTIPART}: {error.message}") from error
    except (KeyError, ValueError, AssertionError) as error:
        raise SettingsError("body", f"is no valid {MULTIPART}") from error
    finally:
        parser.close()
    if not parser.ended:  # a parameter may be missing, and the picture would be less hidden than was asked for
        raise SettingsError("body", f"is no valid {MULTIPART}: its last boundary is missing")
    files = [(name, item) for name, item in items if isinstance(item, Source)]
    return _form(files, [(name, item) for name, item in items if isinstance(item, str)])


def _item(name: str, item: UploadFile | str) -> tuple[str, Source | str | None]:
    """A value, or a file; None for an empty part, which a browser sends for a file that was not chosen."""
    if isinstance(item, str):
        return name, item
    data = item.file.read()
    shown = safe_name(item.filename or name)
    return name, Source(data, shown, shown) if data or item.filename else None


def _pairs(body: bytes) -> list[tuple[str, str]]:
    if len(body) > FORM_ROOM:  # there is no picture in it
        raise SettingsError("body", f"is larger than {FORM_ROOM:,} bytes; a picture is sent as {MULTIPART}")
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_PARTS)
    except ValueError as error:
        raise SettingsError("body", f"is no valid {URLENCODED}") from error


def _form(files: list[tuple[str, Source]], values: list[tuple[str, str]]) -> Form:
    uploads = [source for name, source in files if name == "upload"]
    urls = [value for name, value in values if name == "upload_url" and value]
    if len(uploads) > 1 or len(urls) > 1:
        raise SettingsError("upload" if len(uploads) > 1 else "upload_url", "is given more than once")
    if any(name == "upload" for name, _ in values) and not uploads and not urls:
        raise SettingsError("upload", "a file is needed, not a value")
    if any(name == "upload_url" for name, _ in files):
        raise SettingsError("upload_url", "a URL is needed, not a file")
    if not uploads and not urls:
        raise SettingsError("upload", "a file, or upload_url, is needed")
    if sum(len(name) + len(value) for name, value in values) > FORM_ROOM:
        raise SettingsError("body", f"its values take more than {FORM_ROOM:,} characters")
    if urls and not is_url(urls[0]):
        raise SettingsError("upload_url", "an http or https URL is needed")
    if uploads and not urls and not uploads[0].data:
        raise SettingsError("upload", "the file is empty")
    if any(name != "upload" and len(source.data) > FORM_ROOM for name, source in files):
        raise SettingsError("logo", f"a file beside the picture has at most {FORM_ROOM:,} bytes")
    others: list[tuple[str, str | bytes]] = [*values]
    others += [(name, source.data) for name, source in files if name != "upload" and source.data]
    if urls:  # has priority, and what is not needed is not held
        return Form(None, urls[0], others)
    return Form(uploads[0], None, others)
