"""Requests of all sorts, made from the server's own OpenAPI page: no 500, and every answer as that page says."""

from __future__ import annotations

import base64
import gzip
import http.client
import io
import json
from collections import Counter

import pytest
import requests
import schemathesis
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from blur_tools import BlurSettings, FetchError
from blur_tools.detections import box_polygon
from blur_tools.detectors import faces, plates
from blur_tools.detectors.reading import Reading
from blur_tools.detectors.tiles import Candidate
from blur_tools.engines import local
from blur_tools.server import app
from blur_tools.server.config import ServerConfig
from blur_tools.server.run import serving
from blur_tools.settings import Parameter
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
def test_answers_are_as_the_schema_says(case, url, statuses):
    response = case.call(base_url=url)
    statuses[response.status_code] += 1
    assert response.status_code < 500
    case.validate_response(response, excluded_checks=UNSAYABLE)


# ---- every parameter with any value that it may have


CORNERS = ("xmin", "ymin", "xmax", "ymax")


def texts(parameter: Parameter) -> st.SearchStrategy[str]:
    """What may be sent as a parameter's value."""
    match parameter.kind:
        case "int":
            return st.integers(int(parameter.low), int(parameter.high)).map(str)
        case "float":
            return st.floats(parameter.low, parameter.high).map(repr)
        case "flag":
            return st.sampled_from(("true", "false", "yes"))
        case "json":
            return st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=3).map(json.dumps)
        case "pattern":
            return st.sampled_from(("^ab", "1.3$", "(?i)AB|cd", "z{2,}"))
        case "logo":
            return st.just("")
        case _:
            return st.text(max_size=10)


@st.composite
def forms(draw) -> list[tuple[str, str]]:
    """Fields that a request may have, in any number."""
    fields: list[tuple[str, str]] = []
    for parameter in BlurSettings.parameters():
        if parameter.api and parameter.name not in CORNERS:
            values = draw(st.lists(texts(parameter), max_size=2 if parameter.repeated else 1))
            fields += [(parameter.name, value) for value in values]
    pixel = st.integers(-10, 60)
    for x, y, width, height in draw(st.lists(st.tuples(pixel, pixel, st.integers(0, 60), st.integers(0, 60)))):
        fields += zip(CORNERS, map(str, (x, y, x + width, y + height)), strict=True)
    return fields


@settings(max_examples=100)
@given(fields=forms(), picture=st.sampled_from(PICTURES), logo=st.none() | st.sampled_from(PICTURES))
def test_valid_requests_are_answered(url, fields, picture, logo):
    if logo:
        fields = [(name, value) for name, value in fields if name != "logo"]
    files = [("upload", ("a", picture)), *([("logo", ("b", logo))] if logo else [])]
    response = requests.post(f"{url}/v1/blur", data=fields, files=files, timeout=30)
    assert response.status_code == 200, response.text
    check_answer(response, dict(fields), picture)


@settings(max_examples=40)
@given(fields=forms())
def test_valid_pairs_are_answered(url, fields):
    response = requests.post(f"{url}/v1/blur", data=[*fields, ("upload_url", PICTURE_URL)], timeout=30)
    assert response.status_code == 200, response.text
    check_answer(response, dict(fields), PICTURES[0])


def check_answer(response: requests.Response, fields: dict[str, str], picture: bytes) -> None:
    """As the schema says; what was not to be looked for is not there, a picture is where one was asked for."""
    BLUR.validate_response(response)
    answer, intensities = response.json(), {name: int(fields.get(name, 0)) for name in ("plates", "faces")}
    assert not any(answer[name] for name, intensity in intensities.items() if intensity == -1)
    assert (answer["blur"] is None) == (max(intensities.values()) < 1)
    if answer["blur"]:
        data = io.BytesIO(base64.b64decode(answer["blur"]["base64"], validate=True))
        with Image.open(data) as image, Image.open(io.BytesIO(picture)) as original:
            assert (image.format, image.size) == (original.format, original.size)


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
def test_odd_bodies_are_answered_as_documented(url, name):
    content_type, body = HOSTILE[name]
    response = requests.post(f"{url}/v1/blur", data=body, headers={"Content-Type": content_type}, timeout=30)
    assert response.status_code in (200, 400)
    assert set(response.json()) == ({"error"} if response.status_code == 400 else {"plates", "faces", "blur"})


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b\\c.jpg", "é\x7f.jpg", "con.jpg", "x" * 3000, " ", ".."])
def test_odd_file_names_are_made_safe(url, name):
    body = part("plates", b"10") + part("upload", PICTURE, name) + b"--b--\r\n"
    response = requests.post(f"{url}/v1/blur", data=body, headers={"Content-Type": TYPE}, timeout=30)
    assert response.status_code == 200
    safe = response.json()["blur"]["filename"]
    assert safe
    assert not set(safe) & set('/\\:*?"<>|\x00\x7f')
    assert len(safe.encode()) < 200


def test_a_compressed_body_is_not_unpacked(url):
    headers = {"Content-Type": TYPE, "Content-Encoding": "gzip"}
    response = requests.post(f"{url}/v1/blur", data=gzip.compress(WHOLE), headers=headers, timeout=30)
    assert response.status_code == 400


def value(name: str, text: bytes) -> tuple[str, bytes]:
    return TYPE, part(name, text) + WHOLE


def pairs(text: bytes) -> tuple[str, bytes]:
    return "application/x-www-form-urlencoded", text


UPLOAD = part("upload", PICTURE, "a.jpg")
REFUSED = {
    "plates is given more than once": (TYPE, 2 * part("plates", b"1") + WHOLE),
    "upload is given more than once": (TYPE, UPLOAD + WHOLE),
    "upload_url is given more than once": pairs(b"upload_url=http://a/&upload_url=http://b/"),
    "logo is given more than once": (TYPE, part("logo", b"") + part("logo", PICTURE, "b.jpg") + WHOLE),
    "plates a value is needed, not a file": (TYPE, part("plates", b"10", "a.txt") + WHOLE),
    "upload a file is needed, not a value": (TYPE, part("upload", PICTURE) + b"--b--\r\n"),
    "upload_url a URL is needed, not a file": (TYPE, part("upload_url", b"http://a/", "a.txt") + WHOLE),
    "upload_url an http or https URL is needed": pairs(b"upload_url=file:///etc/passwd"),
    "plates 10\0 is not a number": value("plates", b"10\0"),
    "plates \ufffd is not a number": pairs(b"plates=%ff&upload_url=http://a/"),
    "plates \xe4 is not a number": value("plates", b"\xe4"),
    "logo there is no file /logos/\0": value("logo", b"/logos/\0"),
    "logo a file is needed": value("logo", b"/logos/../etc/passwd"),
    "config a JSON object is needed: Invalid control character": value("config", b'{"a": "\0"}'),
    "config a JSON object is needed: maximum recursion depth": value("config", b'{"a":' * 15_000),
    "et 1e999 is not a finite number": value("et", b"1e999"),
    "plates 9999": value("plates", b"9" * 90_000),
    "Content-Type multipart/form-data or": ("multipart/mixed; boundary=b", WHOLE),
}


@pytest.mark.parametrize("said", REFUSED)
def test_a_refusal_names_the_field(url, said):
    content_type, body = REFUSED[said]
    response = requests.post(f"{url}/v1/blur", data=body, headers={"Content-Type": content_type}, timeout=30)
    assert response.status_code == 400
    name, _, words = said.partition(" ")
    assert response.json()["error"].startswith(f"{name}: {words}")


@pytest.mark.parametrize(
    "odd",
    [
        part("pl\xe4tes", b"11"), part("", b"11"), part("plates\0", b"11"), part("plates[]", b"11"),
        part("x", PICTURE, "b.jpg"), part("logo", b"", ""), 999 * part("x", b"1"),
    ],
    ids=["latin-1", "nothing", "NUL", "brackets", "a file", "no file chosen", "many"],
)  # fmt: skip
def test_names_that_mean_nothing_are_ignored(url, odd):
    body = odd + part("plates", b"10") + WHOLE
    response = requests.post(f"{url}/v1/blur", data=body, headers={"Content-Type": TYPE}, timeout=30)
    assert response.status_code == 200
    assert response.json()["blur"]["content_type"] == "image/jpeg"


# ---- by hand: lengths that are not those of the body


def sent(url: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
    """What is answered to a request with just these headers."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    try:
        connection.putrequest("POST", "/v1/blur")
        for name, value in ({"Content-Type": TYPE} | headers).items():
            connection.putheader(name, value)
        connection.endheaders(body)
        with connection.getresponse() as response:
            return response.status, response.read()
    finally:
        connection.close()


def test_a_length_that_is_too_short_cuts_the_body(url):
    status, answer = sent(url, {"Content-Length": "60"}, WHOLE)
    assert status == 400
    assert list(json.loads(answer)) == ["error"]


@pytest.mark.parametrize("length", ["-1", "1e3", "0x10", "1, 2", "\xb2"])
def test_a_length_that_is_none_is_refused(url, length):
    try:
        status, _ = sent(url, {"Content-Length": length}, WHOLE)
    except ConnectionResetError:
        status = None  # the framing is refused before the body is read, which may cut the connection
    assert status in (400, 413, None)
    assert sent(url, {"Content-Length": str(len(WHOLE))}, WHOLE)[0] == 200


def test_a_body_in_chunks_needs_no_length(url):
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (WHOLE[:40], WHOLE[40:])) + b"0\r\n\r\n"
    status, answer = sent(url, {"Transfer-Encoding": "chunked"}, chunks)
    assert status == 200
    assert len(json.loads(answer)["plates"]) == 1
    assert sent(url, {"Transfer-Encoding": "chunked"}, b"zz\r\n" + chunks)[0] == 400


def test_who_closes_after_one_request_hears_a_refusal_too(url):
    """Such as urllib: closing the connection before all was sent would look like a broken one."""
    body = WHOLE + bytes(8_000_000)
    for kind in ("text/plain", "multipart/form-data; boundary=c"):
        headers = {"Connection": "close", "Content-Type": kind, "Content-Length": str(len(body))}
        status, answer = sent(url, headers, body)
        assert status == 400
        assert list(json.loads(answer)) == ["error"]
