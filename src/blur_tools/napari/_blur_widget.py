"""The Blur panel: who finds, what is hidden and how; made from `BlurSettings`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from magicgui.widgets import CheckBox, ComboBox, Container, LineEdit
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFileDialog

from blur_tools.audit._items import DECISIONS
from blur_tools.batch.rows import message
from blur_tools.errors import BlurError
from blur_tools.forms import ADDRESS, ENGINES
from blur_tools.napari._adopt import Adopted, adopted_pictures, desk_for
from blur_tools.napari._desk import Desk
from blur_tools.napari._jobs import save, search
from blur_tools.napari._keys import plugin_option
from blur_tools.napari._panel import JobBar, action_buttons, button, fields, row, status_line, until_gone
from blur_tools.napari._pictures import frames_of
from blur_tools.napari._settings_form import SettingsForm
from blur_tools.napari._stage import PREVIEW
from blur_tools.napari._window import window_of

__all__ = ["BlurWidget"]

CALM = 100
"""Milliseconds after the last change of the settings until the preview follows."""


class BlurWidget(Container[Any]):
    """The panel.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Whose pictures are worked on.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(labels=False)
        self.window = window_of(napari_viewer)
        self.image = ComboBox(label="picture", choices=self._pictures, nullable=True)
        self.engine = ComboBox(label="engine", choices=ENGINES, value=self.window.engine_name)
        self.engine.tooltip = "local: this machine, nothing leaves it; the others are sent each picture"
        self.address = LineEdit(label="address", value=self.window.address, visible=False)
        self.form = SettingsForm(self._on_settings)
        self._calm = QTimer(self.native)
        self._calm.setSingleShot(True)
        self._calm.setInterval(CALM)
        self._calm.timeout.connect(self._on_calm)
        self.preview = CheckBox(label="", text="preview", tooltip="Show the picture as it will be saved")
        self.detect = button("Detect", "Find plates and faces; marks that a person made stay", self.start_detection)
        self.save = button("Save…", "Write the picture redacted; an original is never replaced", self._choose_out)
        self.status, self.bar = status_line(), JobBar(self.window)
        areas = button("Draw excluded areas", "Rectangles in which nothing is searched", self.window.draw_excluded)
        edit = [action_buttons(self.window, names) for names in (("add_plate", "add_face"), ("undo", "redo"))]
        top = fields(self.image, self.engine, self.address, layout="vertical")
        work = row(self.detect, self.preview, self.save)
        self.extend([top, self.form, areas, work, *edit, self.bar, self.status])
        self._connect(napari_viewer)
        intensity = plugin_option("blur", "intensity", None)
        if intensity is not None:
            for name in ("plates", "faces"):
                self.form.fields[name].value = intensity
        self._on_engine()
        self._on_settings()
        self.show_state()

    def _connect(self, viewer: Any) -> None:
        self.engine.changed.connect(self._on_engine)
        self.address.changed.connect(self._on_engine)
        self.preview.changed.connect(self._on_preview)
        self.image.changed.connect(self._on_picture)
        self._listen(viewer, "connect")
        until_gone(self.native, self.window.observe(self.show_state), self._deafen)

    def _listen(self, viewer: Any, how: str) -> None:
        """Hear what happens to layers, or (``"disconnect"``) no longer."""
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            getattr(event, how)(self._on_layers)
        getattr(viewer.layers.selection.events.active, how)(self._on_active)
        getattr(viewer.dims.events.current_step, how)(self._on_frame)

    def _deafen(self) -> None:
        if self.window.viewer is not None:
            self._listen(self.window.viewer, "disconnect")

    def _pictures(self, *_: Any) -> list[Any]:
        from napari.layers import Image

        viewer = self.window.viewer
        layers = viewer.layers if viewer is not None else ()
        return [layer for layer in layers if isinstance(layer, Image) and not layer.name.startswith(PREVIEW)]

    # -- what the person chose -------------------------------------------------------------------------------------

    def _on_layers(self, event: Any) -> None:
        before, pictures = self.image.value, self._pictures()
        with self.image.changed.blocked():
            self.image.reset_choices()
            if event.type == "inserted" and event.value in pictures:
                self.image.value = event.value  # what was just opened is what is meant
            else:
                self.image.value = before if before in pictures else pictures[-1] if pictures else None

    def _on_picture(self, layer: Any) -> None:
        if layer is not None:
            self.window.choose(layer)

    def _on_active(self, event: Any) -> None:
        """The picture that is chosen in the layer list, or whose marks are, is the one that is meant."""
        desks = self.window.desks
        layer = next((desk.stage.image for desk in desks if event.value in desk.stage.layers), event.value)
        if layer is not None and layer in self.image.choices and layer is not self.image.value:
            with self.image.changed.blocked():
                self.image.value = layer

    def _on_engine(self, _: Any = None) -> None:
        self.window.engine_name, self.window.address = self.engine.value, self.address.value
        self.address.visible = self.engine.value == ADDRESS

    def _on_settings(self) -> None:
        settings = self.form.check()
        if settings is None:
            return
        self.window.settings = settings
        self._calm.start()

    def _on_calm(self) -> None:
        """Nothing was turned for a moment: the preview shows it once, not at each step of a slider."""
        desk = self.window.desk
        if desk is not None:
            desk.stage.settings = self.window.settings
            desk.stage.update_preview()

    def _on_preview(self, on: bool) -> None:
        desk = self.window.desk
        if desk is not None and desk.stage.preview_on != on:
            desk.toggle_preview()

    def _on_frame(self, event: Any = None) -> None:
        desk = self.window.desk
        if desk is not None:
            desk.follow_frame()

    def _choose_out(self) -> None:
        folder = QFileDialog.getExistingDirectory(self.native, "Folder for the redacted picture")
        if folder:
            self.save_into(Path(folder))

    # -- working -----------------------------------------------------------------------------------------------------

    def start_detection(self) -> None:
        """Find plates and faces in the chosen picture, or in each frame of a stack."""
        if self.form.check() is None:
            self.window.warn(f"Nothing is searched: {self.form.problem.value}")
            return
        self._with_desk(lambda desk: search(self.window, desk.in_work))

    def save_into(self, folder: Path) -> None:
        """Write the chosen picture, or each frame of a stack, into a folder."""
        if self.form.check() is None:
            self.window.warn(f"Nothing is saved: {self.form.problem.value}")
            return
        self._with_desk(lambda desk: save(self.window, folder, DECISIONS, {item.key for item in desk.in_work}))

    def _with_desk(self, then: Any) -> None:
        """Put the chosen layer on the desk, which takes a thread, and go on."""
        layer = self.image.value
        if layer is None:
            self.window.say("Open a picture first: File, Open; or drag one into the window.")
            return
        known = self.window.desk_of(layer)
        if known is not None:
            self.window.put(known)
            then(known)
            return

        if not self.window.is_free():
            return

        def step(pictures: Adopted | None) -> None:
            if pictures is not None and layer in self.window.viewer.layers:
                self._put(desk_for(self.window, layer, pictures))

        def end(reason: str) -> None:
            desk = self.window.desk_of(layer)
            if layer not in self.window.viewer.layers:
                self.window.say(f"{layer.name} was removed.")
            elif desk is None:
                self.window.warn(f"{layer.name}: {reason}")
            else:
                then(desk)

        self.window.jobs.start(f"Reading {layer.name}", _steps(layer), lambda: _read(layer), step, end)

    def _put(self, desk: Desk) -> None:
        self.window.put(desk)
        desk.show()
        if self.preview.value and not desk.stage.preview_on:
            desk.toggle_preview()
        self.window.bind_keys()

    # -- showing -------------------------------------------------------------------------------------------------------

    def show_state(self) -> None:
        """Show what is going on."""
        self.bar.show_job()
        self.status.value = self.window.status
        desk = self.window.desk
        with self.preview.changed.blocked():
            self.preview.value = desk.stage.preview_on if desk is not None else self.preview.value


def _steps(layer: Any) -> int:
    try:
        return frames_of(layer)
    except BlurError:  # said when it is read
        return 1


def _read(layer: Any) -> Iterator[Adopted | None]:
    try:
        yield from adopted_pictures(layer)
    except (ValueError, TypeError, MemoryError) as error:  # a layer can hold anything
        raise RuntimeError(f"cannot be used as a picture: {message(error)}") from error
