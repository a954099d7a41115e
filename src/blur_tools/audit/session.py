"""`AuditSession`: a queue of pictures that a person looks through, mends and decides on; it knows no GUI."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Self

from blur_tools.audit._checks import text_of, texts_of
from blur_tools.audit._edits import added, changed, deleted
from blur_tools.audit._files import CHANGED, FileMark, mark_of
from blur_tools.audit._items import DECISIONS, Decision, Item, Mark, Order
from blur_tools.audit._opening import found_record, open_journal, open_sources, timestamp
from blur_tools.audit._outcome import Outcome
from blur_tools.audit._records import Changed, Decided, Failed, Redone, Undone
from blur_tools.audit._state import persons_source
from blur_tools.detections import Detection, Detections, Kind, Polygon
from blur_tools.errors import AuditError

__all__ = ["AuditSession", "Decision", "Item", "Mark", "Order"]


class AuditSession(Outcome):
    """Pictures in a queue, what is marked on them, and what a person decided.

    Made by `open` or `resume`. Every edit and decision is in the journal before its call returns, so a process that
    is killed loses nothing that was acknowledged. A picture's history of undo belongs to it and survives a resume.
    The session holds no pixels. It belongs to one thread; only what saves and exports may run in another, on
    what stood when it began.
    """

    @classmethod
    def open(
        cls,
        sources: Any,
        *,
        journal: str | os.PathLike[str] | None = None,
        reviewer: str = "",
        order: Order | None = None,
        column: Any = None,
        engine_name: str = "",
    ) -> Self:
        """Open pictures for review; an existing journal is resumed at the first unreviewed picture.

        Parameters
        ----------
        sources : path, list of sources, or DataFrame
            A folder is taken with everything below it but links to folders; what a list or a cell may hold is said at
            `blur_tools.blur`. Of a ``.blur.json`` the pictures beside it are opened, with all that it says of them.
            Of a DataFrame the columns ``detections``, ``decision``, ``reviewer``, ``decided_at`` and ``error`` are
            taken over where it has them.
        journal : path, optional
            Where the work is kept. By default a folder's is ``<folder>/.blur-audit.jsonl``; a list, a DataFrame or
            a ``.blur.json`` has none and lives **in memory only**: give a path to keep the work. What a table says of
            a picture that the journal knows is merged as an engine's new answer is, unless it stood there before: an
            older table takes nothing back. Decisions are then the journal's. Where a picture's file is another one
            than was searched or decided on, its decision falls, and a warning says so.
        reviewer : str
            Who edits and decides.
        order : {"path", "risk", "random", "given"}, optional
            Order of the queue; by default the journal's, or by path. ``"given"`` is that of the list or table; a
            table that is a sample (``df.blur.sample``) always begins so.
        column : label, optional
            The DataFrame's column with the pictures; found by itself when only one can be meant.
        engine_name : str
            Whose detections the table holds, for those that do not say it themselves.

        Raises
        ------
        AuditError
            Nothing to review, a folder that cannot be listed, a file that is no picture, a table of one row a
            detection, or a decision in the table that is none.
        JournalError
            A journal that cannot be read or written, that is open elsewhere, that a newer version wrote, or that
            belongs to other pictures.
        DetectionsError
            A cell of the table that cannot be read, and its row; or a ``.blur.json`` that cannot.
        SettingsError
            No column, or several, could hold the pictures.
        """
        by, engine = text_of("reviewer", reviewer), text_of("engine_name", engine_name)
        return cls(open_sources(sources, journal, order, column, engine), by)

    @classmethod
    def resume(cls, journal: str | os.PathLike[str], *, reviewer: str = "", elsewhere: bool = True) -> Self:
        """Go on from a journal alone, in its order: the pictures of a folder, or of a list of paths and URLs.

        Bytes, arrays, and URLs with a query or a password are not in a journal: such pictures have an error that
        says so, and keep their marks. A journal can name any file and URL: resume only one that you trust, or without
        what is `elsewhere`. (`open` with a folder takes nothing from its journal that is outside it.)

        Parameters
        ----------
        elsewhere : bool
            Also the pictures outside the folder that the journal lies in, and URLs. Without them, they have an
            error that says so, are not read or fetched, and keep their marks.

        Raises
        ------
        JournalError, AuditError
            As for `open`.
        """
        by = text_of("reviewer", reviewer)
        return cls(open_journal(journal, elsewhere), by)

    def set_detections(
        self,
        key: str,
        detections: Iterable[Detection],
        *,
        engine: str = "",
        warnings: Iterable[str] = (),
        seen: FileMark | None = None,
    ) -> Item:
        """Take over what an engine found; what a person did stays.

        Marks that a person drew or changed stay as they are, and what the engine finds at their place is taken to be
        the same object; an engine's marks that a person deleted stay deleted. The same is one detection for each
        mark: of its kind, with outlines that overlap by 0.5 or more (intersection over union), at its place or, while
        the mark still touches that or was deleted, where the engine had it first. All others are replaced. A decision
        falls when the marks or the file change; ``flagged`` stays. Undo goes on to work, redo is emptied.

        Parameters
        ----------
        detections : iterable of Detection
            In pixels of the stored picture.
        engine : str
            Who found them; by default what they say themselves. Answers of two engines are compared for the risk.
        warnings : iterable of str
            What the engine wants a person to know.
        seen : FileMark, optional
            The file that was searched (`mark_of`, before it was read); by default the one that is there now. Where
            another one has taken its place, the answer is of nothing that is there: it is left, and that is noted.
        """
        state = self._state(key)
        another = self._taken_its_place(key, seen)
        if another is not None:
            return self.note_file(key, another)
        found = Detections(detections)
        engine, said = text_of("engine", engine), texts_of("warnings", warnings)
        record = found_record(state, self._entries[key], found, engine=engine, at=timestamp(), warnings=said, seen=seen)
        return self._do(record, "detections")

    def note_file(self, key: str, seen: FileMark | None) -> Item:
        """Note which file somebody saw: where it is another one than was searched or decided on, a decision falls."""
        known = self._state(key).file
        if known is None or seen is None or known.is_of(seen):
            return self._items[key]
        return self._do(Changed(key, timestamp(), seen), "detections")

    def set_error(self, key: str, text: str) -> Item:
        """Say why a picture cannot be shown or searched; ``""`` takes it back."""
        if self._state(key).error == text_of("error", text):
            return self._items[key]
        return self._do(Failed(key, timestamp(), text), "error")

    def add(self, key: str, kind: Kind, polygon: Polygon, *, reviewer: str | None = None) -> Mark:
        """Mark a plate or a face.

        Parameters
        ----------
        polygon : sequence of four (x, y)
            Pixels of the stored picture, clockwise from the object's top left.
        reviewer : str, optional
            Who, where it is not the session's `reviewer`. The mark's ``source`` is ``person:name``.

        Raises
        ------
        AuditError
            An unknown picture, or corners that enclose no area.
        DetectionsError
            No kind, or not four finite corners.
        """
        by = text_of("reviewer", self.reviewer if reviewer is None else reviewer)
        state = self._state(key)
        self._edit(key, added(state, kind, polygon, persons_source(by)), by)
        return self._items[key].marks[-1]

    def delete(self, key: str, ids: Iterable[int]) -> None:
        """Remove marks; one that is not there is an `AuditError`, and then none is removed."""
        self._edit(key, deleted(self._state(key), key, ids), self.reviewer)

    def reshape(self, key: str, polygons: Mapping[int, Polygon]) -> None:
        """Give marks new corners (moving is a reshape), as for `add`; score and source stay the engine's."""
        facts = {number: {"polygon": polygon} for number, polygon in polygons.items()}
        self._edit(key, changed(self._state(key), key, "reshape", facts), self.reviewer)

    def set_kind(self, key: str, ids: Iterable[int], kind: Kind) -> None:
        """Say that marks are plates, or faces."""
        facts = {number: {"kind": kind} for number in ids}
        self._edit(key, changed(self._state(key), key, f"make {kind} of", facts), self.reviewer)

    def set_keep(self, key: str, ids: Iterable[int], keep: bool) -> None:
        """Leave marks visible in the result, or hide them again."""
        facts = {number: {"keep": keep} for number in ids}
        self._edit(key, changed(self._state(key), key, "keep" if keep else "hide", facts), self.reviewer)

    def undo(self, key: str) -> str | None:
        """Take back the picture's last step; a word for it (``"add plate"``), None when there is none."""
        steps = self._state(key).done
        if not steps:
            return None
        word = steps[-1].word
        self._do(Undone(key, timestamp()), "undo")
        return word

    def redo(self, key: str) -> str | None:
        """Do the step again that was taken back last; a word for it, None when there is none."""
        steps = self._state(key).undone
        if not steps:
            return None
        word = steps[-1].word
        self._do(Redone(key, timestamp()), "redo")
        return word

    def can_undo(self, key: str) -> bool:
        """Whether `undo` has something to take back."""
        return bool(self._state(key).done)

    def can_redo(self, key: str) -> bool:
        """Whether `redo` has something to do again."""
        return bool(self._state(key).undone)

    def decide(self, key: str, decision: Decision, *, seen: FileMark | None = None) -> Item:
        """Decide on a picture; on the disk when the call returns.

        ``accepted`` and ``edited`` mean the same, and what is stored is which of them is true: ``edited`` where the
        marks differ from what the engine said. A later change of the marks takes the decision back, but not a flag;
        ``unreviewed`` takes it back by itself.

        Parameters
        ----------
        seen : FileMark, optional
            The file that the person saw (`mark_of`, before it was read); by default the one that was searched.

        Raises
        ------
        AuditError
            An unknown picture or decision; or another file has taken the place of what was seen or searched: nobody
            has seen it, so it cannot be accepted. That is noted, and the next call is about the new file.
        """
        state = self._state(key)
        if decision not in DECISIONS:
            raise AuditError(f"decision {decision!r} is none of {', '.join(DECISIONS)}")
        file = None  # a flag says nothing of the file
        if decision in ("accepted", "edited"):
            decision = "edited" if state.edited else "accepted"
            file = mark_of(self._entries[key].source)
            if file is not None and any(known is not None and not known.is_of(file) for known in (state.file, seen)):
                self.note_file(key, file)
                raise AuditError(f"{key}: {CHANGED}; look at it again")
        record = Decided(key, timestamp(), text_of("reviewer", self.reviewer), decision, file)
        return self._do(record, "decision", durable=True)
