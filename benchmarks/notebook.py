"""How quick and how small the notebook's widgets are: ``python benchmarks/notebook.py``.

What the kernel does is measured in this process; what a person waits for, in JupyterLab with a headless browser, where
both are installed. A figure is the median of the rounds, and in brackets the longest.
"""

from __future__ import annotations

import io
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _lab import browser, lab, missing, notebook_of, run_all
from _results import machine, table, write_section
from PIL import Image

from blur_tools import Detection, Detections, detect, preview
from blur_tools.detections import box_polygon
from blur_tools.samples import scenes

ROUNDS = 9
ROWS = 10_000
SIZES = {"2 MP": (1720, 1160), "12 MP": (4240, 2830)}


def street(size: tuple[int, int]) -> bytes:
    """A street scene at this size, with the grain of a camera."""
    with Image.open(io.BytesIO(next(scene.data for scene in scenes() if scene.name == "avenue.jpg"))) as scene:
        pixels = np.asarray(scene.resize(size, Image.Resampling.BICUBIC)).astype(np.int16)
    pixels += np.random.default_rng(0).integers(-5, 6, pixels.shape, dtype=np.int16)
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def timed(act: Callable[[], Any], rounds: int = ROUNDS) -> list[float]:
    """Milliseconds that something takes, each round."""
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        act()
        taken.append((time.perf_counter() - start) * 1000)
    return taken


def cell(taken: list[float]) -> str:
    """Median and longest."""
    return f"{statistics.median(taken):.0f} ({max(taken):.0f})"


def caught(made: Any) -> list[int]:
    """Sizes of what a preview sends from now on, in bytes."""
    sizes: list[int] = []
    made.view.send = lambda content, buffers=(): sizes.append(len(json.dumps(content)) + sum(map(len, buffers)))
    return sizes


def state_size(widget: Any) -> int:
    """Bytes of the state of a widget and of those in it, as it is sent when they are made."""
    own = sum(len(one) if isinstance(one, bytes) else len(str(one)) for one in widget.get_state().values())
    return own + sum(map(state_size, getattr(widget, "children", ())))


def one_picture(path: Path, label: str) -> list[list[object]]:
    """A preview from the call to its pixels, a control, and all bytes."""
    detect(path)  # the networks are loaded
    rows: list[list[object]] = []

    def shown() -> None:
        made = preview(path)
        caught(made)
        made._repr_mimebundle_()

    rows.append([f"`preview(path)` to its first pixels, {label}", cell(timed(shown)), ""])
    made = preview(path)
    sizes = caught(made)
    bundle = made._repr_mimebundle_()
    first = sum(sizes) + len(json.dumps(bundle)) + state_size(made)
    slider = made.form.fields["plates"].native

    def turn() -> None:
        slider.value = 3 if slider.value == 10 else slider.value + 1

    rows.append([f"a control to its new pixels, in the kernel, {label}", cell(timed(turn, 7)), "150"])
    rows.append([f"kilobytes a preview sends, widgets and all, {label}", f"{first / 1000:.0f}", "400"])
    return rows


def many(folder: Path) -> list[list[object]]:
    """A gallery of many rows, and its first page."""
    small = street((1200, 800))
    for number in range(24):
        (folder / f"{number:05}.jpg").write_bytes(small)
    found = Detections(
        [
            Detection("plate", box_polygon(500, 400, 600, 430), 0.9),
            Detection("face", box_polygon(100, 200, 130, 240), 0.6),
        ]
    ).to_json()
    names = [str(folder / f"{number:05}.jpg") for number in range(ROWS)]
    frame = pd.DataFrame({"image": names, "detections": found, "status": "ok"})
    rows: list[list[object]] = [[f"a gallery of {ROWS:,} rows opens", cell(timed(frame.blur.preview, 3)), "2000"]]
    gallery = frame.blur.preview()
    sizes = caught(gallery)
    gallery.view.seen = True
    rows.append(["the thumbnails of its first page of 24", cell(timed(gallery._send_thumbs, 5)), ""])
    rows.append(["kilobytes of one page of thumbnails", f"{sum(sizes) / 5 / 1000:.0f}", ""])
    orders = ("riskiest first", "as in the table")

    def sort() -> None:
        gallery.order.value = orders[gallery.order.value == orders[0]]

    rows.append([f"the {ROWS:,} rows sorted anew", cell(timed(sort, 6)), ""])
    return rows


CELL = """import blur_tools
preview = blur_tools.preview('street.jpg')
preview"""

WAIT = """([root]) => new Promise((done) => {
  const start = performance.now();
  const image = root.querySelector('.bt-after');
  image.addEventListener('load', () => done(performance.now() - start), { once: true });
})"""


def in_the_browser(data: bytes) -> list[list[object]]:
    """From a key on the slider to the new pixels on the page; and from Run to the first picture."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "street.jpg").write_bytes(data)
        (folder / "bench.ipynb").write_text(notebook_of([CELL]))
        with lab(folder) as address, browser(viewport={"width": 1300, "height": 1000}) as page:
            run_all(page, address.format("bench.ipynb"))
            start = time.perf_counter()
            page.wait_for_selector(".bt-root[data-shown]")
            first = (time.perf_counter() - start) * 1000
            root = page.locator(".bt-root")
            slider = page.get_by_role("slider", name="plates")
            slider.focus()
            waits = []
            for _ in range(7):
                # begins to wait, then presses: in one call, so that nothing is missed
                handle = root.evaluate_handle(f"(root) => {{ window.btWait = ({WAIT})([root]); }}")
                slider.press("ArrowLeft")
                waits.append(float(page.evaluate("() => window.btWait")))
                handle.dispose()
    return [
        ["JupyterLab: Run to the first picture, a new kernel, 2 MP", f"{first:.0f}", ""],
        ["JupyterLab: a key on the slider to new pixels, 2 MP", cell(waits), "150"],
    ]


def main() -> None:
    """Measure and write the table."""
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for label, size in SIZES.items():
            path = folder / f"street-{size[0]}.jpg"
            path.write_bytes(street(size))
            rows += one_picture(path, label)
        (folder / "many").mkdir()
        rows += many(folder / "many")
    why = missing()
    if why:
        print(f"the browser is left out: {why}")
    else:
        rows += in_the_browser(street(SIZES["2 MP"]))
    print(*rows, sep="\n")
    page = table(["milliseconds, or what the line says", "median (longest)", "at most, wished"], rows)
    packages = ", ".join(f"{package} {version(package)}" for package in ("anywidget", "ipywidgets"))
    text = f"""## The notebook: `python benchmarks/notebook.py`

{ROUNDS} rounds or fewer; other programs share the machine (load {os.getloadavg()[0]:.1f} at the end).

{page}

Measured on {machine()}, {packages}.
"""
    write_section("notebook", text)


if __name__ == "__main__":
    main()
