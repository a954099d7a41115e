"""What the panels of one viewer share: who is asked, with which settings, and which pictures are on the desk."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QTimer

from blur_tools.engines import Engine
from blur_tools.forms import ADDRESS, DRAWN, ENGINES, chosen_engine
from blur_tools.napari._keys import bind, checked_keys, chosen_keys, plugin_option
from blur_tools.napari._opening import Opening
from blur_tools.napari._pictures import Shown
from blur_tools.napari._words import plain
from blur_tools.napari._work import Jobs
from blur_tools.settings import BlurSettings

if TYPE_CHECKING:
    from blur_tools.audit.session import AuditSession
    from blur_tools.napari._desk import Desk

__all__ = ["EDITS", "EXCLUDED", "Window", "close_dead", "window_of"]

logger = logging.getLogger("blur_tools")

EDITS = ("add_plate", "add_face", "next_mark", "toggle_keep", "change_kind", "delete", "undo", "redo")
"""Actions on the marks of the picture that a person has chosen."""

EXCLUDED = "Excluded areas"
"""Layer of rectangles in which nothing is searched."""


class Window:
    """State that belongs to a viewer and to no single panel.

    Attributes
    ----------
    settings : BlurSettings
        What the Blur panel says.
    engine_name, address : str
        One of `ENGINES`, and the service's address.
    desk : Desk or None
        The pictures that keys and buttons act on.
    desks : list of Desk
        These, and those of other layers that a person may come back to.
    own : AuditSession or None
        The review that a panel opened by itself. It is closed with the window: a panel may be closed, and come again.
    given : set of AuditSession
        Reviews that somebody else opened and gave to this window.
    opening : Opening
        Those that are on their way.
    status : str
        The last sentence for the person.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = weakref.ref(viewer)
        self.settings = BlurSettings()
        self.engine_name: str = plugin_option("engine", "name", ENGINES[0])
        self.address: str = plugin_option("engine", "address", "")
        self.desk: Desk | None = None
        self.desks: list[Desk] = []
        self.status = ""
        self.jobs = Jobs(self.changed, lambda: self.alive)
        self._observers: list[Callable[[], None]] = []
        self._engine: tuple[tuple[str, str], Engine] | None = None
        self._telling = False
        self.own: AuditSession | None = None
        self.given: weakref.WeakSet[AuditSession] = weakref.WeakSet()
        self.opening = Opening()
        self.keys, self._key_problems = checked_keys(chosen_keys())
        # napari holds these methods weakly
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.layers.selection.events.active.connect(self._on_active)
        _when_destroyed(viewer, self)

    @property
    def viewer(self) -> Any:
        """The viewer; None once it is gone."""
        return self._viewer()

    @property
    def alive(self) -> bool:
        """Whether the window is still there: a thread may end after it."""
        try:
            return self.viewer is not None and bool(self.viewer.window.geometry())
        except (AttributeError, RuntimeError):  # napari, or Qt, has taken it down
            return False

    # -- telling -------------------------------------------------------------------------------------------------

    def observe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back after each change of what panels show; the answer ends that."""
        self._observers.append(callback)
        return lambda: self._observers.remove(callback) if callback in self._observers else None

    def changed(self) -> None:
        """Let the panels show what is now, once, as soon as what is going on is done."""
        if not self._telling:
            self._telling = True
            QTimer.singleShot(0, self._tell_later)

    def _tell_later(self) -> None:
        if self._telling:
            self._tell()

    def _tell(self) -> None:
        self._telling = False
        if self.alive:
            for callback in list(self._observers):
                callback()

    def say(self, text: str) -> None:
        """Say something that needs no notice elsewhere: it stands in the panel and in the window's last line."""
        self.status = plain(text)
        if self.viewer is not None:
            self.viewer.status = self.status
        self.changed()

    def warn(self, text: str) -> None:
        """Say something that a person must not miss: as a notification as well."""
        from napari.utils.notifications import show_warning

        self.say(text)
        show_warning(self.status)

    def is_free(self, *replaced: str) -> bool:
        """Whether no job runs but one of these, which the next may replace; else the person is told."""
        job = self.jobs.current
        if job is None or job.title in replaced:
            return True
        self.say(f"{job.title} is still going on: wait for it, or press Cancel.")
        return False

    # -- who is asked, and what ------------------------------------------------------------------------------------

    def engine(self) -> Engine:
        """The engine that is chosen; made once.

        Raises
        ------
        SettingsError
            It cannot be made: no token, no address.
        """
        chosen = (self.engine_name, self.address.strip() if self.engine_name == ADDRESS else "")
        if self._engine is None or self._engine[0] != chosen:
            self._engine = (chosen, chosen_engine(*chosen))
        return self._engine[1]

    def asked(self, image: Any = None) -> Callable[[Shown], BlurSettings]:
        """What gives the settings for a picture as they are now: with the excluded rectangles, in its stored pixels.

        Parameters
        ----------
        image : napari.layers.Image, optional
            The layer that shows the pictures; it may be scaled and moved.
        """
        layer, settings = self.excluded, self.settings
        areas = [] if layer is None else [_seen_in(image, layer, data) for data in layer.data]

        def settings_for(shown: Shown) -> BlurSettings:
            boxes = [shown.box_to_stored(area) for area in areas]
            corners = dict(zip(DRAWN, zip(*boxes, strict=True), strict=True)) if boxes else {}
            return BlurSettings.of(settings, **corners)

        return settings_for

    @property
    def excluded(self) -> Any:
        """The layer of excluded rectangles; None when there is none."""
        return next((layer for layer in self.viewer.layers if layer.name == EXCLUDED), None)

    def draw_excluded(self) -> Any:
        """Let the person drag rectangles in which nothing is searched."""
        layer = self.excluded
        if layer is None:
            layer = self.viewer.add_shapes(
                None, ndim=2, name=EXCLUDED, edge_color="#ff4040", face_color="#ff404040", edge_width=2
            )
            layer.events.data.connect(self._on_excluded)
        self.viewer.layers.selection.active = layer
        layer.mode = "add_rectangle"
        self.bind_keys()
        self.say("Drag a rectangle; nothing that lies wholly inside it is searched for.")
        return layer

    def _on_excluded(self, event: Any) -> None:
        layer = self.excluded
        if layer is not None and layer.mode == "add_rectangle" and event.action.name == "ADDED":
            QTimer.singleShot(0, self._back_to_marks)

    def _back_to_marks(self) -> None:
        """One rectangle is drawn: what is drawn next is a mark, and not another place where nothing is searched."""
        layer = self.excluded
        if self.alive and layer is not None and self.desk is not None:
            layer.mode = "pan_zoom"
            self.desk.stage.focus()
            self.say("Excluded. Choose “Draw excluded areas” again for another.")

    # -- the desk --------------------------------------------------------------------------------------------------

    def put(self, desk: Desk | None) -> None:
        """Let keys and buttons act on these pictures."""
        self.desk = desk
        if desk is not None and desk not in self.desks:
            self.desks.append(desk)
            if not desk.stage.owns_image:
                desk.stage.image.events.data.connect(self._on_pixels)
        self.bind_keys()
        self.changed()

    def drop(self, desk: Desk) -> None:
        """Take pictures off the desk, and their layers out of the viewer; a search of them ends."""
        self.desks.remove(desk)
        self.jobs.cancel_of(desk)
        desk.close()
        if self.desk is desk:
            self.desk = None

    def desk_of(self, layer: Any) -> Desk | None:
        """The pictures that a layer shows, if they are on a desk."""
        return next((desk for desk in self.desks if desk.stage.image is layer), None)

    def choose(self, layer: Any) -> None:
        """A person chose a picture's layer, or one of ours: keys and buttons act on what it belongs to."""
        desk = next((desk for desk in self.desks if layer in desk.stage.layers), None)
        active = self.viewer.layers.selection.active
        if desk is not None and desk is not self.desk:
            self.put(desk)
        if desk is not None and active not in desk.stage.layers:
            desk.stage.focus()
        elif desk is None and layer in self.viewer.layers and active is not layer:
            self.viewer.layers.selection.active = layer

    def _on_active(self, event: Any) -> None:
        if self.alive and any(event.value in desk.stage.layers for desk in self.desks):
            self.choose(event.value)

    def _picture_without_desk(self) -> Any:
        """The picture that is chosen in the layer list, where its marks are on no desk."""
        from napari.layers import Image

        active = self.viewer.layers.selection.active if self.viewer is not None else None
        if not isinstance(active, Image) or any(active in desk.stage.layers for desk in self.desks):
            return None
        return active

    def _on_removed(self, event: Any) -> None:
        desk = self.desk_of(event.value)
        if desk is None:
            return
        if desk.stage.owns_image:
            QTimer.singleShot(0, lambda: self._show_again(desk))
        else:
            name = event.value.name
            QTimer.singleShot(0, lambda: self._lost(desk, f"{name} was removed, and its marks with it."))

    def _on_pixels(self, event: Any) -> None:
        desk = self.desk_of(event.source)
        if desk is not None:
            name = event.source.name
            text = f"{name} shows another picture now, and its marks were of the one before: Detect searches it."
            QTimer.singleShot(0, lambda: self._lost(desk, text))

    def _show_again(self, desk: Desk) -> None:
        """The layer of a queue was thrown away: the queue is not."""
        stage = desk.stage
        if not self.alive or desk not in self.desks or stage.image in self.viewer.layers:
            return
        if stage.marks.key is not None and stage.shown is not None:
            stage.show(stage.marks.key, stage.shown)
            self.bind_keys()

    def _lost(self, desk: Desk, text: str) -> None:
        """Somebody else's picture is gone, or is another one."""
        if self.alive and desk in self.desks:
            self.drop(desk)
            if self.desk is None:
                self.put(self.desks[-1] if self.desks else None)
            self.say(text)

    def close_own(self) -> None:
        """Close the review that a panel opened, so that it can be opened again."""
        self.opening.forget()
        own, self.own = self.own, None
        if own is not None:
            own.close()

    def bind_keys(self) -> None:
        """Bind the keys in the viewer and in our layers."""
        if self.desk is None or self.viewer is None:
            return
        bind([self.viewer, *self.desk.stage.layers], self.keys, self.act, self.hold)
        if self.excluded is not None:
            # there, Delete takes a rectangle away
            keys = {name: key for name, key in self.keys.items() if name != "delete"}
            bind([self.excluded], keys, self.act, self.hold)
        while self._key_problems:
            self.warn(self._key_problems.pop())

    def act(self, name: str) -> None:
        """Do one of `ACTIONS`."""
        if self.desk is None:
            self.say("Open a folder, or detect in a picture, first.")
            return
        other = self._picture_without_desk() if name in EDITS else None
        if other is not None:
            self.say(f"{other.name} has no marks yet: press Detect in the Blur panel, or choose another layer.")
            return
        getattr(self.desk, name)()
        # at once: drawing the window is what takes longest, and panels that follow later would draw it again
        self._tell()

    def hold(self, on: bool) -> None:
        """A person holds the key that shows the original, or lets it go."""
        if self.desk is not None:
            self.desk.stage.hold_original(on)


def _seen_in(image: Any, layer: Any, points: Any) -> npt.NDArray[np.float64]:
    """Rows of ``(y, x)`` of a layer, where they lie in a picture's layer."""
    if image is None:
        return np.asarray(points, dtype=np.float64)[:, -2:]
    return np.array([image.world_to_data(layer.data_to_world(point))[-2:] for point in points], dtype=np.float64)


def _when_destroyed(viewer: Any, window: Window) -> None:
    """Close the window's own review when Qt takes it down; without keeping either alive."""
    known = weakref.ref(window)

    def close(*_: Any) -> None:
        window = known()
        if window is not None:
            window.close_own()

    viewer.window._qt_window.destroyed.connect(close)


_windows: weakref.WeakKeyDictionary[Any, Window] = weakref.WeakKeyDictionary()


def window_of(viewer: Any) -> Window:
    """The shared state of a viewer; made when it is first asked for."""
    # napari hands plugins a proxy of the viewer, which is not the same key
    viewer = getattr(viewer, "__wrapped__", viewer)
    if viewer not in _windows:
        _windows[viewer] = Window(viewer)
    return _windows[viewer]


def close_dead() -> None:
    """Close the reviews of windows that are gone but that Qt has not taken down yet."""
    for window in list(_windows.values()):
        if not window.alive:
            window.close_own()
