"""The remote engine against a service that throttles, fails, hangs and breaks off."""

from __future__ import annotations

import io
import json
import pickle
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageCms

import blur_tools
from blur_tools import BlurSettings, Detection, blur, detect, engine, errors
from blur_tools.engines import Engine, Renderer
from blur_tools.engines.fake import FakeBlur
from blur_tools.engines.remote import CLOUD, CLOUD_LIMIT, CLOUD_RATE, ONPREMISE, STATISTICS, RemoteEngine
from blur_tools.orientation import box_to_upright, polygon_to_upright, turn_stored
from blur_tools.picture import load_picture
from blur_tools.service import client, pacing
from blur_tools.service.answers import throttled
from blur_tools.service.client import Service

THROTTLED = throttled(1)
TOKEN = "3a0effff73919f898b69ac65a32dc12347769564"
PLATE = {
    "polygon": [[20.5, 30.25], [60.0, 32.0], [59.5, 44.0], [20.0, 42.0]],
    "result": {
        "box": {"xmin": 20, "ymin": 30, "xmax": 60, "ymax": 44}, "plate": "ab123cd", "score": 0.2, "dscore": 0.9,
        "vehicle": {"box": {"xmin": 0, "ymin": 0, "xmax": 100, "ymax": 90}, "type": "Sedan"},
    },
}  # fmt: skip
FACE = {"box": {"xmin": 100, "ymin": 40, "xmax": 120, "ymax": 70}, "score": 0.8}


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Pauses take no time, addresses of this machine need no proxy, and nobody's token is about."""
    monkeypatch.setattr(pacing, "FIRST_PAUSE", 0.001)
    monkeypatch.delenv("PLATE_RECOGNIZER_TOKEN", raising=False)
    monkeypatch.delenv("BLUR_TOOLS_URL", raising=False)


@pytest.fixture
def fake():
    with FakeBlur([PLATE], [FACE]) as service:
        yield service


@pytest.fixture
def jpeg(encode, noise) -> bytes:
    return encode(noise(100, 200), "JPEG", quality=90)


def remote(fake: FakeBlur, **options) -> RemoteEngine:
    return engine(fake.url, **options)


# ---- making one


def test_the_names_of_engines(monkeypatch):
    monkeypatch.setenv("PLATE_RECOGNIZER_TOKEN", TOKEN)
    cloud, onpremise, own = engine("cloud"), engine("onpremise"), engine("https://blur.example.org:8001/v1/blur")
    assert all(isinstance(item, Engine) and isinstance(item, Renderer) for item in (cloud, onpremise, own))
    assert [item.name for item in (cloud, onpremise, own)] == ["cloud", "onpremise", own._service.address]
    assert (cloud._service.address, onpremise._service.address) == (CLOUD, ONPREMISE)
    assert cloud.upload_limit == CLOUD_LIMIT
    assert onpremise.upload_limit is own.upload_limit is None
    assert cloud._service._pacer.rate == CLOUD_RATE
    assert not isinstance(engine("local"), Renderer)


def test_the_environment_says_where_the_server_is(monkeypatch):
    monkeypatch.setenv("BLUR_TOOLS_URL", "http://192.0.2.7:9000")
    assert engine("onpremise")._service.address == "http://192.0.2.7:9000"
    assert engine("onpremise", url="http://other:1")._service.address == "http://other:1"


def test_the_cloud_needs_a_token():
    with pytest.raises(errors.SettingsError, match="token: the cloud needs one: set PLATE_RECOGNIZER_TOKEN"):
        engine("cloud")
    assert engine("cloud", token=TOKEN)._service.has_token


def test_the_token_of_the_environment_is_for_the_cloud_alone(fake, jpeg, monkeypatch):
    monkeypatch.setenv("PLATE_RECOGNIZER_TOKEN", TOKEN)
    monkeypatch.setenv("BLUR_TOOLS_URL", fake.url)
    detect(jpeg, engine=fake.url)
    detect(jpeg, engine="onpremise")
    assert all("authorization" not in call.headers for call in fake.calls)
    detect(jpeg, engine=remote(fake, token=TOKEN))
    with pytest.raises(errors.SettingsError, match="the cloud needs one"):
        engine("cloud", url=fake.url)
    detect(jpeg, engine=engine("cloud", url=fake.url, token=TOKEN))
    assert engine("cloud", url=None)._service.address == CLOUD
    assert [call.headers["authorization"] for call in fake.calls[2:]] == [f"Token {TOKEN}"] * 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nonsense": 1}, "no option nonsense; there are rate, retries, send_urls, timeout, token, upload_limit"),
        ({"rate": 0}, "rate: 0 is not a number of calls a second"),
        ({"rate": "fast"}, "rate"),
        ({"timeout": -1}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"retries": -1}, "retries"),
        ({"retries": True}, "retries"),
        ({"upload_limit": 0}, "upload_limit"),
        ({"token": "two words"}, "token: is not a token"),
        ({"token": ""}, "token"),
        ({"token": "line\nbreak"}, "token"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(errors.SettingsError, match=message):
        engine("http://localhost:8001", **options)


@pytest.mark.parametrize(
    "url", ["http://", "http://:80", "http://a b", "http://host:port", "http://host:99999", "http://[::1"]
)
def test_bad_addresses_are_refused(url):
    with pytest.raises(errors.SettingsError, match="url"):
        engine(url)


# ---- what is sent


EVERYTHING = {
    "regions": ["fr", "gb"], "skip_regexp": ["^zz", "q$"], "faces": 7, "plates": 9, "config": {"mode": "fast"},
    "et": 1, "el": 2.5, "eb": 3, "er": 0, "xmin": [1, 5], "ymin": [2, 6], "xmax": [3, 7], "ymax": [4, 8], "split": 3,
    "overlap": 10, "camera_id": "cam 1", "snapshot_filename": "other.jpg", "copy_metadata": True,
    "face_max_resolution": 640,
}  # fmt: skip
DETECTION = [
    ("regions", "fr"), ("regions", "gb"), ("skip_regexp", "^zz"), ("skip_regexp", "q$"), ("faces", "0"),
    ("plates", "0"), ("config", '{"mode": "fast"}'), ("et", "1.0"), ("el", "2.5"), ("eb", "3.0"), ("er", "0.0"),
    ("xmin", "1.0"), ("xmin", "5.0"), ("ymin", "2.0"), ("ymin", "6.0"), ("xmax", "3.0"), ("xmax", "7.0"),
    ("ymax", "4.0"), ("ymax", "8.0"), ("split", "3"), ("overlap", "10.0"), ("camera_id", "cam 1"),
    ("snapshot_filename", "other.jpg"), ("face_max_resolution", "640"),
]  # fmt: skip


def test_every_parameter_of_detection_is_sent_and_none_of_rendering(fake, jpeg):
    blur(jpeg, engine=fake.url, **EVERYTHING, logo=jpeg)
    (call,) = fake.calls
    assert call.method == "POST"
    assert call.path == ""
    assert list(call.fields) == DETECTION
    assert call.files == {"upload": ("picture", jpeg)}


def test_every_parameter_is_sent_when_the_service_renders(fake, jpeg, encode, noise):
    logo = encode(noise(10, 20), "PNG")
    blur(jpeg, engine=fake.url, render="server", **EVERYTHING, logo=logo)
    (call,) = fake.calls
    sent = dict.fromkeys(name for name, _ in call.fields) | {"logo": None}
    assert set(sent) == {p.name for p in BlurSettings.parameters() if p.api}
    rest = [pair for pair in call.fields if pair not in DETECTION]
    assert sorted(rest) == sorted([("faces", "7"), ("plates", "9"), ("copy_metadata", "true")])
    assert call.files["logo"][1] == logo
    assert call.files["upload"][1] == jpeg


@pytest.mark.parametrize("logo", ["/logos/ours.png", ""])
def test_a_logo_can_be_a_path_of_the_service_or_none(fake, jpeg, logo):
    blur(jpeg, engine=fake.url, render="server", logo=logo)
    assert fake.calls[0].get("logo") == logo
    assert set(fake.calls[0].files) == {"upload"}


def test_a_logo_of_the_service_cannot_be_rendered_here(fake, jpeg):
    with pytest.raises(errors.SettingsError, match=r'/logos/ours.png is a path on the server; .*, or render="server"'):
        blur(jpeg, engine=fake.url, logo="/logos/ours.png")
    assert fake.calls == []


def test_a_bad_logo_is_said_before_a_call_is_paid_for(fake, jpeg):
    with pytest.raises(errors.SettingsError, match="logo: is not a picture"):
        blur(jpeg, engine=fake.url, logo=b"no picture")
    assert fake.calls == []


def test_minus_one_is_passed_on(fake, jpeg):
    detect(jpeg, engine=fake.url, plates=-1, faces=10)
    assert (fake.calls[0].get("plates"), fake.calls[0].get("faces")) == ("-1", "0")


def test_a_url_is_fetched_here_and_uploaded(fake, jpeg):
    with FakeBlur() as web:
        web.then(body=jpeg)
        blur(f"{web.url}/street/a.jpg?signature=secret", engine=fake.url)
    assert fake.calls[0].files == {"upload": ("a.jpg", jpeg)}
    assert fake.calls[0].all("upload_url") == []


def test_a_url_can_be_handed_over(fake, jpeg):
    fake.picture = jpeg
    url = "https://example.org/street/a.jpg?signature=secret"
    result = blur(url, engine=remote(fake, send_urls=True), render="server")
    assert fake.calls[0].get("upload_url") == url
    assert fake.calls[0].files == {}
    assert result.filename == "a.jpg"
    assert len(result.detections) == 2
    assert result.data[:2] == b"\xff\xd8"


def test_handing_over_needs_the_service_to_render(fake):
    with pytest.raises(errors.SettingsError, match='render: must be "server"'):
        detect(np.zeros((9, 9), np.uint8), engine=remote(fake, send_urls=True))
    assert fake.calls == []


# ---- what comes back


def test_the_answer_becomes_detections_and_this_machine_renders(fake, jpeg):
    result = blur(jpeg, engine=fake.url)
    plate, face = result.detections
    assert plate == Detection("plate", PLATE["polygon"], 0.9, fake.url, result=PLATE["result"])
    assert face.box == (100, 40, 120, 70)
    assert result.engine == fake.url
    before, after = (np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), int) for data in (jpeg, result.data))
    assert np.abs(before - after)[34:40, 25:55].mean() > 20
    assert np.abs(before - after)[:, 150:].mean() < 10
    assert result.method != "server"


def test_plates_whose_text_matches_stay_visible(fake, jpeg):
    for pattern, kept in (("^AB", True), ("3CD$", True), ("^xy", False), (["^xy", "123"], True)):
        found = detect(jpeg, engine=fake.url, skip_regexp=pattern)
        assert [item.keep for item in found] == [kept, False]
    hidden, shown = (blur(jpeg, engine=fake.url, skip_regexp=p, faces=-1).data for p in ("^xy", "^ab"))
    assert hidden != shown


def test_a_threshold_that_is_said_counts_and_an_unsaid_one_does_not(fake, jpeg):
    fake.faces = [FACE | {"score": 0.05}]
    assert len(detect(jpeg, engine=fake.url).faces) == 1
    assert len(detect(jpeg, engine=fake.url, face_threshold=0.1).faces) == 0
    assert len(detect(jpeg, engine=fake.url, plate_threshold=0.91).plates) == 0


def test_the_picture_of_the_service_is_taken(fake, jpeg, encode, noise):
    theirs = encode(255 - noise(100, 200), "JPEG", quality=80)
    fake.picture = theirs
    result = blur(jpeg, engine=fake.url, render="server", effect="fill", margin=0.3)
    assert result.method == "server"
    assert result.warnings == ("not used when the service renders: effect, margin",)
    ours = Image.open(io.BytesIO(result.data))
    assert np.array_equal(np.asarray(ours), np.asarray(Image.open(io.BytesIO(theirs))))


def test_what_the_service_leaves_in_the_file_does_not_stay(fake, jpeg, encode, noise):
    """A service that copies metadata may copy a thumbnail of what it hid."""
    exif = Image.Exif()
    exif[0x010F], exif[0x9286] = "maker", "comment"
    fake.picture = encode(noise(100, 200), "JPEG", exif=exif, comment=b"secret") + b"trailing secret"
    plain = blur(jpeg, engine=fake.url, render="server").data
    assert b"secret" not in plain
    assert b"maker" not in plain
    copied = blur(jpeg, engine=fake.url, render="server", copy_metadata=True).data
    assert b"maker" in copied
    assert b"secret" not in copied


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "BMP"])
def test_a_service_may_answer_in_any_format(fake, encode, noise, kind):
    data = encode(noise(100, 200), kind, **({"lossless": True} if kind == "WEBP" else {}))
    result = blur(data, engine=fake.url, render="server")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(result.data)).convert("RGB")), noise(100, 200))


def test_no_picture_although_blurring_was_asked_is_an_error(fake, jpeg):
    fake.blurring = False
    with pytest.raises(errors.AnswerError, match="gave no picture: blurring is not enabled there"):
        blur(jpeg, engine=fake.url, render="server")
    result = blur(jpeg, engine=fake.url, render="server", plates=0, faces=-1)
    assert result.data is None
    assert len(result.detections) == 2


def test_a_picture_that_is_none_is_an_error(fake, jpeg):
    fake.picture = b"no picture"
    with pytest.raises(errors.AnswerError, match="gave a picture that is none: is not a picture"):
        blur(jpeg, engine=fake.url, render="server")


def test_a_local_engine_cannot_let_a_service_render(jpeg):
    with pytest.raises(errors.SettingsError, match='render: "server" needs a remote engine'):
        blur(jpeg, render="server")


# ---- orientation and size


def smooth(noise, height: int, width: int) -> np.ndarray:
    """A picture that JPEG keeps as it is but for a little."""
    small = Image.fromarray(noise(height // 20, width // 20))
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


def turned(encode, pixels, orientation: int, **options) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = turn_stored(Image.fromarray(pixels), orientation)
    return encode(stored, "JPEG", quality=95, exif=exif, **options)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_turned_picture_is_sent_upright_and_the_answer_turned_back(fake, encode, noise, orientation):
    upright = smooth(noise, 100, 200)
    data = turned(encode, upright, orientation)
    picture = load_picture(data)
    rectangle = {"xmin": 10, "ymin": 20, "xmax": 30, "ymax": 60}  # of the stored picture
    found = detect(data, engine=fake.url, et=10, el=20, split=2, **rectangle)
    (call,) = fake.calls
    sent = load_picture(call.files["upload"][1])
    assert (sent.orientation, sent.size) == (1, (200, 100))
    assert np.abs(np.asarray(sent.image, int) - upright).mean() < 4
    box = tuple(float(call.get(name)) for name in ("xmin", "ymin", "xmax", "ymax"))
    assert box == pytest.approx(box_to_upright((10, 20, 30, 60), picture.size, orientation))
    assert [call.get(name) for name in ("et", "el", "split")] == ["10.0", "20.0", "2"]  # of the upright picture already
    again = polygon_to_upright(found.plates[0].polygon, picture.size, orientation)
    np.testing.assert_allclose(again, PLATE["polygon"], atol=1e-6)
    inner = found.plates[0].result["box"]
    mapped = box_to_upright(tuple(inner[name] for name in ("xmin", "ymin", "xmax", "ymax")), picture.size, orientation)
    assert mapped == (20, 30, 60, 44)
    assert found.plates[0].result["vehicle"]["box"] != PLATE["result"]["vehicle"]["box"] or orientation in (5,)


def test_a_turned_picture_that_the_service_renders_says_that_it_lies_upright(fake, encode, noise):
    data = turned(encode, noise(100, 200), 6)
    result = blur(data, engine=fake.url, render="server")
    assert "the service's picture lies upright" in result.warnings[0]
    assert Image.open(io.BytesIO(result.data)).size == (200, 100)
    assert load_picture(result.data).orientation == 1


def test_a_picture_over_the_limit_is_sent_smaller_and_rendered_in_full(fake, encode, noise):
    data = encode(noise(400, 800), "PNG")
    limit = len(data) // 20
    rectangle = {"xmin": 80, "ymin": 40, "xmax": 160, "ymax": 80}
    result = blur(data, engine=remote(fake, upload_limit=limit), **rectangle)
    (call,) = fake.calls
    name, sent = call.files["upload"]
    picture = load_picture(sent)
    assert len(sent) <= limit
    assert (name, picture.format.name) == ("picture.jpg", "JPEG")
    x_scale, y_scale = picture.size[0] / 800, picture.size[1] / 400
    assert x_scale < 1
    assert float(call.get("xmin")) == pytest.approx(80 * x_scale)
    assert float(call.get("ymax")) == pytest.approx(80 * y_scale)
    expected = [(x / x_scale, y / y_scale) for x, y in PLATE["polygon"]]
    np.testing.assert_allclose(result.detections.plates[0].polygon, expected)
    assert f"over the upload limit of {limit:,} bytes" in result.warnings[0]
    assert "at a smaller size" in result.warnings[0]
    assert Image.open(io.BytesIO(result.data)).size == (800, 400)


def test_a_little_over_the_limit_only_the_quality_falls(fake, encode, noise):
    data = encode(smooth(noise, 400, 800), "PNG")
    result = blur(data, engine=remote(fake, upload_limit=len(data) - 1))
    assert load_picture(fake.calls[0].files["upload"][1]).size == (800, 400)
    assert "as a JPEG of quality 95" in result.warnings[0]
    assert "smaller size" not in result.warnings[0]
    assert result.detections.plates[0].polygon == tuple(map(tuple, PLATE["polygon"]))


def test_what_the_service_renders_cannot_be_made_smaller(fake, jpeg):
    with pytest.raises(errors.TooLargeError, match=r'the upload limit is 1,000; render="local" keeps its quality'):
        blur(jpeg, engine=remote(fake, upload_limit=1000), render="server")
    assert fake.calls == []


def test_a_limit_that_nothing_fits_into_is_an_error(fake, jpeg):
    with pytest.raises(errors.TooLargeError, match="cannot be made to fit"):
        detect(jpeg, engine=remote(fake, upload_limit=10))


# ---- errors


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (400, {"error": "plates: 11 is not allowed"}, errors.BadRequestError, "plates: 11 is not allowed"),
        (401, {"detail": "No token."}, errors.ForbiddenError, "No token; check the token"),
        (403, {"detail": "Invalid token.", "status_code": 403}, errors.ForbiddenError, "Invalid token."),
        (413, {"error": "too large"}, errors.TooLargeError, "too large; give the engine a smaller upload_limit"),
        (429, THROTTLED, errors.ThrottledError, "Request was throttled"),
        (500, {"error": "oops"}, errors.UnavailableError, "500: oops"),
        (500, "<html>", errors.UnavailableError, "500: Internal Server Error"),
        (502, b"", errors.UnavailableError, "502"),
        (503, {"detail": ["a", "b"]}, errors.UnavailableError, r'\["a", "b"\]'),
        (404, {"detail": "Not found."}, errors.AnswerError, "Not found; is that the address"),
        (302, b"", errors.AnswerError, "302"),
        (200, {"error": "no licence"}, errors.AnswerError, "no licence"),
        (200, b"no json", errors.AnswerError, "no JSON object"),
        (200, [1], errors.AnswerError, "no JSON object"),
        (200, b"[" * 100_000, errors.AnswerError, "no JSON object"),
        (200, {"plates": [], "blur": None}, errors.AnswerError, "faces is no list"),
        (200, {"plates": [{"polygon": [[1, 2]], "result": {}}], "faces": []}, errors.AnswerError, "four points"),
        (200, {"plates": [{"polygon": [[1, float("nan")]] * 4}], "faces": []}, errors.AnswerError, "finite"),
    ],
)
def test_each_way_to_fail_has_its_error(fake, jpeg, status, body, kind, words):
    fake.then(status=status, body=body, headers={"Location": "http://127.0.0.1:1/"} if status == 302 else {})
    with pytest.raises(kind, match=words) as caught:
        detect({"bytes": jpeg, "path": "street/a.jpg"}, engine=remote(fake, retries=0, token=TOKEN))
    error = caught.value
    assert type(error) is kind
    assert str(error).startswith("street/a.jpg: ")
    assert error.status in (status, None)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.args, again.status, again.retry_after) == (
        kind,
        error.args,
        error.status,
        error.retry_after,
    )
    assert len(fake.calls) == 1


def test_a_token_is_nowhere(fake, jpeg, caplog):
    caplog.set_level("DEBUG")
    secret = engine(f"{fake.url}/?key=5ecret", token=TOKEN, retries=0)
    fake.then(status=403, body={"detail": f"Token {TOKEN} is\nwrong\x1b[31m." + "x" * 1000})
    with pytest.raises(errors.ForbiddenError) as caught:
        detect(jpeg, engine=secret)
    error = caught.value
    said = [str(error), repr(error), repr(secret), repr(secret._service), secret.name, caplog.text]
    for text in said:
        assert not any(word in text for word in (TOKEN, "5ecret", "\x1b", "\n")) or text is caplog.text
        assert TOKEN not in text
    assert error.__cause__ is None
    assert len(str(error)) < 600
    with pytest.raises(errors.SettingsError) as caught:
        engine(fake.url, token="my secret")
    assert "my secret" not in str(caught.value)


def test_a_password_in_an_address_is_refused_and_not_repeated():
    with pytest.raises(errors.SettingsError, match="holds a user or a password") as caught:
        engine("http://user:pa55word@127.0.0.1/")
    assert "pa55word" not in str(caught.value)


def test_nobody_listening_is_said_and_tried_again(jpeg, monkeypatch):
    with FakeBlur() as gone:
        url = gone.url
    with pytest.raises(errors.UnreachableError, match="cannot be reached: Connection refused") as caught:
        detect(jpeg, engine=engine(url, retries=1))
    assert caught.value.status is None


def test_a_service_that_hangs_is_given_up_and_not_asked_again(fake, jpeg):
    fake.then(hang=True)
    with pytest.raises(errors.ServiceTimeoutError, match="did not answer in time") as caught:
        detect(jpeg, engine=remote(fake, timeout=0.1))
    assert isinstance(caught.value, TimeoutError)
    assert len(fake.calls) == 1


def test_an_endless_answer_is_given_up(fake, jpeg, monkeypatch):
    monkeypatch.setattr(client, "LARGEST_ANSWER", 100)
    with pytest.raises(errors.AnswerError, match="answered more than 100 bytes"):
        detect(jpeg, engine=fake.url)


# ---- trying again


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_passes_is_tried_again_with_the_same_body(fake, jpeg, status):
    fake.then(status=status, headers={"Retry-After": "0"}).then(status=status, headers={"Retry-After": "0"})
    assert len(detect(jpeg, engine=fake.url, regions=["fr", "gb"])) == 2
    assert len(fake.calls) == 3
    assert len({(tuple(call.fields), call.files["upload"]) for call in fake.calls}) == 1


def test_an_answer_that_breaks_off_is_asked_for_again(fake, jpeg):
    fake.then(body=b'{"plates": ', cut=True)
    assert len(detect(jpeg, engine=fake.url)) == 2
    assert len(fake.calls) == 2


@pytest.mark.parametrize("status", [400, 403, 413, 500])
def test_what_does_not_pass_is_not_tried_again(fake, jpeg, status):
    fake.then(status=status)
    with pytest.raises(errors.ServiceError):
        detect(jpeg, engine=fake.url)
    assert len(fake.calls) == 1


def test_after_all_retries_the_error_says_when_to_come_again(fake, jpeg):
    for _ in range(3):
        fake.then(status=429, body=THROTTLED, headers={"Retry-After": "0.01"})
    with pytest.raises(errors.ThrottledError) as caught:
        detect(jpeg, engine=remote(fake, retries=2))
    assert caught.value.retry_after == 0.01
    assert len(fake.calls) == 3


def test_an_hour_is_not_waited(fake, jpeg):
    fake.then(status=429, headers={"Retry-After": "3600"})
    with pytest.raises(errors.ThrottledError) as caught:
        detect(jpeg, engine=fake.url)
    assert caught.value.retry_after == 3600
    assert len(fake.calls) == 1


def test_the_seconds_in_the_words_are_waited(fake, jpeg, monkeypatch):
    pauses = []
    monkeypatch.setattr(pacing.Pacer, "pause", lambda self, seconds: pauses.append(seconds))
    fake.then(status=429, body=THROTTLED)
    detect(jpeg, engine=fake.url)
    assert pauses == [1.0]


def test_a_rate_is_kept_by_all_threads(fake, jpeg):
    finder, other = remote(fake, rate=40), remote(fake, rate=40)  # two engines of one address
    with ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(e.detect, load_picture(jpeg), BlurSettings()) for e in (finder, other) * 6]
        assert all(len(job.result().detections) == 2 for job in jobs)
    times = sorted(call.time for call in fake.calls)
    assert len(times) == 12
    assert times[-1] - times[0] > 0.8 * 11 / 40


def test_a_service_that_throttles_gets_all_calls_in_the_end(jpeg):
    with FakeBlur([PLATE], rate=50) as fake:
        fake.then(status=429, headers={"Retry-After": "0.05"})
        finder = remote(fake, retries=50)
        with ThreadPoolExecutor(4) as pool:
            jobs = [pool.submit(finder.detect, load_picture(jpeg), BlurSettings()) for _ in range(8)]
            assert all(len(job.result().detections) == 1 for job in jobs)


def test_each_thread_has_its_own_session(fake, jpeg):
    finder = remote(fake)
    sessions, ready = set(), threading.Barrier(4)

    def one(_):
        finder.detect(load_picture(jpeg), BlurSettings())
        sessions.add(id(finder._service._session()))
        ready.wait(timeout=20)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(4)))
    assert len(sessions) == 4


# ---- what else a service tells


def test_info_and_usage(fake):
    for address in (fake.url, f"{fake.url}/", f"{fake.url}/v1/blur", f"{fake.url}/v1/blur/"):
        finder = engine(address, token=TOKEN)
        assert finder.versions == {}
        assert finder.info()["snapshot"]["total_calls"] == 2500
        assert finder.versions == {"blur": "1.0.2", "snapshot": "1.3.8"}
        assert finder.usage()["usage"]["month"] == 11
        assert [call.path for call in fake.calls[-2:]] == ["/info", "/v1/statistics"]
        assert fake.calls[-1].headers["authorization"] == f"Token {TOKEN}"


def test_the_clouds_statistics_are_elsewhere(monkeypatch):
    asked = []
    monkeypatch.setattr(Service, "get", lambda self, url: asked.append(url) or {})
    engine("cloud", token=TOKEN).usage()
    assert asked == [STATISTICS]


def test_info_of_what_is_no_blur_service(fake):
    fake.then(status=404, body={"detail": "Not found."})
    with pytest.raises(errors.AnswerError, match="is that the address of the service"):
        remote(fake).info()


# ---- through the tables and the command line


def test_a_column_of_pictures_over_a_failing_service(fake, jpeg, tmp_path):
    import pandas as pd

    paths = []
    for index in range(4):
        paths.append(tmp_path / "in" / f"{index}.jpg")
        paths[-1].parent.mkdir(exist_ok=True)
        paths[-1].write_bytes(jpeg + bytes([index]))
    fake.then(status=400, body={"detail": "Not a picture."})
    frame = pd.DataFrame({"image": [*map(str, paths), None]})
    result = frame.blur.apply(out=tmp_path / "out", engine=fake.url, workers=1, progress=False)
    assert list(result["status"]) == ["failed", "ok", "ok", "ok", "skipped"]
    assert "Not a picture" in result["error"][0]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["1.jpg", "2.jpg", "3.jpg"]
    fake.then(status=403, body={"detail": "No credits left."})
    with pytest.raises(errors.ForbiddenError, match="No credits left"):
        frame.blur.apply(out=tmp_path / "out", engine=fake.url, workers=1, progress=False)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["1.jpg", "2.jpg", "3.jpg"]


def test_a_column_that_the_service_renders(fake, jpeg, tmp_path):
    import pandas as pd

    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_bytes(jpeg)
    fake.picture = jpeg
    frame = pd.DataFrame({"image": [str(tmp_path / "in" / "a.jpg"), "https://example.org/b.jpg"]})
    finder = remote(fake, send_urls=True)
    result = frame.blur.apply(out=tmp_path / "out", engine=finder, render="server", workers=1, progress=False)
    assert list(result["status"]) == ["ok", "ok"]
    assert list(result["method"]) == ["server", "server"]
    assert [call.get("upload_url") for call in fake.posts] == [None, "https://example.org/b.jpg"]
    assert all((tmp_path / path).is_file() for path in result["blurred"])


def test_the_command_line_takes_an_address(fake, jpeg, tmp_path, capsys):
    from blur_tools.cli import main

    picture = tmp_path / "a.jpg"
    picture.write_bytes(jpeg)
    assert main(["detect", str(picture), "--engine", fake.url]) == 0
    assert len(json.loads(capsys.readouterr().out)["detections"]) == 2
    assert main(["detect", str(picture), "--engine", fake.url, "--rate", "0"]) == 2
    assert "rate: 0.0 is not a number" in capsys.readouterr().err
    assert main(["detect", str(picture), "--engine", "cloud"]) == 2
    assert "PLATE_RECOGNIZER_TOKEN" in capsys.readouterr().err


def test_the_public_names_lead_here():
    assert isinstance(blur_tools.engine("onpremise"), RemoteEngine)
    assert replace(BlurSettings(), render="server").render == "server"


def test_what_a_lossy_webp_of_a_service_holds_does_not_stay(fake, jpeg, encode, noise):
    fake.picture = encode(noise(100, 200), "WEBP", quality=80, xmp=b"<x>SECRET-GPS</x>") + b"TRAILINGSECRET"
    assert b"SECRET" not in blur(jpeg, engine=fake.url, render="server").data


def test_an_odd_length_of_an_answer_is_one_of_our_errors_or_no_matter(fake, jpeg):
    fake.then(status=503, headers={"Retry-After": "Mon, 01 Jan 2024 00:00:00 +99999999999999999"})
    with pytest.raises(errors.UnavailableError):
        detect(jpeg, engine=remote(fake, retries=0))


def test_the_body_of_a_redirect_is_not_read(fake, jpeg, monkeypatch):
    read = []
    monkeypatch.setattr("requests.Response.content", property(lambda self: read.append(self)))
    fake.then(status=302, headers={"Location": fake.url}, body=b"x" * 1000)
    with pytest.raises(errors.AnswerError):
        detect(jpeg, engine=remote(fake, retries=0))
    assert read == []


@pytest.mark.parametrize("render", ["local", "server"])
@pytest.mark.parametrize(
    "body", [{"detail": f"bad {TOKEN} sent"}, {"error": f"bad {TOKEN}", "plates": [], "faces": []}]
)
def test_a_token_in_a_success_that_is_none_is_not_repeated(fake, jpeg, body, render):
    fake.then(body=body)
    with pytest.raises(errors.AnswerError, match="bad …") as caught:
        blur(jpeg, engine=remote(fake, token=TOKEN), render=render)
    assert TOKEN not in "".join(traceback.format_exception(caught.value))


def test_a_turned_picture_keeps_its_colours(fake, encode, noise):
    """The service is sent the profile without which the numbers would mean other colours."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    data = turned(encode, noise(100, 200), 6, icc_profile=profile)
    blur(data, engine=fake.url, render="server")
    sent = Image.open(io.BytesIO(fake.calls[0].files["upload"][1]))
    assert sent.info["icc_profile"] == profile


def test_a_result_that_is_no_picture_is_no_success(fake, jpeg, tmp_path, monkeypatch):
    import pandas as pd

    monkeypatch.setattr("blur_tools.batch.rows.sniff", lambda data: None)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_bytes(jpeg)
    frame = pd.DataFrame({"image": [str(tmp_path / "in" / "a.jpg")]})
    result = frame.blur.apply(out=tmp_path / "out", engine=fake.url, progress=False)
    assert list(result["status"]) == ["failed"]
    assert "is no picture" in result["error"][0]
