"""Hiding alone, the boxes being known: block-lossless, coded anew, and rivals' ways: ``python benchmarks/redact.py``.

Everything is compared with R, decoding and encoding the same file with simplejpeg, in the same run: every variant runs
once a round, in alternating order, on one core with one thread. Processor time is measured, that of processes that are
started included, because other programs share the machine; figures are medians, ratios medians of the rounds'.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from _results import machine, shared_data, table, write_section
from PIL import Image

from blur_tools import BlurSettings, Detection
from blur_tools.picture import Picture, load_picture
from blur_tools.redaction import _turbojpeg, pixels
from blur_tools.redaction.masks import regions
from blur_tools.redaction.metadata import clean_exif

SIZES = ((640, 480), (1632, 1224), (4000, 3000), (8000, 6000))
ROUNDS = 11
SETTINGS = BlurSettings(plates=10, faces=10)
R = "R: decode + encode (simplejpeg)"
LOADED = "block-lossless, the picture being decoded"
BYTES = "block-lossless, from the file's bytes"
ANEW = "coded anew (Pillow, keep), from the file's bytes"
TRANSCODE = "libturbojpeg, the picture being decoded"
RENDERING = "rendering alone"
DEFACE = "deface's blur, from the file's bytes"
DROP = "jpegtran -drop, one call a region"


def photo(size: tuple[int, int]) -> bytes:
    """A photograph with the noise of a camera."""
    picture = Image.open(shared_data() / "photos" / "parked-cars-4k.jpg").convert("RGB")
    values = np.asarray(picture.resize(size, Image.Resampling.LANCZOS)).astype(np.float32)
    values += np.random.default_rng(0).normal(0, 3, values.shape).astype(np.float32)
    buffer = io.BytesIO()
    Image.fromarray(values.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def plates(size: tuple[int, int]) -> list[Detection]:
    """Five of 160 x 60 to 400 x 130 pixels at 12 megapixels, tilted a little."""
    scale = size[0] / 4000
    found = []
    for number, (width, height) in enumerate(((160, 60), (220, 78), (280, 95), (340, 112), (400, 130))):
        x, y, w, h = (scale * value for value in (300 + 700 * number, 500 + 420 * number, width, height))
        found.append(Detection("plate", ((x, y), (x + w, y + h / 9), (x + w, y + h), (x, y + h * 8 / 9))))
    return found


def coded_anew(picture: Picture) -> bytes:
    """The way that is taken where nothing else can be."""
    hidden = regions(plates(picture.size), SETTINGS, picture.size)
    pixels.render(picture.image, hidden, SETTINGS)
    return pixels._reencoded(picture, pixels.Beside(clean_exif(picture, SETTINGS), b""), "measured").data


def simplejpeg_job(data: bytes) -> Callable[[], object]:
    """The fastest that a tool can be that decodes and encodes."""
    import simplejpeg

    return lambda: simplejpeg.encode_jpeg(simplejpeg.decode_jpeg(data), quality=92, colorsubsampling="420")


def deface_job(data: bytes) -> Callable[[], object]:
    """Deface 1.5.0: its decoding, elliptic blur and encoding with its defaults; boxes instead of its detector."""
    import imageio.v2 as imageio
    from deface.deface import anonymize_frame

    boxes = np.array([[*item.box, 1.0] for item in plates(Image.open(io.BytesIO(data)).size)])

    def job() -> bytes:
        frame = np.array(imageio.imread(data))
        anonymize_frame(boxes, frame, mask_scale=1.3, replacewith="blur", ellipse=True, draw_scores=False,
                        replaceimg=None, mosaicsize=20)  # fmt: skip
        buffer = io.BytesIO()
        imageio.imsave(buffer, frame, format="jpg")
        return buffer.getvalue()

    return job


def drop_job(data: bytes, folder: Path) -> Callable[[], object]:
    """What Panoramax's service does: each region decoded, blurred, encoded, and dropped into the file."""
    source = folder / "source.jpg"
    source.write_bytes(data)
    boxes = [item.box for item in plates(Image.open(source).size)]

    def job() -> None:
        current = source
        for number, (x, y, right, bottom) in enumerate(boxes):
            left, top = int(x) // 16 * 16, int(y) // 16 * 16
            box = (left, top, -(-int(right) // 16) * 16, -(-int(bottom) // 16) * 16)
            if number == 0:
                image = Image.open(source)
            part = image.crop(box)
            part = part.reduce(8).resize(part.size, Image.Resampling.NEAREST)
            part.save(folder / "part.jpg", qtables=image.quantization, subsampling="4:2:0")
            target = folder / f"{number}.jpg"
            command = ["jpegtran", "-copy", "all", "-drop", f"+{left}+{top}", str(folder / "part.jpg")]
            subprocess.run([*command, "-outfile", str(target), str(current)], check=True)
            current = target

    return job


def variants(data: bytes, folder: Path) -> dict[str, Callable[[], object]]:
    """What is measured."""
    picture, other = load_picture(data), load_picture(data)
    found = plates(picture.size)
    hidden = regions(found, SETTINGS, picture.size)

    def lossless(loaded: Picture) -> None:
        assert pixels.redact_picture(loaded, found, SETTINGS).method == "jpeg-lossless"

    jobs: dict[str, Callable[[], object]] = {
        R: simplejpeg_job(data),
        LOADED: lambda: lossless(picture),
        BYTES: lambda: lossless(load_picture(data)),
        ANEW: lambda: coded_anew(load_picture(data)),
        RENDERING: lambda: pixels.render(other.image, regions(found, SETTINGS, other.size), SETTINGS),
        DEFACE: deface_job(data),
    }
    if _turbojpeg._library() is not None:
        jobs[TRANSCODE] = lambda: _turbojpeg.transcoded(data, picture.image, hidden)
    if shutil.which("jpegtran"):
        jobs[DROP] = drop_job(data, folder)
    return jobs


def spent() -> float:
    """Seconds of processor time, ours and that of processes which have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def measure(size: tuple[int, int]) -> dict[str, list[float]]:
    """Milliseconds of each round for each variant."""
    data = photo(size)
    with tempfile.TemporaryDirectory() as folder:
        jobs = variants(data, Path(folder))
        times: dict[str, list[float]] = {name: [] for name in jobs}
        for job in jobs.values():
            job()
        for number in range(ROUNDS):
            for name in list(jobs)[:: 1 if number % 2 else -1]:
                start = spent()
                jobs[name]()
                times[name].append(1000 * (spent() - start))
    return times


def resident(which: str) -> int:
    """Bytes that this process has (``VmRSS``) or has had at most since its peak was forgotten (``VmHWM``); Linux."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(which))
    return int(line.split()[1]) * 1024


def memory(size: tuple[int, int], path: str, name: str) -> float:
    """Bytes a pixel that this process rises by at most."""
    small = photo((640, 480))
    pixels.redact_picture(load_picture(small), plates((640, 480)), SETTINGS)
    coded_anew(load_picture(small))
    data = Path(path).read_bytes()
    picture = load_picture(data) if name == LOADED else None
    found = plates(size)
    # getrusage would not do: its peak begins with that of the process which started this one
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    if name == ANEW:
        coded_anew(load_picture(data))
    else:
        pixels.redact_picture(picture or load_picture(data), found, SETTINGS)
    return (resident("VmHWM") - before) / (size[0] * size[1])


def in_a_process(*arguments: object) -> object:
    """Run this file on one core with one thread, and read its answer."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, __file__, *map(str, arguments)], check=True, stdout=subprocess.PIPE, text=True,
        env=os.environ | one,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def first_use() -> tuple[float, float]:
    """Seconds of processor time for the first redaction, with nothing compiled yet and with all compiled."""
    code = (
        "import io, time, numpy as np; from PIL import Image; import blur_tools; buffer = io.BytesIO();"
        "Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(buffer, 'JPEG');"
        "plate = blur_tools.Detection('plate', ((9, 9), (40, 9), (40, 20), (9, 20)));"
        "start = time.process_time(); blur_tools.redact(buffer.getvalue(), [plate]);"
        "print(time.process_time() - start)"
    )
    with tempfile.TemporaryDirectory() as folder:
        runs = [
            subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True,
                           env=os.environ | {"NUMBA_CACHE_DIR": folder}).stdout
            for _ in range(2)
        ]  # fmt: skip
    return float(runs[0]), float(runs[1])


def main() -> None:
    """Measure all sizes and write the tables."""
    rows: dict[str, list[str]] = {}
    for size in SIZES:
        times = in_a_process("--one", *size)
        assert isinstance(times, dict)
        for name, values in times.items():
            ratio = statistics.median(a / b for a, b in zip(values, times[R], strict=True))
            rows.setdefault(name, []).append(f"{statistics.median(values):.1f} ({ratio:.2f})")
        print(size, {name: cells[-1] for name, cells in rows.items()})
    head = ["milliseconds of a core (times R)", *(f"{w * h / 1e6:.1f} MP" for w, h in SIZES)]
    speed = table(head, [[name, *cells] for name, cells in rows.items()])
    largest = SIZES[-1]
    with tempfile.NamedTemporaryFile(suffix=".jpg") as file:
        file.write(photo(largest))
        file.flush()
        used = [(name, in_a_process("--memory", *largest, file.name, name)) for name in (LOADED, BYTES, ANEW)]
    rises = table(["peak memory at 48 MP, rise in bytes a pixel", ""], [[name, f"{rise:.1f}"] for name, rise in used])
    cold, warm = first_use()
    text = f"""## Hiding alone: `python benchmarks/redact.py`

Five plates of 160×60 to 400×130 pixels at 12 megapixels, in proportion at the others; a photograph with camera noise,
quality 92, 4:2:0; one core. "The picture being decoded" is what a job pays behind detection, which has decoded it.
Block-lossless writes no coefficient anew outside the blocks that a mask touches; deface writes all anew at imageio's
default quality. jpegtran works on files, with a process for each region.

{speed}

{rises}

The first JPEG in a process costs {warm:.1f} s of processor time to load the compiled loops, {cold:.1f} s the very first
time on a machine, when they are compiled.

Measured on {machine()}.
"""
    write_section("redact", text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--one", nargs=2, type=int, metavar=("WIDTH", "HEIGHT"), help=argparse.SUPPRESS)
    parser.add_argument("--memory", nargs=4, metavar=("WIDTH", "HEIGHT", "FILE", "NAME"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        print(json.dumps(measure((options.one[0], options.one[1]))))
    elif options.memory:
        width, height, path, name = options.memory
        print(json.dumps(memory((int(width), int(height)), path, name)))
    else:
        main()
