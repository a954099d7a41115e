"""What both panels are made of: buttons for actions, a line for what was said, progress with Cancel."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from magicgui.widgets import Container, Label, ProgressBar, PushButton
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QSizePolicy

from blur_tools.audit.actions import ACTIONS
from blur_tools.napari._window import Window

__all__ = ["JobBar", "action_buttons", "button", "counted", "fields", "row", "shown_key", "status_line", "until_gone"]

SHORT = {"Control-": "Ctrl+", "Shift-": "Shift+", "Delete": "Del"}


def button(text: str, tooltip: str, call: Callable[[], Any]) -> PushButton:
    """A button that leaves the keyboard to the picture when it is clicked; the Tab key reaches it."""
    made = PushButton(text=text, tooltip=tooltip)
    made.changed.connect(lambda: call())
    made.native.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return made


def row(*widgets: Any) -> Container[Any]:
    """Widgets side by side."""
    made = Container(widgets=widgets, layout="horizontal", labels=False)
    made.margins = (0, 0, 0, 0)
    return made


def shown_key(key: str) -> str:
    """A key as people write it."""
    for long, short in SHORT.items():
        key = key.replace(long, short)
    return key


def action_buttons(window: Window, names: Iterable[str]) -> Container[Any]:
    """A row of buttons, each with its key."""
    known = {action.name: action for action in ACTIONS}
    made = []
    for name in names:
        action = known[name]
        text = f"{action.title} ({shown_key(window.keys[name])})"
        made.append(button(text, action.help, lambda name=name: window.act(name)))  # type: ignore[misc]
    return row(*made)


def fields(*widgets: Any, layout: str = "horizontal") -> Container[Any]:
    """Widgets with their labels."""
    made = Container(widgets=widgets, layout=layout, labels=True)
    made.margins = (0, 0, 0, 0)
    return made


def status_line(text: str = "") -> Label:
    """A line of text that wraps, so that long paths do not widen the panel."""
    made = Label(value=text)
    made.native.setWordWrap(True)
    made.native.setTextFormat(Qt.TextFormat.PlainText)
    made.native.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    made.native.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    return made


def counted(number: int, word: str) -> str:
    """A number with its word, in the singular or plural."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


class _Parting(QObject):
    """Sees when a panel is taken out of its window. napari lets go of a closed panel's widget, and Python keeps it."""

    def __init__(self, widget: Any, end: Callable[[], None]) -> None:
        super().__init__(widget)
        self._end = end
        widget.installEventFilter(self)

    def eventFilter(self, widget: Any, event: Any) -> bool:
        if event.type() == QEvent.Type.ParentChange and widget.parent() is None:
            self._end()
        return False


def until_gone(widget: Any, *ends: Callable[[], Any]) -> None:
    """End subscriptions when a panel is closed, or Qt takes it down: nobody sees what it would be told."""

    def end(*_: Any) -> None:
        for each in ends:
            each()

    _Parting(widget, end)
    widget.destroyed.connect(end)


class JobBar(Container[Any]):
    """Progress of the job that runs, and the button that cancels it; hidden while there is none."""

    def __init__(self, window: Window) -> None:
        super().__init__(layout="horizontal", labels=False)
        self.margins = (0, 0, 0, 0)
        self._window = window
        self.progress = ProgressBar(min=0, max=100, value=0)
        self.cancel = button("Cancel", "Stop; what is done stays done", self._on_cancel)
        self.extend([self.progress, self.cancel])

    def show_job(self) -> None:
        """Show how far the job is."""
        job = self._window.jobs.current
        self.visible = job is not None
        if job is not None:
            title = job.title.replace("%", "%%")
            self.progress.native.setFormat(f"{title}  %v of %m" if job.total > 1 else title)
            # 0 to 0 is Qt's way to say that it runs and nobody knows how long
            self.progress.native.setRange(0, job.total if job.total > 1 else 0)
            self.progress.native.setValue(job.done)

    def _on_cancel(self) -> None:
        job = self._window.jobs.current
        if job is not None and self._window.jobs.cancel():
            done = f", after {job.done} of {job.total}; what is begun is finished" if job.total > 1 else ""
            self._window.say(f"Cancelled: {job.title}{done}.")
