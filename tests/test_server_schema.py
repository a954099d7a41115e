"""Requests of all sorts, made from the server's own OpenAPI page: no 500, and every answer as that page says."""

from __future__ import annotations

import gzip
import io
from collections import Counter

import pytest
import requests
import schemathesis
from hypothesis import settings
from hypothesis import strategies as st
from PIL import Image
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from blur_tools import FetchError
from blur_tools.detections import box_polygon
from blur_tools.detectors import faces, plates
from blur_tools.detectors.reading import Reading
from blur_tools.detectors.tiles import Candidate
from blur_tools.engines import local
from blur_tools.server import app
from blur_tools.server.config import ServerConfig
from blur_tools.server.run import serving
from blur_tools.sources import Source

SIZE = (48, 32)
PICTURE_URL = "https://example.org/street/a.jpg"


def encoded(kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize(SIZE).convert("RGB").save(buffer, kind, **options)
    return buffer.getvalue()


def lying() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded("JPEG", exif=exif)


PICTURES = (encoded("JPEG"), lying(), encoded("PNG"), encoded("WEBP"), encoded("TIFF"), encoded("BMP"))
URLS = (PICTURE_URL, "http://localhost:8001/", "ftp://example.org/a.jpg", "http://[::1", "https://:80/", "http://a b\0")

schemathesis.openapi.format("binary", st.sampled_from(PICTURES) | st.binary(max_size=200))
schemathesis.openapi.format("uri", st.sampled_from(URLS) | st.text(max_size=20).map("http://".__add__))
schema = schemathesis.openapi.from_dict(app.create_app(ServerConfig()).openapi())
BLUR = schema["/v1/blur"]["POST"]


def fetched(url: str, **options) -> Source:
    """One URL gives a picture; no other is asked for, so that nothing leaves this machine."""
    if url != PICTURE_URL:
        raise FetchError("there", "cannot be fetched")
    return Source(PICTURES[0], "a.jpg", url)


@pytest.fixture(scope="module")
def url():
    """A server with networks that take no time: one plate that can be read, one face."""
    with pytest.MonkeyPatch.context() as patch, serving(ServerConfig(port=0, log_level="ERROR")) as address:
        patch.setattr(plates, "find_plates", lambda *_: [Candidate(box_polygon(3, 4, 20, 9), 0.9)])
        patch.setattr(faces, "find_faces", lambda *_: [Candidate(box_polygon(25, 5, 40, 25), 0.8)])
        patch.setattr(local, "read_plate", lambda *_: Reading("ab123", 0.9))
        patch.setattr(app, "load_source", fetched)
        yield address


@pytest.fixture(scope="module")
def session():
    with requests.Session() as session:
        yield session


@pytest.fixture(scope="module")
def statuses():
    """How often each status was answered; a run that is refused every time would show nothing."""
    seen: Counter[int] = Counter()
    yield seen
    assert seen[200] > 20
    assert seen[400] > 20


# ---- from the schema


# it cannot say that rectangles need four lists of one length, nor that every word but "true" is a no
UNSAYABLE = [positive_data_acceptance, negative_data_rejection]


@schema.parametrize()
@settings(max_examples=40)
def test_answers_are_as_the_schema_says(case, url, session, statuses):
    response = case.call(base_url=url, session=session)
    statuses[response.status_code] += 1
    assert response.status_code < 500
    case.validate_response(response, excluded_checks=UNSAYABLE)


# ---- by hand: bodies that no client of good will sends


PICTURE = PICTURES[0]
TYPE = "multipart/form-data; boundary=b"


def part(name: str, value: bytes, filename: str | None = None) -> bytes:
    given = f'; filename="{filename}"' if filename is not None else ""
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{given}\r\n\r\n'.encode("latin-1") + value + b"\r\n"


WHOLE = part("upload", PICTURE, "a.jpg") + b"--b--\r\n"
HOSTILE = {
    "another boundary": (TYPE, WHOLE.replace(b"--b", b"--c")),
    "no boundary": ("multipart/form-data", WHOLE),
    "an empty boundary": ("multipart/form-data; boundary=", WHOLE),
    "an endless boundary": (f"multipart/form-data; boundary={'b' * 5000}", WHOLE),
    "no end": (TYPE, part("upload", PICTURE, "a.jpg")[:-10]),
    "no name": (TYPE, WHOLE.replace(b'name="upload"; ', b"")),
    "no headers": (TYPE, b"--b\r\n\r\nvalue\r\n--b--\r\n"),
    "a header without an end": (TYPE, b"--b\r\n" + b"x" * 100_000),
    "thousands of fields": (TYPE, part("x", b"1") * 3000 + WHOLE),
    "thousands of files": (TYPE, part("x", b"1", "x") * 3000 + WHOLE),
    "thousands of pairs": ("application/x-www-form-urlencoded", b"x=1&" * 3000),
    "a huge value": (TYPE, part("regions", b"x" * 200_000) + WHOLE),
    "bytes that are no text": (TYPE, part("regions", b"\xff\xfe\x00") + WHOLE),
    "pairs that are no text": ("application/x-www-form-urlencoded", b"upload_url=%ff%fe&plates=%00"),
    "pairs with bytes that are no text": ("application/x-www-form-urlencoded", b"upload_url=\xff\xfe"),
    "a part in a part": (TYPE, part("upload", b"--c\r\n\r\nx\r\n--c--", "a.jpg") + b"--b--\r\n"),
    "an unknown charset": (f"{TYPE}; charset=nonsense", WHOLE),
    "an odd charset": (f"{TYPE}; charset=utf-16", WHOLE),
    "rubbish": (TYPE, bytes(range(256)) * 10),
    "nothing": (TYPE, b""),
    "a type that is none": ("nonsense", b"x"),
    "a type in capitals and twice": ("Multipart/Form-Data; boundary=b, text/plain; boundary=c", WHOLE),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_odd_bodies_are_answered_as_documented(url, session, name):
    content_type, body = HOSTILE[name]
    response = session.post(f"{url}/v1/blur", data=body, headers={"Content-Type": content_type}, timeout=30)
    assert response.status_code in (200, 400)
    assert set(response.json()) == ({"error"} if response.status_code == 400 else {"plates", "faces", "blur"})


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b\\c.jpg", "é\x7f.jpg", "con.jpg", "x" * 3000, " ", ".."])
def test_odd_file_names_are_made_safe(url, session, name):
    body = part("plates", b"10") + part("upload", PICTURE, name) + b"--b--\r\n"
    response = session.post(f"{url}/v1/blur", data=body, headers={"Content-Type": TYPE}, timeout=30)
    assert response.status_code == 200
    safe = response.json()["blur"]["filename"]
    assert safe
    assert not set(safe) & set('/\\:*?"<>|\x00\x7f')
    assert len(safe.encode()) < 200


def test_a_compressed_body_is_not_unpacked(url, session):
    headers = {"Content-Type": TYPE, "Content-Encoding": "gzip"}
    response = session.post(f"{url}/v1/blur", data=gzip.compress(WHOLE), headers=headers, timeout=30)
    assert response.status_code == 400
