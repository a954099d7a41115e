import hashlib
import io
import os
import pickle
import sys
import threading
import traceback
import unicodedata
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from urllib3.util.retry import Retry

from blur_tools import sources
from blur_tools.errors import FetchError, PictureError
from blur_tools.sources import Source, is_url, load_source, safe_name, url_name

SECRET = "hunter2"  # stands in every place of a URL that messages must not repeat
posix = pytest.mark.skipif(os.name != "posix", reason="a matter of POSIX file systems")
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc and byte names")


def pixels_of(source):
    return np.asarray(Image.open(io.BytesIO(load_source(source).data)))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "car.jpg"
    path.write_bytes(b"a picture's bytes")
    return path


# --- paths and bytes


@pytest.mark.parametrize("form", [str, Path, lambda path: os.fspath(path)], ids=["str", "Path", "fspath"])
def test_a_path_gives_its_file(file, form):
    source = load_source(form(file))
    assert (source.data, source.name, source.origin, source.path) == (file.read_bytes(), "car.jpg", str(file), file)


def test_a_relative_path_is_followed_from_here(file, monkeypatch):
    monkeypatch.chdir(file.parent)
    assert load_source("car.jpg").data == file.read_bytes()


@pytest.mark.parametrize("form", [bytes, bytearray, memoryview], ids=lambda form: form.__name__)
def test_bytes_are_the_file_itself(form):
    source = load_source(form(b"a picture's bytes"))
    assert (source.data, source.name, source.path) == (b"a picture's bytes", "picture", None)
    assert isinstance(source.data, bytes)


def test_later_changes_of_a_bytearray_change_nothing():
    data = bytearray(b"before")
    source = load_source(data)
    data[:] = b"after!"
    assert source.data == b"before"


def test_a_source_is_taken_as_it_is():
    source = Source(b"1", "a.jpg", "a.jpg")
    assert load_source(source) is source
    assert source.digest == hashlib.sha256(b"1").hexdigest()
    assert pickle.loads(pickle.dumps(source)) == source


def test_a_link_to_a_file_is_followed(file):
    link = file.with_name("link.jpg")
    link.symlink_to(file)
    assert load_source(link).data == file.read_bytes()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.symlink_to(path.with_name("nothing")), "link to nothing"),
        (lambda path: path.symlink_to(path), "cannot be read"),
        (lambda path: path.write_bytes(b""), "is empty"),
        pytest.param(lambda path: os.mkfifo(path), "not a regular file", marks=posix),
        pytest.param(lambda path: path.symlink_to("/dev/null"), "not a regular file", marks=posix),
        pytest.param(lambda path: path.symlink_to("/dev/zero"), "not a regular file", marks=posix),
    ],
    ids=["missing", "folder", "dangling", "loop", "empty", "fifo", "null", "zero"],
)
def test_what_is_no_file_is_refused_with_its_reason(tmp_path, make, reason):
    path = tmp_path / "car.jpg"
    make(path)
    with pytest.raises(PictureError, match=reason) as caught:
        load_source(path)
    assert caught.value.picture == str(path)


@posix
def test_a_file_that_may_not_be_read_is_refused(file):
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    file.chmod(0)
    with pytest.raises(PictureError, match="cannot be read: Permission denied"):
        load_source(file)


@pytest.mark.parametrize("path", ["", "\0", "a\0b.jpg"], ids=repr)
def test_text_that_is_no_path_is_refused(path):
    with pytest.raises(PictureError, match="not a path"):
        load_source(path)


@pytest.mark.parametrize("length", [300, 5_000, 100_000])
def test_a_path_that_is_too_long_is_refused_in_a_short_message(length):
    """Somebody who passes base64 text or a data URL must not find all of it in a table's cell."""
    with pytest.raises(PictureError) as caught:
        load_source("data:image/png;base64," + "A" * length)
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "FILE:///etc/passwd", "ftp://127.0.0.1/a.jpg", "s3://bucket/a.jpg", "://", "gs://b/a"]
)
def test_other_kinds_of_url_are_refused(url):
    with pytest.raises(PictureError, match="only http and https"):
        load_source(url)
    assert not is_url(url)


@pytest.mark.parametrize("bad", ["folder", "fifo"])
@linux
def test_refused_files_are_closed(tmp_path, bad):
    (os.mkdir if bad == "folder" else os.mkfifo)(tmp_path / "x")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with pytest.raises(PictureError):
            load_source(tmp_path / "x")
    assert len(os.listdir("/proc/self/fd")) == before


@linux
def test_a_name_that_is_not_utf_8_is_read(tmp_path):
    """Old archives are full of Latin-1 names; Python gives them as text with lone surrogates."""
    path = os.path.join(os.fsencode(tmp_path), b"caf\xe9.jpg")
    with open(path, "wb") as handle:
        handle.write(b"1")
    source = load_source(os.fsdecode(path))
    assert source.data == b"1"
    assert source.name.encode().endswith(b".jpg")


# --- the limit


def test_the_limit_is_inclusive_for_files_and_bytes(file):
    size = file.stat().st_size
    assert load_source(file, max_bytes=size).data == load_source(file.read_bytes(), max_bytes=size).data
    for source in (file, file.read_bytes(), {"bytes": file.read_bytes(), "path": "a.jpg"}, {"path": str(file)}):
        with pytest.raises(PictureError, match=f"is {size} bytes; the limit is {size - 1}"):
            load_source(source, max_bytes=size - 1)


def test_a_large_file_is_refused_by_its_size_alone(tmp_path):
    path = tmp_path / "sparse.jpg"
    with open(path, "wb") as handle:
        handle.truncate(sources.MAX_BYTES + 1)
    with pytest.raises(PictureError, match="the limit is"):
        load_source(path)


@linux
def test_a_file_that_turns_out_larger_than_it_said_is_refused():
    """Half of a file is not the file: /proc says 0 bytes, as a file does that somebody is still writing."""
    with pytest.raises(PictureError, match="limit"):
        load_source("/proc/self/maps", max_bytes=10)


# --- mappings


@pytest.mark.parametrize(
    ("path", "name"),
    [("car.jpg", "car.jpg"), ("a/b/../car.jpg", "car.jpg"), (None, "picture"), ("", "picture"), ("..", "picture")],
)
def test_a_mapping_of_bytes_has_the_name_of_its_path(path, name):
    source = load_source({"bytes": b"1", "path": path})
    assert (source.data, source.name, source.path) == (b"1", name, None)


def test_a_mapping_without_bytes_is_its_path(file):
    assert load_source({"bytes": None, "path": str(file)}).data == file.read_bytes()
    assert load_source({"path": file}).name == "car.jpg"


def test_a_mapping_of_bytes_never_reads_its_path(file):
    assert load_source({"bytes": b"other", "path": str(file)}).data == b"other"


def test_a_mapping_of_bytes_from_a_url_keeps_its_query_to_itself():
    source = load_source({"bytes": b"1", "path": f"https://host/car.jpg?sig={SECRET}"})
    assert SECRET not in source.name + source.origin


RECURSIVE = {"bytes": None}
RECURSIVE["path"] = RECURSIVE


@pytest.mark.parametrize(
    "value",
    [
        {}, {"bytes": None, "path": None}, {"bytes": b"", "path": "a.jpg"}, {"bytes": "text"}, {"path": 5},
        {"bytes": b"1", "path": 5}, {"bytes": b"1", "path": b"a.jpg"}, {"path": "/no/such/file.jpg"}, {"other": b"1"},
        pytest.param(RECURSIVE, id="recursive"),
    ],
    ids=repr,
)  # fmt: skip
def test_a_mapping_that_holds_no_picture_is_refused_or_read(value):
    """One is fine: bytes whose path is bytes too. Nothing else than a `PictureError` may come out."""
    try:
        source = load_source(value)
    except PictureError:
        return
    assert source.data == value["bytes"] == b"1"


# --- arrays and images


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (5, 7, 4), (1, 1)], ids=str)
def test_arrays_keep_their_pixels(shape):
    array = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert np.array_equal(pixels_of(array), array)
    assert np.array_equal(pixels_of(array[::-1, ::-1]), array[::-1, ::-1])


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((2, 2)), "float64"),
        (np.zeros((2, 2, 3), np.uint16), "uint16"),
        (np.zeros((2, 2), bool), "bool"),
        (np.zeros((2, 2), object), "object"),
        (np.zeros((2, 2, 1), np.uint8), r"\(2, 2, 1\)"),
        (np.zeros((2, 2, 2), np.uint8), r"\(2, 2, 2\)"),
        (np.zeros((3, 2, 2), np.uint8), r"\(3, 2, 2\)"),
        (np.zeros((1, 2, 2, 3), np.uint8), r"\(1, 2, 2, 3\)"),
        (np.zeros(4, np.uint8), r"\(4,\)"),
        (np.zeros((), np.uint8), r"\(\)"),
        (np.zeros((0, 2), np.uint8), r"\(0, 2\)"),
        (np.zeros((2, 0, 3), np.uint8), r"\(2, 0, 3\)"),
        (np.array("car.jpg"), "<U7"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_arrays_that_are_no_picture_are_refused_with_what_they_are(array, reason):
    with pytest.raises(PictureError, match=reason):
        load_source(array)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_images_keep_their_pixels(mode):
    image = Image.linear_gradient("L").convert("I" if mode == "I;16" else mode).convert(mode)
    again = Image.open(io.BytesIO(load_source(image).data))
    assert again.mode == mode
    assert np.array_equal(np.asarray(again.convert("RGBA")), np.asarray(image.convert("RGBA")))


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "LAB", "HSV", "F", "I", "La", "RGBa", "PA"])
def test_images_of_other_modes_are_refused_by_their_mode(mode):
    with pytest.raises(PictureError, match=f"mode {mode}"):
        load_source(Image.new(mode, (4, 4)))


def test_an_image_has_the_name_of_its_file(tmp_path):
    path = tmp_path / "car.jpeg"
    Image.new("RGB", (4, 4)).save(path)
    with Image.open(path) as image:
        assert load_source(image).name == "car.png"


def test_an_image_leaves_its_metadata_behind(encode):
    exif = Image.Exif()
    exif[0x010E] = SECRET
    with Image.open(io.BytesIO(encode(np.zeros((4, 4, 3), np.uint8), "JPEG", exif=exif, comment=SECRET))) as image:
        assert SECRET.encode() not in load_source(image).data


@pytest.mark.parametrize("state", ["closed", "closed before reading", "truncated", "empty"])
def test_an_image_without_pixels_is_refused(encode, state):
    data = encode(np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8), "PNG")
    image = {
        "closed": lambda: Image.new("RGB", (2, 2)),
        "closed before reading": lambda: Image.open(io.BytesIO(data)),
        "truncated": lambda: Image.open(io.BytesIO(data[:-200])),
        "empty": lambda: Image.new("RGB", (0, 2)),
    }[state]()
    if "closed" in state:
        image.close()
    with pytest.raises(PictureError):
        load_source(image)


class Interface:
    """An array of another library: it has the interface and nothing else."""

    __array_interface__ = property(lambda self: np.zeros((2, 2), np.uint8).__array_interface__)


@pytest.mark.parametrize(
    "value",
    [
        None,
        5,
        1.5,
        float("nan"),
        True,
        object(),
        [],
        [b"1"],
        ("a.jpg",),
        Image.Image,
        Image.Exif(),
        np.uint8(3),
        Interface,
    ],
    ids=lambda value: type(value).__name__,  # the same in every process
)
def test_what_holds_no_picture_is_refused(value):
    with pytest.raises(PictureError):
        load_source(value)


def test_an_object_with_numpys_interface_is_read_or_refused():
    try:
        pixels = pixels_of(Interface())
    except PictureError:
        return
    assert np.array_equal(pixels, np.zeros((2, 2)))


# --- URLs


class Server:
    """Answers on the loopback: `routes` maps a path to what writes the answer; `hits` counts."""

    def __init__(self):
        self.routes, self.hits, self.stopped = {}, [], threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.hits.append(self.path)
                outer.routes.get(urlsplit(self.path).path, answer(404, b"no"))(self)

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def url(self, path="/car.jpg"):
        return f"http://127.0.0.1:{self.http.server_port}{path}"

    def close(self):
        self.stopped.set()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


def answer(status=200, body=b"a picture's bytes", length=True, **headers):
    """What writes this answer; `length` may be a lie, or False for none."""

    def write(handler):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        if length is not False:
            handler.send_header("Content-Length", str(len(body) if length is True else length))
        handler.end_headers()
        try:
            handler.wfile.write(body)
        except OSError:
            handler.close_connection = True

    return write


@pytest.fixture
def server(monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.setattr(Retry, "sleep", lambda self, response=None: None)
    server = Server()
    yield server
    server.close()
    session = sources.__dict__["_local"].__dict__.pop("session", None)
    if session is not None:
        session.close()


def test_a_url_gives_its_file(server):
    server.routes["/a/car.jpg"] = answer()
    source = load_source(server.url("/a/car.jpg?size=large"))
    assert (source.data, source.name, source.path) == (b"a picture's bytes", "car.jpg", None)
    assert source.origin.startswith(server.url("/a/car.jpg"))
    assert server.hits == ["/a/car.jpg?size=large"]


def test_the_scheme_may_be_in_capitals(server):
    server.routes["/car.jpg"] = answer()
    assert load_source(server.url().replace("http", "HTTP")).data == b"a picture's bytes"


def test_a_mapping_may_hold_a_url(server):
    server.routes["/car.jpg"] = answer()
    assert load_source({"bytes": None, "path": server.url()}).data == b"a picture's bytes"


@pytest.mark.parametrize("status", [204, 206, 400, 401, 403, 404, 410, 500, 503])
def test_other_answers_than_200_are_refused_by_their_number(server, status):
    server.routes["/car.jpg"] = answer(status, b"" if status == 204 else b"x")
    with pytest.raises(FetchError, match=f"answered {status}") as caught:
        load_source(server.url())
    assert caught.value.picture == server.url()


def test_a_busy_server_is_asked_again(server):
    answers = iter([answer(503), answer(429, **{"Retry-After": "3600"}), answer()])
    server.routes["/car.jpg"] = lambda handler: next(answers)(handler)
    assert load_source(server.url()).data == b"a picture's bytes"
    assert len(server.hits) == 3


def test_a_server_that_stays_busy_is_given_up(server):
    server.routes["/car.jpg"] = answer(503)
    with pytest.raises(FetchError, match="503"):
        load_source(server.url())
    assert 2 <= len(server.hits) <= 5


def test_an_error_is_not_asked_again(server):
    with pytest.raises(FetchError, match="404"):
        load_source(server.url())
    assert len(server.hits) == 1


def test_an_empty_answer_is_refused(server):
    server.routes["/car.jpg"] = answer(body=b"")
    with pytest.raises(FetchError, match="is empty"):
        load_source(server.url())


def test_redirects_are_followed(server):
    server.routes["/car.jpg"] = answer(302, b"", Location="/b.jpg")
    server.routes["/b.jpg"] = answer()
    assert load_source(server.url()).data == b"a picture's bytes"


def test_a_redirect_loop_ends(server):
    server.routes["/car.jpg"] = answer(302, b"", Location="/car.jpg")
    with pytest.raises(FetchError, match="redirects"):
        load_source(server.url())
    assert len(server.hits) == sources.MAX_REDIRECTS + 1


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/a.jpg", "http://[", "javascript:0"])
def test_a_redirect_to_elsewhere_is_refused(server, target):
    server.routes["/car.jpg"] = answer(302, b"", Location=target)
    with pytest.raises(FetchError):
        load_source(server.url())
    assert len(server.hits) == 1


@pytest.mark.parametrize("length", [True, False], ids=["said", "unsaid"])
def test_a_body_over_the_limit_is_refused(server, length):
    server.routes["/car.jpg"] = answer(body=b"x" * 1001, length=length)
    assert len(load_source(server.url(), max_bytes=1001).data) == 1001
    with pytest.raises(FetchError, match="larger than 1,000"):
        load_source(server.url(), max_bytes=1000)


def test_a_body_that_says_it_is_over_the_limit_is_not_awaited(server):
    """The header is enough; the server here would never send the rest."""

    def write(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(10**12))
        handler.end_headers()
        server.stopped.wait(1)

    server.routes["/car.jpg"] = write
    with pytest.raises(FetchError, match="larger than 1,000"):
        load_source(server.url(), max_bytes=1000)
    assert not server.stopped.is_set()


def test_a_compressed_body_counts_unpacked(server):
    import gzip

    server.routes["/car.jpg"] = answer(body=gzip.compress(bytes(10_000_000)), **{"Content-Encoding": "gzip"})
    with pytest.raises(FetchError, match="larger than 1,000"):
        load_source(server.url(), max_bytes=1000)


def test_a_body_cut_short_is_refused(server):
    server.routes["/car.jpg"] = answer(body=b"x" * 100, length=200)
    with pytest.raises(FetchError, match="cannot be fetched"):
        load_source(server.url())


def test_a_body_that_is_not_what_it_says_is_refused(server):
    server.routes["/car.jpg"] = answer(body=b"not gzip", **{"Content-Encoding": "gzip"})
    with pytest.raises(FetchError, match="cannot be fetched"):
        load_source(server.url())


def test_a_body_that_takes_too_long_is_refused(server, monkeypatch):
    monkeypatch.setattr(sources, "TOTAL_TIMEOUT", -1)
    server.routes["/car.jpg"] = answer()
    with pytest.raises(FetchError, match="took longer"):
        load_source(server.url())


def test_a_body_that_drips_is_given_up_before_it_ends(server, monkeypatch):
    """A byte now and then keeps every single read in time, and the whole could take for ever."""
    monkeypatch.setattr(sources, "TOTAL_TIMEOUT", 0.1)
    dripped = []

    def write(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        try:
            for _ in range(100):
                handler.wfile.write(b"x")
                dripped.append(1)
                server.stopped.wait(0.01)
        except OSError:
            handler.close_connection = True

    server.routes["/car.jpg"] = write
    with pytest.raises(FetchError, match="took longer"):
        load_source(server.url())
    assert len(dripped) < 75


def test_a_silent_server_is_given_up(server, monkeypatch):
    monkeypatch.setattr(sources, "READ_TIMEOUT", 0.05)
    server.routes["/car.jpg"] = lambda handler: server.stopped.wait(5)
    with pytest.raises(FetchError, match=r"in time|cannot be fetched"):
        load_source(server.url())


def test_a_port_where_nobody_listens_is_a_fetch_error(server):
    url = server.url()
    server.close()
    with pytest.raises(FetchError, match="cannot be fetched"):
        load_source(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://", "https://", "http:///car.jpg", "http://[::1", "http://[bad]/", "http://a..b/", "http://.a/", "http://*/",
        f"http://{'a' * 64}.invalid/", "http://127.0.0.1:99999/", "http://127.0.0.1:-1/", "http://127.0.0.1:abc/",
        "http://\0/", "http://exa mple/", "http://\u200d/", "http://%00/", "http://[v1.x]/",
    ],
    ids=ascii,
)  # fmt: skip
def test_text_that_only_begins_like_a_url_is_a_fetch_error(server, url):
    with pytest.raises(FetchError):
        load_source(url)


@pytest.fixture(params=["answer", "refused connection", "redirects", "cut short", "ftp", "leading blank", "bad host"])
def failing_url(request, server):
    """A URL with a secret in its query that cannot be fetched, in many ways."""
    url = server.url(f"/x.jpg?sig={SECRET}")
    server.routes["/x.jpg"] = {
        "redirects": answer(302, b"", Location=f"/x.jpg?sig={SECRET}"),
        "cut short": answer(length=1000),
    }.get(request.param, answer(500))
    if request.param == "refused connection":
        server.close()
    changes = {"ftp": ("http:", "ftp:"), "leading blank": ("http:", " http:"), "bad host": ("127.0.0.1", "a..b")}
    return url.replace(*changes.get(request.param, ("", "")))


def test_a_signature_in_a_url_is_not_in_an_errors_text(failing_url):
    with pytest.raises(PictureError) as caught:
        load_source(failing_url)
    assert SECRET not in f"{caught.value} {caught.value!r} {vars(caught.value)}"


def test_a_signature_in_a_url_is_not_in_a_traceback(failing_url):
    """A log shows the causes of an error too."""
    with pytest.raises(PictureError) as caught:
        load_source(failing_url)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("scheme", ["http", "ftp", " http"])
def test_a_password_in_a_url_is_not_in_an_errors_text(server, scheme):
    url = server.url().replace("http://", f"{scheme}://user:{SECRET}@")
    with pytest.raises(PictureError) as caught:
        load_source(url)
    assert SECRET not in f"{caught.value} {caught.value!r} {vars(caught.value)}"


@pytest.mark.parametrize("place", ["query", "user", "fragment"])
def test_a_secret_in_a_url_is_not_in_what_a_source_is_called(server, place):
    server.routes["/x.jpg"] = answer()
    url = {
        "query": server.url(f"/x.jpg?sig={SECRET}"),
        "user": server.url("/x.jpg").replace("://", f"://user:{SECRET}@"),
        "fragment": server.url(f"/x.jpg#access_token={SECRET}"),
    }[place]
    source = load_source(url)
    assert source.data == b"a picture's bytes"
    assert SECRET not in source.name + source.origin


# --- names


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://h/car.jpg", "car.jpg"),
        ("http://h/a/b/car.jpg?x=/etc/passwd#top", "car.jpg"),
        ("http://h/", "picture"),
        ("http://h", "picture"),
        ("http://h/..", "picture"),
        ("http://h/../../etc/passwd", "passwd"),
        ("http://h/..%2f..%2fetc%2fpasswd", "passwd"),
        ("http://h/%2e%2e", "picture"),
        ("http://h/..%5c..%5cboot.ini", "_.._boot.ini"),
        ("http://h/a%00b.jpg", "a_b.jpg"),
        ("http://h/caf%C3%A9.jpg", "café.jpg"),
        ("http://h/C:evil.jpg", "C_evil.jpg"),
    ],
)
def test_the_name_of_a_url_is_a_plain_file_name(url, name):
    assert url_name(url) == name


@pytest.mark.parametrize(
    "name",
    ["a" * 400, "a" * 400 + ".jpg", "é" * 200, "😀" * 200, "😀" * 200 + ".jpg", "a." + "😀" * 200, "a" * 119 + "é.jpg"],
    ids=lambda name: ascii(name[:4] + "…" + name[-4:]),
)
def test_a_long_name_is_cut_so_that_file_systems_take_it(name):
    """255 bytes are allowed; what is cut leaves room for a hash and a suffix."""
    assert 0 < len(safe_name(name).encode()) <= 220
    assert safe_name(name)[0] == name[0]


@pytest.mark.parametrize("name", ["CON", "con.jpg", "COM1.jpg", "a ", "a..."])
def test_a_name_can_be_written_on_windows(name):
    safe = safe_name(name)
    stem = safe.split(".")[0]
    assert stem.upper() not in {"CON", "PRN", "AUX", "NUL", *(f"{d}{n}" for d in ("COM", "LPT") for n in range(1, 10))}
    assert not safe.endswith((" ", "."))


@given(st.text(st.characters()))
@example("\ud800.jpg")
def test_any_name_stays_in_its_folder(name):
    safe = safe_name(name)
    assert safe
    assert safe not in (".", "..")
    assert Path(safe).name == safe
    assert not set(safe) & set('<>:"/\\|?*\0')
    assert not any(unicodedata.category(char) in ("Cc", "Cs") and ord(char) < 0x80 for char in safe)
    assert len(safe.encode()) <= 250
