"""One picture at a time: detect, redact, the whole job, and a rival: ``python benchmarks/picture.py``.

Each size is measured on one and on two cores, in a process of its own held to them. Every variant runs once a round,
in alternating order; figures are medians, ratios are medians of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from _results import README, machine, shared_data, table, write_section
from PIL import Image

from blur_tools import blur, detect, redact
from blur_tools._cores import available_cores

SIZES = ((800, 600), (1280, 720), (1920, 1080), (2560, 1440), (3840, 2160))
ROUNDS = 9
CODEC = "decode + encode alone (Pillow)"
DEFACE, DEFACE_SMALL = "deface, faces, full size (its default)", "deface, faces, --scale 1280x720"
FACES = "whole job, faces only"


def street(size: tuple[int, int]) -> bytes:
    """A JPEG with plates and a crowd of faces, put together from two shared photographs."""
    photos = shared_data() / "photos"
    cars = Image.open(photos / "parked-cars-4k.jpg").convert("RGB")
    crowd = Image.open(photos / "city-crowd.jpg").convert("RGB")
    picture = cars.resize(size, Image.Resampling.LANCZOS)
    width = size[0] // 3
    small = crowd.resize((width, width * crowd.height // crowd.width), Image.Resampling.LANCZOS)
    picture.paste(small, (size[0] - width, 0))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def recode(data: bytes) -> bytes:
    """What any tool must do that decodes and encodes."""
    image = Image.open(io.BytesIO(data))
    image.load()
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality="keep", subsampling="keep")
    return buffer.getvalue()


def deface_job(shape: tuple[int, int] | None) -> Callable[[bytes], bytes]:
    """Deface 1.5.0 called warm in-process with its default threshold, mask scale and filter; Pillow as codec."""
    import numpy as np
    import onnx
    import onnxruntime
    from deface.centerface import CenterFace, default_onnx_path
    from deface.deface import anonymize_frame

    # left alone, onnxruntime takes one thread on this kind of machine; the rival gets the cores that we take
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = available_cores()
    with contextlib.redirect_stdout(io.StringIO()):
        network = CenterFace(in_shape=shape, backend="opencv")
        graph = network.dynamicize_shapes(onnx.load(default_onnx_path)).SerializeToString()
        network.sess = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        network.backend = "onnxrt"

    def job(data: bytes) -> bytes:
        frame = np.array(Image.open(io.BytesIO(data)).convert("RGB"))
        found, _ = network(frame, threshold=0.2)
        anonymize_frame(found, frame, mask_scale=1.3, replacewith="blur", ellipse=True, draw_scores=False,
                        replaceimg=None, mosaicsize=20)  # fmt: skip
        buffer = io.BytesIO()
        Image.fromarray(frame).save(buffer, "JPEG", quality=92)
        return buffer.getvalue()

    return job


def measure(size: tuple[int, int]) -> dict[str, list[float]]:
    """Milliseconds of each round for each variant."""
    data = street(size)
    found = detect(data)
    variants: dict[str, Callable[[], object]] = {
        CODEC: lambda: recode(data),
        "detect alone": lambda: detect(data),
        "redact alone": lambda: redact(data, found),
        "whole job": lambda: blur(data),
        FACES: lambda: blur(data, plates=-1),
    }
    for name, shape in ((DEFACE, None), (DEFACE_SMALL, (1280, 720))):
        job = deface_job(shape)
        variants[name] = lambda job=job: job(data)
    times: dict[str, list[float]] = {name: [] for name in variants}
    for variant in variants.values():
        variant()
    for number in range(ROUNDS):
        for name in list(variants)[:: 1 if number % 2 else -1]:
            start = time.perf_counter()
            variants[name]()
            times[name].append(1000 * (time.perf_counter() - start))
    return times


def held_to(cores: int, size: tuple[int, int]) -> dict[str, list[float]]:
    """`measure` in a process that may use so many cores."""
    command = [sys.executable, __file__, "--one", str(cores), *map(str, size)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    times: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return times


def main() -> None:
    """Measure all sizes and write the tables."""
    sections = []
    for cores in (1, 2):
        rows: dict[str, list[str]] = {}
        for size in SIZES:
            times = held_to(cores, size)
            for name, values in times.items():
                ratio = statistics.median(a / b for a, b in zip(values, times[CODEC], strict=True))
                rows.setdefault(name, []).append(f"{statistics.median(values):.0f} ({ratio:.1f})")
            rival = statistics.median(a / b for a, b in zip(times[FACES], times[DEFACE], strict=True))
            same = statistics.median(a / b for a, b in zip(times[FACES], times[DEFACE_SMALL], strict=True))
            rows.setdefault("faces only / deface full size", []).append(f"{rival:.2f}")
            rows.setdefault("faces only / deface 1280x720", []).append(f"{same:.2f}")
            print(cores, size, {name: cells[-1] for name, cells in rows.items()})
        head = [f"{cores} core{'s' * (cores > 1)}", *(f"{w}×{h}" for w, h in SIZES)]
        sections.append(table(head, [[name, *cells] for name, cells in rows.items()]))
    text = f"""## One picture: `python benchmarks/picture.py`

Milliseconds, and in brackets the ratio to decoding and encoding the same JPEG. Plates and faces at default settings,
from bytes to bytes, networks warm. deface 1.5.0 is called in-process with its defaults (detector on onnxruntime with
as many threads as cores, threshold 0.2, elliptic blur); it looks at the full picture by default, ours at a longest
side of 1280.

{sections[0]}

{sections[1]}

Measured on {machine()}.
"""
    write_section("picture", text)
    write_section("speed", short(rows), README)


def short(two_cores: dict[str, list[str]]) -> str:
    """What the README says of it."""
    head = ["milliseconds on two cores", *(f"{w}×{h}" for w, h in SIZES)]
    body = table(head, [[name, *two_cores[name]] for name in (CODEC, "whole job", FACES, DEFACE, DEFACE_SMALL)])
    return f"{body}\n\nIn brackets: times decoding and encoding alone. `python benchmarks/picture.py`, {machine()}."


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--one", nargs=3, type=int, metavar=("CORES", "WIDTH", "HEIGHT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[: options.one[0]]))
        print(json.dumps(measure((options.one[1], options.one[2]))))
    else:
        main()
