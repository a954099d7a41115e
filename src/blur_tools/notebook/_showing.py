"""The picture under a session's cursor in a view: loaded, rendered and sent, and kept for a notebook."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Collection, Iterable
from typing import Any

from blur_tools.audit._files import FileMark
from blur_tools.audit._items import FINISHED
from blur_tools.audit._seen import Seen, is_searched
from blur_tools.audit.session import Decision, Item
from blur_tools.batch.rows import message
from blur_tools.detections import Box
from blur_tools.errors import BlurError, PictureError
from blur_tools.notebook._edits import Edits
from blur_tools.notebook._lane import Lane
from blur_tools.notebook._screen import jpeg, part
from blur_tools.notebook._still import Answered, Still, is_careful
from blur_tools.orientation import polygon_to_upright
from blur_tools.redaction.live import Redaction, Upright
from blur_tools.result import BlurResult
from blur_tools.settings import BlurSettings

__all__ = ["ALL_AFTER", "ALL_BEFORE", "Showing", "reason_of"]

ALL_BEFORE, ALL_AFTER = 100.0, 0.0
"""Where the divider stands when only one side is seen."""

SETTLES = 0.25
"""Seconds after the last change until the picture that a notebook keeps is made anew."""

AWAKE = 3
"""Views that hold pixels at once: a cell that is run again makes one more, and ipywidgets keeps each until `close`."""

_awake: list[weakref.ref[Showing]] = []
"""Those that hold pixels, the last one last."""


class Showing(Edits):
    """What is seen of the picture under the cursor.

    Attributes
    ----------
    only : collection of decisions or None
        Next and Back skip all others.
    answers : dict of str to Answered
        What engines said here, and to which settings, by the picture's key; gone once the detections are others'.
    unread : dict of str to str
        Pictures that could not be read here, and why.
    result : BlurResult or None
        What became of the picture elsewhere.
    """

    settings: BlurSettings
    auto: bool
    search: Callable[..., None]
    result: BlurResult | None
    _changed: Callable[[], None]

    def begin_showing(self, compares: bool) -> None:
        """Nothing is shown yet; `compares` is whether there is a side after."""
        self.only: Collection[Decision] | None = None
        self.answers: dict[str, Answered] = {}
        self.unread: dict[str, str] = {}
        self._shown: Seen | None = None
        self._rests = False
        self._file: FileMark | None = None
        self._here: str | None = None
        self._compares = compares
        self._loading = Lane()
        self._ready: dict[str, Seen] = {}
        self._redaction: Redaction | None = None
        self._still: Still | None = None
        self._still_of: BlurResult | None = None
        self._keeps_still = False
        self._soon: asyncio.TimerHandle | None = None
        self._box: Box | None = None
        self._number = 0
        self._step = 1

    @property
    def shown(self) -> Seen | None:
        """What is seen; read again where its pixels had to go. None while there is nothing to see."""
        self.wake()
        return self._shown

    def show(self, *, wait: bool = False) -> None:
        """Show the picture under the cursor; `wait` until it is there, and searched."""
        item = self.item
        self._here = None if item is None else item.key
        self._rests = False
        self._shown, self._redaction, self._still, self._box = None, None, None, None
        with self.view.hold_sync():
            self.view.turn += 1
            self.view.drawing, self.view.selected, self.view.marks, self.view.sides = "", [], [], []
            self.view.problem, self.view.still = "", b""
            self.view.title = "" if item is None else self._title(item)
        if item is None:
            self.say("There is no picture.")
        elif item.key in self._ready:
            self._put(item.key, self._ready[item.key], wait=wait)
        else:
            self._loading.start(
                # what is being prepared may be this one
                lambda: self._ready.get(item.key) or Seen.load(item.source),
                lambda shown, error: self._loaded(item, shown, error, wait),
                wait=wait,
            )
        self._changed()

    def leave(self) -> None:
        """Forget the pixels, since nobody looks; `show` begins anew."""
        self._forget()
        self._rests, self._here = False, None
        self.view.still = b""  # it would not follow what is marked meanwhile
        if self._soon is not None:
            self._soon.cancel()

    def rest(self) -> None:
        """Let go of the pixels, since others need the memory; whoever asks for them has them read again."""
        if self._shown is None:
            return
        if self._soon is not None:
            self._soon.cancel()
            self._put_still()
        self._rests, self._file = True, self._shown.file
        self._forget()

    def wake(self) -> None:
        """Read the pixels again, if they had to go."""
        if not self._rests:
            return
        self._rests = False
        item = self.item
        try:
            shown = None if item is None else Seen.load(item.source)
        except PictureError:
            shown = None  # why, is said when it is shown
        if item is None or shown is None:
            self.show()
        elif self._file is not None and self._file.differs(item.source) is not None:
            self._ready = {item.key: shown}
            self.show()  # nobody has seen this one
        else:
            self._shown = shown
            self._stay_awake()

    def _forget(self) -> None:
        self._shown, self._redaction, self._still, self._ready = None, None, None, {}
        self._loading.forget()

    def _stay_awake(self) -> None:
        others = [one for ref in _awake if (one := ref()) is not None and one is not self]
        kept = others[len(others) - (AWAKE - 1) :] if len(others) >= AWAKE else others
        _awake[:] = map(weakref.ref, [*kept, self])
        for one in others:
            if one not in kept:
                one.rest()

    def _title(self, item: Item) -> str:
        place = f"{self.session.position + 1} of {len(self.session)} · " if len(self.session) > 1 else ""
        return f"{place}{item.key}"

    def _loaded(self, item: Item, shown: Seen | None, error: Exception | None, wait: bool) -> None:
        if shown is None:
            self.safely(lambda: self.session.set_error(item.key, reason_of(error)))
            self.unread[item.key] = reason_of(error)
            if self._is_current(item.key):
                self.view.problem = f"{item.key}: {reason_of(error)}"
                self._changed()
            return
        if self._is_current(item.key):
            self._put(item.key, shown, wait=wait)

    def _put(self, key: str, shown: Seen, *, wait: bool) -> None:
        self._shown = shown
        self._ready = {key: shown}
        self._stay_awake()
        self.safely(lambda: self.session.note_file(key, shown.file))
        self.view.size = (shown.pixels.shape[1], shown.pixels.shape[0])
        self.refresh(before=True)
        item = self.session[key]
        if item.error:
            self.say(item.error)
            self.safely(lambda: self.session.set_error(key, ""))  # it can be shown by now
        if self.auto and not is_searched(item) and item.decision not in FINISHED:
            self.search(wait=wait)
        self._prepare()

    def _prepare(self) -> None:
        """Decode the next picture, so that it is there when it is asked for; only where a loop runs."""
        after = self._neighbour()
        if after is None or after.error or not self.view.seen or self._loading.busy:
            return

        def work() -> None:
            self._ready[after.key] = Seen.load(after.source)

        self._loading.start(work, lambda _, error: None)  # what is wrong is said when it is shown

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
        self._renew_still()

    def display(self) -> None:
        """Send what is to be seen, now that it is displayed: a page asks only when no cell runs."""
        self.view.seen = True
        self.refresh(before=True)

    def keep_still(self) -> None:
        """From now on let the notebook keep the redacted picture, as it stands after each change."""
        self._keeps_still = True
        self._put_still()

    def still(self) -> bytes | None:
        """The picture as a notebook may keep it: a JPEG with everything hidden that was found, whatever a person says.

        None where nothing was searched here, or less carefully than by default. A result is made of its own picture.

        Raises
        ------
        PictureError
            The result's picture cannot be read.
        """
        item, shown = self.item, self.shown
        if item is None or shown is None:
            return None
        answer = self.answers.get(item.key)
        if answer is not None:
            if not is_careful(answer.settings):
                return None
            if self._still is None or self._still_of is not None:
                self._still, self._still_of = Still(shown), None
            return self._still.jpeg([*item.detections, *answer.found, *answer.before], self.settings)
        if self.result is None or self.result.data is None:
            return None  # nobody knows how it was searched
        if self._still is None or self._still_of is not self.result:
            pixels = Upright.load(self.result.data).pixels if self._compares else None
            self._still, self._still_of = Still(shown, pixels), self.result
        return self._still.jpeg([*item.detections, *self.result.detections], self.settings)

    def _renew_still(self) -> None:
        if not self._keeps_still:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._put_still()
            return
        if self._soon is not None:
            self._soon.cancel()
        self._soon = loop.call_later(SETTLES, self._put_still)

    def _put_still(self) -> None:
        try:
            self.view.still = self.still() or b""
        except BlurError:
            self.view.still = b""

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
            facts = {"box": list(box), "sides": list(pictures), "number": self._number, "turn": self.view.turn}
            self.view.show("picture", facts, list(pictures.values()))


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
