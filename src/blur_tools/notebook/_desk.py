"""A session's pictures in a view, one at a time: loads, searches and renders them, and does what a person asks for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from blur_tools.audit.actions import ACTIONS, HOLD
from blur_tools.audit.session import AuditSession, Decision, Item
from blur_tools.batch.rows import message
from blur_tools.detections import Box, Detections
from blur_tools.engines import Answer, Engine
from blur_tools.errors import BlurError, PictureError
from blur_tools.notebook._edits import Edits, counted
from blur_tools.notebook._lane import Lane
from blur_tools.notebook._screen import STILL_LIMIT, STILL_SIDE, jpeg, part
from blur_tools.notebook._view import View
from blur_tools.orientation import polygon_to_upright
from blur_tools.redaction.live import Redaction, Upright
from blur_tools.settings import DEFAULT_INTENSITY, BlurSettings

__all__ = ["Desk", "tools"]

ALL_BEFORE, ALL_AFTER = 100.0, 0.0
"""Where the divider stands when only one side is seen."""

HOW_TO_HIDE = ("effect", "shape", "margin", "feather", "logo", "copy_metadata", "copy_gps", "copy_serials", "render")
"""Settings that an engine is not asked again for."""


class Desk(Edits):
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
    changed : callable
        Told after each change.

    Attributes
    ----------
    only : collection of decisions or None
        Next and Back skip all others.
    answers : dict of str to Detections
        What engines said here, by the picture's key.
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
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.session = session
        self.engine = engine
        self.settings = settings
        self.auto = auto
        self.only: Collection[Decision] | None = None
        self.shown: Upright | None = None
        self.answers: dict[str, Detections] = {}
        self.view = View(self._hear, clicks=clicks, split=split, tools=tools(actions), show_words=clicks == "select")
        self._changed = changed
        self._compares = compares
        self._loading, self._searching = Lane(), Lane()
        self._ready: dict[str, Upright] = {}
        self._redaction: Redaction | None = None
        self._box: Box | None = None
        self._number = 0
        self._step = 1
        self._awaited: str | None = None
        self.view.observe(self._on_split, "split")
        self._unsubscribe = session.subscribe(self._on_session)

    # -- showing ---------------------------------------------------------------------------------------------------

    def show(self, *, wait: bool = False) -> None:
        """Show the picture under the cursor; `wait` until it is there, and searched."""
        item = self.item
        self.shown, self._redaction, self._box = None, None, None
        with self.view.hold_sync():
            self.view.drawing, self.view.selected, self.view.marks, self.view.sides = "", [], [], []
            self.view.problem, self.view.still = "", b""
            self.view.title = "" if item is None else self._title(item)
        if item is None:
            self.say("There is no picture.")
        elif item.key in self._ready:
            self._put(item.key, self._ready[item.key], wait=wait)
        else:
            self._loading.start(
                lambda: Upright.load(item.source),
                lambda shown, error: self._loaded(item, shown, error, wait),
                wait=wait,
            )
        self._changed()

    def _title(self, item: Item) -> str:
        place = f"{self.session.position + 1} of {len(self.session)} · " if len(self.session) > 1 else ""
        return f"{place}{item.key}"

    def _loaded(self, item: Item, shown: Upright | None, error: Exception | None, wait: bool) -> None:
        if shown is None:
            self.safely(lambda: self.session.set_error(item.key, reason_of(error)))
            if self._is_current(item.key):
                self.view.problem = f"{item.key}: {reason_of(error)}"
                self._changed()
            return
        if self._is_current(item.key):
            self._put(item.key, shown, wait=wait)

    def _put(self, key: str, shown: Upright, *, wait: bool) -> None:
        self.shown = shown
        self._ready = {key: shown}
        self.view.size = (shown.pixels.shape[1], shown.pixels.shape[0])
        self.refresh(before=True)
        item = self.session[key]
        if item.error:
            self.say(item.error)
        if self.auto and not item.detected and not item.decision.startswith(("accepted", "edited")):
            self.search(wait=wait)
        self._prepare()

    def _prepare(self) -> None:
        """Decode the next picture, so that it is there when it is asked for; only where a loop runs."""
        after = self._neighbour()
        if after is None or after.error or not self.view.seen or self._loading.busy:
            return

        def done(shown: Upright | None, error: Exception | None) -> None:
            if shown is not None:
                self._ready[after.key] = shown

        self._loading.start(lambda: Upright.load(after.source), done)

    def _neighbour(self) -> Item | None:
        items = self.session.items
        ways = range(self.session.position + self._step, len(items) if self._step > 0 else -1, self._step)
        return next((items[n] for n in ways if self.only is None or items[n].decision in self.only), None)

    def _is_current(self, key: str) -> bool:
        return self.item is not None and self.item.key == key

    def refresh(self, *, before: bool = False) -> None:
        """Show the marks as the session has them, and the redacted picture with them."""
        item, shown = self.item, self.shown
        if item is None or shown is None:
            return
        known = [mark.id for mark in item.marks]
        with self.view.hold_sync():
            self.view.marks = [_mark_facts(mark.id, mark.detection, shown) for mark in item.marks]
            self.view.selected = [number for number in self.view.selected if number in known]
            two = self._compares and (item.detected or bool(item.marks))
            self.view.sides = ["before", "after"] if two else ["before"]
        texts = {mark.id: mark.detection.text for mark in item.marks if mark.detection.text}
        self.view.show("words", {"words": texts})
        self._send(before=before)

    def redraw(self, settings: BlurSettings) -> None:
        """Take over settings: search again where they ask for something else, else only render."""
        before, self.settings = self.settings, settings
        item = self.item
        if item is not None and self.shown is not None and self.auto and question(before) != question(settings):
            self.search()
        else:
            self._send()

    def display(self) -> None:
        """Send what is to be seen, now that it is displayed: a page asks only when no cell runs."""
        self.view.seen = True
        self.refresh(before=True)

    def hidden(self, detections: Detections, settings: BlurSettings) -> bytes | None:
        """The picture with `detections` hidden, as a JPEG that a notebook may keep; None where it is not shown."""
        if self.shown is None:
            return None
        redaction = Redaction(self.shown)
        redaction.update(detections, settings)
        return jpeg(part(redaction.pixels, self._whole, STILL_SIDE), STILL_LIMIT)

    @property
    def _whole(self) -> Box:
        return (0, 0, *self.view.size)

    def _send(self, *, before: bool = False) -> None:
        """Send what is seen: the redacted side, and the other where that changed."""
        item, shown = self.item, self.shown
        if not self.view.seen or item is None or shown is None:
            return
        box = self._box or self._whole
        pictures = {"before": jpeg(part(shown.pixels, box))} if before else {}
        if "after" in self.view.sides and self.view.split < ALL_BEFORE:
            try:
                self._redaction = self._redaction or Redaction(shown)
                self._redaction.update(item.detections, self.settings)
                pictures["after"] = jpeg(part(self._redaction.pixels, box))
            except BlurError as error:
                self.say(f"no preview: {error}")
        if pictures:
            self._number += 1
            facts = {"box": list(box), "sides": list(pictures), "number": self._number}
            self.view.show("picture", facts, list(pictures.values()))

    # -- searching -------------------------------------------------------------------------------------------------

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
            lambda answer, error: self._found(item.key, finder.name, answer, error),
            wait=wait,
        )

    def _found(self, key: str, engine: str, answer: Answer | None, error: Exception | None) -> None:
        if not self._searching.busy:
            self._awaited = None
        if answer is None:
            if self._is_current(key):
                self._failed(error)
            return
        found, said = answer.detections, answer.warnings
        self.answers[key] = found
        taken = self.safely(lambda: self.session.set_detections(key, found, engine=engine, warnings=said))
        if taken is not None and self._is_current(key):
            plates, faces = counted(len(found.plates), "plate"), counted(len(found.faces), "face")
            self.say(" ".join([f"Found {plates} and {faces}.", *said]))

    def _failed(self, error: Exception | None) -> None:
        self.say(f"Not searched: {message(error) if error else 'no answer'}")
        self._send()
        self._changed()

    # -- what happens ----------------------------------------------------------------------------------------------

    def _on_session(self, key: str, what: str) -> None:
        if what in ("detections", "edit", "undo", "redo") and self._is_current(key):
            self.refresh()
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
        moved = self.session.next(self.only) if step > 0 else self.session.previous(self.only)
        if moved is None:
            end = "last" if step > 0 else "first"
            self.say(f"This is the {end} picture{'' if self.only is None else ' of those that are listed'}.")
            return False
        self.say("")
        self.show()
        return True

    def next(self) -> None:
        """Go to the next picture."""
        self._go(1)

    def previous(self) -> None:
        """Go to the picture before."""
        self._go(-1)

    def go(self, key: str) -> None:
        """Go to a picture that was chosen."""
        self.session.go(key)
        self.say("")
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
        if self.safely(lambda: self.session.decide(item.key, "accepted")) is None:
            return  # it could not be written down, so the person stays here
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
        """Let go of the session, which stays open."""
        self._unsubscribe()
        self._loading.forget()
        self._searching.forget()
        self.view.close()


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


def reason_of(error: Exception | None) -> str:
    """Why, without the path: the person sees which picture it is."""
    return error.reason if isinstance(error, PictureError) else message(error) if error else "cannot be read"


def _mark_facts(number: int, detection: Any, shown: Upright) -> dict[str, Any]:
    points: Iterable[tuple[float, float]] = polygon_to_upright(detection.polygon, shown.size, shown.turn)
    return {
        "id": number,
        "kind": detection.kind,
        "score": None if detection.score is None else round(float(detection.score), 4),
        "keep": detection.keep,
        "polygon": [[round(x, 2), round(y, 2)] for x, y in points],
    }
