"""The server under the vendor's benchmark, and what an upload costs the client: ``python benchmarks/server.py``.

As the vendor's benchmark client does: only ``upload`` is sent, four calls at once, pictures of five sizes; the server
has ``PLATES=10 FACES=10`` in its environment. Server and clients are processes of their own on the same cores. The
limit beside it is the same job called in-process, one picture after the other, and decoding and encoding alone.
"""

from __future__ import annotations

import base64
import io
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import requests
from _results import README, machine, table, write_section
from picture import CODEC, SIZES, recode, street
from PIL import Image

from blur_tools import blur
from blur_tools.engines.fake import FakeBlur
from blur_tools.service.client import Service

AT_ONCE, CALLS, ROUNDS = 4, 24, 3
UPLOADS, UPLOAD_BYTES = 300, 120_000

VENDOR = {
    "vendor's Blur 1.0.8, one car (i3-1215U)": (185, 180, 242, 353, 598),
    "vendor's Blur 1.0.8, several cars (i3-1215U)": (388, 378, 400, 447, 631),
    "vendor's older Blur (2-core cloud machine)": (407, 427, 528, 976, None),
}
"""Milliseconds a picture as published, on other machines (the vendor's benchmark_blur.md)."""


@contextmanager
def server() -> Iterator[str]:
    """A `blur-tools serve` of its own, as the vendor's is set up for its benchmark."""
    environment = {**os.environ, "PLATES": "10", "FACES": "10", "LOGGING": "INFO"}
    command = [sys.executable, "-m", "blur_tools.cli", "serve", "--port", "0"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if found := re.search(r"http://\S+", line):
                break
        else:
            raise SystemExit("the server did not start")
        drain = ThreadPoolExecutor(1)
        drain.submit(process.stderr.read)
        yield found.group()
    finally:
        process.terminate()
        process.wait()
        drain.shutdown()


def call(url: str, data: bytes) -> None:
    """One call of the vendor's benchmark client."""
    answer = requests.post(f"{url}/v1/blur", files={"upload": ("a.jpg", data)}, timeout=60)
    answer.raise_for_status()
    with Image.open(io.BytesIO(base64.b64decode(answer.json()["blur"]["base64"]))) as image:
        assert image.size in SIZES


def milliseconds(work: object, count: int) -> float:
    """Of wall-clock a picture."""
    start = time.perf_counter()
    work()  # type: ignore[operator]
    return 1000 * (time.perf_counter() - start) / count


def measure(url: str, data: bytes) -> dict[str, list[float]]:
    """Milliseconds a picture of each round: four calls at once, in-process, and the codec alone."""

    def four_at_once() -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda _: call(url, data), range(CALLS)))

    def in_process() -> None:
        for _ in range(CALLS // 4):
            blur(data)

    variants = {
        "blur-tools serve, four calls at once": lambda: milliseconds(four_at_once, CALLS),
        "the same job in-process, one by one": lambda: milliseconds(in_process, CALLS // 4),
        CODEC: lambda: milliseconds(lambda: recode(data), 1),
    }
    times: dict[str, list[float]] = {name: [] for name in variants}
    call(url, data)
    blur(data)
    for number in range(ROUNDS):
        for name in list(variants)[:: 1 if number % 2 else -1]:
            times[name].append(variants[name]())
    return times


def upload_cost() -> tuple[float, float]:
    """Milliseconds of the client's processor time an upload: ours, and bare `requests.post`; service elsewhere."""
    with elsewhere() as url:
        service, data = Service(url), os.urandom(UPLOAD_BYTES)
        ours, bare = [], []
        for _ in range(ROUNDS):
            for times, send in (
                (ours, lambda: service.post("a.jpg", [("plates", "0")], [("upload", ("a.jpg", data))])),
                (bare, lambda: requests.post(url, data={"plates": "0"}, files={"upload": ("a.jpg", data)}).json()),
            ):
                send()
                start = time.process_time()
                for _ in range(UPLOADS):
                    send()
                times.append(1000 * (time.process_time() - start) / UPLOADS)
    return statistics.median(ours), statistics.median(bare)


@contextmanager
def elsewhere() -> Iterator[str]:
    """A service that answers at once, in a process of its own: its time is not the client's."""
    process = subprocess.Popen([sys.executable, __file__, "--fake"], stdout=subprocess.PIPE, stdin=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield process.stdout.readline().decode().strip()
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


def main() -> None:
    """Measure all sizes and write the table."""
    rows: dict[str, list[str]] = {}
    with server() as url:
        for size in SIZES:
            times = measure(url, street(size))
            for name, values in times.items():
                ratio = statistics.median(a / b for a, b in zip(values, times[CODEC], strict=True))
                rows.setdefault(name, []).append(f"{statistics.median(values):.0f} ({ratio:.1f})")
            print(size, {name: cells[-1] for name, cells in rows.items()})
    for name, published in VENDOR.items():
        rows[name] = ["–" if value is None else str(value) for value in published]
    ours, bare = upload_cost()
    head = ["milliseconds a picture", *(f"{w}×{h}" for w, h in SIZES)]
    body = table(head, [[name, *cells] for name, cells in rows.items()])
    text = f"""## The server: `python benchmarks/server.py`

As the vendor's benchmark: only `upload` is sent, {AT_ONCE} calls at once, `PLATES=10 FACES=10` in the server's
environment; wall-clock time divided by the number of pictures, clients on the same cores, in brackets the ratio to
decoding and encoding the same JPEG. A picture with four plates and a crowd of faces. The vendor's figures are those it
published, **of other machines and pictures**: they say what users are used to, not that one is faster.

{body}

An upload of {UPLOAD_BYTES // 1000} kB costs the client {ours:.2f} ms of processor time, retries and pacing included
({ours / bare:.2f} of a bare `requests.post`, which connects anew each time); goal 1.2 ms.

Measured on {machine()}.
"""
    write_section("server", text)
    write_section("server-speed", f"{body}\n\nIn brackets: times decoding and encoding alone.", README)


if __name__ == "__main__":
    if sys.argv[1:] == ["--fake"]:
        with FakeBlur() as fake:
            print(fake.url, flush=True)
            sys.stdin.read()
    else:
        main()
