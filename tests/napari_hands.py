"""A person's hands for the tests of the plugin: real mouse drags and key presses on napari's canvas."""

from __future__ import annotations

import gc
import importlib
import itertools
import os
import shutil
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import pytest

pytest.importorskip("napari", reason="the extra [napari] is not installed")
pytest.importorskip("qtpy", reason="no Qt binding is installed")
pytest.importorskip("pytestqt", reason="pytest-qt is not installed")

if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or shutil.which("Xvfb")) and os.name == "posix":
    pytest.skip("there is no screen, and no Xvfb to stand in for one", allow_module_level=True)

from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from blur_tools import Detection
from blur_tools.audit.session import AuditSession
from blur_tools.detections import box_polygon
from blur_tools.napari import open_audit
from blur_tools.napari._window import window_of

__all__ = ["FACE", "PLATE", "Hands", "audit", "folder", "hands", "session", "viewer"]

PLATE, FACE = box_polygon(60, 200, 160, 240), box_polygon(300, 60, 360, 130)
"""What is marked in each picture of the fixture `session`."""

PATIENCE = 20_000
"""Milliseconds that a test waits for what must happen; it goes on as soon as it has."""


@cache
def freeze_imports() -> None:
    """Keep what is imported out of the seven collections of rubbish that napari's fixture makes in each test."""
    importlib.import_module("napari._qt.qt_main_window")
    gc.collect()
    gc.freeze()


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Any], tmp_path, monkeypatch):
    """A napari window on a screen, with settings of its own."""
    freeze_imports()
    from napari import settings

    monkeypatch.setattr(settings, "_CFG_PATH", str(tmp_path / "config" / "settings.yaml"))
    settings._clear_plugin_settings_cache()
    made = make_napari_viewer(show=True)
    made.window.resize(1200, 900)
    yield made
    for desk in list(window_of(made).desks):
        window_of(made).drop(desk)
    settings._clear_plugin_settings_cache()


class Hands:
    """What a person does at the window."""

    def __init__(self, viewer: Any, qtbot: Any) -> None:
        self.viewer = viewer
        self.qtbot = qtbot
        self.canvas = viewer.window._qt_viewer.canvas.native

    @property
    def window(self) -> Any:
        """What the panels share."""
        return window_of(self.viewer)

    def wait(self, until: Callable[[], Any]) -> None:
        """Let the event loop run until something holds."""
        self.qtbot.waitUntil(lambda: bool(until()), timeout=PATIENCE)

    def rest(self) -> None:
        """Let everything happen that is due."""
        for _ in range(5):
            QApplication.processEvents()

    def at(self, x: float, y: float) -> QPoint:
        """Where a point of the shown picture is on the canvas; ``(0, 0)`` is the picture's own corner."""
        camera, (height, width) = self.viewer.scene.camera, self.viewer.canvas.size
        middle_y, middle_x = camera.center[-2:]
        return QPoint(
            round(width / 2 + (x - 0.5 - middle_x) * camera.zoom),
            round(height / 2 + (y - 0.5 - middle_y) * camera.zoom),
        )

    def click(self, x: float, y: float) -> None:
        """Click at a point of the picture."""
        self.drag([(x, y)])

    def drag(self, points: Sequence[tuple[float, float]], steps: int = 5) -> None:
        """Press at the first point, move over the others, let go at the last."""
        self.press(points[0])
        self.pull(points, steps)
        self.release(points[-1])

    def press(self, point: tuple[float, float]) -> None:
        """Press the mouse's button at a point, and hold it."""
        QTest.mouseMove(self.canvas, self.at(*point))
        self.rest()
        QTest.mousePress(self.canvas, Qt.LeftButton, pos=self.at(*point))
        self.rest()

    def pull(self, points: Sequence[tuple[float, float]], steps: int = 5) -> None:
        """Move the mouse from the first point over the others."""
        for a, b in itertools.pairwise([self.at(*point) for point in points]):
            for step in range(1, steps + 1):
                QTest.mouseMove(self.canvas, a + (b - a) * step / steps)
                self.rest()

    def release(self, point: tuple[float, float]) -> None:
        """Let the mouse's button go at a point."""
        QTest.mouseRelease(self.canvas, Qt.LeftButton, pos=self.at(*point))
        self.rest()

    def key(self, name: str) -> None:
        """Press and release a key, such as ``"N"`` or ``"Control-Shift-Z"``."""
        *modifiers, key = name.split("-")
        held = Qt.NoModifier
        for modifier in modifiers:
            held |= getattr(Qt, f"{modifier}Modifier")
        QTest.keyClick(self.canvas, getattr(Qt, f"Key_{key}"), held)
        self.rest()

    def shown(self, key: str) -> None:
        """Wait until a picture is on the canvas and can be edited."""
        self.wait(lambda: (desk := self.window.desk) is not None and desk.item.key == key and desk.is_shown)


@pytest.fixture
def hands(viewer, qtbot):
    """Hands at the window."""
    return Hands(viewer, qtbot)


@pytest.fixture
def folder(tmp_path, encode, noise):
    """Three pictures, one of them further down."""
    pictures = tmp_path / "pictures"
    (pictures / "b").mkdir(parents=True)
    for name in ("a.png", "b/c.png", "d.png"):
        (pictures / name).write_bytes(encode(noise(400, 500)))
    return pictures


@pytest.fixture
def session(folder):
    """A review of these, each with a plate and a face."""
    made = AuditSession.open(folder, reviewer="ada")
    for item in made.items:
        made.set_detections(item.key, [Detection("plate", PLATE, 0.9, "test"), Detection("face", FACE, 0.8, "test")])
    yield made
    made.close()


@pytest.fixture
def audit(hands: Hands, session):
    """The Audit panel with that review."""
    panel = open_audit(session, hands.viewer)
    hands.shown("a.png")
    return panel
