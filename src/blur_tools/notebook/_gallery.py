"""`df.blur.preview()`: the pictures of a table, page by page; a click opens one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets

from blur_tools._cores import available_cores
from blur_tools.audit.actions import FILTERS, SIGNS, UNSHOWN
from blur_tools.audit.session import AuditSession, Item
from blur_tools.batch.runner import run_ordered
from blur_tools.engines import Engine, as_engine
from blur_tools.errors import BlurError
from blur_tools.notebook._edits import counted
from blur_tools.notebook._lane import Lane
from blur_tools.notebook._preview import Preview
from blur_tools.notebook._screen import jpeg
from blur_tools.notebook._showing import reason_of
from blur_tools.notebook._view import BOX, View, close_all
from blur_tools.orientation import polygon_to_upright, upright_size
from blur_tools.picture import load_thumbnail
from blur_tools.settings import BlurSettings

__all__ = ["Gallery"]

THUMB_SIDE, THUMB_LIMIT = 240, 18_000
"""Longest side in pixels and most bytes of a thumbnail."""

ORDERS: dict[str, Callable[[Item], Any] | None] = {
    "as in the table": None,
    "riskiest first": lambda item: -item.risk,
    "by name": lambda item: item.key.split("/"),
    "most found first": lambda item: -len(item.marks),
}

LISTED: dict[str, Callable[[Item], bool]] = {
    "failed": lambda item: bool(item.error),
    "with plates": lambda item: bool(item.detections.plates),
    "with faces": lambda item: bool(item.detections.faces),
    "nothing found": lambda item: item.detected and not item.marks,
    "not searched": lambda item: not item.detected and not item.error,
}
"""What can be listed beside what `FILTERS` names."""


class Gallery(ipywidgets.VBox):
    """Pages of thumbnails, with what was found in each picture; a click opens one in a `Preview`.

    Thumbnails are made when their page is seen, and go out as `View` says: no notebook keeps them.

    Parameters
    ----------
    session : AuditSession
        The pictures; edits made in the preview are in its ``to_frame()``.
    engine, settings
        For the preview.
    per_page : int
        Pictures a page.

    Attributes
    ----------
    view : View
        The page in the browser.
    listing, order : ipywidgets.Dropdown
        What is listed and how.
    """

    def __init__(
        self,
        session: AuditSession,
        *,
        engine: str | Engine | None = None,
        settings: BlurSettings | None = None,
        per_page: int = 24,
    ) -> None:
        if engine is not None:
            as_engine(engine)  # what cannot work is said where it was asked for
        self.session = session
        self._preview: Preview | None = None
        self._per_page = per_page
        self._asked = (engine, settings)
        self._lane = Lane()
        # the queue is ordered by path; the table has its own order
        self._rows = list(dict.fromkeys(key for key in session._rows() if key is not None))
        self._keys: list[str] = []
        style, layout = {"description_width": "initial"}, {"width": "auto"}
        self.listing = ipywidgets.Dropdown(options=[*FILTERS, *LISTED], description="show", style=style, layout=layout)
        self.order = ipywidgets.Dropdown(options=list(ORDERS), description="order", style=style, layout=layout)
        self.back = ipywidgets.Button(description="Back to all pictures", icon="arrow-left", layout=layout)
        self.view = View(self._hear, kind="gallery")
        self._bar = ipywidgets.HBox([self.listing, self.order], layout={"flex_flow": "row wrap", "grid_gap": "0 14px"})
        self.listing.observe(lambda _: self._list(), "value")
        self.order.observe(lambda _: self._list(), "value")
        self.back.on_click(lambda _: self.show_all())
        super().__init__([self._bar, self.view])
        self.add_class(BOX)
        self._list()

    @property
    def page(self) -> int:
        """The page that is seen, from 0."""
        return self.view.page

    @page.setter
    def page(self, number: int) -> None:
        self._show(max(0, min(number, self.view.pages - 1)))

    @property
    def opened(self) -> Preview | None:
        """The preview, while a picture is open in it."""
        return self._preview if self._preview in self.children else None

    def open_picture(self, key: str) -> Preview:
        """Open one picture in place of the page; the settings are those that the one before was left with.

        Raises
        ------
        AuditError
            There is no such picture.
        SettingsError
            The engine cannot be made.
        """
        if self._preview is None:
            self.session.go(key)
            engine, settings = self._asked
            self._preview = Preview(self.session, engine=engine, settings=settings)
        else:
            self._preview.desk.leave()
            self.session.go(key)
            self._preview.show(wait=True)
        self.children = (self.back, self._preview)
        self._preview.view.seen = self.view.seen
        self._preview.view.show("focus", {})
        return self._preview

    def show_all(self) -> None:
        """Go back to the page."""
        if self._preview is not None:
            self._preview.desk.leave()
        self.children = (self._bar, self.view)
        self._list(self.view.page)
        current = self.session.current
        if current is not None:
            self.view.show("focus", {"key": current.key})

    def close(self) -> None:
        """Take the widgets away, and let go of the picture; the session stays open."""
        if hasattr(self, "_bar"):  # else it was never made: something was wrong with what was asked for
            self._lane.forget()
            for part in (self._bar, self.back, self.view, self._preview, self.layout):
                close_all(part)
        super().close()

    # -- the page ----------------------------------------------------------------------------------------------------

    def _list(self, page: int = 0) -> None:
        name, rank = self.listing.value, ORDERS[self.order.value]
        items = [item for item in map(self.session.__getitem__, self._rows) if _is_listed(item, name)]
        if rank is not None:
            items.sort(key=rank)
        self._keys = [item.key for item in items]
        self.view.pages = max(1, -(-len(items) // self._per_page))
        self._show(min(page, self.view.pages - 1))

    def _show(self, page: int) -> None:
        self._lane.forget()
        keys = self._on_page(page)
        with self.view.hold_sync():
            self.view.page = page
            self.view.cells = [_cell(self.session[key]) for key in keys]
            self.view.status = self._summary()

    def _on_page(self, page: int) -> list[str]:
        return self._keys[page * self._per_page : (page + 1) * self._per_page]

    def _summary(self) -> str:
        items = self.session.items
        plates = sum(mark.detection.kind == "plate" for item in items for mark in item.marks)
        faces = sum(len(item.marks) for item in items) - plates
        failed = sum(bool(item.error) for item in items)
        words = [counted(len(items), "picture"), counted(plates, "plate"), counted(faces, "face")]
        counts = self.session.counts()
        decided = [f"{number} {name}" for name, number in counts.items() if number and name != "unreviewed"]
        words += [*([f"{failed} failed"] if failed else []), *decided]
        listed = "" if len(self._keys) == len(items) else f"{len(self._keys):,} listed of "
        return listed + " · ".join(words)

    def _send_thumbs(self) -> None:
        items = [self.session[key] for key in self._on_page(self.view.page)]
        keys = [item.key for item in items]
        unread = {} if self._preview is None else self._preview.desk.unread
        doubted = {item.key for item in items if item.error and item.error == unread.get(item.key)}

        def work() -> set[str]:
            readable = set()
            for facts, data in run_ordered(_thumb, items, available_cores()):
                if keys != self._on_page(self.view.page):
                    break  # a person is faster
                if data and facts["key"] in doubted:
                    readable.add(facts["key"])  # its cell is made anew
                else:
                    self.view.show("thumb", facts, [data] if data and "error" not in facts else [])
            return readable

        self._lane.start(work, self._on_thumbs)

    def _on_thumbs(self, readable: set[str] | None, error: Exception | None) -> None:
        """Take back that pictures could not be read where they can be by now."""
        try:
            for key in readable or ():
                self.session.set_error(key, "")
        except BlurError as refused:
            error = refused
        if readable and error is None:
            self._show(self.view.page)
        if error is not None:
            self.view.status = f"No thumbnails: {reason_of(error)}"

    def _hear(self, do: str, content: Mapping[str, Any]) -> None:
        # what a page sends is not believed
        if do == "thumbs":
            self._send_thumbs()
        elif do == "page" and isinstance(content.get("page"), int):
            self.page = content["page"]
        elif do == "open" and isinstance(content.get("key"), str) and content["key"] in self.session:
            try:
                self.open_picture(content["key"])
            except BlurError as error:
                self.view.status = f"Not opened: {error}"

    def __repr__(self) -> str:
        return f"<Gallery: {self._summary()}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        self.view.seen = True
        self._send_thumbs()
        return {**(super()._repr_mimebundle_(**kwargs) or {}), "text/plain": repr(self)}


def _is_listed(item: Item, name: str) -> bool:
    if name in LISTED:
        return LISTED[name](item)
    only = FILTERS[name]
    return only is None or item.decision in only


def _cell(item: Item) -> dict[str, Any]:
    found = f"{counted(len(item.detections.plates), 'plate')}, {counted(len(item.detections.faces), 'face')}"
    words = "failed" if item.error else found if item.detected or item.marks else "not searched"
    risk = f" · risk {item.risk:.2f}" if item.risk >= 0.005 and not item.error else ""
    return {
        "key": item.key,
        "sign": UNSHOWN if item.error else SIGNS[item.decision],
        "decision": item.decision,
        "words": words + risk,
        "error": item.error,
    }


def _thumb(item: Item) -> tuple[dict[str, Any], bytes | None]:
    """What a browser is told of one picture, and its thumbnail where it is readable; of a broken one, why."""
    try:
        small = load_thumbnail(item.source, THUMB_SIDE)
        data = jpeg(small.image, THUMB_LIMIT)
    except Exception as error:
        return {"key": item.key, "error": item.error or reason_of(error)}, None
    if item.error:
        return {"key": item.key, "error": item.error}, data
    outlines = [polygon_to_upright(one.polygon, small.size, small.orientation) for one in item.detections]
    marks = [
        {"kind": one.kind, "keep": one.keep, "polygon": [[round(x, 1), round(y, 1)] for x, y in outline]}
        for one, outline in zip(item.detections, outlines, strict=True)
    ]
    return {"key": item.key, "size": list(upright_size(small.size, small.orientation)), "marks": marks}, data
