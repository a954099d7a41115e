"""A Shapes layer that shows the marks of one picture and tells the session what a person does to them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QTimer

from blur_tools.audit._merge import area_of, overlapping
from blur_tools.audit.session import AuditSession, Mark
from blur_tools.detections import Detection, Kind, Polygon
from blur_tools.errors import AuditError, BlurError, DetectionsError
from blur_tools.napari._layers import (
    NEW,
    colours,
    corner_moved,
    edge_width,
    facts_of,
    features_of,
    four_corners,
    layer_values,
    mended,
    text_options,
)
from blur_tools.napari._pictures import HALF, Shown

__all__ = ["EDITING", "MarksLayer", "marks_layer"]

logger = logging.getLogger("blur_tools")

Points = npt.NDArray[np.float64]

EDITING, DRAWING = "direct", "add_rectangle"
"""Modes of the layer: pulling corners, which also chooses marks by a click; and dragging a new box."""

CROWD = 200
"""Marks of which no words are shown unless they are asked for: they would cover each other, and take long to place."""

SLIP = 4.0
"""Pixels of the screen: a new box no longer than that on any side was a click."""


def marks_layer(name: str) -> Any:
    """An empty layer, ready for marks."""
    from napari.layers import Shapes

    return Shapes(
        None, ndim=2, name=name, features=features_of([]), text=text_options(), face_color="transparent",
        edge_color="white", opacity=1.0,
    )  # fmt: skip


@contextmanager
def drawn_once(layer: Any, words: bool) -> Iterator[None]:
    """Draw a layer once behind a series of changes instead of at each, which takes seconds with 1,000 words.

    napari 0.9 places all words anew at every change, in a time that grows with the square of their number.
    """
    layer.text.visible = False
    with layer.events.blocker_all(), layer.block_thumbnail_update():
        yield
    layer.refresh(thumbnail=False)
    layer.events.features()
    layer.text.visible = words


class MarksLayer:
    """The layer and the session, kept in step.

    What a person does arrives as the layer's events. The session is told at once; the layer is written anew only when
    control is back in the event loop, because napari is still in the middle of its own work while an event is sent.

    Parameters
    ----------
    layer : napari.layers.Shapes
        Made by `marks_layer`.
    session : AuditSession
        Has the truth.
    say : callable
        Told a sentence when an edit could not be taken over.
    zoom : callable
        Pixels of the screen that a pixel of the picture takes.
    """

    def __init__(
        self, layer: Any, session: AuditSession, say: Callable[[str], None], zoom: Callable[[], float]
    ) -> None:
        self.layer = layer
        self.session = session
        self.key: str | None = None
        self.hidden_kinds: set[str] = set()
        self.words = True
        self._say = say
        self._zoom = zoom
        self._shown: Shown | None = None
        self._drawing: Kind = "plate"
        self._given: dict[int, Points] = {}
        self._written: tuple[Mark, ...] = ()
        self._busy = False
        self._stale = False
        layer.events.data.connect(self._on_data)
        layer.events.features.connect(self._on_features)

    def show(self, key: str, shown: Shown | None) -> None:
        """Show the marks of another picture; with None there is nothing to show or edit."""
        self.key, self._shown = key, shown
        self._write(self.session[key].marks if shown is not None else ())
        self.layer.mode = EDITING if shown is not None else "pan_zoom"

    def forget(self) -> None:
        """Let go of the picture, before the layer is taken away."""
        self.key = self._shown = None

    def draw(self, kind: Kind) -> None:
        """Let the next drag on the canvas make a mark."""
        self.settle()
        self._drawing = kind
        self.layer.feature_defaults = (
            features_of([]).reindex([0]).assign(kind=kind, text="", source="", keep=False, mark=NEW, label=kind)
        )
        self.layer.current_edge_color = colours(self.layer.feature_defaults)[0]
        self.layer.mode = DRAWING

    @property
    def selected(self) -> list[int]:
        """Numbers of the chosen marks."""
        rows = sorted(self.layer.selected_data)
        numbers = [int(self.layer.features["mark"].iloc[row]) for row in rows if row < len(self.layer.features)]
        return [number for number in numbers if number != NEW]

    def select(self, ids: Iterable[int]) -> None:
        """Choose marks by their numbers."""
        wanted = set(ids)
        self.layer.selected_data = {
            row for row, number in enumerate(self.layer.features["mark"]) if int(number) in wanted
        }

    def settle(self) -> None:
        """Write the layer anew where it differs from the session; not while a person holds a mark.

        The end of each drag is an event of the layer, behind which this is called again.
        """
        if self.key is None or self._shown is None or self.in_hand:
            return
        marks = self.session[self.key].marks
        if self._stale or marks != self._written:
            chosen = self.selected
            self._write(marks, always=False)
            self.select(chosen)

    @property
    def is_drawing(self) -> bool:
        """Whether a mark is half drawn: napari holds the layer then."""
        return bool(getattr(self.layer, "_is_creating", False))

    @property
    def in_hand(self) -> bool:
        """Whether a mark is half drawn, or being pulled or moved: the session does not know of it yet."""
        return self.is_drawing or bool(getattr(self.layer, "_is_moving", False))

    @property
    def how_to_let_go(self) -> str:
        """What a person has to do before anything else can be done."""
        held = self.layer.mode in (EDITING, DRAWING, "select", "add_ellipse", "add_line")
        return "Let go of the mouse first." if held else "Finish the mark that you are drawing first: press Escape."

    def toggle_words(self) -> None:
        """Hide the words at the marks, or show them."""
        self.words = self.layer.text.visible = not self.layer.text.visible

    def recolour(self) -> None:
        """Set the outlines' colours: by state, and none for kinds that are hidden."""
        if len(self.layer.data):
            self.layer.edge_color = self.layer.text.color = colours(self.layer.features, self.hidden_kinds)

    def _shows(self, points: list[Points], types: list[str], features: Any) -> bool:
        """Whether the layer is as it would be written: after a corner was pulled, it mostly is."""
        data, layer = self.layer.data, self.layer
        return (
            len(data) == len(points)
            and list(layer.shape_type) == types
            and all(a.shape == b.shape and np.allclose(a, b, atol=1e-3) for a, b in zip(data, points, strict=True))
            and layer.features.equals(features)
        )

    def _write(self, marks: tuple[Mark, ...], always: bool = True) -> None:
        layer, shown = self.layer, self._shown
        points, types, features = layer_values(marks, shown) if shown else ([], [], features_of([]))
        if not always and self._shows(points, types, features):
            self._written, self._stale = marks, False
            self._note(marks)
            return
        width = edge_width(shown.size) if shown else 1.0
        with self._silence(), drawn_once(layer, self.words and len(marks) <= CROWD):
            layer.selected_data = set()
            # in this order: new data keep old features, and new features keep old colours
            layer.data = []
            if points:
                shades = colours(features, self.hidden_kinds)
                layer.add(points, shape_type=types, edge_width=width, edge_color=shades)
                layer.text.color = shades
            layer.features = features
            if shown:
                layer.current_edge_width = width
        self._given = {mark.id: data for mark, data in zip(marks, points, strict=True)}
        self._written, self._stale = marks, False
        self._note(marks)

    def _note(self, marks: tuple[Mark, ...]) -> None:
        """Let the layer know what its features cannot hold, for who saves it."""
        if self._shown is not None:
            facts = facts_of(self.key or "", self._shown.size, self._shown.turn, marks)
            self.layer.metadata = {**self.layer.metadata, "blur_tools": facts}

    @contextmanager
    def _silence(self) -> Iterator[None]:
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

    # -- what a person did ---------------------------------------------------------------------------------------

    def _on_data(self, event: Any) -> None:
        action = getattr(getattr(event, "action", None), "name", "")
        if self._busy or self.key is None or self._shown is None or not action.endswith("ED"):
            return
        self._take_over(self._tell)

    def _on_features(self, _: Any) -> None:
        features = self.layer.features
        if self._busy or self.key is None or self.is_drawing or len(features) != len(self.layer.data):
            return
        if list(features["mark"]) == [mark.id for mark in self._written]:
            self._take_over(self._tell_features)
        else:  # napari sends nothing else when marks are pasted
            self._take_over(self._tell)

    def _take_over(self, tell: Callable[[str, Shown], None]) -> None:
        if self.key is None or self._shown is None:
            return
        self._later()
        try:
            tell(self.key, self._shown)
        except (AuditError, DetectionsError) as error:
            self._say(f"That change was not taken over: {error}")
        except BlurError as error:
            self._say(str(error))

    def _later(self) -> None:
        self._stale = True
        QTimer.singleShot(0, self.settle)

    def _tell(self, key: str, shown: Shown) -> None:
        rows: dict[int, Points] = {}
        fresh: list[int] = []
        for row, number in enumerate(map(int, self.layer.features["mark"])):
            # a pasted mark has the number of what was copied
            if number == NEW or number in rows or number not in self._given:
                fresh.append(row)
            else:
                rows[number] = np.asarray(self.layer.data[row], dtype=np.float64)
        gone = [number for number in self._given if number not in rows]
        if gone:
            there = {mark.id for mark in self.session[key].marks}
            self.session.delete(key, [number for number in gone if number in there])
            for number in gone:
                del self._given[number]
        self._tell_shapes(key, shown, rows)
        for row in fresh:
            self._tell_new(key, shown, row)

    def _tell_shapes(self, key: str, shown: Shown, rows: dict[int, Points]) -> None:
        written = {mark.id: mark.detection for mark in (*self._written, *self.session[key].marks)}
        kinds = {number: detection.kind for number, detection in written.items()}
        changed: dict[int, Polygon] = {}
        for number, data in rows.items():
            before = self._given[number]
            if data.shape == before.shape and np.allclose(data, before, atol=1e-6):
                continue
            if kinds[number] == "face" and data.shape == before.shape:
                data = corner_moved(before, data)
            changed[number] = shown.to_stored(mended(data, kinds[number]))
            self._given[number] = np.asarray(self.layer.data[self._row(number)], dtype=np.float64)
        there = {mark.id: mark.detection for mark in self.session[key].marks}
        for number in [number for number in changed if number not in there]:
            # an answer of the engine came while a person pulled it
            polygon, before_it = changed.pop(number), written[number]
            instead = self._same_object(before_it, there)
            if instead is None:
                self.session.add(key, before_it.kind, polygon)
            else:
                changed[instead] = polygon
        if changed:
            self.session.reshape(key, changed)

    def _same_object(self, detection: Detection, there: dict[int, Detection]) -> int | None:
        """The mark that took the place of one that was on the canvas."""
        fresh = [number for number in there if number not in self._given]
        same = overlapping([area_of(there[number]) for number in fresh], [area_of(detection)]) if fresh else []
        return next((number for number, is_same in zip(fresh, same, strict=True) if is_same), None)

    def _tell_new(self, key: str, shown: Shown, row: int) -> None:
        data = np.asarray(self.layer.data[row], dtype=np.float64)
        if np.ptp(data, axis=0).max() * self._zoom() < SLIP:
            self._say("That was a click, not a box: drag from corner to corner.")
            return
        said = self.layer.features["kind"].iloc[row]
        kind: Kind = said if said in ("plate", "face") else self._drawing
        height, width = shown.pixels.shape[:2]
        if (data.max(axis=0) < -HALF).any() or (data.min(axis=0) > (height - HALF, width - HALF)).any():
            raise AuditError("it lies outside the picture, where there is nothing to hide")
        mark = self.session.add(key, kind, shown.to_stored(four_corners(data, kind)))
        # at once and without an event: the next one may come before the layer is written anew
        self.layer.features.iloc[row, self.layer.features.columns.get_loc("mark")] = mark.id
        self._given[mark.id] = data
        if self.layer.mode == DRAWING:
            QTimer.singleShot(0, lambda: self._drawn(mark.id))

    def _drawn(self, number: int) -> None:
        self.settle()
        self.layer.mode = EDITING
        self.select([number])

    def _tell_features(self, key: str, _: Shown) -> None:
        """Someone edited napari's table of features: kind and keep are theirs to change."""
        rows = list(zip(self._written, self.layer.features["kind"], self.layer.features["keep"], strict=True))
        kinds: tuple[Kind, Kind] = ("plate", "face")
        for kind in kinds:
            ids = [mark.id for mark, said, _ in rows if said == kind and mark.detection.kind != kind]
            if ids:
                self.session.set_kind(key, ids, kind)
        for keep in (True, False):
            ids = [mark.id for mark, _, said in rows if bool(said) is keep and mark.detection.keep is not keep]
            if ids:
                self.session.set_keep(key, ids, keep)

    def _row(self, number: int) -> int:
        return [int(value) for value in self.layer.features["mark"]].index(number)
