"""How long the napari window stands still: ``xvfb-run -a python benchmarks/napari_latency.py``.

Everything is measured in the event loop of a real window, drawing included; with a screen it draws on the graphics
card, under Xvfb in software. A figure is the median of the rounds, and in brackets the longest.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import napari
import numpy as np
from _results import machine, table, write_section
from napari.layers.base import ActionType
from PIL import Image
from qtpy.QtWidgets import QApplication

from blur_tools import Detection, Detections
from blur_tools.audit.session import AuditSession, Mark
from blur_tools.detections import box_polygon
from blur_tools.napari import open_audit
from blur_tools.napari._audit_widget import PANEL, audit_panel
from blur_tools.napari._jobs import export_session
from blur_tools.napari._window import window_of

TWELVE, FORTY_EIGHT = (4000, 3000), (8000, 6000)
ROUNDS = 9
MARKS = 30
PATIENCE = 120.0


def photo(path: Path, size: tuple[int, int], seed: int) -> None:
    """A file that takes as long to decode as a photograph: smooth shapes and the noise of a camera."""
    random = np.random.default_rng(seed)
    small = Image.fromarray(random.integers(0, 256, (30, 40, 3), dtype=np.uint8))
    pixels = np.asarray(small.resize(size, Image.Resampling.BICUBIC)).astype(np.int16)
    pixels += random.integers(-6, 7, pixels.shape, dtype=np.int16)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, quality=90)


def found(size: tuple[int, int], count: int, seed: int = 0) -> Detections:
    """Plates and faces of usual sizes, anywhere."""
    random = np.random.default_rng(seed)
    items = []
    for number in range(count):
        x, y = random.uniform(0, size[0] - 320), random.uniform(0, size[1] - 160)
        if number % 2:
            items.append(Detection("face", box_polygon(x, y, x + 90, y + 120), 0.8, "benchmark"))
        else:
            polygon = ((x, y), (x + 300, y + 20), (x + 300, y + 95), (x, y + 75))
            items.append(Detection("plate", polygon, 0.9, "benchmark"))
    return Detections(items)


def blocked(act: Callable[[], Any], until: Callable[[], bool] = lambda: True) -> tuple[float, float]:
    """Milliseconds that the loop was held in all, and at most in one piece, from `act` until something holds."""
    start = time.perf_counter()
    act()
    pieces = [time.perf_counter() - start]
    end = start + PATIENCE
    calm = 0
    # what was asked for is on the screen when the loop has had nothing to do for a while
    while calm < 5 and time.perf_counter() < end:
        begin = time.perf_counter()
        QApplication.processEvents()
        pieces.append(time.perf_counter() - begin)
        calm = calm + 1 if until() and pieces[-1] < 0.002 else 0
        time.sleep(0.001)
    busy = [piece for piece in pieces if piece > 0.0005]
    return 1000 * sum(busy), 1000 * max(pieces)


def calm(until: Callable[[], bool] = lambda: True) -> None:
    """Let everything end that is under way."""
    blocked(lambda: None, until)


class Bench:
    """A window with a review in it."""

    def __init__(self, folder: Path, size: tuple[int, int], names: list[str]) -> None:
        for number, name in enumerate(names):
            photo(folder / name, size, number)
        self.session = AuditSession.open(folder)
        for number, item in enumerate(self.session.items):
            self.session.set_detections(item.key, found(size, MARKS, number))
        self.viewer = napari.Viewer()
        self.viewer.window.resize(1400, 900)
        open_audit(self.session, self.viewer)
        self.window = window_of(self.viewer)
        self.desk = self.window.desk
        self.ready()

    def ready(self) -> None:
        """Wait until the picture is shown and its neighbours are decoded."""
        calm(lambda: self.desk.is_shown and len(self.desk._ready) == len(self.desk.neighbours()))

    def swap(self) -> list[tuple[float, float]]:
        """Go to the next picture, which is decoded already, and back."""
        taken = []
        for number in range(ROUNDS):
            taken.append(self._go(number))
            self.ready()
        return taken

    def _go(self, number: int) -> tuple[float, float]:
        step = "previous" if number % 2 else "next"
        return blocked(lambda: self.window.act(step), lambda: self.desk.is_shown)

    def unprepared(self) -> list[tuple[float, float]]:
        """Go to a picture that is not decoded."""
        taken = []
        for number in range(ROUNDS):
            calm(lambda: not self.desk._loading.busy)
            self.desk._ready.clear()
            taken.append(self._go(number))
            self.ready()
        return taken

    def switch_on(self) -> list[tuple[float, float]]:
        """Show the preview of a picture that had none."""
        taken = []
        for _ in range(ROUNDS):
            if self.desk.stage.preview_on:
                self.window.act("toggle_preview")
            self.desk.stage.redaction = None
            self.ready()
            taken.append(blocked(lambda: self.window.act("toggle_preview")))
        return taken

    def edits(self) -> list[tuple[float, float]]:
        """Move a mark by the layer, as the end of a drag does, with the preview on."""
        if not self.desk.stage.preview_on:
            self.window.act("toggle_preview")
        self.ready()
        layer = self.desk.stage.marks.layer
        taken = []
        for _ in range(ROUNDS):
            data = [np.array(points) for points in layer.data]
            data[4] += 7.0

            def drop(moved: np.ndarray = data[4]) -> None:
                layer._data_view.edit(4, moved)
                layer.events.data(
                    value=layer.data, action=ActionType.CHANGED, data_indices=(4,), vertex_indices=((0, 1, 2, 3),)
                )

            taken.append(blocked(drop))
        return taken

    def many(self, count: int, size: tuple[int, int]) -> list[tuple[float, float]]:
        """Show a picture's marks when there are very many."""
        marks = self.desk.stage.marks
        crowd = tuple(Mark(number, item) for number, item in enumerate(found(size, count), start=1))
        taken = []
        for _ in range(ROUNDS):
            taken.append(blocked(lambda: marks._write(crowd)))
            marks._write(())
            calm()
        return taken

    def search(self) -> list[tuple[float, float]]:
        """Search a picture with the local engine while the window goes on."""
        return [self._search_one(item) for item in self.session.items[:3]]

    def _search_one(self, item: Any) -> tuple[float, float]:
        finder, shown = self.window.engine(), self.desk.load(item)
        settings = self.window.asked()(shown)
        answers: list[Any] = []
        lane = self.desk._searching
        taken = blocked(
            lambda: lane.start(lambda: finder.detect(shown.picture, settings), lambda *answer: answers.append(answer)),
            lambda: bool(answers),
        )
        assert answers[0][0] is not None, answers
        return taken

    def close(self) -> None:
        """Leave no window and no lock behind."""
        self.window.drop(self.desk)
        self.session.close()
        self.viewer.close()


def opened_folder(count: int) -> list[list[object]]:
    """Open a folder of very many pictures, and export it, as a person does in the panel."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            small = Image.fromarray(np.full((30, 40, 3), number % 256, np.uint8))
            small.save(Path(folder) / f"{number:05}.png", compress_level=1)
        viewer = napari.Viewer()
        viewer.window.add_plugin_dock_widget("blur-tools", PANEL)
        panel, window = audit_panel(viewer), window_of(viewer)
        panel.search.value = False
        opened = blocked(lambda: panel.open_folder(folder), lambda: window.desk is not None and window.desk.is_shown)
        path = Path(folder) / "all.blur.json"
        exported = blocked(lambda: export_session(window, path), lambda: window.jobs.current is None)
        steps = [blocked(lambda: window.act("next"), lambda: window.desk.is_shown) for _ in range(ROUNDS)]
        window.drop(window.desk)
        window.close_own()
        viewer.close()
    return [
        [f"a folder of {count:,} pictures opened: longest block", cell([opened], 1), "100"],
        ["its detections exported: longest block", cell([exported], 1), "100"],
        ["next picture in it: longest block", cell(steps, 1), "250"],
    ]


def cell(taken: list[tuple[float, float]], which: int = 0) -> str:
    """Median and longest of the totals, or of the longest pieces."""
    values = [one[which] for one in taken]
    return f"{statistics.median(values):.0f} ({max(values):.0f})"


def main() -> None:
    """Measure and write the table."""
    rows: list[list[object]] = []
    for label, size in (("12 MP", TWELVE), ("48 MP", FORTY_EIGHT)):
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(Path(folder), size, ["a.jpg", "b.jpg", "c.jpg"])
            rows.append([f"next picture, decoded ahead, {MARKS} marks, {label}", cell(bench.swap()), "250"])
            rows.append([f"next picture, not decoded, {label}: longest block", cell(bench.unprepared(), 1), "250"])
            rows.append([f"the preview switched on, {MARKS} marks, {label}", cell(bench.switch_on()), ""])
            rows.append([f"the end of a drag to the new preview, {label}", cell(bench.edits()), "150"])
            rows.append([f"next picture with the preview on, {label}", cell(bench.swap()), ""])
            if size == TWELVE:
                rows.append(["1,000 marks shown, 12 MP", cell(bench.many(1000, size)), "300"])
                rows.append(["a search by the local engine, 12 MP: longest block", cell(bench.search(), 1), "100"])
            bench.close()
        print(*rows, sep="\n")
    rows += [*opened_folder(3)[:1], *opened_folder(3000)]
    print(*rows[-4:], sep="\n")
    page = table(["milliseconds that the window stands still", "median (longest)", "at most, wished"], rows)
    packages = ", ".join(f"{name} {version(name)}" for name in ("napari", "vispy", "pyqt6"))
    text = f"""## The napari window: `xvfb-run -a python benchmarks/napari_latency.py`

Drawing included, in software (llvmpipe under Xvfb) and so slower than on a screen; {ROUNDS} rounds, other programs
share the machine (load {os.getloadavg()[0]:.1f} at the end). Of that, 40 to 60 ms are one drawing of the window with
nothing changed. The wishes for the next picture and for the preview are for 12 MP. To open
a folder shows a window's first layers, which napari builds and draws in one piece, however many pictures follow.

{page}

Measured on {machine()}, {packages}.
"""
    write_section("napari", text)


if __name__ == "__main__":
    main()
