"""Whatever a person has a picture in, as bytes with a name; the only place that fetches a URL."""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urljoin

import requests
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as ReadingTimeout
from urllib3.util.retry import Retry

from blur_tools._cuts import BodyTooSlowError, cut_at
from blur_tools._http import (
    BodyTooLargeError,
    OneHopSession,
    PrivateAddressError,
    PublicAdapter,
    TimedAdapter,
    read_body,
)
from blur_tools.errors import FetchError, PictureError

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "MAX_BYTES",
    "ORIENTATION_TAG",
    "SUFFIXES",
    "USER_AGENT",
    "Source",
    "is_url",
    "load_source",
    "safe_name",
    "shown_place",
    "url_name",
    "without_secrets",
]

MAX_BYTES = 200 << 20
"""Largest file that is read, in bytes."""

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".png", ".webp", ".tif", ".tiff", ".bmp", ".heic", ".heif", ".hif", ".avif")
"""How a picture's file name usually ends; the bytes decide what it is."""

CONNECT_TIMEOUT, READ_TIMEOUT, TOTAL_TIMEOUT = 10.0, 30.0, 120.0
"""Seconds for a URL to connect, to send the next bytes, and to send everything."""

MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
LONGEST_SHOWN = 300
"""Characters of a path or URL that a message repeats: a picture's data pasted as a path is longer."""

_DEVICE_NAMES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # of Windows
_WRITTEN_OUT = re.compile(r"""b['"]|\[\[|array\(|<PIL\.|\{['"](bytes|path)['"]:""")
USER_AGENT = "blur_tools (https://pypi.org/project/blur-tools/)"

ORIENTATION_TAG = 0x0112  # of EXIF

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

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the bytes, in hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()


def is_url(value: object) -> bool:
    """Whether text names something to fetch over http or https."""
    return isinstance(value, str) and value[:8].lower().startswith(("http://", "https://"))


def load_source(source: Any, *, max_bytes: int = MAX_BYTES, public_only: bool = False) -> Source:
    """Read a picture's bytes from wherever they are.

    Parameters
    ----------
    source : str, Path, bytes, numpy.ndarray, PIL.Image.Image, mapping or Source
        A path; an http(s) URL; a file's bytes; an array ``(h, w)``, ``(h, w, 3)`` or ``(h, w, 4)`` of uint8 in
        RGB order; a PIL image; ``{"bytes", "path"}`` as Hugging Face datasets hold pictures.
    max_bytes : int
        Refuse more than this.
    public_only : bool
        Fetch a URL from public addresses only, whatever its name or a redirect leads to, and without a proxy.

    Raises
    ------
    PictureError
        Missing, unreadable, not a file, too large, or a type that holds no picture.
    """
    if isinstance(source, Source):
        return source
    if isinstance(source, bytes | bytearray | memoryview):
        return _from_bytes(bytes(source), "picture", max_bytes)
    if isinstance(source, str | os.PathLike):
        return _from_text(os.fsdecode(source), max_bytes, public_only)
    if isinstance(source, Mapping):
        return _from_mapping(source, max_bytes, public_only)
    if not isinstance(source, type):
        # before arrays: asking an image whether it has an array interface would decode it
        if "PIL.Image" in sys.modules and isinstance(source, sys.modules["PIL.Image"].Image):
            return _from_image(source)
        if hasattr(source, "__array_interface__"):
            return _from_array(source)
    raise PictureError("picture", f"a path, URL, bytes, array or image is needed, not {type(source).__name__}")


def safe_name(name: str) -> str:
    """A file name that stays in its folder and can be written on any system."""
    name = re.sub(r'[\x00-\x1f\x7f<>:"/\\|?*\ud800-\udfff]+', "_", name).strip(" .") or "picture"
    if _DEVICE_NAMES.fullmatch(name):
        name = f"_{name}"
    stem, dot, suffix = name.rpartition(".")
    if not stem:
        stem, dot, suffix = name, "", ""
    # 255 bytes is what file systems take; a content hash and a suffix are still to come
    return _cut(stem, 120) + dot + _cut(suffix, 16)


def url_name(url: str) -> str:
    """The file name at the end of a URL, safe to write."""
    path = without_secrets(url).partition("://")[2].partition("/")[2]
    return safe_name(unquote(path).rpartition("/")[2])


def _cut(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")


def shown_place(text: str) -> str:
    """A path or URL as messages, tables and logs may hold it: short, and without what a URL keeps secret."""
    text = without_secrets(text) if "://" in text else text
    text = text.encode(errors="replace").decode()
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def without_secrets(url: str) -> str:
    """A URL without user, password, query and fragment: each can hold a token or a signature."""
    scheme, _, rest = url.strip().partition("://")
    place = re.split(r"[?#]", rest, maxsplit=1)[0]
    host, slash, path = place.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def _from_bytes(data: bytes, origin: str, max_bytes: int) -> Source:
    shown = shown_place(origin)
    if not data:
        raise PictureError(shown, "is empty")
    if len(data) > max_bytes:
        raise PictureError(shown, f"is {len(data):,} bytes; the limit is {max_bytes:,}")
    return Source(data, url_name(origin) if "://" in origin else safe_name(os.path.basename(origin)), shown)


def _from_text(text: str, max_bytes: int, public_only: bool) -> Source:
    if is_url(text):
        return _fetch(text, max_bytes, public_only)
    shown = shown_place(text)
    if "://" in text:
        raise PictureError(shown, "only http and https URLs are fetched; a file is given by its path")
    if not text or "\0" in text:
        raise PictureError(repr(shown), "is not a path")
    try:
        data = _read_file(text, shown, max_bytes)
    except FileNotFoundError as error:
        reason = "is a link to nothing" if os.path.islink(text) else "no such file"
        raise PictureError(shown, f"{reason}{_instead_of_path(text)}") from error
    except UnicodeEncodeError as error:  # half a character
        raise PictureError(shown, "is not a path") from error
    except OSError as error:
        reason = "is a folder, not a picture" if os.path.isdir(text) else f"cannot be read: {error.strerror or error}"
        reason += _instead_of_path(text)
        raise PictureError(shown, reason) from error
    if not data:
        raise PictureError(shown, "is empty")
    return Source(data, safe_name(os.path.basename(text)), shown, Path(text))


def _instead_of_path(text: str) -> str:
    """What a text is that can hardly be meant as a path; ``""`` where it can."""
    if not _WRITTEN_OUT.match(text):
        return ""
    return "; it is how Python writes bytes, an array or an image as text: something has turned the cell into text"


def _read_file(path: str, shown: str, max_bytes: int) -> bytes:
    # O_NONBLOCK: opening a named pipe must not wait for somebody to write into it
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise PictureError(shown, "is a folder, not a picture")
        if not stat.S_ISREG(status.st_mode):
            raise PictureError(shown, "is not a regular file")
        # a file can grow between being measured and being read
        size = status.st_size
        if size <= max_bytes:
            with open(descriptor, "rb", closefd=False) as file:
                data = file.read(max_bytes + 1)
            size = len(data)
        if size > max_bytes:
            raise PictureError(shown, f"is {size:,} bytes; the limit is {max_bytes:,}")
        return data
    finally:
        os.close(descriptor)


def _from_mapping(value: Mapping[str, Any], max_bytes: int, public_only: bool) -> Source:
    data, path = value.get("bytes"), value.get("path")
    if path is not None and not isinstance(path, str | os.PathLike):
        raise PictureError("picture", f'"path" must be text, not {type(path).__name__}')
    if isinstance(data, bytes | bytearray | memoryview):
        return _from_bytes(bytes(data), os.fsdecode(path) if path else "picture", max_bytes)
    if path:
        return _from_text(os.fsdecode(path), max_bytes, public_only)
    raise PictureError("picture", 'a mapping needs "bytes" or "path"')


def _from_image(image: Image.Image) -> Source:
    from PIL import Image

    name = safe_name(Path(os.fsdecode(getattr(image, "filename", "") or "picture")).stem) + ".png"
    buffer = io.BytesIO()
    try:
        # how it is to be turned belongs to the pixels; nothing else of its EXIF is needed
        exif, orientation = Image.Exif(), image.getexif().get(ORIENTATION_TAG, 1)
        if orientation != 1:
            exif[ORIENTATION_TAG] = orientation
        image.save(buffer, "PNG", compress_level=1, exif=exif)
    except (OSError, ValueError, SyntaxError, TypeError, AttributeError, EOFError) as error:
        raise PictureError(name, f"an image of mode {image.mode} that cannot be used: {error}") from error
    return Source(buffer.getvalue(), name, name)


def _from_array(value: Any) -> Source:
    import numpy as np
    from PIL import Image

    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise PictureError("array", f"cannot be read as pixels: {error}") from error
    shape, dtype = array.shape, array.dtype
    if dtype != np.uint8:
        raise PictureError("array", f"dtype uint8 with values 0 to 255 is needed, not {dtype}")
    if not (len(shape) == 2 or (len(shape) == 3 and shape[2] in (3, 4))) or 0 in shape:
        raise PictureError("array", f"shape (h, w), (h, w, 3) or (h, w, 4) is needed, not {shape}")
    return _from_image(Image.fromarray(array))


def _session(public_only: bool) -> requests.Session:
    # requests does not promise that a session may be shared by threads
    sessions: dict[bool, requests.Session] = _local.__dict__.setdefault("sessions", {})
    if public_only not in sessions:
        sessions[public_only] = _new_session(PublicAdapter if public_only else TimedAdapter)
        # a proxy would connect for us, to addresses that we do not see
        sessions[public_only].trust_env = not public_only
        if public_only:  # strangers' servers are not to hold connections of ours
            sessions[public_only].headers["Connection"] = "close"
    return sessions[public_only]


def _new_session(adapter: type[TimedAdapter]) -> requests.Session:
    session = OneHopSession()
    session.headers["User-Agent"] = USER_AGENT
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # one fetch says nothing of another
    retry = Retry(
        total=0 if adapter is PublicAdapter else 3,  # before another try what a stranger sends is read whole
        redirect=0,
        backoff_factor=0.3,
        backoff_jitter=0.2,
        status_forcelist=(429, 502, 503, 504),
        raise_on_status=False,
        respect_retry_after_header=False,  # a server must not make us wait for an hour
    )
    for scheme in ("http://", "https://"):
        session.mount(scheme, adapter(max_retries=retry))
    return session


def _followed(url: str, shown: str, max_bytes: int, public_only: bool, deadline: float) -> bytes:
    """What stands at a URL, or where it leads; of a redirect nothing but its target is read."""
    for _ in range(MAX_REDIRECTS + 1):
        if time.monotonic() > deadline:
            raise BodyTooSlowError
        with _session(public_only).get(url, stream=True, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT)) as response:
            if time.monotonic() > deadline:  # headers that were cut look complete
                raise BodyTooSlowError
            if response.status_code not in _REDIRECTS or "Location" not in response.headers:
                if response.status_code != 200:
                    reason = f"the server answered {response.status_code} {response.reason or ''}".rstrip()
                    raise FetchError(shown, reason)
                return read_body(response, max_bytes, deadline)
            url = urljoin(url, response.headers["Location"])
        if not is_url(url):
            raise FetchError(shown, "redirects to what is no http or https URL")
    raise FetchError(shown, f"more than {MAX_REDIRECTS} redirects")


def _fetch(url: str, max_bytes: int, public_only: bool) -> Source:
    shown = shown_place(url)
    deadline = time.monotonic() + TOTAL_TIMEOUT
    # "from None": the causes repeat the whole URL, and tracebacks end up in notebooks
    try:
        with cut_at(deadline):
            data = _followed(url, shown, max_bytes, public_only, deadline)
    except BodyTooLargeError:
        raise FetchError(shown, f"is larger than {max_bytes:,} bytes") from None
    except BodyTooSlowError:
        raise FetchError(shown, f"took longer than {TOTAL_TIMEOUT:g} seconds") from None
    except PrivateAddressError:
        raise FetchError(shown, "leads to a private or loopback address, which is not fetched here") from None
    except (requests.Timeout, ReadingTimeout):
        raise FetchError(shown, "the server did not answer in time") from None
    except (requests.RequestException, HTTPError, ValueError, OSError) as error:
        if time.monotonic() > deadline:
            raise FetchError(shown, f"took longer than {TOTAL_TIMEOUT:g} seconds") from None
        raise FetchError(shown, f"cannot be fetched: {type(error).__name__}") from None
    if not data:
        raise FetchError(shown, "is empty")
    return Source(data, url_name(url), shown)
