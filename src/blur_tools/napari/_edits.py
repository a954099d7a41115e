"""What a person does to the marks of the picture that is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from blur_tools.audit.session import AuditSession, Item, Mark
from blur_tools.detections import Kind
from blur_tools.errors import BlurError
from blur_tools.napari._stage import Stage
from blur_tools.napari._window import Window

__all__ = ["Edits"]


class Edits:
    """The actions that change marks; each is one step of undo, and said in the window."""

    window: Window
    session: AuditSession
    stage: Stage

    @property
    def item(self) -> Item | None:
        """The picture under the cursor."""
        return self.session.current

    @property
    def is_shown(self) -> bool:
        """Whether the picture under the cursor is on the canvas, so that it can be edited."""
        return self.stage.shown is not None and self.item is not None and self.stage.marks.key == self.item.key

    def add_plate(self) -> None:
        """Let the next drag mark a plate."""
        self._draw("plate")

    def add_face(self) -> None:
        """Let the next drag mark a face."""
        self._draw("face")

    def settled(self) -> bool:
        """Bring the layer in step with the session; False, and said, while a person holds a mark.

        What is half drawn or pulled is nowhere but in the layer: whatever leaves the picture would lose it.
        """
        if self.stage.marks.in_hand:
            self.window.say(self.stage.marks.how_to_let_go)
            return False
        self.stage.marks.settle()
        return True

    def _draw(self, kind: Kind) -> None:
        if self.is_shown and self.settled():
            self.stage.focus()
            self.stage.marks.hidden_kinds.discard(kind)  # what is drawn is seen
            self.stage.marks.recolour()
            self.stage.marks.draw(kind)
            self.window.say(f"Drag a box around the {kind}; its corners can be pulled afterwards.")

    def toggle_keep(self) -> None:
        """Leave the chosen marks visible, or hide them again."""
        chosen = self._chosen()
        if chosen:
            kept = {m.id: m.detection.keep for m in self._marks()}
            keep = not all(kept[number] for number in chosen)
            self._edit(lambda key: self.session.set_keep(key, chosen, keep))

    def change_kind(self) -> None:
        """Make plates of the chosen faces, and faces of plates; all become what the first one becomes."""
        chosen = self._chosen()
        if chosen:
            first = next(m for m in self._marks() if m.id == chosen[0])
            kind: Kind = "face" if first.detection.kind == "plate" else "plate"
            self._edit(lambda key: self.session.set_kind(key, chosen, kind))

    def delete(self) -> None:
        """Remove the chosen marks."""
        chosen = self._chosen()
        if chosen:
            self._edit(lambda key: self.session.delete(key, chosen))

    def undo(self) -> None:
        """Take back the last change of this picture."""
        self._step_back(self.session.undo, "Undone: {}.", "There is nothing to take back.")

    def redo(self) -> None:
        """Do again what was taken back."""
        self._step_back(self.session.redo, "Done again: {}.", "There is nothing to do again.")

    def _step_back(self, step: Callable[[str], str | None], said: str, nothing: str) -> None:
        if not self.is_shown or self.item is None or not self.settled():
            return
        key = self.item.key
        done = self.safely(lambda: step(key))
        self.stage.refresh()
        self.window.say(said.format(done) if done else nothing)

    def next_mark(self) -> None:
        """Choose the next mark, so that everything can be done without a mouse."""
        if not self.is_shown or not self.settled():
            return
        hidden = self.stage.marks.hidden_kinds
        ids = [mark.id for mark in self._marks() if mark.detection.kind not in hidden]
        if not ids:
            self.window.say("There is no mark.")
            return
        chosen = self.stage.marks.selected
        after = ids.index(chosen[-1]) + 1 if chosen and chosen[-1] in ids else 0
        self.stage.focus()
        self.stage.marks.select([ids[after % len(ids)]])

    def _marks(self) -> tuple[Mark, ...]:
        return self.item.marks if self.item is not None else ()

    def _chosen(self) -> list[int]:
        if not self.is_shown or not self.settled():
            return []
        known = {mark.id for mark in self._marks()}
        chosen = [number for number in self.stage.marks.selected if number in known]
        if not chosen:
            self.window.say("Click a mark first.")
        return chosen

    def _edit(self, change: Callable[[str], Any]) -> None:
        item = self.item
        if item is not None:
            self.safely(lambda: change(item.key))
            self.stage.refresh()

    def safely(self, change: Callable[[], Any]) -> Any:
        """Do something that is journalled; what goes wrong is said, and the layer shows what the session has."""
        try:
            return change()
        except BlurError as error:
            self.window.warn(str(error))
            return None
