"""Connections that stay outside private networks."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from blur_tools import FetchError, ServiceTimeoutError, _http, sources
from blur_tools._cuts import BodyTooSlowError, cut_at
from blur_tools._http import is_public
from blur_tools._stop import stoppable
from blur_tools.service.client import Service
from blur_tools.sources import load_source


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
        "169.254.169.254", "100.64.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "240.0.0.1",
        "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1",
        "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::", "2002:a00:1::",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",
        "::127.0.0.1", "64:ff9b:1::7f00:1", "fec0::1", "::ffff:0:127.0.0.1", "5f00::1", "3fff::1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_addresses_that_are_public(address):
    assert is_public(address)


@pytest.fixture
def web():
    """A loopback server that redirects ``/to/PORT`` to another port, and else sends a file."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            hits.append(self.path)
            if self.path.startswith("/to/"):
                self.send_response(302)
                self.send_header("Location", self.path.removeprefix("/to/"))
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("Set-Cookie", "secret=1")
            self.end_headers()
            self.wfile.write((self.headers.get("Cookie") or "a picture").encode())

        def log_message(self, *_):
            pass

    hits: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", hits
    server.shutdown()
    server.server_close()
    thread.join()


def fetch(url: str) -> bytes:
    return load_source(url, public_only=True).data


def test_what_a_name_leads_to_is_what_counts(web, monkeypatch):
    url, hits = web
    port = url.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "[::1]"):
        with pytest.raises(FetchError, match=r"private or loopback address|cannot be fetched"):
            fetch(f"http://{host}:{port}/a.jpg")
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, *a, **k: real("127.0.0.1", port, *a, **k))
    with pytest.raises(FetchError, match="private or loopback address"):
        fetch(f"http://innocent.example.org:{port}/a.jpg")
    assert hits == []


def test_a_redirect_is_judged_like_the_first_address(web, monkeypatch):
    """127.0.0.1 counts as public here, 127.0.0.2 does not."""
    url, hits = web
    port = url.rpartition(":")[2]
    monkeypatch.setattr(_http, "is_public", lambda address: address == "127.0.0.1")
    assert fetch(f"{url}/a.jpg") == b"a picture"
    assert fetch(f"{url}/to/{url}/b.jpg") == b"a picture"
    with pytest.raises(FetchError, match="private or loopback"):
        fetch(f"{url}/to/http://127.0.0.2:{port}/c.jpg")
    assert "/c.jpg" not in hits
    with pytest.raises(FetchError):
        fetch(f"{url}/to/file:///etc/passwd")


def test_the_address_that_was_judged_is_the_one_connected_to(web, monkeypatch):
    """A name server that answers public first and private then must find no second question."""
    url, _ = web
    port = int(url.rpartition(":")[2])
    asked = []
    real = socket.getaddrinfo

    def getaddrinfo(host, *args, **options):
        asked.append(host)
        return real("127.0.0.1", *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(_http, "is_public", lambda address: address == "127.0.0.1")
    assert fetch(f"http://rebinding.example.org:{port}/a.jpg") == b"a picture"
    assert asked == ["rebinding.example.org", "127.0.0.1"]


def test_of_several_addresses_a_private_one_is_passed_over_and_a_dead_one_too(web, monkeypatch):
    url, hits = web
    port = int(url.rpartition(":")[2])
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ("127.0.0.3", "127.0.0.2", "127.0.0.1")]
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *a, **k: found if host == "many.example.org" else real(host, *a, **k)
    )
    monkeypatch.setattr(_http, "is_public", lambda address: address != "127.0.0.3")
    assert fetch(f"http://many.example.org:{port}/a.jpg") == b"a picture"  # nobody listens at 127.0.0.2
    assert hits == ["/a.jpg"]


def test_no_proxy_is_asked_to_reach_what_we_may_not(web, monkeypatch):
    url, hits = web
    monkeypatch.setenv("http_proxy", url)
    with pytest.raises(FetchError):
        fetch("http://10.0.0.1/a.jpg")
    assert hits == []


def test_one_fetch_tells_the_next_nothing(web):
    url, _ = web
    assert [load_source(f"{url}/a.jpg").data for _ in range(2)] == [b"a picture"] * 2


def raw_server(answer):
    """A loopback port that hands each connection to `answer`; closed with the test."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.recv(10_000)
                answer(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return listening, f"http://127.0.0.1:{listening.getsockname()[1]}/a.jpg"


def test_the_body_of_a_redirect_is_not_read(monkeypatch):
    """requests would read and unpack it whole: a small file that unpacks to gigabytes fills the memory."""
    monkeypatch.setattr(_http, "is_public", lambda address: True)
    packed = gzip.compress(bytes(50_000_000))
    head = f"HTTP/1.1 302 x\r\nLocation: /a.jpg\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    read = []
    monkeypatch.setattr("requests.Response.content", property(lambda self: read.append(self)))
    listening, url = raw_server(lambda connection: connection.sendall(head.encode() + packed))
    with listening, pytest.raises(FetchError, match="more than 5 redirects"):
        fetch(url)
    assert read == []


HEADERS, STATUS_LINE, FAILURE = b"HTTP/1.1 200 x\r\nX: ", b"HTTP/1.1 20", b"HTTP/1.1 503 x\r\nX: "


@pytest.fixture
def dripping():
    """Servers that never end what they begin with; ``first`` says whether one request is answered in full before."""
    ended = threading.Event()

    def starting_with(begin: bytes, first: bool):
        def answer(connection: socket.socket) -> None:
            if first:
                connection.sendall(b'HTTP/1.1 200 x\r\nContent-Length: 14\r\n\r\n{"version": 1}')
                connection.recv(10_000)
            connection.sendall(begin)
            while not ended.wait(0.05):
                connection.sendall(b"1")

        return answer

    with contextlib.ExitStack() as stack:

        def start(begin: bytes = HEADERS, first: bool = False) -> str:
            listening, url = raw_server(starting_with(begin, first))
            stack.enter_context(listening)
            return url

        yield start
        ended.set()


def raised(call, *arguments, **options) -> BaseException | None:
    """What a call raises, in a thread of its own: one that is not cut must fail the test, not hang it."""
    found: list[BaseException | None] = []

    def run() -> None:
        try:
            call(*arguments, **options)
        except BaseException as error:
            found.append(error)
        else:
            found.append(None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(20)
    assert found, "it was not cut"
    return found[0]


@pytest.mark.parametrize("begin", [HEADERS, STATUS_LINE, FAILURE])
@pytest.mark.parametrize("public_only", [True, False])
def test_what_drips_is_cut_at_the_deadline_and_not_asked_again(monkeypatch, dripping, begin, public_only):
    monkeypatch.setattr(_http, "is_public", lambda address: True)
    monkeypatch.setattr(sources, "TOTAL_TIMEOUT", 0.3)
    error = raised(load_source, dripping(begin), public_only=public_only)
    assert isinstance(error, FetchError)
    assert "took longer than 0.3 seconds" in str(error)


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("begin", [HEADERS, STATUS_LINE])
def test_a_service_that_drips_is_cut_at_the_deadline_on_a_connection_in_use_too(dripping, begin, again):
    service = Service(dripping(begin, again), total=0.5)

    def call() -> None:
        if again:
            assert service.get(service.address) == {"version": 1}
        service.get(service.address)

    assert isinstance(raised(call), ServiceTimeoutError)


def test_a_proxys_connections_are_cut_too(monkeypatch, dripping):
    monkeypatch.setenv("http_proxy", dripping())
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setattr(sources, "TOTAL_TIMEOUT", 0.3)
    assert "took longer than 0.3 seconds" in str(raised(load_source, "http://example.org/a.jpg"))


def test_no_connection_begins_after_the_cut(web, monkeypatch):
    url, hits = web
    monkeypatch.setattr(_http, "is_public", lambda address: True)
    for public_only in (True, False):
        with pytest.raises(BodyTooSlowError), cut_at(time.monotonic() - 1):
            sources._session(public_only).get(f"{url}/late.jpg", timeout=5)
    assert hits == []


class NotWantedError(Exception):
    pass


def test_what_nobody_waits_for_is_cut(dripping):
    gone = threading.Event()

    def ask() -> None:
        if gone.is_set():
            raise NotWantedError
        gone.set()

    def fetch_it() -> None:
        with stoppable(ask):
            load_source(dripping())

    assert isinstance(raised(fetch_it), NotWantedError)


def test_a_large_body_is_sent_in_pieces():
    """The time limit of a socket counts for all that is sent at once, so that a slow line would be a dead one."""

    class Recorder:
        def __init__(self) -> None:
            self.pieces: list[bytes] = []

        def sendall(self, piece) -> None:
            self.pieces.append(bytes(piece))

    connection = _http._TimedHTTPConnection("127.0.0.1")
    recorder, data = Recorder(), bytes(range(256)) * 1000
    connection.sock = recorder
    connection.send(data)
    connection.sock = None
    assert max(map(len, recorder.pieces)) <= _http.CHUNK
    assert b"".join(recorder.pieces) == data


def test_one_thread_looks_after_all_calls(web):
    url, _ = web
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: load_source(f"{url}/a.jpg").data, range(40))) == [b"a picture"] * 40
    assert sum(thread.name == "blur_tools cuts" for thread in threading.enumerate()) == 1


def test_an_earlier_cut_wakes_the_thread_that_waits_for_a_later_one(dripping):
    """A call with an hour waits; one with half a second is cut all the same."""
    with cut_at(time.monotonic() + 3600):
        slow = Service(dripping(), total=0.5)
        assert isinstance(raised(slow.get, slow.address), ServiceTimeoutError)
