"""The one widget of ours that a browser draws: a picture before and after with its marks, or a page of thumbnails.

What it synchronises is saved with a notebook, so pixels and the text of plates are never among it: they go out as
custom messages, which no notebook keeps, and only once the widget is displayed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import anywidget
import traitlets

__all__ = ["BOX", "View", "close_all"]

STATIC = Path(__file__).parent / "static"

BOX = "bt-box"
"""CSS class of a view with its controls: what is typed in it is not for the notebook."""


class View(anywidget.AnyWidget):
    """A picture or a page of thumbnails in the browser.

    Attributes
    ----------
    number : str
        The widget's own, by which the page knows it.
    kind : {"picture", "gallery"}
        What is drawn.
    title, status, problem : str
        The picture's name, the last sentence for the person, and why there is no picture; ``""`` for none.
    turn : int
        Raised with each picture: a page says which it has drawn when it asks for something.
    size : (width, height)
        Of the whole picture, upright, in pixels; (0, 0) while there is none.
    marks : list of dict
        ``id``, ``kind``, ``score``, ``keep`` and ``polygon`` (four ``[x, y]`` of the upright picture).
    still : bytes
        The redacted picture, with everything hidden that was found: all that is seen where no kernel runs.
    selected : list of int
        Marks that are chosen.
    clicks : {"toggle", "select"}
        What a click on a mark does.
    split : float
        Percent of the width, from the left, that shows the picture before.
    sides : list of {"before", "after"}
        What there is to see.
    tools : list of dict
        Buttons and their keys: ``name``, ``title``, ``key``, ``help``.
    drawing : {"", "plate", "face"}
        What the next drag marks.
    show_marks, show_words : bool
        Whether marks, and the words at all of them, are seen.
    cells : list of dict
        The page of a gallery: ``key``, ``sign``, ``words``, ``error``.
    page, pages : int
        Which page it is, from 0, and how many there are.
    """

    # text and no paths: anywidget watches files, and keeps each widget that listens to them for ever
    _esm = (STATIC / "view.js").read_text("utf-8")
    _css = (STATIC / "view.css").read_text("utf-8")

    number = traitlets.Unicode().tag(sync=True)
    kind = traitlets.Enum(("picture", "gallery"), "picture").tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    status = traitlets.Unicode().tag(sync=True)
    problem = traitlets.Unicode().tag(sync=True)
    turn = traitlets.Int(0).tag(sync=True)
    size = traitlets.Tuple((0, 0)).tag(sync=True)
    marks: Any = traitlets.List().tag(sync=True)
    still = traitlets.Bytes().tag(sync=True)
    selected: Any = traitlets.List().tag(sync=True)
    clicks = traitlets.Enum(("toggle", "select"), "toggle").tag(sync=True)
    split = traitlets.Float(50.0, min=0, max=100).tag(sync=True)
    sides: Any = traitlets.List().tag(sync=True)
    tools: Any = traitlets.List().tag(sync=True)
    drawing = traitlets.Enum(("", "plate", "face"), "").tag(sync=True)
    show_marks = traitlets.Bool(True).tag(sync=True)
    show_words = traitlets.Bool(False).tag(sync=True)
    cells: Any = traitlets.List().tag(sync=True)
    page = traitlets.Int(0).tag(sync=True)
    pages = traitlets.Int(1).tag(sync=True)

    def __init__(self, heard: Callable[[str, Mapping[str, Any]], None], **facts: Any) -> None:
        super().__init__(number=uuid4().hex, **facts)
        self.seen = False
        self._heard = heard
        self.on_msg(self._on_message)

    def show(self, what: str, facts: Mapping[str, Any], pictures: Sequence[bytes] = ()) -> None:
        """Send what no notebook keeps; nothing goes out before there is somebody to see it.

        Parameters
        ----------
        what : str
            ``"picture"``, ``"words"`` or ``"thumb"``.
        facts : mapping
            Plain values.
        pictures : sequence of bytes
            JPEG files.
        """
        if self.seen:
            self.send({"is": what, **facts}, buffers=list(pictures))

    def close(self) -> None:
        """Take it away, and let go of who hears it."""
        self._heard = lambda do, content: None
        super().close()

    def _on_message(self, _: Any, content: Any, buffers: Any) -> None:
        # a message comes from a page: nothing in it is believed
        do = content.get("do") if isinstance(content, dict) else None
        if isinstance(do, str):
            self.seen = True
            self._heard(do, content)


def close_all(widget: Any) -> None:
    """Close a widget with those in it, their layouts and styles: ipywidgets keeps each that is open for ever."""
    if widget is None:
        return
    for part in (*getattr(widget, "children", ()), getattr(widget, "layout", None), getattr(widget, "style", None)):
        close_all(part)
    widget.close()
