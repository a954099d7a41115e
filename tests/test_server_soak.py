"""`make soak`: a server of its own under eight clients, some of them hostile, and what it is afterwards."""

from __future__ import annotations

import base64
import io
import itertools
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from PIL import Image

from blur_tools.picture import load_picture
from blur_tools.samples import scenes

pytestmark = pytest.mark.soak

REQUESTS, CLIENTS = int(os.environ.get("BLUR_TOOLS_SOAK", "500")), 8
SIZES = ((800, 600), (1280, 720), (1920, 1080), (2560, 1440), (3840, 2160))
FLAT = 1.25
"""How much more memory the server may hold in the last third than it held at most in the first."""

DOCUMENTED = {"truncated": {400}, "bomb": {400}, "no picture": {400}, "50 MB": {413}}


@pytest.fixture
def server():
    """``blur-tools serve`` as a process: its address and itself."""
    process = subprocess.Popen(
        [sys.executable, "-m", "blur_tools.cli", "serve", "--port", "0"], stderr=subprocess.PIPE, text=True
    )
    try:
        for line in process.stderr:
            if found := re.search(r"http://\S+", line):
                break
        log: list[str] = []
        reader = threading.Thread(target=lambda: log.extend(process.stderr))
        reader.start()
        yield found.group(), process, log
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stderr.close()


def pictures() -> list[bytes]:
    """One of each size, by a scene of ours."""
    image = load_picture(scenes()[1].data).image
    made = []
    for size in SIZES:
        buffer = io.BytesIO()
        image.resize(size).save(buffer, "JPEG", quality=90)
        made.append(buffer.getvalue())
    return made


def bomb() -> bytes:
    """A PNG of a few kilobytes that says it has 900 million pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")

    header = (30_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(10**7)))
        + chunk(b"IEND", b"")
    )


def memory(process: subprocess.Popen) -> int:
    """Bytes that the process holds."""
    with open(f"/proc/{process.pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))


def tenths(held: list[int]) -> list[int]:
    """The most that was held in each tenth of a run, in MB."""
    step = max(1, len(held) // 10)
    return [max(held[start : start + step]) >> 20 for start in range(0, len(held), step)]


def hang_up(url: str, data: bytes) -> None:
    """Half a body, and gone."""
    host, port = url.removeprefix("http://").split(":")
    body = requests.Request("POST", url, files={"upload": ("a.jpg", data)}).prepare()
    head = "".join(f"{name}: {value}\r\n" for name, value in body.headers.items())
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(f"POST / HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode() + body.body[: len(body.body) // 2])


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="memory is read from /proc")
def test_hundreds_of_requests_some_of_them_hostile(server):
    url, process, log = server
    good = pictures()
    hostile = {"truncated": good[2][:20_000], "bomb": bomb(), "no picture": b"<svg/>" * 100, "50 MB": bytes(50_000_000)}
    kinds = itertools.cycle([*hostile, "hang-up"])
    plan = [next(kinds) if index % 20 == 7 else index % len(good) for index in range(REQUESTS)]
    random.Random(0).shuffle(plan)
    statuses: Counter[tuple[str, int]] = Counter()
    held: list[int] = []
    lock = threading.Lock()

    def client(what: str | int) -> None:
        if what == "hang-up":
            hang_up(url, good[3])
            status, name = 0, what
        else:
            data, name = (good[what], "good") if isinstance(what, int) else (hostile[what], what)
            answer = requests.post(
                url, files={"upload": ("a.jpg", data)}, data={"plates": 10, "faces": 10}, timeout=120
            )
            status = answer.status_code
            if status == 200:
                with Image.open(io.BytesIO(base64.b64decode(answer.json()["blur"]["base64"]))) as image:
                    assert image.size == SIZES[what]
            else:
                assert "error" in answer.json()
        with lock:
            statuses[name, status] += 1
            held.append(memory(process))

    start = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        for done in [pool.submit(client, what) for what in plan]:
            done.result()
    seconds = time.monotonic() - start
    third = len(held) // 3
    early, late = max(held[:third]), max(held[-third:])
    figures = f"{REQUESTS / seconds:.1f} requests a second; {dict(statuses)}; MB held by tenths: {tenths(held)}"
    print(figures)  # noqa: T201  (what `make soak` is run for)
    assert sum(statuses.values()) == REQUESTS
    assert statuses["good", 200] == sum(isinstance(what, int) for what in plan)
    for name, documented in DOCUMENTED.items():
        assert {status for kind, status in statuses if kind == name} <= documented
    assert process.poll() is None
    assert requests.get(f"{url}/health", timeout=20).json() == {"status": "ok"}
    assert late <= FLAT * early
    assert not any("ERROR" in line for line in log)


def test_sigterm_under_load_loses_no_request_that_was_taken(server):
    url, process, log = server
    (large,) = pictures()[-1:]
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = [
            pool.submit(requests.post, url, files={"upload": ("a.jpg", large)}, data={"plates": 10}, timeout=120)
            for _ in range(CLIENTS)
        ]
        while sum("POST" in line for line in log) < 1:  # the first is answered, the others are under way
            next(iter(answers)).exception(timeout=120)
        process.send_signal(signal.SIGTERM)
        assert [answer.result().status_code for answer in answers] == [200] * CLIENTS
    assert process.wait(timeout=60) in (0, -signal.SIGTERM)
