"""A session on a viewer: shows its pictures, prepares the next ones, and does what keys and buttons ask for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import Any

from qtpy.QtCore import QTimer

from blur_tools.audit.session import AuditSession, Decision, Item
from blur_tools.napari._on_the_way import OnTheWay, reason_of
from blur_tools.napari._panel import counted
from blur_tools.napari._pictures import Shown, frame_at, load_shown
from blur_tools.napari._stage import Stage
from blur_tools.napari._window import Window
from blur_tools.napari._work import Lane

__all__ = ["Desk"]

logger = logging.getLogger("blur_tools")

AFTER_PAINT = 40
"""Milliseconds after which the next pictures are decoded: the one that was asked for is drawn first."""


class Desk(OnTheWay):
    """The pictures of a session, one at a time.

    Parameters
    ----------
    window : Window
        What the panels share.
    session : AuditSession
        The queue and what is decided.
    image : napari.layers.Image, optional
        Somebody else's layer that shows the pictures already.
    load : callable
        Gives what is shown of an item; runs in a thread.
    auto : bool
        Search each picture as it comes, and the next one before it comes.

    Attributes
    ----------
    only : collection of decisions or None
        Next and Back skip all others.
    frames : mapping of key to int
        Of a layer of somebody else's: which of its frames a picture is.
    sample : SampleProgress or None
        What the review says so far, where it is one of a sample.
    """

    def __init__(
        self,
        window: Window,
        session: AuditSession,
        *,
        image: Any = None,
        load: Callable[[Item], Shown] = lambda item: load_shown(item.source),
        auto: bool = True,
    ) -> None:
        self.window = window
        self.session = session
        self.load = load
        self.only: Collection[Decision] | None = None
        self.frames: dict[str, int] = {}
        self.stage = Stage(window.viewer, session, window.say, image, alive=lambda: window.alive)
        self._ready: dict[str, Shown] = {}
        self._loading = Lane(lambda: window.alive)
        self.begin_search(auto)
        self._step = 1
        self.sample = session.sample_progress()
        self._unsubscribe = session.subscribe(self._on_session)

    # -- showing ---------------------------------------------------------------------------------------------------

    @property
    def in_work(self) -> list[Item]:
        """What Detect and Save of the Blur panel mean: all frames of a layer; of a queue the picture that is seen."""
        return list(self.session.items) if self.frames else [] if self.item is None else [self.item]

    def follow_frame(self) -> None:
        """Show the frame that a person moved to with napari's slider."""
        image = self.stage.image
        if not self.frames or image not in self.window.viewer.layers or image.ndim < 3:
            return
        frame = frame_at(image, self.window.viewer.dims.point)
        key = next((key for key, number in self.frames.items() if number == frame), None)
        if key is not None and (self.item is None or self.item.key != key):
            if not self.settled():
                # what is drawn belongs to the frame on which it was begun
                QTimer.singleShot(AFTER_PAINT, self._follow_later)
                return
            self.session.go(key)
            if self in self.window.desks:
                self.show()

    def _follow_later(self) -> None:
        if self.window.alive and self in self.window.desks:
            self.follow_frame()

    def show(self, tell: bool = True) -> None:
        """Show the picture under the cursor, at once if it is prepared, and prepare its neighbours."""
        item = self.item
        if item is None:
            self.window.say("There is no picture to look at.")
            return
        self.stage.settings = self.window.settings
        self.pass_by(item)
        if self.frames and self.stage.image.ndim == 3:
            dims, image = self.window.viewer.dims, self.stage.image
            if frame_at(image, dims.point) != self.frames[item.key]:
                dims.set_point(dims.ndim - 3, float(image.data_to_world((self.frames[item.key], 0, 0))[-3]))
        shown = self._ready.get(item.key)
        if shown is not None:
            if not (self.is_shown and self.stage.shown is shown):
                self.stage.show(item.key, shown)
                self.window.bind_keys()
        elif item.error:
            self._skip(item)
            return
        else:
            self.stage.wait(item.key)
        if tell:
            self._say_where(item)
        QTimer.singleShot(AFTER_PAINT, self._prepare_later)

    def _prepare_later(self) -> None:
        if self.window.alive and self in self.window.desks:
            self.prepare()

    def _skip(self, item: Item) -> None:
        """Say why a picture cannot be shown, and go on in the direction in which the person went."""
        skipped = 1
        while (after := self._move(self._step)) is not None and after.error:
            skipped += 1
        more = f", and {counted(skipped - 1, 'more picture')} with it" if skipped > 1 else ""
        self.window.warn(f"{item.key} is skipped: {item.error}{more}")
        if after is not None:
            self.show()
        elif self.item is not None:
            self.stage.show(self.item.key, None)
            self.window.say(f"{self.item.key} cannot be shown: {self.item.error}")

    def _say_where(self, item: Item) -> None:
        self.window.say(f"{self.session.position + 1} of {len(self.session)}: {item.key}")

    # -- preparing what comes next ---------------------------------------------------------------------------------

    def neighbours(self) -> list[Item]:
        """The picture under the cursor, those after it that come next, and the one before."""
        items, position = self.session.items, self.session.position
        after, before = range(position + 1, len(items)), range(position - 1, -1, -1)
        near = [next((items[place] for place in way if self._is_listed(items[place])), None) for way in (after, before)]
        return [*items[position : position + 1], *(item for item in near if item is not None)]

    def _is_listed(self, item: Item) -> bool:
        return self.only is None or item.decision in self.only

    def prepare(self) -> None:
        """Decode, and search, what is needed next: the current picture, then the next, then the one before."""
        near = self.neighbours()
        keys = {item.key for item in near}
        self._ready = {key: shown for key, shown in self._ready.items() if key in keys}
        if not self._loading.busy:
            item = next((item for item in near if item.key not in self._ready and not item.error), None)
            if item is not None:
                self._start_loading(item)
        self.search_next(near[:2], self._ready)

    def _start_loading(self, item: Item) -> None:
        load = self.load

        def done(shown: Shown | None, error: Exception | None) -> None:
            if shown is not None:
                self._ready[item.key] = shown
                if self.safely(lambda: self.session.note_file(item.key, shown.file)) is None:
                    return
            elif self.safely(lambda: self.session.set_error(item.key, reason_of(error))) is None:
                return  # the review cannot be written: asking again would not end
            if self.item is not None and self.item.key == item.key:
                self.show(tell=False)
            else:
                self.prepare()

        self._loading.start(lambda: load(item), done)

    def _on_session(self, key: str, what: str) -> None:
        if self.sample is not None:
            self.sample.note(key, what)
        if key == self.stage.marks.key and what in ("detections", "edit", "undo", "redo"):
            # an edit comes out of the layer itself, which is written anew when napari is done with it
            if what == "edit":
                self.stage.update_preview()
            else:
                self.stage.refresh()
        self.window.changed()

    # -- going -----------------------------------------------------------------------------------------------------

    def _move(self, step: int) -> Item | None:
        return self.session.next(self.only) if step > 0 else self.session.previous(self.only)

    def _go(self, step: int) -> bool:
        if not self.settled():
            return False
        self._step = step
        if self._move(step) is None:
            end = "last" if step > 0 else "first"
            self.window.say(f"This is the {end} picture{'' if self.only is None else ' of those that are listed'}.")
            return False
        self.show()
        return True

    def next(self) -> None:
        """Go to the next picture."""
        self._go(1)

    def previous(self) -> None:
        """Go to the picture before."""
        self._go(-1)

    def go(self, key: str) -> None:
        """Go to a picture that was clicked in the list."""
        if not self.settled():
            return
        self._step = 1
        self.try_again(key)
        self.session.go(key)
        item = self.session[key]
        if item.error:
            self.safely(lambda: self.session.set_error(key, ""))  # it may be there by now
        self.show()

    # -- deciding --------------------------------------------------------------------------------------------------

    def accept(self) -> None:
        """Note that all is marked, and go on."""
        item = self.item
        if item is None or not self._may_decide() or not self._is_searched(item):
            return
        shown = self.stage.shown
        seen = None if shown is None else shown.file
        if self.safely(lambda: self.session.decide(item.key, "accepted", seen=seen)) is None:
            if shown is not None and shown.is_replaced(item.source):
                self._look_again(item.key)
            return  # it could not be written down, so the person stays here
        unsearched = "" if item.detected else f"{item.key} was accepted, but nothing has searched it. "
        if not self._go(1):
            left = self.session.counts()["unreviewed"]
            self.window.say(f"{unsearched or 'Accepted. '}This was the last picture; {left} are not reviewed.")
        elif unsearched:
            self.window.say(f"{unsearched}{self.window.status}")

    def _look_again(self, key: str) -> None:
        """Another file has taken the place of the one that is shown: show that one, and search it."""
        self._ready.pop(key, None)
        self.try_again(key)
        self.pass_by(self.session[key])
        self.show(tell=False)

    def flag(self) -> None:
        """Note that somebody must look again; once more takes it back."""
        item = self.item
        if item is None or not self._may_decide():
            return
        flagged = item.decision == "flagged"
        if self.safely(lambda: self.session.decide(item.key, "unreviewed" if flagged else "flagged")) is not None:
            self.window.say(f"{item.key} is {'no longer flagged' if flagged else 'flagged'}.")

    def _may_decide(self) -> bool:
        if not self.settled():
            return False
        if not self.is_shown:
            self.window.say("The picture is not shown yet.")
            return False
        return True

    def _is_searched(self, item: Item) -> bool:
        """Whether what an answer that is still to come says can no longer take an acceptance back."""
        if self.searched_key == item.key:
            self.window.say("The picture is still being searched.")
        elif item.key in self.window.jobs.left_of(self):
            self.window.say("The picture is among those that are being searched; wait for it, or press Cancel.")
        elif self.auto and not item.detected and not self.has_failed(item.key):
            self.window.say("The picture is not searched yet; it is the next one.")
        else:
            return True
        return False

    # -- seeing ----------------------------------------------------------------------------------------------------

    def toggle_marks(self) -> None:
        """Hide the marks, or show them."""
        self.stage.marks.layer.visible = not self.stage.marks.layer.visible

    def toggle_labels(self) -> None:
        """Hide the words at the marks, or show them."""
        self.stage.marks.toggle_words()

    def toggle_preview(self) -> None:
        """Show the picture as it will be saved, or as it is."""
        self.stage.settings = self.window.settings
        self.stage.set_preview(not self.stage.preview_on)
        self.window.bind_keys()

    def close(self) -> None:
        """Take our layers away; the session stays open."""
        self._unsubscribe()
        self._loading.forget()
        self._searching.forget()
        self.stage.close()
