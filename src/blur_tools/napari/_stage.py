"""The layers of one picture in a viewer: the picture, the marks on it, and how it looks redacted."""

from __future__ import annotations

import logging
import math
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from blur_tools.audit.session import AuditSession
from blur_tools.batch.rows import message
from blur_tools.detections import Detections
from blur_tools.errors import BlurError
from blur_tools.napari._marks import MarksLayer, marks_layer
from blur_tools.napari._pictures import Shown, plane_of
from blur_tools.napari._work import Lane
from blur_tools.redaction.live import Redaction
from blur_tools.settings import BlurSettings

__all__ = ["MARKS", "PICTURE", "PREVIEW", "Stage"]

logger = logging.getLogger("blur_tools")

PICTURE, MARKS, PREVIEW = "Picture", "Plates and faces", "Redacted preview"
AT_ONCE = 50_000
"""Pixels of marks that are rendered while the window waits, some 50 ms; more are rendered in a thread."""

NOTHING = np.full((480, 640, 3), 48, np.uint8)
"""Shown where there is no picture."""


class Stage:
    """Shows one picture at a time.

    Parameters
    ----------
    viewer : napari viewer
        Where.
    session : AuditSession
        Has the marks.
    say : callable
        Told a sentence for the person.
    image : napari.layers.Image, optional
        Somebody else's layer that already shows the picture: its pixels are never replaced.
    alive : callable
        Whether there still is a window.
    """

    def __init__(
        self,
        viewer: Any,
        session: AuditSession,
        say: Callable[[str], None],
        image: Any = None,
        *,
        alive: Callable[[], bool],
    ) -> None:
        # weakly: what belongs to a viewer must not keep it alive
        self._viewer = weakref.ref(viewer)
        self.session = session
        self.image = image
        self.owns_image = image is None
        self.redaction: Redaction | None = None
        self.shown: Shown | None = None
        self.settings = BlurSettings()
        self.preview_on = False
        self.preview: Any = None
        self._say = say
        self._rendering = Lane(alive)
        self._views: dict[tuple[int, ...], tuple[Any, float]] = {}
        name = MARKS if image is None else f"{MARKS}: {image.name}"
        self._plane: npt.NDArray[np.float64] = np.eye(3)
        self.marks = MarksLayer(marks_layer(name), session, say, self._pixel_on_screen)
        if image is not None:
            self._place_all()
            for change in (image.events.scale, image.events.translate, image.events.rotate, image.events.shear,
                           image.events.affine):  # fmt: skip
                change.connect(self._place_all)
        self._held: tuple[bool, bool] | None = None

    @property
    def viewer(self) -> Any:
        """Where the layers are."""
        return self._viewer()

    @property
    def layers(self) -> list[Any]:
        """Our layers that are in the viewer."""
        return [layer for layer in (self.image, self.preview, self.marks.layer) if layer in self.viewer.layers]

    def show(self, key: str, shown: Shown | None) -> None:
        """Show a picture and its marks; None while there is nothing to see of it."""
        self.hold_original(False)  # a key that is held is let go with the picture that it was pressed at
        self.marks.settle()
        self._keep_view()
        self.shown, self.redaction = shown, None
        self._show_pixels(NOTHING if shown is None else shown.pixels)
        self._add_marks()
        self.marks.show(key, shown)
        self._restore_view()
        self.update_preview()
        self.viewer.layers.selection.active = self.marks.layer

    def focus(self) -> None:
        """Put the marks in front of the person: chosen in the layer list, visible, and there if they were removed."""
        self._add_marks()
        self.viewer.layers.selection.active = self.marks.layer
        self.marks.layer.visible = True

    def wait(self, key: str) -> None:
        """Another picture is on its way: what is still seen can no longer be edited."""
        self.hold_original(False)
        self.marks.settle()
        self._keep_view()
        self.shown = self.redaction = None
        self._add_marks()
        self.marks.show(key, None)
        if self.preview is not None:
            self.preview.visible = False

    def refresh(self) -> None:
        """Take over what the session says now of the picture that is shown."""
        self.marks.settle()
        self.update_preview()

    def set_preview(self, on: bool) -> None:
        """Show the picture as it will be saved, or as it is."""
        self.preview_on = on
        self.update_preview()

    def update_preview(self) -> None:
        """Render what changed and show it."""
        if not self.preview_on or self.shown is None or self.marks.key is None:
            if self.preview is not None:
                self.preview.visible = False
            return
        detections = self.session[self.marks.key].detections
        if (self.redaction is None or not self.redaction.fits(self.settings)) and _area(detections) > AT_ONCE:
            self._render_beside(self.shown, detections)
            return
        if self.redaction is None:
            self.redaction = Redaction(self.shown)
        try:
            changed = self.redaction.update(detections, self.settings)
        except BlurError as error:
            self._say(f"no preview: {error}")
            return
        self._show_preview(self.redaction, bool(changed))

    def _render_beside(self, shown: Shown, detections: Detections) -> None:
        """Render a whole picture in a thread; what is asked for meanwhile is done behind it."""
        if self.redaction is None and self.preview is not None:
            self.preview.visible = False  # it is of another picture
        if self._rendering.busy:
            return
        settings = self.settings

        def work() -> Redaction:
            redaction = Redaction(shown)
            redaction.update(detections, settings)
            return redaction

        def done(redaction: Redaction | None, error: Exception | None) -> None:
            as_asked = self.shown is shown and self.settings == settings
            if as_asked and redaction is None:
                self._say(f"no preview: {message(error) if error else 'nothing was rendered'}")
                return
            if self.shown is shown and redaction is not None:
                self.redaction = redaction
            self.update_preview()

        self._rendering.start(work, done)

    def hold_original(self, on: bool) -> None:
        """While held, neither preview nor marks."""
        marks = self.marks.layer
        if on and self._held is None:
            self._held = (bool(self.preview is not None and self.preview.visible), bool(marks.visible))
            marks.visible = False
            if self.preview is not None:
                self.preview.visible = False
        elif not on and self._held is not None:
            preview, seen = self._held
            self._held = None
            marks.visible = seen
            if self.preview is not None:
                self.preview.visible = preview

    def close(self) -> None:
        """Take our layers out of the viewer; somebody else's stays."""
        self.marks.forget()
        self._rendering.forget()
        mine = [layer for layer in self.layers if layer is not self.image or self.owns_image]
        for layer in mine:
            self.viewer.layers.remove(layer)

    # -- layers ----------------------------------------------------------------------------------------------------

    def _show_pixels(self, pixels: Any) -> None:
        if not self.owns_image:
            return
        if self.image is None or self.image not in self.viewer.layers:
            self.image = self.viewer.add_image(pixels, rgb=True, name=PICTURE)
            self.viewer.layers.move(self.viewer.layers.index(self.image), 0)
            self._views = {}
        elif self.image.data is not pixels:
            self.image.data = pixels

    def _add_marks(self) -> None:
        if self.marks.layer not in self.viewer.layers:
            self._place(self.marks.layer)
            self.viewer.add_layer(self.marks.layer)

    def _show_preview(self, redaction: Redaction, changed: bool) -> None:
        if self.preview is None or self.preview not in self.viewer.layers:
            self.preview = self.viewer.add_image(redaction.pixels, rgb=True, name=PREVIEW)
            self._place(self.preview)
            # below the marks, above the picture
            self.viewer.layers.move(self.viewer.layers.index(self.preview), self.viewer.layers.index(self.marks.layer))
            self.viewer.layers.selection.active = self.marks.layer
        elif self.preview.data is not redaction.pixels:
            self.preview.data = redaction.pixels
        elif changed:
            self.preview.refresh(thumbnail=False, extent=False, highlight=False)
        self.preview.visible = True

    def _place(self, layer: Any) -> None:
        """Lay a layer where somebody else's picture lies."""
        if not self.owns_image:
            size = self._pixel_size
            plane = self._plane.copy()
            plane[:2, :2] /= size
            # napari draws boxes and corners by the scale alone
            layer.scale, layer.affine = (size, size), plane

    def _place_all(self, _: Any = None) -> None:
        try:
            self._plane = plane_of(self.image)
        except BlurError as error:
            self._say(str(error))
            return
        for layer in (self.marks.layer, self.preview):
            if layer is not None:
                self._place(layer)

    def _pixel_on_screen(self) -> float:
        """Pixels of the screen that a pixel of the picture takes."""
        return float(self.viewer.scene.camera.zoom * self._pixel_size)

    @property
    def _pixel_size(self) -> float:
        """Side of the picture's pixels in the world."""
        return math.sqrt(abs(np.linalg.det(self._plane[:2, :2])))

    # -- the view --------------------------------------------------------------------------------------------------

    def _keep_view(self) -> None:
        if self.owns_image and self.shown is not None:
            camera = self.viewer.scene.camera
            self._views[self.shown.pixels.shape] = (camera.center, camera.zoom)

    def _restore_view(self) -> None:
        """The view that pictures of this size had last; the whole picture for the first of its size."""
        if not self.owns_image or self.shown is None:
            return
        known = self._views.get(self.shown.pixels.shape)
        if known is None:
            self.viewer.reset_view()
        else:
            self.viewer.scene.camera.center, self.viewer.scene.camera.zoom = known


def _area(detections: Detections) -> float:
    """Pixels of the boxes around what is hidden."""
    boxes = [item.box for item in detections if not item.keep]
    return sum((right - left) * (bottom - top) for left, top, right, bottom in boxes)
