"""What a person can do in a review, and what it is called: one list for the keys, buttons and words of every window."""

from __future__ import annotations

from dataclasses import dataclass

from blur_tools.audit._items import Decision, Order

__all__ = ["ACTIONS", "AS_IT_IS", "FILTERS", "HOLD", "ORDER_NAMES", "SIGNS", "UNSHOWN", "Action"]


@dataclass(frozen=True)
class Action:
    """One thing that a key or a button does.

    Attributes
    ----------
    name : str
        Name of the method that does it, and of the setting with its key.
    title : str
        What the button says.
    key : str
        What the key is when no setting says it: a letter, ``Delete``, or ``Control-Z``.
    help : str
        A sentence for the tooltip.
    """

    name: str
    title: str
    key: str
    help: str


ACTIONS = (
    Action("accept", "Accept", "A", "All is marked: note it, and go to the next picture"),
    Action("next", "Next", "N", "Go to the next picture; the zoom stays"),
    Action("previous", "Back", "B", "Go to the picture before; the zoom stays"),
    Action("flag", "Flag", "G", "Note that somebody must look again; once more takes it back"),
    Action("add_plate", "Add plate", "P", "Drag a box around a plate, then pull its corners"),
    Action("add_face", "Add face", "F", "Drag a box around a face"),
    Action("next_mark", "Next mark", "M", "Choose the next mark, so that no mouse is needed"),
    Action("toggle_keep", "Keep", "K", "Leave the chosen marks visible in the result, or hide them again"),
    Action("change_kind", "Kind", "C", "Make plates of the chosen faces, and faces of plates"),
    Action("delete", "Delete", "Delete", "Remove the chosen marks"),
    Action("undo", "Undo", "Control-Z", "Take back the last change of this picture"),
    Action("redo", "Redo", "Control-Shift-Z", "Do again what was taken back"),
    Action("toggle_marks", "Marks", "H", "Hide the marks, or show them"),
    Action("toggle_labels", "Labels", "L", "Hide the words at the marks, or show them"),
    Action("toggle_preview", "Preview", "R", "Show the picture redacted, as it will be saved"),
)

HOLD = Action("original", "Original", "O", "Hold to see the picture without preview and marks")

SIGNS: dict[Decision, str] = {"unreviewed": "○", "accepted": "✓", "edited": "✎", "flagged": "⚑"}
"""What stands before a picture's name, by its decision."""

UNSHOWN = "✕"
"""The same for a picture that cannot be shown."""

FILTERS: dict[str, tuple[Decision, ...] | None] = {
    "all": None,
    "to do": ("unreviewed",),
    "flagged": ("flagged",),
    "accepted": ("accepted", "edited"),
}
"""What a list shows and what Next and Back stop at: by name, decisions."""

ORDER_NAMES: dict[str, Order] = {"by path": "path", "riskiest first": "risk", "random": "random"}
"""How the queue can be ordered, in words."""

AS_IT_IS = "as it is"
"""Of an order: the one that a review has, or a sample was drawn in."""
