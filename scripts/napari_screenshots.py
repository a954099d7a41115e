"""Take the pictures of the napari plugin: ``python scripts/napari_screenshots.py [--photos FOLDER] [--out FOLDER]``.

Needs a screen (``xvfb-run -a -s "-screen 0 1600x1000x24"`` will do) and the extra [napari] with a Qt binding. Without
``--photos`` the pictures are our own sample scenes, for the documentation; with it, any folder of photographs, to look
at and not to keep.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
from PIL import Image
from qtpy.QtWidgets import QApplication

from blur_tools.audit.session import AuditSession
from blur_tools.napari import open_audit
from blur_tools.napari._window import window_of
from blur_tools.samples import write_scenes

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
SIZE = (1480, 940)
PATIENCE = 120.0
"""Seconds for a picture to be searched."""


def settle(until: Callable[[], Any] = lambda: False, seconds: float = 1.5) -> None:
    """Let the window work until something holds, or for a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not until():
        QApplication.processEvents()
        time.sleep(0.01)


def window_at(size: tuple[int, int]) -> Any:
    """A napari window of a size, with a tidy set of panels."""
    viewer = napari.Viewer(title="napari")
    viewer.window.resize(*size)
    settle()
    return viewer


def take(viewer: Any, path: Path) -> None:
    """Write what the whole window shows."""
    settle(seconds=1.0)
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = viewer.screenshot(canvas_only=False, flash=False)
    # a quarter of the bytes of a PNG; thin coloured lines need every colour sample
    Image.fromarray(pixels[..., :3]).save(path, quality=88, subsampling=0, optimize=True)
    print(path)


def blur_panel(source: Path, out: Path) -> None:
    """The Blur panel with what was found, and with the preview on."""
    viewer = window_at(SIZE)
    window = window_of(viewer)
    _, panel = viewer.window.add_plugin_dock_widget("blur-tools", "Blur")
    viewer.open(str(source), plugin="blur-tools")
    settle()
    panel.detect.native.click()
    settle(lambda: window.jobs.current is None and window.desk is not None and window.desk.is_shown, PATIENCE)
    take(viewer, out / "napari-blur.jpg")
    panel.preview.value = True
    window.act("toggle_labels")
    take(viewer, out / "napari-preview.jpg")
    viewer.close()


def audit_panel(folder: Path, out: Path) -> None:
    """The Audit panel in the middle of a queue: some accepted, one mended, one flagged."""
    viewer = window_at(SIZE)
    window = window_of(viewer)
    with AuditSession.open(folder, reviewer="Ada") as session:
        open_audit(session, viewer)
        for name in ("accept", "accept", "flag", "next"):
            settle(
                lambda: window.desk.is_shown and window.desk.item.detected and not window.desk.searched_key, PATIENCE
            )
            window.act(name)
        settle(lambda: window.desk.is_shown and window.desk.item.detected, PATIENCE)
        marks = session.current.marks if session.current else ()
        if marks:
            window.desk.stage.marks.select([marks[-1].id])
            window.act("toggle_keep")
        take(viewer, out / "napari-audit.jpg")
        viewer.close()


def main() -> None:
    """Take them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="a folder of photographs instead of our scenes")
    parser.add_argument("--out", type=Path, default=IMAGES, help="where to (default %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "pictures"
        if options.photos:
            folder.mkdir()
            for photo in sorted(options.photos.iterdir()):
                (folder / photo.name).write_bytes(photo.read_bytes())
        else:
            write_scenes(folder)
        pictures = sorted(path for path in folder.rglob("*") if path.suffix in (".jpg", ".png"))
        first = next((path for path in pictures if path.name == "two-cars.jpg"), pictures[0])
        blur_panel(first, options.out)
        audit_panel(folder, options.out)


if __name__ == "__main__":
    main()
