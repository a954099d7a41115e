"""Review in a notebook: a session's queue, gone through with the same keys as in napari."""

from __future__ import annotations

import getpass
from html import escape
from importlib import import_module
from typing import Any

import ipywidgets

from blur_tools.audit._progress import what_to_do
from blur_tools.audit.actions import ACTIONS, AS_IT_IS, FILTERS, ORDER_NAMES, SIGNS, UNSHOWN
from blur_tools.audit.session import AuditSession
from blur_tools.engines import Engine
from blur_tools.errors import BlurError
from blur_tools.notebook._desk import Desk, close_parts
from blur_tools.notebook._edits import counted
from blur_tools.notebook._engines import EngineChoice
from blur_tools.notebook._showing import ALL_BEFORE
from blur_tools.notebook._view import BOX
from blur_tools.settings import DEFAULT_INTENSITY, BlurSettings

__all__ = ["Review", "open_review"]

MARK_ACTIONS = ("add_plate", "add_face", "next_mark", "toggle_keep", "change_kind", "delete", "undo", "redo")


class Review(ipywidgets.VBox):
    """The pictures of a session, one at a time, for a person to look through, mend and decide on.

    Parameters
    ----------
    session : AuditSession
        The queue; it stays its maker's, and holds every edit at once.
    engine, settings
        Who searches what nobody has searched yet, and how a result looks (R shows it).

    Attributes
    ----------
    view : View
        The picture in the browser.
    desk : Desk
        What keys and buttons act on.
    """

    def __init__(
        self, session: AuditSession, *, engine: str | Engine | None = None, settings: BlurSettings | None = None
    ) -> None:
        self.session = session
        # first, since it can fail, and then no widget is left behind
        self.engines = EngineChoice(engine, lambda: None)
        style, layout = {"description_width": "initial"}, {"width": "auto"}
        self.reviewer = ipywidgets.Text(
            value=session.reviewer,
            # the account's name belongs into the journal, and not into the state that a notebook keeps
            placeholder="your account's name",
            description="reviewer",
            continuous_update=False,
            style=style,
            layout=layout,
        )
        session.reviewer = session.reviewer or _account()
        orders = [AS_IT_IS, *ORDER_NAMES]
        self.order = ipywidgets.Dropdown(options=orders, description="order", style=style, layout=layout)
        self.listing = ipywidgets.Dropdown(options=list(FILTERS), description="show", style=style, layout=layout)
        self.search = ipywidgets.Checkbox(
            value=True, description="find plates and faces on the way", indent=False, layout=layout
        )
        self.progress = ipywidgets.IntProgress(min=0, max=max(1, len(session)), layout={"width": "100%"})
        self.counts, self.about = ipywidgets.HTML(), ipywidgets.HTML()
        self.desk = Desk(
            session,
            self.engines.engine,
            (settings or BlurSettings()).or_default(DEFAULT_INTENSITY),
            actions={action.name for action in ACTIONS},
            auto=True,
            clicks="select",
            split=ALL_BEFORE,
            changed=self._show_state,
        )
        self.view = self.desk.view
        wrap = {"flex_flow": "row wrap", "grid_gap": "0 14px"}
        top = ipywidgets.HBox([self.reviewer, self.order, self.listing], layout=wrap)
        asked = ipywidgets.HBox([self.search, self.engines], layout=wrap)
        self.sample = None if self.desk.sample is None else ipywidgets.HTML()
        told = [self.counts] if self.sample is None else [self.counts, self.sample]
        super().__init__([top, asked, self.progress, *told, self.view, self.about])
        self.add_class(BOX)
        self.reviewer.observe(self._on_reviewer, "value")
        self.order.observe(self._on_order, "value")
        self.listing.observe(self._on_listing, "value")
        self.search.observe(self._on_search, "value")
        self.desk.show()
        self._show_state()

    def close(self) -> None:
        """Take the widgets away; the session stays open."""
        close_parts(self)
        super().close()

    def _on_reviewer(self, change: Any) -> None:
        self.session.reviewer = change["new"].strip() or _account()

    def _on_order(self, change: Any) -> None:
        order = ORDER_NAMES.get(change["new"])
        if order is None:
            return
        try:
            self.session.reorder(order)
        except BlurError as error:
            self.desk.say(str(error))
        else:
            self.desk.go(self.session[0].key)

    def _on_listing(self, change: Any) -> None:
        self.desk.only = FILTERS[change["new"]]
        item = self.session.current
        if item is not None and self.desk.only is not None and item.decision not in self.desk.only:
            first = next((one for one in self.session.items if one.decision in self.desk.only), None)
            if first is None:
                self.desk.say("There is no such picture.")
            else:
                self.desk.go(first.key)
        self._show_state()

    def _on_search(self, change: Any) -> None:
        self.desk.auto = change["new"]
        item = self.session.current
        if change["new"] and item is not None and not item.detected:
            self.desk.search()

    def _show_state(self) -> None:
        if not hasattr(self, "desk"):
            return
        counts = self.session.counts()
        done = len(self.session) - counts["unreviewed"]
        self.progress.value, self.progress.description = done, ""
        unseen = sum(bool(item.error) for item in self.session.items)
        words = [f"{done} of {len(self.session)} reviewed"]
        words += [f"{SIGNS[name]} {number} {name}" for name, number in counts.items()]
        words += [f"{UNSHOWN} {unseen} not readable"] if unseen else []
        self.counts.value = f'<div role="status">{escape("   ·   ".join(words))}</div>'
        self.about.value = f"<div>{escape(self._about())}</div>"
        if self.desk.sample is not None and self.sample is not None:
            self.sample.value = f"<div>{escape(self.desk.sample.text(self.desk.settings))}</div>"

    def _about(self) -> str:
        item = self.session.current
        if item is None or item.error:
            return "" if item is None else item.error
        found = f"{counted(len(item.detections.plates), 'plate')}, {counted(len(item.detections.faces), 'face')}"
        said = found if item.detected else f"not searched, {found} marked"
        return f"{SIGNS[item.decision]} {item.decision}: {said}.{what_to_do(item, self.desk.sample)}"

    def __repr__(self) -> str:
        return f"<Review of {self.session!r}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        self.desk.display()
        return {**(super()._repr_mimebundle_(**kwargs) or {}), "text/plain": repr(self)}


def _account() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # an account without a name, as in containers
        return ""


def open_review(session: AuditSession) -> Review:
    """Show a session in the cell that runs."""
    made = Review(session)
    import_module("IPython.display").display(made)
    return made
