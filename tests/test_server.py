"""The server by plain HTTP: routes, requests, answers, refusals; the networks are replaced where only that matters."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import io
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import requests
from PIL import Image

from blur_tools import BlurResult, BlurSettings, Detections, EngineError, ExtraMissingError, SettingsError
from blur_tools.detectors import plates
from blur_tools.detectors.reading import Reading
from blur_tools.engines import _skip, local
from blur_tools.engines.fake import FakeBlur
from blur_tools.engines.local import LocalEngine
from blur_tools.picture import sniff
from blur_tools.server import app, form, run, security, waiting
from blur_tools.server.config import ServerConfig
from blur_tools.server.run import serving

TOKEN = "3a0effff73919f898b69ac65a32dc12347769564"


@pytest.fixture
def jpeg(encode, noise) -> bytes:
    return encode(noise(100, 200), "JPEG", quality=90)


@pytest.fixture
def serve(networks):
    """Start servers that end with the test: ``serve(plates=10, rate=2)`` gives an address."""
    with contextlib.ExitStack() as stack:

        def start(**options) -> str:
            return stack.enter_context(serving(ServerConfig.of({}, port=0, **options)))

        yield start


def post(url: str, upload: bytes | None = None, path: str = "/v1/blur", **fields) -> requests.Response:
    files = {"upload": ("a.jpg", upload)} if upload is not None else None
    return requests.post(url + path, data=fields, files=files, timeout=30)


def address_of(url: str) -> tuple[str, int]:
    host, port = url.removeprefix("http://").split(":")
    return host, int(port)


def connected(url: str) -> socket.socket:
    """A client that says itself what is sent, and when it goes."""
    return socket.create_connection(address_of(url), timeout=20)


def request_bytes(url: str, upload: bytes, more: str = "", **fields) -> bytes:
    """A whole request with a picture, and further lines of its head."""
    body = requests.Request("POST", url, files={"upload": ("a.jpg", upload)}, data=fields).prepare()
    head = "".join(f"{name}: {value}\r\n" for name, value in body.headers.items())
    return f"POST / HTTP/1.1\r\nHost: x\r\n{more}{head}\r\n".encode() + body.body


def picture(answer: requests.Response) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(answer.json()["blur"]["base64"])))


# ---- routes


@pytest.mark.parametrize("path", ["", "/", "/v1/blur", "/v1/blur/"])
def test_both_addresses_with_and_without_a_last_slash(serve, jpeg, path):
    answer = post(serve(), jpeg, path, plates=10, faces=10)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json()) == {"plates", "faces", "blur"}
    assert answer.json()["faces"] == [{"box": {"xmin": 100, "ymin": 40, "xmax": 120, "ymax": 70}, "score": 0.8}]
    blur = answer.json()["blur"]
    assert (blur["content_type"], blur["filename"]) == ("image/jpeg", "a.jpg")
    assert picture(answer).size == (200, 100)


@pytest.mark.parametrize(("kind", "content_type"), [("HEIF", "image/heic"), ("AVIF", "image/avif")])
def test_what_telephones_send_comes_back_as_it_is(serve, encode, noise, kind, content_type):
    answer = post(serve(), encode(noise(100, 200), kind), plates=10, faces=10)
    assert answer.status_code == 200
    assert len(answer.json()["faces"]) == 1
    assert answer.json()["blur"]["content_type"] == content_type
    assert sniff(base64.b64decode(answer.json()["blur"]["base64"])).name == kind


def test_info_health_and_the_schema(serve):
    url = serve()
    for path in ("/info/", "/info"):
        assert requests.get(url + path).json() == {"version": "0.1.0", "snapshot": None}
    for path in ("/health", "/health/"):
        assert requests.get(url + path).json() == {"status": "ok"}
    schema = requests.get(f"{url}/openapi.json").json()
    body = schema["paths"]["/v1/blur"]["post"]["requestBody"]["content"]
    for kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
        named = set(body[kind]["schema"]["properties"])
        assert {p.name for p in BlurSettings.parameters() if p.api} <= named
    assert body["multipart/form-data"]["schema"]["properties"]["plates"]["maximum"] == 10


def test_other_routes_and_methods_are_errors_of_the_same_shape(serve, jpeg):
    url = serve()
    assert requests.get(url).headers["Allow"] == "POST"
    for answer in (requests.get(url), requests.get(f"{url}/docs"), post(url, jpeg, "/v2/blur")):
        assert answer.status_code in (404, 405)
        assert list(answer.json()) == ["error"]


def test_no_origin_is_allowed(serve, jpeg):
    url = serve()
    answer = requests.post(url, files={"upload": jpeg}, headers={"Origin": "https://evil.example.org"})
    assert not any(name.lower().startswith("access-control") for name in answer.headers)
    assert requests.options(url, headers={"Origin": "https://evil.example.org"}).status_code == 405


# ---- what a request says, and what the server's settings say


def test_without_intensities_nothing_is_rendered(serve, jpeg):
    answer = post(serve(), jpeg).json()
    assert answer["blur"] is None
    assert len(answer["plates"]) == len(answer["faces"]) == 1


def test_minus_one_does_not_even_detect(serve, jpeg, networks):
    url = serve()
    networks.clear()
    assert post(url, jpeg, plates=-1, faces=5).json()["plates"] == []
    assert {call[0] for call in networks} == {"face"}


def test_the_picture_comes_back_although_nothing_was_found(serve, jpeg, monkeypatch):
    url = serve()
    monkeypatch.setattr(plates, "find_plates", lambda *_: [])
    answer = post(url, jpeg, plates=10, faces=-1)
    assert answer.json()["plates"] == []
    assert np.array_equal(np.asarray(picture(answer)), np.asarray(Image.open(io.BytesIO(jpeg))))


def test_the_servers_settings_hold_until_a_request_overrides_them(serve, jpeg):
    url = serve(plates=10, faces=10, shape="square", effect="fill")
    hidden = picture(post(url, jpeg))
    assert len(np.unique(np.asarray(hidden.crop((104, 44, 116, 66))).reshape(-1, 3), axis=0)) < 40
    assert post(url, jpeg, plates=0, faces=0).json()["blur"] is None
    assert post(url, jpeg, plates=0, faces=-1).json()["faces"] == []


def seen_settings(monkeypatch) -> list[BlurSettings]:
    seen: list[BlurSettings] = []
    real = LocalEngine.detect

    def detect(self, picture, settings):
        seen.append(settings)
        return real(self, picture, settings)

    monkeypatch.setattr(LocalEngine, "detect", detect)
    return seen


def test_config_extends_the_servers_and_lists_replace_it(serve, jpeg, monkeypatch):
    url = serve(config={"mode": "redaction", "a": 1}, regions=["fr"], camera_id="one")
    seen = seen_settings(monkeypatch)
    post(url, jpeg, config='{"a": 2, "b": 3}', regions=["gb", "de"])
    post(url, jpeg, regions="us-ca,mx", camera_id="two")
    assert [item.config for item in seen] == [{"mode": "redaction", "a": 2, "b": 3}, {"mode": "redaction", "a": 1}]
    assert [item.regions for item in seen] == [("gb", "de"), ("us-ca", "mx")]
    assert [item.camera_id for item in seen] == ["one", "two"]


def test_fields_may_be_urlencoded(serve, jpeg):
    with FakeBlur() as web:
        web.then(body=jpeg)
        url = serve(allow_private_urls=True)
        answer = post(url, upload_url=f"{web.url}/street/b.jpg?x=1", plates=10, et="0.0")
    assert answer.json()["blur"]["filename"] == "b.jpg"
    assert len(answer.json()["plates"]) == 1


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("filename*=utf-8''caf%C3%A9%22.jpg", "café_.jpg"),
        ("filename*=\"utf-8''a.jpg\"", "a.jpg"),
        ("filename*=iso-8859-1''%E9.jpg", "é.jpg"),
        ("filename*=utf-8''..%2Fa%0D%0Ab.jpg", "_a_b.jpg"),
        ("filename=\"plain.jpg\"; filename*=utf-8''other.jpg", "plain.jpg"),
    ],
)
def test_a_name_in_the_extended_form_alone_makes_a_file_too(serve, jpeg, said, name):
    """As older versions of requests send what is not ASCII."""
    head = f'--b\r\nContent-Disposition: form-data; name="upload"; {said}\r\n\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = requests.post(serve(plates=10), data=head.encode() + jpeg + b"\r\n--b--\r\n", headers=kind, timeout=20)
    assert answer.status_code == 200
    assert answer.json()["blur"]["filename"] == name


def test_a_url_has_priority_over_an_upload(serve, jpeg):
    with FakeBlur() as web:
        web.then(body=jpeg)
        answer = post(serve(allow_private_urls=True), b"no picture", upload_url=f"{web.url}/b.jpg", plates=10)
    assert answer.json()["blur"]["filename"] == "b.jpg"


def test_a_logo_covers_plates_and_an_empty_one_switches_it_off(serve, jpeg, encode, tmp_path):
    red, blue = (encode(np.full((20, 60, 3), colour, np.uint8)) for colour in ((255, 0, 0), (0, 0, 255)))
    (tmp_path / "logo.png").write_bytes(red)
    (tmp_path / "other.png").write_bytes(blue)
    url = serve(logos=tmp_path, plates=10, faces=-1)

    def colour(answer: requests.Response) -> str:
        r, _, b = picture(answer).convert("RGB").getpixel((30, 25))
        return "red" if r > 200 > 90 > b else "blue" if b > 200 > 90 > r else "none"

    assert colour(post(url, jpeg)) == "red"
    assert colour(post(url, jpeg, logo="/logos/other.png")) == "blue"
    assert colour(post(url, jpeg, logo="")) == "none"
    part = {"upload": ("a.jpg", jpeg), "logo": ("l.png", blue)}
    assert colour(requests.post(url, files=part)) == "blue"
    for name in ("/logos/none.png", "/logos/../secret.png", "/logos/", "/logos/\0", f"/logos/{'x' * 5000}"):
        answer = post(url, jpeg, logo=name)
        assert (answer.status_code, answer.json()["error"][:5]) == (400, "logo:")


def test_a_link_out_of_the_logos_folder_is_not_followed(tmp_path):
    (tmp_path / "logos").mkdir()
    (tmp_path / "secret.png").write_bytes(b"secret")
    (tmp_path / "logos" / "link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(app.SettingsError, match="there is no file"):
        security.logo_file("/logos/link.png", tmp_path / "logos")


# ---- refusals


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"plates": "11"}, "plates"), ({"faces": "x"}, "faces"), ({"faces": ""}, "faces"),
        ({"plates": "1.5"}, "plates"),
        ({"et": "101"}, "et"), ({"el": "nan"}, "el"), ({"eb": "-1"}, "eb"), ({"er": "a"}, "er"),
        ({"xmin": "1"}, "xmin|ymin|xmax|ymax"), ({"split": "-1"}, "split"), ({"overlap": "95"}, "overlap"),
        ({"skip_regexp": "("}, "skip_regexp"), ({"config": "[]"}, "config"), ({"config": "{"}, "config"),
        ({"face_max_resolution": "1"}, "face_max_resolution"), ({"plates": ["1", "2"]}, "plates"),
        ({"logo": "/etc/passwd"}, "logo"), ({"upload_url": "file:///etc/passwd"}, "upload_url"),
        ({"upload_url": "ftp://example.org/a.jpg"}, "upload_url"), ({"upload_url": "http://"}, "upload_url"),
        ({"xmin": "9", "xmax": "1", "ymin": "1", "ymax": "2"}, "xmin"),
    ],
)  # fmt: skip
def test_a_bad_value_is_refused_by_name(serve, jpeg, fields, name):
    answer = post(serve(), jpeg, **fields)
    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]
    assert answer.json()["error"].split(":")[0] in name.split("|")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "upload: the file is empty"),
        (b"no picture", "upload: a.jpg: is not a picture"),
        (b"\xff\xd8\xff\xe0 broken", "upload: a.jpg: a broken JPEG"),
        (b"GIF89a", "GIF is not a format that is read"),
    ],
)
def test_what_is_no_picture_is_refused(serve, data, words):
    answer = post(serve(), data, plates=10)
    assert answer.status_code == 400
    assert words in answer.json()["error"]


def test_a_request_without_a_picture_is_refused(serve, jpeg):
    url = serve()
    for answer in (
        post(url, plates=10),
        requests.post(url, files={"other": jpeg}),
        requests.post(url, data={"upload": "text"}),
        requests.post(url, data={}),
        requests.post(url, data=b"", headers={"Content-Type": "multipart/form-data"}),
        requests.post(url, data=b"--b\r\nnonsense", headers={"Content-Type": "multipart/form-data; boundary=b"}),
        requests.post(url, json={"upload": "x"}),
        requests.post(url, files=[("upload", jpeg), ("upload", jpeg)]),
        requests.post(url, files={"upload": jpeg, "upload_url": b"x"}),
        requests.post(url, files={"upload": jpeg, "plates": b"10"}),
    ):
        assert answer.status_code == 400, answer.text
        assert list(answer.json()) == ["error"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "10.0.0.1", "169.254.169.254", "0.0.0.0"])
def test_private_addresses_are_not_fetched(serve, host):
    answer = post(serve(), upload_url=f"http://{host}:9/a.jpg?token=5ecret", plates=10)
    assert answer.status_code == 400
    assert "private or loopback address" in answer.json()["error"]
    assert "5ecret" not in answer.text


def test_a_url_that_gives_no_picture_is_refused(serve, jpeg):
    url = serve(allow_private_urls=True, max_bytes=5000)
    with FakeBlur() as web:
        web.then(status=404).then(body=b"x" * 6000).then(body="<html>")
        for words in ("answered 404", "larger than 5,000 bytes", "is not a picture"):
            answer = post(url, upload_url=f"{web.url}/a.jpg")
            assert answer.status_code == 400
            assert words in answer.json()["error"]


def test_more_bytes_or_pixels_than_allowed(serve, jpeg, encode, noise):
    url = serve(max_bytes=len(jpeg), max_pixels=200 * 100)
    assert post(url, jpeg).status_code == 200
    answer = post(url, jpeg + b"\0")
    assert (answer.status_code, list(answer.json())) == (413, ["error"])
    assert f"larger than {len(jpeg):,} bytes" in answer.json()["error"]
    answer = post(url, encode(np.zeros((100, 201), np.uint8)))
    assert answer.status_code == 400
    assert "201 x 100 pixels; the limit is 20,000" in answer.json()["error"]


def test_a_body_far_over_the_limit_is_heard_out_and_refused(serve):
    url = serve(max_bytes=1000)
    assert post(url, b"\xff\xd8\xff" + bytes(20_000_000)).status_code == 413

    def chunks():
        yield b'--b\r\nContent-Disposition: form-data; name="upload"; filename="a"\r\n\r\n'
        for _ in range(200):
            yield bytes(100_000)

    answer = requests.post(url, data=chunks(), headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert answer.status_code == 413


def test_a_refusal_is_heard_by_who_sends_much(serve):
    """A client that is cut off in the middle of its upload would take a refusal for a broken connection."""
    much = b"\xff\xd8\xff" + bytes(20_000_000)
    assert post(serve(required_token=TOKEN), much).status_code == 403
    url = serve(rate=0.01)
    post(url, b"x")
    assert post(url, much).status_code == 429
    odd = {"Content-Type": "image/jpeg"}
    assert requests.post(serve(), data=much, headers=odd).status_code == 400


def test_an_endless_declaration_holds_no_memory(serve, jpeg):
    """Who declares more than there is gets no share of it, and nobody waits for that."""
    url = serve(memory=1)
    host, port = url.removeprefix("http://").split(":")
    head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 1" + "0" * 15
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(f"{head}\r\n\r\n--b".encode())
        assert post(url, jpeg).status_code == 200


def test_who_asks_first_whether_to_send_is_told_no_at_once(serve):
    """As curl does with large files: it waits for 100 Continue."""
    with connected(serve(max_bytes=1000)) as connection:
        connection.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            b"Content-Length: 50000000\r\nExpect: 100-continue\r\n\r\n"
        )
        assert b" 413 " in connection.recv(100)


def test_a_token_is_asked_for_where_it_is_required(serve, jpeg):
    url = serve(required_token=TOKEN)

    def asked(value: str | None) -> requests.Response:
        headers = {"Authorization": value} if value is not None else {}
        return requests.post(url, files={"upload": jpeg}, headers=headers)

    assert asked(f"Token {TOKEN}").status_code == 200
    for wrong in (None, "", TOKEN, f"Token {TOKEN[:-1]}", f"Token {TOKEN}x", f"Bearer {TOKEN}", "Token é"):
        answer = asked(wrong if wrong is None else wrong.encode().decode("latin-1"))
        assert answer.status_code == 403
        assert answer.json() == {"detail": "Invalid token.", "status_code": 403}
    assert requests.get(f"{url}/info/").status_code == 403
    assert requests.get(f"{url}/health").status_code == 200
    assert requests.post(serve(), files={"upload": jpeg}, headers={"Authorization": "Token x"}).status_code == 200


def test_tokens_cannot_be_guessed_faster_than_the_rate(serve, jpeg):
    url = serve(required_token=TOKEN, rate=0.01)
    assert [post(url, jpeg).status_code for _ in range(2)] == [403, 429]


def test_too_many_calls_are_told_when_to_come_again(serve, jpeg):
    url = serve(rate=0.01)
    assert post(url, jpeg).status_code == 200
    answer = post(url, jpeg)
    assert answer.status_code == 429
    seconds = int(answer.headers["Retry-After"])
    assert 90 <= seconds <= 100
    said = f"Request was throttled. Expected available in {seconds} seconds."
    assert answer.json() == {"detail": said, "status_code": 429}


def test_each_client_has_its_own_rate_and_few_are_remembered(monkeypatch):
    now = [0.0]
    throttle = security.Throttle(2, lambda: now[0])
    monkeypatch.setattr(security, "MOST_CLIENTS", 100)
    assert [throttle.delay(name) for name in ("a", "b", "a")] == [0, 0, 0.5]
    now[0] = 0.5
    assert throttle.delay("a") == 0
    for index in range(1000):
        now[0] += 1
        throttle.delay(str(index))
    assert len(throttle._free) <= 101


def test_clients_are_forgotten_even_while_all_must_wait(monkeypatch):
    throttle = security.Throttle(0.001, lambda: 0.0)
    monkeypatch.setattr(security, "MOST_CLIENTS", 100)
    assert [throttle.delay(str(index)) for index in range(1000)] == [0] * 1000
    assert len(throttle._free) == 100
    assert throttle.delay("999") == 1000


def test_whoever_has_an_ipv6_network_is_one_client():
    throttle = security.Throttle(1, lambda: 0.0)
    assert throttle.delay("2606:4700::1") == 0
    assert throttle.delay("2606:4700::ffff:2") == 1
    assert throttle.delay("2606:4700:0:1::1") == 0
    assert [throttle.delay(name) for name in ("9.9.9.9", "::ffff:9.9.9.9", "::ffff:9.9.9.8", "")] == [0, 1, 0, 0]


def test_an_unforeseen_error_says_nothing_of_the_picture(serve, jpeg, monkeypatch, caplog):
    url = serve()

    def broken(*_):
        raise KeyError("AB123CD")

    monkeypatch.setattr(plates, "find_plates", broken)
    answer = post(url, jpeg)
    assert answer.status_code == 500
    assert list(answer.json()) == ["error"]
    assert "AB123CD" not in answer.text + caplog.text
    assert "KeyError" in caplog.text


def test_logs_hold_neither_text_nor_token_nor_query(serve, jpeg, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(local, "read_plate", lambda *_: Reading("ab123cd", 0.99))
    url = serve(required_token=TOKEN, read_plates=True)
    caplog.clear()
    answer = requests.post(
        f"{url}/v1/blur?token=5ecret", files={"upload": ("my plate AB123CD.jpg", jpeg)}, data={"plates": 10},
        headers={"Authorization": f"Token {TOKEN}"},
    )  # fmt: skip
    assert answer.status_code == 200
    said = " ".join(record.getMessage() for record in caplog.records if not record.name.startswith("urllib3"))
    assert "POST /v1/blur 200, 1 plates, 1 faces" in said
    assert not any(word in said for word in (TOKEN, "5ecret", "AB123CD", "ab123cd"))


# ---- with Snapshot


SNAPSHOT = {
    "box": {"xmin": 20, "ymin": 30, "xmax": 60, "ymax": 44}, "plate": "ab123cd", "score": 0.9, "dscore": 0.8,
    "vehicle": {"type": "Sedan", "score": 0.5, "box": {"xmin": 1, "ymin": 2, "xmax": 90, "ymax": 80}},
}  # fmt: skip


def test_with_an_sdk_plates_are_asked_of_snapshot(serve, jpeg):
    with FakeBlur(results=[SNAPSHOT]) as sdk:
        url = serve(sdk_url=sdk.url, snapshot_token=TOKEN, config={"threshold_d": 0.1}, plates=10)
        answer = post(
            url, jpeg, regions=["fr", "gb"], camera_id="7", config='{"x": 1}', snapshot_filename="z.jpg"
        ).json()
        assert requests.get(f"{url}/info/").json()["snapshot"]["version"] == "1.0.2"
        (plate,) = answer["plates"]
        assert plate["result"] == SNAPSHOT
        assert len(plate["polygon"]) == 4
        call = sdk.posts[0]
        assert call.all("regions") == ["fr", "gb"]
        assert json.loads(call.get("config")) == {"mode": "redaction", "threshold_d": 0.1, "x": 1}
        assert call.get("camera_id") == "7"
        assert call.files["upload"] == ("z.jpg", jpeg)
        assert answer["blur"]["filename"] == "a.jpg"
        assert "authorization" not in call.headers  # the token is the cloud's


@pytest.mark.parametrize(
    ("step", "status", "body"),
    [
        ({"status": 403, "body": {"detail": "No credits left."}}, 403, {"status_code": 403}),
        ({"status": 413, "body": {"error": "too large"}}, 413, None),
        ({"status": 429, "headers": {"Retry-After": "90"}}, 429, {"status_code": 429}),
        ({"status": 400, "body": {"error": "bad region"}}, 400, None),
        ({"body": {"nonsense": 1}}, 502, None),
    ],
)
def test_snapshots_errors_are_passed_on(serve, jpeg, step, status, body):
    with FakeBlur() as sdk:
        url = serve(sdk_url=sdk.url)
        sdk.then(**step)
        answer = post(url, jpeg)
        assert answer.status_code == status
        assert (answer.json().keys() >= {"detail", "status_code"}) if body else (list(answer.json()) == ["error"])
        assert "127.0.0.1" not in answer.text  # where Snapshot is concerns nobody


def test_what_snapshot_says_of_itself_is_asked_once_and_takes_no_turn(serve, jpeg):
    with FakeBlur() as sdk:
        url = serve(sdk_url=sdk.url, snapshot_rate=1 / 3600)
        for _ in range(3):
            assert requests.get(f"{url}/info/", timeout=20).json()["snapshot"]["version"] == "1.0.2"
        assert post(url, jpeg).status_code == 200
        assert [call.path for call in sdk.calls] == ["/info", "/v1/plate-reader"]


def test_a_url_that_nobody_waits_for_any_more_is_not_fetched(serve, jpeg, monkeypatch):
    """With one thread to fetch: the next has it although the first server never answers."""
    monkeypatch.setattr(app, "FETCHERS", 1)
    url = serve(allow_private_urls=True)
    host, port = url.removeprefix("http://").split(":")
    with socket.create_server(("127.0.0.1", 0)) as silent, FakeBlur() as other:
        silent.settimeout(20)
        body = f"upload_url=http://127.0.0.1:{silent.getsockname()[1]}/a.jpg"
        kind = "Content-Type: application/x-www-form-urlencoded"
        head = f"POST / HTTP/1.1\r\nHost: x\r\n{kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection((host, int(port)), timeout=20) as client:
            client.sendall(f"{head}{body}".encode())
            asked, _ = silent.accept()
        with asked:
            other.then(body=jpeg)
            assert post(url, upload_url=f"{other.url}/a.jpg").status_code == 200


def test_info_says_nothing_of_an_sdk_that_cannot_be_reached(serve):
    with FakeBlur() as sdk:
        url = serve(sdk_url=sdk.url)
        sdk.then(status=500)
        assert requests.get(f"{url}/info/").json()["snapshot"] is None


# ---- many at once


def test_no_more_pictures_are_worked_on_than_there_are_workers(serve, jpeg, monkeypatch):
    url = serve(workers=2)
    working, most, lock = [0], [0], threading.Lock()
    entered, go = threading.Semaphore(0), threading.Event()

    def find_plates(*_):
        with lock:
            working[0] += 1
            most[0] = max(most[0], working[0])
        entered.release()
        go.wait(20)
        with lock:
            working[0] -= 1
        return []

    monkeypatch.setattr(plates, "find_plates", find_plates)
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(post, url, jpeg) for _ in range(8)]
        assert entered.acquire(timeout=20)
        assert entered.acquire(timeout=20)
        assert requests.get(f"{url}/health", timeout=20).status_code == 200
        go.set()
        assert [answer.result().status_code for answer in answers] == [200] * 8
    assert most[0] == 2


def test_a_client_that_goes_away_costs_nothing_more(serve, jpeg, monkeypatch):
    """It waits behind a picture that takes its time; when it is gone, its own is not even decoded."""
    url = serve(workers=1)
    entered, go, done = threading.Event(), threading.Event(), []

    def find_plates(*_):
        done.append(1)
        entered.set()
        go.wait(20)
        return []

    monkeypatch.setattr(plates, "find_plates", find_plates)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(post, url, jpeg)
        assert entered.wait(20)
        waits, gone = threading.Event(), threading.Event()
        real, ports = waiting._left, []

        async def left(request):
            is_second = request.client.port in ports  # the first one may only now begin to wait
            if is_second:
                waits.set()
            await real(request)
            if is_second:
                gone.set()

        monkeypatch.setattr(waiting, "_left", left)
        with connected(url) as second:
            ports.append(second.getsockname()[1])
            second.sendall(request_bytes(url, jpeg))
            assert waits.wait(20)
        assert gone.wait(20)
        assert requests.get(f"{url}/health", timeout=20).status_code == 200  # the loop has had its turn
        go.set()
        assert first.result().status_code == 200
    assert post(url, jpeg).status_code == 200  # in order, so whatever the second left has had its turn
    assert len(done) == 2


def test_of_a_picture_in_parts_no_other_is_searched_for_a_client_that_is_gone(serve, jpeg, monkeypatch):
    url = serve(workers=1)
    entered, go, gone, done = threading.Event(), threading.Event(), threading.Event(), []

    def find_plates(*_):
        done.append(1)
        entered.set()
        go.wait(20)
        return []

    real = waiting._left

    async def left(request):
        await real(request)
        gone.set()

    monkeypatch.setattr(plates, "find_plates", find_plates)
    monkeypatch.setattr(waiting, "_left", left)
    with connected(url) as client:
        client.sendall(request_bytes(url, jpeg, split=5))
        assert entered.wait(20)
    assert gone.wait(20)
    assert requests.get(f"{url}/health", timeout=20).status_code == 200  # the loop has had its turn
    go.set()
    assert post(url, jpeg).status_code == 200  # the only worker is free again
    assert len(done) == 2


def test_half_a_body_and_gone_leaves_the_server_as_it_was(serve, jpeg):
    url = serve(memory=1)
    for _ in range(5):
        with connected(url) as connection:
            connection.sendall(
                b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
                b"Content-Length: 5000\r\n\r\n--b\r\nContent-Disposition: form-data;"
            )
    assert post(url, jpeg).status_code == 200


def test_a_body_that_never_ends_is_given_up(serve, monkeypatch):
    monkeypatch.setattr(form, "PATIENCE", 0.1)
    with connected(serve()) as connection:
        connection.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            b"Content-Length: 5000\r\n\r\n--b"
        )
        answer = connection.recv(1000)
    assert b" 400 " in answer
    assert b"did not arrive in time" in answer + b"did not arrive in time" * (b"\r\n\r\n{" not in answer)


class Dripping:
    """A request whose body comes a byte at a time."""

    def __init__(self, length: int) -> None:
        self.headers = {"content-length": str(length)}
        self.length, self.sent = length, 0

    async def receive(self) -> dict:
        await asyncio.sleep(form.PATIENCE / 4)
        self.sent += 1
        return {"type": "http.request", "body": b"x", "more_body": self.sent < self.length}


@pytest.mark.parametrize(("declared", "ends"), [(8, True), (100_000, False)])
def test_a_body_keeps_pace_or_is_given_up(monkeypatch, declared, ends):
    monkeypatch.setattr(form, "PATIENCE", 0.6)
    monkeypatch.setattr(form, "BODY_TIMEOUT", 6.0)
    request = Dripping(declared)

    async def read() -> None:
        async for _ in form.Body(request, 1_000_000).parts():
            pass

    if ends:
        asyncio.run(read())
    else:
        with pytest.raises(form.BodyTimeoutError):
            asyncio.run(read())
    assert request.sent <= 8


def test_a_body_of_unknown_length_has_a_pace_of_its_own(monkeypatch):
    """Measured by what is allowed, a small picture that comes in chunks would be refused on a slow line."""
    monkeypatch.setattr(form, "PATIENCE", 0.4)
    monkeypatch.setattr(form, "LEAST_PACE", 2.0)
    request = Dripping(12)
    request.headers, request.length = {}, 12

    async def read() -> int:
        return len(b"".join([part async for part in form.Body(request, 1_000_000).parts()]))

    assert asyncio.run(read()) == 12


@pytest.mark.parametrize("running", [False, True])
def test_the_memory_of_who_is_gone_is_free_when_its_share_is(running):
    """Waiting in the pool, work holds nothing any more; under way it is waited for."""

    class Upload:
        pass

    class Gone:
        async def receive(self) -> dict:
            while running and not entered.is_set():
                await asyncio.sleep(0)
            return {"type": "http.disconnect"}

    entered, go, gone = threading.Event(), threading.Event(), threading.Event()

    async def scenario(pool: ThreadPoolExecutor) -> None:
        upload = Upload()
        held = weakref.ref(upload)

        def work(upload=upload) -> None:
            entered.set()
            gone.wait(20)

        del upload
        gc.disable()  # a collector that comes by in time is luck
        try:
            with pytest.raises(waiting.GoneError):
                await waiting.while_there(Gone(), gone, pool, work)
            del work
            assert held() is None
        finally:
            gc.enable()
        assert gone.is_set()

    with ThreadPoolExecutor(1) as pool:
        if not running:
            pool.submit(go.wait, 20)
        asyncio.run(scenario(pool))
        go.set()
    assert entered.is_set() == running


def test_a_failure_does_not_keep_its_picture(networks):
    class Upload:
        pass

    class There:
        async def receive(self) -> dict:
            await asyncio.Event().wait()
            return {}

    async def scenario(pool: ThreadPoolExecutor) -> None:
        upload = Upload()
        held = weakref.ref(upload)

        def work(upload=upload) -> None:
            raise ValueError

        del upload
        gc.disable()
        try:
            with contextlib.suppress(ValueError):
                await waiting.while_there(There(), threading.Event(), pool, work)
            del work
            await asyncio.sleep(0)  # the loop has had its turn
            assert held() is None
        finally:
            gc.enable()

    with ThreadPoolExecutor(1) as pool:
        asyncio.run(scenario(pool))


def test_a_server_that_ends_begins_nothing_that_waited():
    begun, entered = [], threading.Event()

    class There:
        async def receive(self) -> dict:
            await asyncio.Event().wait()
            return {}

    async def scenario() -> None:
        server = app._Server(ServerConfig(workers=1))
        async with server.running():
            gone = [threading.Event() for _ in range(3)]

            def work(number: int) -> None:
                begun.append(number)
                entered.set()
                gone[number].wait(20)

            tasks = [
                asyncio.create_task(
                    waiting.while_there(There(), gone[number], server.workers, lambda n=number: work(n))
                )
                for number in range(3)
            ]
            await asyncio.to_thread(entered.wait, 20)
            for task in reversed(tasks):  # the one that works last, or its thread could take another meanwhile
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert all(event.is_set() for event in gone)

    asyncio.run(scenario())
    assert begun == [0]


def test_who_waits_for_memory_and_leaves_gives_up_his_place():
    class Left:
        async def receive(self) -> dict:
            return {"type": "http.disconnect"}

    async def scenario() -> None:
        budget = security.Budget(10)
        async with contextlib.AsyncExitStack() as first, contextlib.AsyncExitStack() as second:
            await first.enter_async_context(budget.take(10))
            with pytest.raises(waiting.GoneError):
                await waiting.waited(Left(), second.enter_async_context(budget.take(10)))
            await first.aclose()
            async with asyncio.timeout(20), budget.take(10):
                pass

    asyncio.run(scenario())


def test_a_declared_length_beside_chunks_does_not_count():
    request = Dripping(1)
    request.headers = {"content-length": "1", "transfer-encoding": "chunked"}
    assert form.Body(request, 1_000_000).length == 1_000_000 + form.FORM_ROOM


def test_a_share_shrinks_and_never_grows():
    async def scenario() -> None:
        budget = security.Budget(100)
        async with budget.take(1000) as share:
            assert share.held == 100
            share.keep(30)
            share.keep(60)
            assert share.held == 30
            async with budget.take(70):
                pass
        async with budget.take(100):
            pass

    asyncio.run(scenario())


def test_memory_is_given_out_first_come_first_served():
    async def scenario() -> list[str]:
        budget, order = security.Budget(100), []

        async def take(name: str, amount: int, release: asyncio.Event) -> None:
            async with budget.take(amount):
                order.append(name)
                await release.wait()

        events = {name: asyncio.Event() for name in "abcd"}
        tasks = {}
        for name, amount in (("a", 70), ("b", 1000), ("c", 10), ("d", 10)):
            tasks[name] = asyncio.create_task(take(name, amount, events[name]))
            await asyncio.sleep(0)
        assert order == ["a"]  # b needs all there is, and c and d wait behind it
        tasks["c"].cancel()
        events["a"].set()
        await tasks["a"]
        for _ in range(20):
            await asyncio.sleep(0)
        assert order == ["a", "b"]
        events["b"].set()
        events["d"].set()
        await asyncio.gather(tasks["b"], tasks["d"])
        return order

    assert asyncio.run(scenario()) == ["a", "b", "d"]


def test_a_missing_model_stops_the_server_and_not_a_request(monkeypatch, tmp_path):
    environment = {**os.environ, "BLUR_TOOLS_CENTERFACE": str(tmp_path / "none.onnx")}
    done = subprocess.run(
        [sys.executable, "-m", "blur_tools.cli", "serve", "--port", "0"],
        env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "none.onnx is not there" in done.stderr


def test_sigterm_finishes_what_is_under_way(encode, noise):
    """A process of its own: the request is sent, then the signal, and the answer comes all the same."""
    process = subprocess.Popen(
        [sys.executable, "-m", "blur_tools.cli", "serve", "--port", "0"], stderr=subprocess.PIPE, text=True
    )
    try:
        url = ""
        while not url:
            url = next((word for word in process.stderr.readline().split() if word.startswith("http://")), "")
        data = encode(noise(2000, 3000), "JPEG", quality=80)
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(post, url, data, plates=10, faces=10)
            while "POST" not in (line := f"{requests.get(url + '/health').status_code} POST"):
                time.monotonic()
            assert line.startswith("200")
            process.send_signal(signal.SIGTERM)
            done = answer.result()
        assert done.status_code == 200
        assert picture(done).size == (3000, 2000)
        assert process.wait(timeout=30) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.stderr.close()
        process.wait()


def test_urls_that_hang_do_not_keep_uploads_from_being_done(serve, jpeg):
    url = serve(allow_private_urls=True)
    with FakeBlur() as web:
        for _ in range(app.FETCHERS):
            web.then(hang=True)
        with ThreadPoolExecutor(app.FETCHERS) as pool:
            hanging = [pool.submit(post, url, upload_url=f"{web.url}/a.jpg") for _ in range(app.FETCHERS)]
            until = time.monotonic() + 20
            while len(web.calls) < app.FETCHERS and time.monotonic() < until:
                hanging[0].done()
            assert len(web.calls) == app.FETCHERS
            try:
                answer = requests.post(url, files={"upload": jpeg}, timeout=10).status_code
            except requests.Timeout:
                answer = None
            web._closed.set()  # lets the others go
            assert answer == 200


@pytest.mark.parametrize("charset", ["punycode", "unicode_escape", "utf-16", "idna"])
def test_no_codec_of_the_clients_choice_is_run(serve, jpeg, charset):
    body = b'--b\r\nContent-Disposition: form-data; name="upload"; filename="a"\r\n\r\n' + jpeg + b"\r\n--b--\r\n"
    for given, status in ((charset, 400), ("UTF-8", 200)):
        headers = {"Content-Type": f"multipart/form-data; boundary=b; charset={given}"}
        assert requests.post(serve(), data=body, headers=headers, timeout=20).status_code == status


@pytest.mark.parametrize("number", ["NaN", "1e12", "1e400"])
def test_numbers_that_no_picture_has_are_snapshots_fault(serve, jpeg, number):
    with FakeBlur() as sdk:
        url = serve(sdk_url=sdk.url)
        sdk.then(body=json.dumps({"results": [SNAPSHOT]}).replace("20", number, 1))
        answer = post(url, jpeg)
        assert (answer.status_code, list(answer.json())) == (502, ["error"])


@contextlib.contextmanager
def asked_slowly(url: str, data: bytes, more: str = ""):
    """A client with next to no room for an answer, of which it has heard the first byte."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(30)
        client.connect(address_of(url))
        client.sendall(request_bytes(url, data, more))
        assert client.recv(1) == b"H"
        yield client


def test_answers_that_are_not_read_count_as_large_as_they_are(serve, jpeg, monkeypatch):
    """A small file can have a large answer: beyond the room for answers nothing more is worked on."""
    large = bytes(12_000_000), BlurResult(Detections())
    monkeypatch.setattr(app._Server, "_blurred", lambda *_: large)
    monkeypatch.setattr(app, "SEND_TIMEOUT", 3600)
    url = serve(memory=60_000_000, workers=1)
    with asked_slowly(url, jpeg), pytest.raises(requests.ReadTimeout):
        requests.post(url, files={"upload": jpeg}, timeout=2)
    assert len(post(url, jpeg).content) == 12_000_000


def test_who_finds_no_room_in_time_is_told_so(serve, jpeg, monkeypatch):
    monkeypatch.setattr(app, "LONGEST_WAIT", 0.2)
    url = serve(memory=1)
    with connected(url) as first:
        first.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            b"Content-Length: 5000\r\n\r\n--b"
        )
        assert requests.get(f"{url}/health", timeout=20).status_code == 200
        answer = post(url, jpeg)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert list(answer.json()) == ["error"]


def test_who_does_not_read_an_answer_holds_its_memory_for_a_while_only(serve, jpeg, encode, noise, monkeypatch):
    """With room for one request: the next is served when the first has been given up."""
    monkeypatch.setattr(app, "SEND_TIMEOUT", 0.5)
    url = serve(memory=1, plates=10)
    with asked_slowly(url, encode(noise(1800, 1800))):
        assert post(url, jpeg).status_code == 200


def test_an_answer_holds_its_share_until_it_is_sent(serve, encode, noise, monkeypatch):
    given_back = threading.Event()
    real = security.Budget.give_back

    def give_back(self, amount):
        if amount and self is budgets[-1]:
            given_back.set()
        real(self, amount)

    budgets = []
    made = security.Budget.__init__
    monkeypatch.setattr(security.Budget, "__init__", lambda self, size: budgets.append(self) or made(self, size))

    monkeypatch.setattr(security.Budget, "give_back", give_back)
    url = serve(memory=1, plates=10)
    with asked_slowly(url, encode(noise(1800, 1800)), "Connection: close\r\n") as client:
        assert requests.get(f"{url}/health", timeout=20).status_code == 200
        assert not given_back.is_set()
        while client.recv(1 << 20):
            pass
    assert given_back.wait(20)


def test_goodbyes_end():
    assert run._server(ServerConfig(port=0)).config.timeout_graceful_shutdown == run.LONGEST_GOODBYE


def test_a_logo_of_a_request_is_small(serve, jpeg):
    url = serve(plates=10)
    part = {"upload": jpeg, "logo": ("l.png", bytes(form.FORM_ROOM + 1))}
    answer = requests.post(url, files=part, timeout=20)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("logo: a file beside the picture has at most")


def test_a_pattern_that_takes_too_long_is_a_bad_request(serve, jpeg, monkeypatch):
    monkeypatch.setattr(local, "read_plate", lambda *_: Reading("a" * 40 + "b", 0.99))
    monkeypatch.setattr(_skip, "LONGEST_SEARCH", 0.01)
    answer = post(serve(), jpeg, skip_regexp="^(a|aa|a?a)+$")
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("skip_regexp: '^(a|aa|a?a)+$' takes too long")


def test_a_logo_that_cannot_be_read_stops_the_server_and_not_a_request(serve, tmp_path):
    (tmp_path / "logo.png").write_bytes(b"no picture")
    for logo in ("/logos/logo.png", "/logos/none.png", tmp_path / "logo.png"):
        with pytest.raises(SettingsError, match="logo"):
            serve(logos=tmp_path, logo=logo)


def test_a_server_that_does_not_start_is_an_error_and_no_address(networks, monkeypatch):
    @contextlib.asynccontextmanager
    async def broken(self):
        raise RuntimeError("no threads left")
        yield

    monkeypatch.setattr(app._Server, "running", broken)
    with pytest.raises(EngineError, match="did not start"), serving():
        pass


def test_a_pattern_where_plates_cannot_be_read_is_a_bad_request(serve, jpeg, monkeypatch):
    def missing(*_):
        raise ExtraMissingError("reading plates", "ocr")

    monkeypatch.setattr(local, "read_plate", missing)
    answer = post(serve(), jpeg, skip_regexp="^ab")
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert "[ocr]" in answer.json()["error"]
