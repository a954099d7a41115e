"""What a person does to the marks of the picture that is shown; each is one step of undo."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from blur_tools.audit._seen import Seen
from blur_tools.audit.session import AuditSession, Item, Mark
from blur_tools.detections import Kind, Polygon
from blur_tools.errors import BlurError
from blur_tools.notebook._view import View
from blur_tools.orientation import polygon_to_stored

__all__ = ["Edits", "counted"]


class Edits:
    """The actions that change marks, by buttons, keys and the pointer."""

    session: AuditSession
    view: View

    @property
    def shown(self) -> Seen | None:
        """What is seen of it; None while there is nothing to see."""
        raise NotImplementedError

    @property
    def item(self) -> Item | None:
        """The picture under the cursor."""
        return self.session.current

    def say(self, text: str) -> None:
        """Say something to the person, below the picture."""
        self.view.status = text

    def safely(self, change: Callable[[], Any]) -> Any:
        """Do something that is journalled; what goes wrong is said."""
        try:
            return change()
        except BlurError as error:
            self.say(str(error))
            return None

    def edit(self, do: str, content: Mapping[str, Any]) -> None:
        """Do what a click or a drag in the page asks for.

        Raises
        ------
        AuditError, DetectionsError, KeyError, TypeError, ValueError
            The page sent what cannot be.
        """
        if self.item is None or self.shown is None:
            return
        key = self.item.key
        if do == "toggle":
            number = int(content["id"])
            mark = next((mark for mark in self.item.marks if mark.id == number), None)
            if mark is not None:
                self.view.selected = [number]
                self.session.set_keep(key, [number], not mark.detection.keep)
        elif do == "select":
            known = {mark.id for mark in self.item.marks}
            self.view.selected = [number for number in map(int, content["ids"]) if number in known]
        elif do == "draw":
            self.view.drawing = ""
        elif do == "add":
            kind, self.view.drawing = content["kind"], ""
            made = self.session.add(key, cast("Kind", kind), self._stored(content["polygon"]))
            self.view.selected = [made.id]
            self.say(f"Added a {made.detection.kind}; its corners can be pulled.")
        elif do == "reshape":
            self.session.reshape(key, {int(content["id"]): self._stored(content["polygon"])})

    def _stored(self, points: Any) -> Polygon:
        """Four upright corners of a page in pixels of the stored picture, inside of it."""
        assert self.shown is not None
        width, height = self.view.size
        a, b, c, d = (
            (min(max(float(x), 0.0), float(width)), min(max(float(y), 0.0), float(height))) for x, y in points
        )
        return polygon_to_stored((a, b, c, d), self.shown.size, self.shown.turn)

    def add_plate(self) -> None:
        """Let the next drag mark a plate."""
        self._draw("plate")

    def add_face(self) -> None:
        """Let the next drag mark a face."""
        self._draw("face")

    def _draw(self, kind: Kind) -> None:
        if self.shown is not None:
            self.view.drawing = "" if self.view.drawing == kind else kind
            self.view.show_marks = True
            self.say(
                f"Drag a box around the {kind}, or press Enter for one in the middle; Escape ends it."
                if self.view.drawing
                else ""
            )

    def toggle_keep(self) -> None:
        """Leave the chosen marks visible, or hide them again."""
        chosen = self._chosen()
        if chosen:
            keep = not all(mark.detection.keep for mark in chosen)
            self._change(lambda key, ids: self.session.set_keep(key, ids, keep), chosen)

    def change_kind(self) -> None:
        """Make plates of the chosen faces, and faces of plates; all become what the first one becomes."""
        chosen = self._chosen()
        if chosen:
            kind: Kind = "face" if chosen[0].detection.kind == "plate" else "plate"
            self._change(lambda key, ids: self.session.set_kind(key, ids, kind), chosen)

    def delete(self) -> None:
        """Remove the chosen marks."""
        chosen = self._chosen()
        if chosen:
            self._change(self.session.delete, chosen)

    def undo(self) -> None:
        """Take back the last change of this picture."""
        self._step_back(self.session.undo, "Undone: {}.", "There is nothing to take back.")

    def redo(self) -> None:
        """Do again what was taken back."""
        self._step_back(self.session.redo, "Done again: {}.", "There is nothing to do again.")

    def _step_back(self, step: Callable[[str], str | None], said: str, nothing: str) -> None:
        if self.item is not None:
            key = self.item.key
            done = self.safely(lambda: step(key))
            self.say(said.format(done) if done else nothing)

    def next_mark(self) -> None:
        """Choose the next mark, so that everything can be done without a mouse."""
        ids = [] if self.item is None else [mark.id for mark in self.item.marks]
        if not ids:
            self.say("There is no mark.")
            return
        chosen = self.view.selected
        after = ids.index(chosen[-1]) + 1 if chosen and chosen[-1] in ids else 0
        self.view.selected = [ids[after % len(ids)]]

    def _chosen(self) -> list[Mark]:
        marks = () if self.item is None else self.item.marks
        chosen = [mark for mark in marks if mark.id in self.view.selected]
        if not chosen:
            self.say("Click a mark first, or choose one with M.")
        return chosen

    def _change(self, change: Callable[[str, list[int]], Any], marks: list[Mark]) -> None:
        assert self.item is not None
        key = self.item.key
        self.safely(lambda: change(key, [mark.id for mark in marks]))


def counted(number: int, word: str) -> str:
    """A number with its word: ``"1 plate"``, ``"2 plates"``."""
    return f"{number} {word}{'' if number == 1 else 's'}"
