"""What the vendor's page shows and what the vendor's own clients send, against our server."""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import requests
from PIL import Image

from blur_tools import BlurSettings, Detections, __version__
from blur_tools.engines import Answer
from blur_tools.engines.fake import FakeBlur
from blur_tools.engines.local import LocalEngine
from blur_tools.samples import scenes
from blur_tools.server.config import ServerConfig
from blur_tools.server.run import serving
from blur_tools.service.answers import INVALID_TOKEN

TOKEN = "YOUR_API_TOKEN"  # as the page has it
CURL = shutil.which("curl")
LIMIT = 120.0


@pytest.fixture(scope="module")
def pictures() -> dict[str, bytes]:
    return {scene.name: scene.data for scene in scenes()}


@pytest.fixture(scope="module")
def cloud():
    """As the vendor's cloud: it wants a token."""
    with serving(ServerConfig(port=0, required_token=TOKEN, allow_private_urls=True, log_level="ERROR")) as url:
        yield url


@pytest.fixture(scope="module")
def onpremise():
    """As the vendor's server on one's own machine: it wants none."""
    with serving(ServerConfig(port=0, allow_private_urls=True, log_level="ERROR")) as url:
        yield url


@pytest.fixture
def ours(pictures, cloud, onpremise, tmp_path):
    """Examples of the page with our addresses and pictures; a fetched picture is ``two-cars.jpg``."""
    logo = io.BytesIO()
    Image.new("RGB", (52, 11), (20, 90, 40)).save(logo, "JPEG")
    (tmp_path / "logo.jpg").write_bytes(logo.getvalue())
    (tmp_path / "car.jpg").write_bytes(pictures["two-cars.jpg"])
    with FakeBlur() as web:
        web.then(body=pictures["two-cars.jpg"])

        def changed(example: str) -> str:
            for theirs, here in (
                ("https://app.platerecognizer.com", web.url),
                ("https://blur.platerecognizer.com", cloud),
                ("http://localhost:8001", onpremise),
                ("/tmp", str(tmp_path)),
            ):
                example = example.replace(theirs, here)
            return example

        yield changed


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"), int)


def blurred(answer: dict) -> bytes:
    """The picture of an answer, whose shape is the documented one."""
    assert set(answer["blur"]) == {"content_type", "filename", "base64"}
    data = base64.b64decode(answer["blur"]["base64"], validate=True)
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert image.get_format_mimetype() == answer["blur"]["content_type"]
    return data


def check_found(answer: dict) -> None:
    """Both cars' plates and the person of ``two-cars.jpg``, as the page documents them."""
    assert set(answer) == {"plates", "faces", "blur"}
    assert (len(answer["plates"]), len(answer["faces"])) == (2, 1)
    for plate in answer["plates"]:
        assert set(plate) == {"polygon", "result"}
        assert [[type(value) for value in point] for point in plate["polygon"]] == [[float, float]] * 4
        assert isinstance(plate["result"], dict)
    (face,) = answer["faces"]
    assert set(face) == {"box", "score"}
    assert set(face["box"]) == {"xmin", "ymin", "xmax", "ymax"}
    assert all(isinstance(value, int | float) for value in face["box"].values())
    assert face["box"]["xmin"] < face["box"]["xmax"]
    assert face["box"]["ymin"] < face["box"]["ymax"]
    assert 0 <= face["score"] <= 1


def check_hidden(answer: dict, original: bytes) -> None:
    """Whatever was found has changed, and little else has."""
    change = np.abs(pixels(blurred(answer)) - pixels(original)).mean(axis=2)
    boxes = [face["box"] for face in answer["faces"]] + [plate["result"]["box"] for plate in answer["plates"]]
    for box in boxes:
        assert change[box["ymin"] : box["ymax"], box["xmin"] : box["xmax"]].mean() > 10
    assert (change > 10).mean() < 0.1


# ---- the page's examples, as it has them


FROM_URL = {
    "cloud": """\
curl -H "Authorization: Token YOUR_API_TOKEN" -d "upload_url=https://app.platerecognizer.com/static/demo.jpg" \
-d "faces=10" -d "plates=10" https://blur.platerecognizer.com/v1/blur""",
    "on-premise": """\
curl -d "upload_url=https://app.platerecognizer.com/static/demo.jpg" -d "faces=10" -d "plates=10" \
http://localhost:8001/""",
}
WITHOUT_BLURRING = {
    "cloud": """\
curl -H "Authorization: Token YOUR_API_TOKEN" -d "upload_url=https://app.platerecognizer.com/static/demo.jpg" \
https://blur.platerecognizer.com/v1/blur""",
    "on-premise": """\
curl -d "upload_url=https://app.platerecognizer.com/static/demo.jpg" http://localhost:8001/""",
}
DOWNLOAD = "curl -o /tmp/car.jpg https://app.platerecognizer.com/static/demo.jpg"
UPLOAD = {
    "cloud": """\
curl -H "Authorization: Token YOUR_API_TOKEN" -F "upload=@/tmp/car.jpg" -F "faces=10" -F "plates=10" \
https://blur.platerecognizer.com/v1/blur""",
    "on-premise": """\
curl -F "upload=@/tmp/car.jpg" -F "faces=10" -F "plates=10" http://localhost:8001/""",
}
UPLOAD_AND_LOGO = {
    "cloud": """\
curl -H "Authorization: Token YOUR_API_TOKEN" -F "upload=@/tmp/car.jpg" -F "logo=@/tmp/logo.jpg" -F "faces=10" \
-F "plates=10" https://blur.platerecognizer.com/v1/blur""",
    "on-premise": """\
curl -F "upload=@/tmp/car.jpg" -F "logo=@/tmp/logo.jpg" -F "faces=10" -F "plates=10" http://localhost:8001/""",
}
PYTHON = """\
import requests
import base64

# Download a test picture
# curl -o /tmp/car.jpg https://app.platerecognizer.com/static/demo.jpg

files = {
    'upload': open('/tmp/car.jpg', 'rb'),
    #'logo': open('/tmp/logo.jpg', 'rb'), # Addition of a logo, this item is optional
}
response = requests.post(
    'https://blur.platerecognizer.com/v1/blur',
    files=files,
    data={
        'plates': 10,
        'faces': 10,
        #'upload_url': 'https://app.platerecognizer.com/static/demo.jpg' # If necessary, using an image via URL
    },
    headers={"Authorization": "Token YOUR_API_TOKEN"})

if response.status_code == 200:
    res_data = response.json()
    if res_data.get('blur') is None:
        print('Blur on server is not enabled')
        print(res_data)
    else:
        with open('/tmp/blur-car.jpg', 'wb') as f:
            base64_encoded_data = response.json()['blur']['base64']
            decoded_bytes = base64.b64decode(base64_encoded_data)
            f.write(decoded_bytes)
else:
    print(f'Error: {response.text}')
print(response.text)
"""
PLACES = ("cloud", "on-premise")
needs_curl = pytest.mark.skipif(CURL is None, reason="curl is not on this machine")


def curl(example: str) -> dict:
    return json.loads(run("sh", "-c", example))


@needs_curl
@pytest.mark.parametrize("place", PLACES)
def test_curl_with_a_url(ours, pictures, place):
    answer = curl(ours(FROM_URL[place]))
    check_found(answer)
    check_hidden(answer, pictures["two-cars.jpg"])
    assert answer["blur"]["filename"] == "demo.jpg"
    assert answer["blur"]["content_type"] == "image/jpeg"


@needs_curl
@pytest.mark.parametrize("place", PLACES)
def test_curl_without_blurring(ours, place):
    answer = curl(ours(WITHOUT_BLURRING[place]))
    check_found(answer)
    assert answer["blur"] is None


@needs_curl
@pytest.mark.parametrize("place", PLACES)
def test_curl_with_a_file(ours, pictures, tmp_path, place):
    (tmp_path / "car.jpg").unlink()
    run("sh", "-c", ours(DOWNLOAD))
    answer = curl(ours(UPLOAD[place]))
    check_found(answer)
    check_hidden(answer, pictures["two-cars.jpg"])
    assert answer["blur"]["filename"] == "car.jpg"


@needs_curl
@pytest.mark.parametrize("place", PLACES)
def test_curl_with_a_logo(ours, pictures, place):
    answer = curl(ours(UPLOAD_AND_LOGO[place]))
    check_found(answer)
    check_hidden(answer, pictures["two-cars.jpg"])
    after = pixels(blurred(answer))
    for plate in answer["plates"]:
        x, y = np.mean(plate["polygon"], axis=0).astype(int)
        assert np.abs(after[y, x] - (20, 90, 40)).max() < 12  # the logo's colour


@needs_curl
def test_curl_with_a_wrong_token(ours):
    assert curl(ours(UPLOAD["cloud"].replace(TOKEN, "3a0effff"))) == INVALID_TOKEN


@needs_curl
def test_curl_without_a_picture_gets_the_documented_error(ours):
    (said,) = curl(ours('curl -d "faces=10" http://localhost:8001/')).items()
    assert said == ("error", "upload: a file, or upload_url, is needed")


@pytest.mark.parametrize("address", ["https://blur.platerecognizer.com/v1/blur", "http://localhost:8001/"])
def test_the_python_example(ours, pictures, tmp_path, address):
    """On-premise its Authorization header is ignored."""
    script = ours(PYTHON.replace("https://blur.platerecognizer.com/v1/blur", address))
    answer = json.loads(run(sys.executable, "-c", script))
    check_found(answer)
    check_hidden(answer, pictures["two-cars.jpg"])
    assert (tmp_path / "blur-car.jpg").read_bytes() == blurred(answer)


def test_the_python_example_with_the_items_that_it_leaves_out(ours, tmp_path):
    script = ours(PYTHON.replace("#'", "'"))
    answer = json.loads(run(sys.executable, "-c", script))
    check_found(answer)
    assert answer["blur"]["filename"] == "demo.jpg"  # the URL's: it has priority over the file
    x, y = np.mean(answer["plates"][0]["polygon"], axis=0).astype(int)
    assert np.abs(pixels((tmp_path / "blur-car.jpg").read_bytes())[y, x] - (20, 90, 40)).max() < 12


def test_the_version(onpremise):
    response = requests.get(f"{onpremise}/info/", timeout=LIMIT)
    assert response.json() == {"version": __version__, "snapshot": None}


# ---- the vendor's folder client


ALWAYS = [("plates", "10"), ("faces", "10"), ("et", "0.0"), ("el", "0.0"), ("eb", "0.0"), ("er", "0.0")]
NOTHING_EXCLUDED = {"plates": 10, "faces": 10, "et": 0.0, "el": 0.0, "eb": 0.0, "er": 0.0}
OPTIONAL = {
    "regions": ([("regions", "us-ca"), ("regions", "fr")], {"regions": ("us-ca", "fr")}),
    "config": ([("config", '{"region": "strict"}')], {"config": {"region": "strict"}}),
    "camera_id": ([("camera_id", "gate 2")], {"camera_id": "gate 2"}),
    "split": ([("split", "3")], {"split": 3}),
    "overlap": ([("overlap", "15")], {"overlap": 15.0}),
    "excluded": (
        [
            ("xmin", "1"), ("xmin", "50"), ("ymin", "2"), ("ymin", "60"), ("xmax", "10"), ("xmax", "70"),
            ("ymax", "20"), ("ymax", "80"),
        ],
        {"xmin": (1.0, 50.0), "ymin": (2.0, 60.0), "xmax": (10.0, 70.0), "ymax": (20.0, 80.0)},
    ),
    "copy_metadata": ([("copy_metadata", "true")], {"copy_metadata": True}),
}  # fmt: skip
BOUNDARY = "9d4c6a0b5f1e4b7c8a2d3e4f5a6b7c8d"


def post(url: str, upload: tuple[str, bytes], fields: list[tuple[str, str]], logo: bytes | None = None):
    """A request as the client makes it, by hand: no part says its type."""
    parts = [(f'name="{name}"', value.encode()) for name, value in fields]
    if logo is not None:
        parts.append(('name="logo"; filename="logo.png"', logo))
    parts.append((f'name="upload"; filename="{upload[0]}"', upload[1]))
    head = b"--%s\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n"
    body = b"".join(head % (BOUNDARY.encode(), name.encode(), value) for name, value in parts)
    return requests.post(
        f"{url}/v1/blur",
        data=body + f"--{BOUNDARY}--\r\n".encode(),
        headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"},
        timeout=LIMIT,
    )


@pytest.fixture
def asked(monkeypatch) -> list[tuple]:
    """The pictures and settings that reach the engine, which finds nothing."""
    calls: list[tuple] = []

    def detect(self, picture, settings):
        calls.append((picture, settings))
        return Answer(Detections())

    monkeypatch.setattr(LocalEngine, "detect", detect)
    return calls


@pytest.mark.parametrize("name", [None, *OPTIONAL])
def test_a_field_of_the_folder_client_reaches_the_engine_as_it_was_sent(onpremise, asked, encode, noise, name):
    fields, expected = OPTIONAL[name] if name else ([], {})
    picture = encode(noise(60, 90), "JPEG")
    response = post(onpremise, ("street 1.jpg", picture), [*ALWAYS, *fields])
    assert response.status_code == 200, response.text
    seen, settings = asked[-1]
    assert settings == BlurSettings(**NOTHING_EXCLUDED, **expected)
    assert (seen.source.data, seen.source.name) == (picture, "street 1.jpg")
    answer = response.json()
    assert answer["blur"]["filename"] == "street 1.jpg"
    assert np.array_equal(pixels(blurred(answer)), pixels(picture))


def test_all_fields_of_the_folder_client_together(onpremise, asked, encode, noise):
    logo = encode(noise(10, 40), "PNG")
    fields = [field for sent, _ in OPTIONAL.values() for field in sent]
    response = post(onpremise, ("a.png", encode(noise(60, 90), "PNG")), [*ALWAYS, *fields], logo)
    assert response.status_code == 200, response.text
    expected = {name: value for _, values in OPTIONAL.values() for name, value in values.items()}
    assert asked[-1][1] == BlurSettings(**NOTHING_EXCLUDED, **expected, logo=logo)


@pytest.fixture(scope="module")
def folder(pictures, tmp_path_factory) -> Path:
    """Mixed pictures; one has neither plate nor face."""
    path = tmp_path_factory.mktemp("folder")
    with Image.open(io.BytesIO(pictures["two-cars.jpg"])) as image:
        for name, options in (
            ("png", {}),
            ("webp", {"quality": 90}),
            ("tiff", {"compression": "tiff_lzw"}),
            ("bmp", {}),
        ):
            image.resize((720, 480)).save(path / f"two-cars.{name}", **options)
    for name in ("camera-7.jpg", "empty-street.jpg"):
        (path / name).write_bytes(pictures[name])
    return path


def test_a_folder_of_mixed_pictures_gives_as_many_in_the_same_formats(onpremise, folder, tmp_path):
    for path in sorted(folder.iterdir()):
        answer = post(onpremise, (path.name, path.read_bytes()), ALWAYS).json()
        (tmp_path / path.name).write_bytes(base64.b64decode(answer["blur"]["base64"]))
        assert bool(answer["plates"]) == (path.name != "empty-street.jpg")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in folder.iterdir())
    for path in tmp_path.iterdir():
        with Image.open(path) as after, Image.open(folder / path.name) as before:
            assert (after.format, after.size, after.mode) == (before.format, before.size, before.mode)
            changed = not np.array_equal(np.asarray(after), np.asarray(before))
        assert changed == (path.name != "empty-street.jpg")


# ---- the vendor's benchmark client


def test_a_file_alone_is_blurred_as_the_settings_say(folder):
    files = sorted(folder.iterdir())
    config = ServerConfig.of({"PLATES": "10", "FACES": "10"}, port=0, log_level="ERROR")
    with serving(config) as url, ThreadPoolExecutor(4) as pool:
        uploads = [{"upload": (path.name, path.read_bytes())} for path in files]
        answers = list(pool.map(lambda files: requests.post(url, files=files, timeout=LIMIT).json(), uploads))
    assert [answer["blur"]["filename"] for answer in answers] == [path.name for path in files]
    for path, answer in zip(files, answers, strict=True):
        assert pixels(blurred(answer)).shape == pixels(path.read_bytes()).shape
        assert bool(answer["plates"]) == (path.name != "empty-street.jpg")
