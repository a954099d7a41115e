"""A batch beside its bare parts, and how it grows: ``python benchmarks/batch.py [rows ...]``.

Overhead: `df.blur.apply` with an engine that finds nothing, over small pictures that are all different, beside a loop
of the same loading, asking, rendering and writing. The difference is what runner, store and table cost. Every figure
is of a process of its own.
"""

from __future__ import annotations

import gc
import hashlib
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
from _results import machine, shared_data, table, write_section
from PIL import Image

from blur_tools import BlurSettings, Detections
from blur_tools.engines import Answer
from blur_tools.picture import load_picture
from blur_tools.pipeline import redact_loaded

SIZES = (1_000, 10_000, 100_000)
ROUNDS = 3
"""Of the smallest table and of the photographs; the median counts. Larger tables, which vary less, have one."""

FEW = 10_000
"""Rows over which the bare parts and `detect` are measured in a larger table: what a row of them costs is the same."""

PHOTOGRAPHS = 16
GOAL = 2.0
SETTINGS = BlurSettings(plates=10, faces=10)


class Nothing:
    """An engine that takes no time."""

    name = "nothing"
    versions: Mapping[str, str] = {"nothing": "1"}

    def detect(self, picture: object, settings: object) -> Answer:
        """Find nothing."""
        return Answer(Detections())


def small_pictures(folder: Path, count: int) -> list[str]:
    """So many different files in folders of a thousand."""
    paths = []
    for number in range(count):
        path = folder / f"{number // 1000:03}" / f"{number % 1000:03}.png"
        if not number % 1000:
            path.parent.mkdir(parents=True)
        buffer = io.BytesIO()
        Image.new("RGB", (24, 16), (number >> 16, (number >> 8) & 255, number & 255)).save(buffer, "PNG")
        path.write_bytes(buffer.getvalue())
        paths.append(str(path))
    return paths


def bare(paths: list[str], out: Path) -> None:
    """The parts alone, one picture after another."""
    finder = Nothing()
    out.mkdir()
    for number, path in enumerate(paths):
        picture = load_picture(path)
        answer = finder.detect(picture, SETTINGS)
        (out / f"{number}.png").write_bytes(redact_loaded(picture, answer.detections, SETTINGS).data or b"")


def overhead(count: int) -> dict[str, float]:
    """Milliseconds a row of the bare parts, of a run and of the run again; megabytes of a run and of its table."""
    with tempfile.TemporaryDirectory() as place:
        os.environ["BLUR_TOOLS_STORE"] = os.path.join(place, "store")
        folder = Path(place)
        paths = small_pictures(folder / "in", count)
        # what is compiled or loaded once is no row's
        pd.DataFrame({"image": paths[:20]}).blur.apply(
            out=folder / "warm", engine=Nothing(), progress=False, resume=False
        )
        frame = pd.DataFrame({"image": paths})
        few = min(count, FEW)
        alone = seconds(lambda: bare(paths[:few], folder / "bare"))
        result: list[pd.DataFrame] = []

        def run() -> None:
            result[:] = [frame.blur.apply(out=folder / "out", engine=Nothing(), progress=False, workers=1)]

        before = megabytes(anew=True)
        first = seconds(run)
        grown = megabytes() - before
        own = result[0].drop(columns="image").memory_usage(deep=True, index=False).sum() / 1e6
        assert (result[0]["status"] == "ok").all()
        result.clear()
        before = megabytes(anew=True)
        again = seconds(run)
        grown_again = megabytes() - before
        detect = seconds(lambda: frame.head(few).blur.detect(engine=Nothing(), progress=False, workers=1, faces=-1))
    each = {"bare": (alone, few), "run": (first, count), "again": (again, count), "detect": (detect, few)}
    times = {name: 1000 * value / rows for name, (value, rows) in each.items()}
    return times | {"grown": grown, "grown_again": grown_again, "table": own}


def scaling(workers: int) -> dict[str, float]:
    """Photographs a second of `apply` and of `redact`, on so many threads."""
    found = sorted(path for path in shared_data().rglob("*.jp*g") if path.stat().st_size > 100_000)
    frame = pd.DataFrame({"image": [str(path) for path in found[:: max(1, len(found) // PHOTOGRAPHS)][:PHOTOGRAPHS]]})
    quiet = {"progress": False, "workers": workers}
    with tempfile.TemporaryDirectory() as place:
        frame.head(2).blur.apply(out=Path(place, "warm"), resume=False, **quiet)
        result: list[pd.DataFrame] = []
        applied = seconds(lambda: result.append(frame.blur.apply(out=Path(place, "out"), resume=False, **quiet)))
        redacted = seconds(lambda: result[0].blur.redact("image", out=Path(place, "again"), effect="pixelate", **quiet))
    return {"apply": len(frame) / applied, "redact": len(frame) / redacted, "pictures": len(frame)}


def hashing() -> float:
    """Milliseconds of SHA-256 a megabyte: what naming a picture by its content costs, and its result again."""
    data = os.urandom(4_000_000)
    times = [seconds(lambda: hashlib.sha256(data).digest()) for _ in range(9)]
    return 1000 * statistics.median(times) / 4


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock time of some work."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def megabytes(anew: bool = False) -> float:
    """The most memory that this process has had; `anew`: has now, and the most is counted from here on."""
    try:
        if anew:
            gc.collect()
            Path("/proc/self/clear_refs").write_text("5")
        facts = Path("/proc/self/status").read_text()
    except OSError:  # not Linux: the most since the process began
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6
    return 1024 * int(facts.partition("VmRSS:" if anew else "VmHWM:")[2].split()[0]) / 1e6


def apart(*arguments: object) -> dict[str, float]:
    """One measurement in a process of its own."""
    command = [sys.executable, __file__, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(*arguments, {name: round(value, 3) for name, value in figures.items()}, flush=True)
    return figures


def main(sizes: tuple[int, ...]) -> None:
    """Measure, and write the section."""
    threads = {workers: [] for workers in (1, 2)}
    for _ in range(ROUNDS):
        for workers, rounds in threads.items():
            rounds.append(apart("--scaling", workers))
    growth = {count: [apart("--overhead", count) for _ in range(ROUNDS if count < FEW else 1)] for count in sizes}

    def median(rounds: list[dict[str, float]], name: str) -> float:
        return statistics.median(figures[name] for figures in rounds)

    speed = [
        [name, *(f"{median(rounds, verb):.2f}" for rounds in threads.values()),
         f"{median(threads[2], verb) / median(threads[1], verb):.2f}"]
        for name, verb in (("`apply`, local engine", "apply"), ("`redact`: no engine", "redact"))
    ]  # fmt: skip
    growing = []
    for count, rounds in growth.items():
        over = statistics.median(figures["run"] - figures["bare"] for figures in rounds)
        growing.append(
            [f"{count:,}", f"{median(rounds, 'bare'):.2f}", f"{median(rounds, 'run'):.2f}", f"**{over:.2f}**",
             f"{median(rounds, 'again'):.2f}", f"{median(rounds, 'detect'):.2f}",
             *(f"{figure:.1f}" for figure in (
                 median(rounds, "grown"), median(rounds, "table"), median(rounds, "grown") - median(rounds, "table"),
                 median(rounds, "grown_again") - median(rounds, "table")))]
        )  # fmt: skip
    head = ["rows", "bare", "apply", "overhead", "again", "detect"]
    head += ["MB grown", "MB of table", "MB beside it", "MB beside it, again"]
    text = f"""## Batches: `python benchmarks/batch.py`

{int(threads[1][0]["pictures"])} photographs, each once; pictures a second. The local engine's networks use all cores
for one picture too, so that a second thread gains it only what is not inference.

{table(["pictures a second", "1 thread", "2 threads", "times"], speed)}

With an engine that finds nothing and small PNGs that are all different, on one thread: milliseconds a row. Bare is the
same loading, rendering and writing in a loop; the overhead of runner, store and table is the difference, goal
{GOAL:g} ms and as much for 100,000 rows as for 1,000. Again is the same call once more: nothing is decoded. Detect is
`df.blur.detect` with other settings, so that all are asked anew. Bare and detect are measured over at most
{FEW:,} rows. Memory: by how many megabytes the process grew at its highest, how many of them the columns hold that the
table got, and the rest, which is to stay within a few megabytes whatever the rows; also of the run again, which reads
what earlier results were made of (32 bytes a row). It can be negative, where memory was free from before.
Larger pictures add their hashing: {hashing():.1f} ms a megabyte of the original, and as much of the result.

{table(head, growing)}

Measured on {machine()}.
"""
    write_section("batch", text)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--overhead", count]:
            print(json.dumps(overhead(int(count))))
        case ["--scaling", count]:
            print(json.dumps(scaling(int(count))))
        case counts:
            main(tuple(map(int, counts)) or SIZES)
