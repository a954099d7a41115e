"""The Audit panel: a queue of pictures that a person goes through with the keyboard."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from magicgui.widgets import CheckBox, ComboBox, Container, LineEdit, ProgressBar
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFileDialog, QMessageBox

from blur_tools.audit._opening import JOURNAL_NAME
from blur_tools.audit._progress import what_to_do
from blur_tools.audit.actions import AS_IT_IS, FILTERS, HOLD, ORDER_NAMES, SIGNS
from blur_tools.audit.session import AuditSession
from blur_tools.detections import Kind
from blur_tools.errors import BlurError, JournalError
from blur_tools.napari._desk import Desk
from blur_tools.napari._jobs import OPENING, export_session, save_session, search_rest
from blur_tools.napari._keys import PLUGIN, plugin_option
from blur_tools.napari._on_the_way import ON_THE_WAY
from blur_tools.napari._panel import (
    JobBar,
    action_buttons,
    button,
    counted,
    fields,
    row,
    shown_key,
    status_line,
    until_gone,
)
from blur_tools.napari._queue import QueueView
from blur_tools.napari._window import close_dead, window_of
from blur_tools.napari._words import plain

__all__ = ["PANEL", "AuditWidget", "audit_panel"]

PANEL = "Audit"

QUEUE_AT = 4
"""Row of the panel that the list stands in."""

LOOKING, AFTER_LOOKING = 0.03, 30
"""Seconds that one look at earlier decisions on a sample takes at most, and milliseconds until the next."""

KINDS_SHOWN: dict[str, tuple[Kind, ...]] = {"all": (), "plates": ("face",), "faces": ("plate",)}
"""Which marks are seen: by name, the kinds that are not."""


class AuditWidget(Container[Any]):
    """The panel.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Where pictures are shown.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(labels=False)
        self.window = window_of(napari_viewer)
        self.folder = button("Open folder…", "Review all pictures of a folder", self._choose_folder)
        self.saved = button("Open saved…", "Go on with a review that was begun", self._choose_journal)
        self.reviewer = LineEdit(label="reviewer", value=_reviewer(), tooltip="Who decides")
        self.order = ComboBox(label="order", choices=[AS_IT_IS, *ORDER_NAMES], value=AS_IT_IS)
        self._ordered: AuditSession | None = None
        self.filter = ComboBox(label="show", choices=list(FILTERS), value="all")
        self.kinds = ComboBox(label="marks", choices=list(KINDS_SHOWN), value="all")
        self.search = CheckBox(text=ON_THE_WAY, value=plugin_option("audit", "search", True))
        self.search.tooltip = "Search each picture before it comes, with the engine and settings of the Blur panel"
        self.queue = QueueView(self._on_chosen)
        self.progress = ProgressBar(min=0, max=1, value=0)
        # magicgui lets it be squeezed to nothing in a low window
        self.progress.native.setMinimumHeight(self.progress.native.sizeHint().height())
        self.counts, self.sample, self.about, self.status = (status_line() for _ in range(4))
        self.bar = JobBar(self.window)
        self.gone = False
        self.extend(self._rows())
        self.native.layout().insertWidget(QUEUE_AT, self.queue, 1)
        self.order.changed.connect(self._on_order)
        self.filter.changed.connect(self._on_filter)
        self.kinds.changed.connect(self._on_kinds)
        self.reviewer.changed.connect(self._on_reviewer)
        self.search.changed.connect(self._on_search)
        for field in (self.order, self.filter, self.kinds):
            field.changed.connect(self._back_to_picture)
        until_gone(self.native, self.window.observe(self.show_state), self._on_gone)
        self.show_state()

    def _rows(self) -> list[Any]:
        act = self.window
        return [
            row(self.folder, self.saved),
            fields(self.reviewer, self.kinds),
            fields(self.order, self.filter),
            self.search,
            self.progress,
            self.counts,
            self.sample,
            self.about,
            action_buttons(act, ("accept", "flag")),
            action_buttons(act, ("previous", "next")),
            action_buttons(act, ("add_plate", "add_face", "next_mark")),
            action_buttons(act, ("toggle_keep", "change_kind", "delete")),
            action_buttons(act, ("undo", "redo")),
            action_buttons(act, ("toggle_marks", "toggle_labels", "toggle_preview")),
            row(
                button("Find in the rest", "Search every picture that was not searched yet", lambda: search_rest(act)),
                button("Save results…", "Write the accepted pictures, redacted", self._choose_out),
                button("Export…", "Write all detections as .blur.json or COCO", self._choose_export),
            ),
            self.bar,
            self.status,
            status_line(f"D pulls corners, S moves. Hold {shown_key(self.window.keys[HOLD.name])}: original."),
        ]

    def _on_gone(self) -> None:
        self.gone = True

    @property
    def session(self) -> AuditSession | None:
        """What is gone through."""
        return None if self.window.desk is None else self.window.desk.session

    @property
    def viewer(self) -> Any:
        """The window that shows it."""
        return self.window.viewer

    # -- opening -------------------------------------------------------------------------------------------------

    def open(self, session: AuditSession) -> None:
        """Go through a session; the one before is no longer shown, and stays as it is."""
        for desk in [desk for desk in self.window.desks if not desk.frames]:
            self.window.drop(desk)
        if session is not self.window.own:
            self.window.given.add(session)
        if session.reviewer:
            self.reviewer.value = session.reviewer
        else:
            session.reviewer = self.reviewer.value
        desk = Desk(self.window, session, auto=self.search.value)
        desk.only = FILTERS[self.filter.value]
        desk.stage.marks.hidden_kinds = set(KINDS_SHOWN[self.kinds.value])
        self.window.put(desk)
        desk.show()
        self.window.bind_keys()

    def open_folder(self, folder: str | os.PathLike[str]) -> None:
        """Review a folder; what is wrong with it is said."""
        reviewer = self.reviewer.value
        self.open_session(lambda: AuditSession.open(folder, reviewer=reviewer), folder)

    def open_journal(self, path: str | os.PathLike[str]) -> None:
        """Go on with a review that was begun; what is wrong with it is said.

        A journal can name any file and URL. What is outside its folder is read only when the person says so.
        """
        reviewer = self.reviewer.value

        def resume(elsewhere: bool) -> Callable[[], AuditSession]:
            return lambda: AuditSession.resume(path, reviewer=reviewer, elsewhere=elsewhere)

        self.open_session(resume(False), path, resume(True))

    def open_session(
        self,
        make: Callable[[], AuditSession],
        place: str | os.PathLike[str] | None = None,
        trusted: Callable[[], AuditSession] | None = None,
    ) -> None:
        """Make a session in a thread and go through it; then the one that this panel made before is closed.

        Parameters
        ----------
        make : callable
            Gives the session.
        place : path, optional
            Its folder or journal: when that is the one of the session before, that is closed first, since a journal
            has one writer.
        trusted : callable, optional
            Gives it with the pictures that `make` leaves out, for who trusts them.
        """
        if self.window.desk is not None and not self.window.desk.settled():
            return
        running = self.window.jobs.current
        ends = running is not None and any(running.owner is desk for desk in self._own_desks())
        if not ends and not self.window.is_free(OPENING):
            return
        if place is not None and self._is_own(place):
            self._close_own()
        close_dead()
        self.window.jobs.start(
            OPENING,
            1,
            lambda: self.window.opening.steps(make),
            lambda made: self._on_made(made, trusted),
            self._on_not_made,
            on_late=self.window.opening.drop,
        )
        self.window.say("Opening …")

    def _on_made(self, made: AuditSession | BlurError, trusted: Callable[[], AuditSession] | None) -> None:
        if self.gone:
            self.window.opening.drop(made)
        elif isinstance(made, AuditSession):
            self._when_settled(lambda: self._show_made(made, trusted), lambda: self.window.opening.drop(made))
        else:
            known = self._open_already(made.journal) if isinstance(made, JournalError) else None
            if known is None:
                self.window.warn(str(made))
            else:
                self._when_settled(lambda: self.open(known), lambda: None)

    def _on_not_made(self, reason: str) -> None:
        if reason and not self.gone:
            self.window.warn(reason)

    def _when_settled(self, then: Callable[[], None], otherwise: Callable[[], None]) -> None:
        """Do something that takes the picture away, once no mark is held; `otherwise` if the panel goes before."""
        if not self.window.alive or self.gone:
            otherwise()
        elif self.window.desk is not None and not self.window.desk.settled():
            # a mark that a person holds is nowhere but in the layer that would go
            QTimer.singleShot(100, lambda: self._when_settled(then, otherwise))
        else:
            then()

    def _show_made(self, made: AuditSession, trusted: Callable[[], AuditSession] | None) -> None:
        if not self.window.opening.take(made):
            return  # something else is being opened by now
        if made.unread and trusted is not None:
            trusts = self._trusts(made.unread)
            if not self.window.alive or self.gone:
                made.close()
                return
            if trusts:
                made.close()
                self.open_session(trusted)
                return
        self._close_own()
        self.window.own = made
        self.open(made)

    def _trusts(self, unread: Sequence[str]) -> bool:
        more = f" and {counted(len(unread) - 1, 'other')}" if len(unread) > 1 else ""
        text = (
            f"This review is of pictures outside the folder of its own file: {plain(unread[0], 200)}{more}. Reading "
            "them, or fetching them from the network, is safe only if you trust whoever made it. Read them?"
        )
        yes, no = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No
        return bool(QMessageBox.question(self.native, "Pictures from elsewhere", text, yes | no, no) == yes)

    def _own_desks(self) -> list[Desk]:
        return [desk for desk in self.window.desks if desk.session is self.window.own]

    def _is_own(self, place: str | os.PathLike[str]) -> bool:
        """Whether the review that this panel made has the journal at a place, or that of a folder."""
        journal = None if self.window.own is None else self.window.own.journal
        asked = os.path.join(place, JOURNAL_NAME) if os.path.isdir(place) else place
        return journal is not None and os.path.realpath(asked) == os.path.realpath(journal)

    def _close_own(self) -> None:
        for desk in self._own_desks():
            self.window.drop(desk)
        self.window.close_own()

    def _open_already(self, journal: str) -> AuditSession | None:
        """The review with that journal, where it is one that somebody gave to this window."""
        given = [session for session in self.window.given if not session.closed and session.journal is not None]
        return next(
            (known for known in given if os.path.realpath(str(known.journal)) == os.path.realpath(journal)), None
        )

    def _choose_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self.native, "Folder of pictures to review")
        if folder:
            self.open_folder(folder)

    def _choose_journal(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self.native, "A review that was begun", "", "Reviews (*.jsonl)")
        if path:
            self.open_journal(path)

    def _choose_out(self) -> None:
        folder = QFileDialog.getExistingDirectory(self.native, "Folder for the redacted pictures")
        if folder:
            save_session(self.window, Path(folder))

    def _choose_export(self) -> None:
        kinds = "Lossless (*.blur.json);;COCO (*.json)"
        path, kind = QFileDialog.getSaveFileName(self.native, "Export all detections", "detections.blur.json", kinds)
        if path:
            export_session(self.window, Path(path), "coco" if kind.startswith("COCO") else None)

    # -- what the person chose -------------------------------------------------------------------------------------

    def _on_chosen(self, key: str) -> None:
        if self.window.desk is not None:
            self.window.desk.go(key)

    def _on_order(self, name: str) -> None:
        desk = self.window.desk
        if desk is not None and name in ORDER_NAMES:
            desk.safely(lambda: desk.session.reorder(ORDER_NAMES[name]))
            self._prepare()

    def _on_filter(self, name: str) -> None:
        if self.window.desk is not None:
            self.window.desk.only = FILTERS[name]
            self._prepare()
        self.show_state()

    def _on_kinds(self, name: str) -> None:
        if self.window.desk is not None:
            marks = self.window.desk.stage.marks
            marks.hidden_kinds = set(KINDS_SHOWN[name])
            marks.recolour()

    def _on_reviewer(self, name: str) -> None:
        if self.session is not None:
            self.session.reviewer = name

    def _on_search(self, on: bool) -> None:
        if self.window.desk is not None:
            self.window.desk.set_auto(on)

    def _prepare(self) -> None:
        if self.window.desk is not None:
            self.window.desk.prepare()

    def _back_to_picture(self) -> None:
        self.native.setFocus()

    # -- showing -----------------------------------------------------------------------------------------------------

    def show_state(self) -> None:
        """Show what the session says now."""
        self.bar.show_job()
        self.status.value = self.window.status
        session, desk = self.session, self.window.desk
        self.sample.visible = desk is not None and desk.sample is not None
        if session is None or desk is None:
            self.counts.value = "Open a folder of pictures, or a review that was begun."
            self.about.value = ""
            self.queue.show_items((), None)
            return
        if desk.stage.owns_image and self.search.value != desk.auto:
            with self.search.changed.blocked():  # it stops by itself where a service fails
                self.search.value = desk.auto
        if session is not self._ordered:
            self._ordered = session
            with self.order.changed.blocked():  # a review is shown in its own order
                self.order.value = AS_IT_IS
        hidden = desk.stage.marks.hidden_kinds
        seen = next((name for name, kinds in KINDS_SHOWN.items() if set(kinds) == hidden), self.kinds.value)
        if self.kinds.value != seen:
            with self.kinds.changed.blocked():  # a kind that is drawn is shown again
                self.kinds.value = seen
        counts = session.counts()
        done, total = total_done(counts), len(session)
        self.progress.native.setRange(0, max(total, 1))
        self.progress.native.setFormat(f"{done} of {total} reviewed")
        self.progress.native.setValue(done)
        unseen = session.unreadable
        words = [f"{SIGNS[name]} {count} {name}" for name, count in counts.items()]
        self.counts.value = "   ".join([*words, *([f"✕ {unseen} not readable"] if unseen else [])])
        self.about.value = self._about()
        if desk.sample is not None:
            self.sample.value = desk.sample.text(self.window.settings, LOOKING)
            if not desk.sample.is_whole:
                QTimer.singleShot(AFTER_LOOKING, self._look_on)
        items, row, current = session.items, session.position if len(session) else None, session.current
        if (only := desk.only) is not None:
            items = tuple(item for item in items if item.decision in only or item is current)
            row = next((row for row, item in enumerate(items) if item is current), None)
        self.queue.show_items(items, row)

    def _look_on(self) -> None:
        if self.window.alive and not self.gone:
            self.show_state()

    def _about(self) -> str:
        desk = self.window.desk
        if desk is None or desk.item is None:
            return ""
        item = desk.item
        if item.error:
            return f"{item.key}: {item.error}"
        found = counted(len(item.detections.plates), "plate") + ", " + counted(len(item.detections.faces), "face")
        if desk.searched_key == item.key:
            found = "searching …"
        elif not item.detected:
            found = f"not searched, {found} marked"
        return f"{item.key}: {found}.{what_to_do(item, desk.sample)}"


def total_done(counts: Any) -> int:
    """How many pictures are decided on."""
    return sum(count for name, count in counts.items() if name != "unreviewed")


def audit_panel(viewer: Any) -> AuditWidget:
    """The Audit panel of a viewer; docked when it is not there yet."""
    window = window_of(viewer)
    docked = viewer.window.dock_widgets
    panel = next((widget for widget in docked.values() if isinstance(widget, AuditWidget)), None)
    if panel is None:
        _, panel = viewer.window.add_plugin_dock_widget(PLUGIN, PANEL)
    assert panel.window is window
    return panel


def _reviewer() -> str:
    """Who decides, until the person says it: by the plugin settings, else the account's name."""
    try:
        return str(plugin_option("audit", "reviewer", "")) or getpass.getuser()
    except (OSError, KeyError, ImportError):  # an account without a name, as in containers
        return ""
