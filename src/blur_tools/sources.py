"""Whatever a person has a picture in, as bytes with a name; the only place that fetches a URL."""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from blur_tools.errors import FetchError, PictureError

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

__all__ = ["MAX_BYTES", "SUFFIXES", "Source", "is_url", "load_source"]

MAX_BYTES = 200 << 20
"""Largest file that is read, in bytes."""

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".png", ".webp", ".tif", ".tiff", ".bmp")
"""How a picture's file name usually ends; the bytes decide what it is."""

CONNECT_TIMEOUT, READ_TIMEOUT, TOTAL_TIMEOUT = 10.0, 30.0, 120.0
"""Seconds for a URL to connect, to send the next bytes, and to send everything."""

MAX_REDIRECTS = 5
CHUNK = 1 << 16
USER_AGENT = "blur_tools (https://pypi.org/project/blur-tools/)"

_local = threading.local()


@dataclass(frozen=True)
class Source:
    """A picture file's bytes and where they came from.

    Attributes
    ----------
    data : bytes
        The whole file.
    name : str
        File name without folders, safe to write.
    origin : str
        What a person would call it in a message: path, URL or name.
    path : Path or None
        The file on this machine, when it is one.
    """

    data: bytes
    name: str
    origin: str
    path: Path | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes, in hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()


def is_url(value: object) -> bool:
    """Whether text names something to fetch over http or https."""
    return isinstance(value, str) and value.lower().startswith(("http://", "https://"))


def load_source(source: Any, *, max_bytes: int = MAX_BYTES) -> Source:
    """Read a picture's bytes from wherever they are.

    Parameters
    ----------
    source : str, Path, bytes, numpy.ndarray, PIL.Image.Image, mapping or Source
        A path; an http(s) URL; a file's bytes; an array ``(h, w)``, ``(h, w, 3)`` or ``(h, w, 4)`` of uint8 in
        RGB order; a PIL image; ``{"bytes", "path"}`` as Hugging Face datasets hold pictures.
    max_bytes : int
        Refuse more than this.

    Raises
    ------
    PictureError
        Missing, unreadable, not a file, too large, or a type that holds no picture.
    """
    if isinstance(source, Source):
        return source
    if isinstance(source, bytes | bytearray | memoryview):
        return _from_bytes(bytes(source), "picture", max_bytes)
    if is_url(source):
        return _fetch(source, max_bytes)
    if isinstance(source, str | os.PathLike):
        return _from_path(os.fspath(source), max_bytes)
    if isinstance(source, Mapping):
        return _from_mapping(source, max_bytes)
    if hasattr(source, "__array_interface__") or type(source).__module__.startswith("PIL."):
        return _from_pixels(source)
    raise PictureError("picture", f"a path, URL, bytes, array or image is needed, not {type(source).__name__}")


def safe_name(name: str) -> str:
    """A file name that stays in its folder and can be written on any system."""
    name = re.sub(r'[\x00-\x1f\x7f<>:"/\\|?*]+', "_", name).strip(" .")
    stem, dot, suffix = name.rpartition(".")
    # 255 bytes is what file systems take; a content hash and a suffix are still to come
    return (stem.encode()[:120].decode(errors="ignore") + dot + suffix[:16]) if stem else name[:120] or "picture"


def _from_bytes(data: bytes, name: str, max_bytes: int) -> Source:
    if not data:
        raise PictureError(name, "is empty")
    if len(data) > max_bytes:
        raise PictureError(name, f"is {len(data):,} bytes; the limit is {max_bytes:,}")
    return Source(data, safe_name(Path(name).name), name)


def _from_path(path: str | bytes, max_bytes: int) -> Source:
    text = os.fsdecode(path)
    if "://" in text:
        raise PictureError(text, "only http and https URLs are fetched; a file is given by its path")
    if not text or "\0" in text:
        raise PictureError(repr(text), "is not a path")
    try:
        # O_NONBLOCK: opening a named pipe must not wait for somebody to write into it
        with open(os.open(text, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb") as file:
            status = os.fstat(file.fileno())
            if stat.S_ISDIR(status.st_mode):
                raise PictureError(text, "is a folder, not a picture")
            if not stat.S_ISREG(status.st_mode):
                raise PictureError(text, "is not a regular file")
            if status.st_size > max_bytes:
                raise PictureError(text, f"is {status.st_size:,} bytes; the limit is {max_bytes:,}")
            data = file.read(max_bytes + 1)
    except FileNotFoundError as error:
        dangling = os.path.islink(text)
        raise PictureError(text, "is a link to nothing" if dangling else "no such file") from error
    except OSError as error:
        reason = "is a folder, not a picture" if os.path.isdir(text) else f"cannot be read: {error.strerror or error}"
        raise PictureError(text, reason) from error
    if not data:
        raise PictureError(text, "is empty")
    return Source(data, safe_name(os.path.basename(text)), text, Path(text))


def _from_mapping(value: Mapping[str, Any], max_bytes: int) -> Source:
    data, path = value.get("bytes"), value.get("path")
    if isinstance(data, bytes | bytearray | memoryview):
        return _from_bytes(bytes(data), os.fspath(path) if path else "picture", max_bytes)
    if path:
        return load_source(path, max_bytes=max_bytes)
    raise PictureError("picture", 'a mapping needs "bytes" or "path"')


def _from_pixels(pixels: np.ndarray | Image.Image) -> Source:
    from PIL import Image

    name = "picture.png"
    if not isinstance(pixels, Image.Image):
        pixels = _image_of(pixels)
    filename = getattr(pixels, "filename", "")
    if filename:
        name = safe_name(Path(os.fsdecode(filename)).stem) + ".png"
    buffer = io.BytesIO()
    try:
        pixels.save(buffer, "PNG", compress_level=1, exif=b"")
    except (OSError, ValueError, SyntaxError) as error:
        raise PictureError(name, f"an image of mode {pixels.mode} cannot be used: {error}") from error
    return Source(buffer.getvalue(), name, name)


def _image_of(array: np.ndarray) -> Image.Image:
    from PIL import Image

    shape, dtype = array.shape, array.dtype
    if str(dtype) != "uint8":
        raise PictureError("array", f"dtype uint8 is needed, not {dtype}; scale it to 0-255 first")
    if not (len(shape) == 2 or (len(shape) == 3 and shape[2] in (3, 4))) or 0 in shape:
        raise PictureError("array", f"shape (h, w), (h, w, 3) or (h, w, 4) is needed, not {shape}")
    return Image.fromarray(array)


def _session() -> requests.Session:
    # requests does not promise that a session may be shared by threads
    session: requests.Session | None = getattr(_local, "session", None)
    if session is None:
        session = requests.Session()
        session.max_redirects = MAX_REDIRECTS
        session.headers["User-Agent"] = USER_AGENT
        retry = Retry(
            total=3,
            redirect=0,
            backoff_factor=0.3,
            backoff_jitter=0.2,
            status_forcelist=(429, 502, 503, 504),
            raise_on_status=False,
            respect_retry_after_header=False,  # a server must not make us wait for an hour
        )
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=retry))
        _local.session = session
    return session


def _fetch(url: str, max_bytes: int) -> Source:
    # a query can hold a signature, and messages end up in tables and logs
    shown = url.partition("?")[0] + ("?…" if "?" in url else "")
    deadline = time.monotonic() + TOTAL_TIMEOUT
    try:
        with _session().get(url, stream=True, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT)) as response:
            if response.status_code != 200:
                raise FetchError(shown, f"the server answered {response.status_code} {response.reason or ''}".rstrip())
            data = _read_body(response, shown, max_bytes, deadline)
    except requests.TooManyRedirects as error:
        raise FetchError(shown, f"more than {MAX_REDIRECTS} redirects") from error
    except requests.Timeout as error:
        raise FetchError(shown, "the server did not answer in time") from error
    except (requests.RequestException, UnicodeError) as error:
        raise FetchError(shown, f"cannot be fetched: {type(error).__name__}") from error
    if not data:
        raise FetchError(shown, "is empty")
    return Source(data, url_name(url), shown)


def _read_body(response: requests.Response, shown: str, max_bytes: int, deadline: float) -> bytes:
    parts, size = [], 0
    for part in response.iter_content(CHUNK):
        parts.append(part)
        size += len(part)
        if size > max_bytes:
            raise FetchError(shown, f"is larger than {max_bytes:,} bytes")
        if time.monotonic() > deadline:
            raise FetchError(shown, f"took longer than {TOTAL_TIMEOUT:g} seconds")
    return b"".join(parts)


def url_name(url: str) -> str:
    """The file name at the end of a URL, safe to write."""
    return safe_name(unquote(urlsplit(url).path).rpartition("/")[2])
