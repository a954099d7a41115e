"""One contract for every way to the same engine: local, remote with either renderer, and plain HTTP."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image

from blur_tools import (
    AnswerError,
    BadRequestError,
    BlurError,
    BlurResult,
    BlurSettings,
    PictureError,
    SettingsError,
    blur,
)
from blur_tools.detectors.reading import Reading
from blur_tools.engines import local
from blur_tools.orientation import turn_stored
from blur_tools.samples import scenes
from blur_tools.server.config import ServerConfig
from blur_tools.server.run import serving

Way = Callable[..., BlurResult]


@pytest.fixture(scope="module")
def url():
    with serving() as address:
        yield address


def over_http(url: str) -> Way:
    def ask(data: bytes, **params: Any) -> BlurResult:
        form = BlurSettings(**params).or_default(10).to_form()
        fields = [(name, value) for name, value in form if isinstance(value, str)]
        files = [(name, ("file", value)) for name, value in form if isinstance(value, bytes)]
        answer = requests.post(f"{url}/v1/blur", data=fields, files=[("upload", ("picture", data)), *files], timeout=60)
        if answer.status_code != 200:
            raise BadRequestError("picture", answer.json()["error"], answer.status_code)
        return BlurResult.from_api(answer.json())

    return ask


def ways(url: str) -> dict[str, Way]:
    """The reference first: this machine alone."""
    return {
        "local": lambda data, **params: blur(data, engine="local", **params),
        "remote, rendered here": lambda data, **params: blur(data, engine=url, **params),
        "remote, rendered there": lambda data, **params: blur(data, engine=url, render="server", **params),
        "http": over_http(url),
    }


def pixels(result: BlurResult) -> np.ndarray | None:
    return None if result.data is None else np.asarray(Image.open(io.BytesIO(result.data)))


def logo() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (60, 20), (255, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


PARAMETERS: list[dict[str, Any]] = [
    {},
    {"plates": 0, "faces": 0},
    {"plates": -1},
    {"faces": -1},
    {"plates": 3, "faces": 8},
    {"plates": 10, "faces": 0},
    {"logo": logo()},
    {"logo": logo(), "plates": 0},
    {"logo": ""},
    {"et": 31},
    {"el": 26, "eb": 5},
    {"eb": 61.5},
    {"er": 51},
    {"xmin": 5, "ymin": 15, "xmax": 55, "ymax": 35},
    {"xmin": [0, 99], "ymin": [0, 39], "xmax": [1, 121], "ymax": [1, 71]},
    {"split": 2},
    {"split": 3, "overlap": 40},
    {"skip_regexp": "^AB"},
    {"skip_regexp": ["x", "^zz"]},
    {"regions": ["fr", "gb"], "config": {"mode": "fast"}, "camera_id": "c", "snapshot_filename": "s.jpg"},
    {"copy_metadata": True},
    {"face_max_resolution": 64},
]


@pytest.fixture
def text(monkeypatch) -> None:
    monkeypatch.setattr(local, "read_plate", lambda picture, polygon: Reading("ab123cd", 0.99))


def test_every_parameter_of_the_api_is_in_the_contract():
    said = {name for params in PARAMETERS for name in params}
    assert said == {p.name for p in BlurSettings.parameters() if p.api}


@pytest.mark.parametrize("params", PARAMETERS, ids=lambda params: ",".join(params) or "nothing")
def test_every_way_gives_the_same(url, networks, text, encode, noise, params):
    data = encode(noise(100, 200), "JPEG", quality=90, subsampling=0)
    results = {name: way(data, **params) for name, way in ways(url).items()}
    expected = results.pop("local")
    for name, result in results.items():
        assert result.detections.to_api() == expected.detections.to_api(), name
        if name != "http":  # the API has no word for it
            assert [item.keep for item in result.detections] == [item.keep for item in expected.detections], name
        if expected.data is None:
            assert result.data is None, name
        else:
            assert np.array_equal(pixels(result), pixels(expected)), name


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_every_format_and_the_same_comes_back(url, networks, encode, noise, kind, mode):
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encode(Image.fromarray(noise(100, 200)).convert(mode), kind, **options)
    results = {name: way(data) for name, way in ways(url).items()}
    expected = results.pop("local")
    for name, result in results.items():
        assert result.content_type == expected.content_type, name
        assert np.array_equal(pixels(result), pixels(expected)), name


@pytest.mark.parametrize("orientation", [3, 5, 6, 8])
def test_a_turned_picture_has_its_objects_where_it_is_stored(url, networks, encode, noise, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = turn_stored(Image.fromarray(noise(100, 200)), orientation)
    data = encode(stored, "PNG", exif=exif)
    params = {"et": 15, "xmin": 0, "ymin": 0, "xmax": 5, "ymax": 5}
    results = {name: way(data, **params) for name, way in ways(url).items()}
    expected = results.pop("local")
    for name, result in results.items():
        assert result.detections.to_api() == expected.detections.to_api(), name
        if name == "remote, rendered there":  # its picture lies upright, as the service was given it
            assert Image.open(io.BytesIO(result.data)).size == (200, 100)
        else:
            assert np.array_equal(pixels(result), pixels(expected)), name


def test_real_networks_on_our_own_scenes(url):
    for scene in scenes()[:3]:
        results = {name: way(scene.data) for name, way in ways(url).items()}
        expected = results.pop("local")
        assert len(expected.detections) >= 2
        for name, result in results.items():
            assert result.detections.to_api() == expected.detections.to_api(), name
        same = ("remote, rendered there", "http")  # both rendered what the engine itself found
        assert all(np.array_equal(pixels(results[name]), pixels(expected)) for name in same)


BAD = {
    "regions": 7, "skip_regexp": "(", "faces": 11, "plates": "many", "logo": b"no picture", "config": "[1]", "et": 101,
    "el": -1, "eb": "x", "er": float("nan"), "xmin": "a", "ymin": [1], "xmax": float("inf"), "ymax": "", "split": 1.5,
    "overlap": 91, "camera_id": 7, "snapshot_filename": 7, "copy_metadata": 7, "face_max_resolution": 3,
}  # fmt: skip
ANY_TEXT = ("regions", "camera_id", "snapshot_filename", "copy_metadata")  # a form has no other kind of value


def test_every_bad_value_is_refused_by_its_name(url, networks, encode, noise):
    data = encode(noise(20, 20), "PNG")
    assert set(BAD) == {p.name for p in BlurSettings.parameters() if p.api}
    for name, value in BAD.items():
        for engine, render in (("local", "local"), (url, "local"), (url, "server")):
            if (name, render) == ("logo", "server"):
                continue
            with pytest.raises(SettingsError) as caught:
                blur(data, engine=engine, render=render, **{name: value})
            assert caught.value.field in (name, *(("xmin", "xmax", "ymax") if name == "ymin" else ()))
        if name not in ANY_TEXT:
            part = {name: ("x", value)} if isinstance(value, bytes) else {}
            fields = {} if part else {name: value}
            answer = requests.post(url, data={"plates": 10, **fields} if name != "plates" else fields,
                                   files={"upload": data, **part}, timeout=60)  # fmt: skip
            assert answer.status_code == 400, name
            assert answer.json()["error"].split(":")[0] in (name, "xmin", "xmax", "ymax"), name


def test_a_logo_that_is_none_is_the_services_word_when_it_renders(url, networks, encode, noise):
    with pytest.raises(BadRequestError, match="logo: is not a picture"):
        blur(encode(noise(20, 20)), engine=url, render="server", logo=b"no picture")


@pytest.mark.parametrize("data", [b"no picture", b"\xff\xd8\xff\xe0\0\x10JFIF\0 broken", b"GIF89a"])
def test_what_is_no_picture_is_refused_with_the_same_words(url, networks, data):
    reasons = set()
    for name, way in ways(url).items():
        with pytest.raises(BlurError) as caught:
            way(data)
        assert isinstance(caught.value, PictureError | BadRequestError), name
        reasons.add(caught.value.reason.removeprefix("upload: picture: "))
    assert len(reasons) == 1


def test_a_service_that_blurs_nothing_is_said_not_to(encode, noise, networks):
    """Ours always can; what it answers without intensities is no picture, and is not taken for one."""
    with serving(ServerConfig(port=0)) as address:
        answer = requests.post(address, files={"upload": encode(noise(20, 20))}, timeout=60).json()
        assert answer["blur"] is None
        result = blur(encode(noise(20, 20)), engine=address, render="server", plates=0, faces=0)
        assert result.data is None
        assert base64.b64decode(blur(encode(noise(20, 20)), engine=address).to_api()["blur"]["base64"])
    with pytest.raises(BlurError) as caught:
        blur(encode(noise(20, 20)), engine=address)
    assert not isinstance(caught.value, AnswerError)
