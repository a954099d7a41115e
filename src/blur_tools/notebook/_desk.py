"""A session's pictures in a view, one at a time: searches them, and does what a person asks for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from blur_tools.audit._seen import Seen
from blur_tools.audit.actions import ACTIONS, HOLD
from blur_tools.audit.session import AuditSession
from blur_tools.batch.rows import message
from blur_tools.engines import Answer, Engine
from blur_tools.errors import BlurError
from blur_tools.notebook._edits import counted
from blur_tools.notebook._lane import Lane
from blur_tools.notebook._showing import ALL_AFTER, ALL_BEFORE, Showing
from blur_tools.notebook._still import Answered
from blur_tools.notebook._view import View, close_all
from blur_tools.result import BlurResult
from blur_tools.settings import DEFAULT_INTENSITY, BlurSettings

__all__ = ["Desk", "close_parts", "tools"]

HOW_TO_HIDE = ("effect", "shape", "margin", "feather", "logo", "copy_metadata", "copy_gps", "copy_serials", "render")
"""Settings that an engine is not asked again for."""

ANY_PICTURE = frozenset(("previous", "next", "toggle_marks", "toggle_labels", "toggle_preview"))
"""Actions that do nothing to a picture: they need not be meant for the one that is shown."""


class Desk(Showing):
    """Shows the picture under a session's cursor in a `View`.

    Parameters
    ----------
    session : AuditSession
        The queue and what is decided.
    engine : callable
        Gives the engine that is asked; what it raises is said.
    settings : BlurSettings
        What is looked for and how it is hidden.
    actions : collection of str
        Names of the `ACTIONS` that have a button.
    auto : bool
        Search each picture as it comes.
    clicks, split
        See `View`.
    compares : bool
        Whether there is a side after; False where the picture itself is a redacted one.
    result : BlurResult, optional
        What became of the picture elsewhere.
    changed : callable
        Told after each change.

    Attributes
    ----------
    only, answers
        See `Showing`.
    sample : SampleProgress or None
        What the review says so far, where it is one of a sample.
    """

    def __init__(
        self,
        session: AuditSession,
        engine: Callable[[], Engine],
        settings: BlurSettings,
        *,
        actions: Collection[str],
        auto: bool,
        clicks: str,
        split: float,
        compares: bool = True,
        result: BlurResult | None = None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.session = session
        self.engine = engine
        self.settings = settings
        self.auto = auto
        self.result = result
        self.view = View(self._hear, clicks=clicks, split=split, tools=tools(actions), show_words=clicks == "select")
        self._changed = changed
        self._searching = Lane()
        self.begin_showing(compares)
        self._awaited: str | None = None
        self._taking = False
        self.sample = session.sample_progress()
        self.view.observe(self._on_split, "split")
        self._unsubscribe = session.subscribe(self._on_session)

    # -- searching -------------------------------------------------------------------------------------------------

    def redraw(self, settings: BlurSettings) -> None:
        """Take over settings: search again where they ask for something else, else only render."""
        before, self.settings = self.settings, settings
        if question(before) != question(settings):
            self.ask_again()
        else:
            self._send()

    def ask_again(self) -> None:
        """Search where that replaces only what was found here, else say so: an answer may have been paid for."""
        item = self.item
        if item is None or self.shown is None:
            return
        if item.key in self.answers or (self.auto and not item.detected):
            self.search()
            return
        self._send()
        if item.detected:
            origin = "table" if self.result is None else "result"
            self.say(f"These detections came with the {origin}; Search replaces them.")

    def search(self, *, wait: bool = False) -> None:
        """Ask the engine what is in the picture that is shown; what a person did stays."""
        item, shown, settings = self.item, self.shown, self.settings
        if item is None or shown is None:
            return
        try:
            finder = self.engine()
        except BlurError as error:
            self._failed(error)
            return
        if not wait:
            self.say("Searching …")
        self._awaited = item.key
        self._searching.start(
            lambda: finder.detect(shown.picture, settings.or_default(DEFAULT_INTENSITY)),
            lambda answer, error: self._found(item.key, shown, finder.name, settings, answer, error),
            wait=wait,
        )

    def _found(
        self,
        key: str,
        shown: Seen,
        engine: str,
        settings: BlurSettings,
        answer: Answer | None,
        error: Exception | None,
    ) -> None:
        if not self._searching.busy:
            self._awaited = None
        if answer is None:
            if self._is_current(key):
                self._failed(error)
            return
        found, said = answer.detections, answer.warnings
        last = self.answers.get(key)
        before = (*self.session[key].detections, *(() if last is None else (*last.found, *last.before)))
        self.answers[key] = Answered(found, settings, tuple(dict.fromkeys(before)))
        self._taking = True
        try:
            taken = self.safely(
                lambda: self.session.set_detections(key, found, engine=engine, warnings=said, seen=shown.file)
            )
        finally:
            self._taking = False
        if taken is not None and self._is_current(key):
            plates, faces = counted(len(found.plates), "plate"), counted(len(found.faces), "face")
            self.say(" ".join([f"Found {plates} and {faces}.", *said]))

    def _failed(self, error: Exception | None) -> None:
        self.say(f"Not searched: {message(error) if error else 'no answer'}")
        self._send()
        self._changed()

    # -- what happens ----------------------------------------------------------------------------------------------

    def _on_session(self, key: str, what: str) -> None:
        if self.sample is not None:
            self.sample.note(key, what)
        if what == "detections" and not self._taking:
            self.answers.pop(key, None)  # they are not what was found here any more
        if what in ("detections", "edit", "undo", "redo") and self._is_current(key):
            self.refresh()
        if what in ("position", "order") and self._here not in (None, key):
            self.show()  # whoever moved the cursor: what is done here is done to the picture under it
        self._changed()

    def _on_split(self, change: Any) -> None:
        if change["old"] >= ALL_BEFORE > change["new"]:
            self._send()

    def _hear(self, do: str, content: Mapping[str, Any]) -> None:
        """Do what a page asks for; what it should not have sent is passed over."""
        if do == "ready":
            self.refresh(before=True)
            self._prepare()
            return
        self.wake()  # first: where another file has taken its place, what is asked for is meant for the one before
        if content.get("turn") != self.view.turn and not (do == "act" and content.get("name") in ANY_PICTURE):
            if do != "look":
                self.say("Not done: it was meant for the picture before.")
            return
        try:
            self._do(do, content)
        except BlurError as error:
            self.say(str(error))
        except (KeyError, TypeError, ValueError, OverflowError):
            return

    def _do(self, do: str, content: Mapping[str, Any]) -> None:
        if do == "look":
            left, top, right, bottom = map(float, content["box"])
            width, height = self.view.size
            if 0 <= left < right <= width + 1 and 0 <= top < bottom <= height + 1:
                self._box = (left, top, right, bottom)
                self._send(before=True)
        elif do == "act" and content["name"] in {action.name for action in ACTIONS}:
            getattr(self, content["name"])()
        elif do in ("toggle", "select", "add", "reshape", "draw"):
            self.edit(do, content)

    # -- going -----------------------------------------------------------------------------------------------------

    def _go(self, step: int) -> bool:
        self._step = step
        self.say("")
        moved = self.session.next(self.only) if step > 0 else self.session.previous(self.only)
        if moved is None:
            end = "last" if step > 0 else "first"
            self.say(f"This is the {end} picture{'' if self.only is None else ' of those that are listed'}.")
        return moved is not None

    def next(self) -> None:
        """Go to the next picture."""
        self._go(1)

    def previous(self) -> None:
        """Go to the picture before."""
        self._go(-1)

    def go(self, key: str) -> None:
        """Go to a picture that was chosen; one that could not be read is tried again."""
        self.say("")
        self._here = None  # shown below, once
        self.session.go(key)
        self.show()

    # -- deciding --------------------------------------------------------------------------------------------------

    def accept(self) -> None:
        """Note that all is marked, and go on."""
        item = self.item
        if item is None or not self._may_decide():
            return
        if self._awaited == item.key:
            self.say("The picture is still being searched.")
            return
        shown = self.shown
        seen = None if shown is None else shown.file
        if self.safely(lambda: self.session.decide(item.key, "accepted", seen=seen)) is None:
            if shown is not None and shown.is_replaced(item.source):
                why = self.view.status
                self._ready.pop(item.key, None)
                self.show()  # the file that is there now, which is searched anew
                self.say(why)
            return  # nothing is decided, so the person stays here
        unsearched = "" if item.detected else f"{item.key} was accepted, but nothing has searched it. "
        if not self._go(1):
            left = self.session.counts()["unreviewed"]
            self.say(f"{unsearched or 'Accepted. '}This was the last picture; {left} are not reviewed.")
        elif unsearched:
            self.say(unsearched)

    def flag(self) -> None:
        """Note that somebody must look again; once more takes it back."""
        item = self.item
        if item is None or not self._may_decide():
            return
        flagged = item.decision == "flagged"
        if self.safely(lambda: self.session.decide(item.key, "unreviewed" if flagged else "flagged")) is not None:
            self.say(f"{item.key} is {'no longer flagged' if flagged else 'flagged'}.")

    def _may_decide(self) -> bool:
        if self.shown is None:
            self.say("The picture is not shown, so nothing can be decided on it.")
            return False
        return True

    # -- seeing ----------------------------------------------------------------------------------------------------

    def toggle_marks(self) -> None:
        """Hide the marks, or show them."""
        self.view.show_marks = not self.view.show_marks

    def toggle_labels(self) -> None:
        """Hide the words at the marks, or show them."""
        self.view.show_words = not self.view.show_words

    def toggle_preview(self) -> None:
        """Show the picture as it will be saved, or as it is."""
        self.view.split = ALL_AFTER if self.view.split >= ALL_BEFORE else ALL_BEFORE

    def close(self) -> None:
        """Let go of the session, which stays open, and of all pixels."""
        self._unsubscribe()
        self.leave()
        self._searching.forget()
        self.result = None
        close_all(self.view)


def tools(names: Collection[str]) -> list[dict[str, Any]]:
    """Buttons of a view: those of the actions with these names, and the key that is held."""
    chosen = [action for action in ACTIONS if action.name in names]
    made: list[dict[str, Any]] = [
        {"name": a.name, "title": a.title, "key": a.key, "help": a.help, "once": a.name == "accept"} for a in chosen
    ]
    return [*made, {"name": HOLD.name, "title": HOLD.title, "key": HOLD.key, "help": HOLD.help, "hold": True}]


def question(settings: BlurSettings) -> BlurSettings:
    """What of the settings an engine is asked: all but how regions are hidden, and how strongly."""
    plain = BlurSettings()
    asked: dict[str, Any] = {name: -1 if getattr(settings, name) == -1 else 0 for name in ("plates", "faces")}
    asked |= {name: getattr(plain, name) for name in HOW_TO_HIDE}
    return replace(settings, **asked)


def close_parts(box: Any) -> None:
    """Close a box's desk and all widgets in it; the session stays open."""
    if hasattr(box, "desk"):  # else it was never made: something was wrong with what was asked for
        box.desk.close()
        for part in (*box.children, box.layout):
            close_all(part)
