"""How a review begins or goes on: pictures and a journal are brought together."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from blur_tools.audit._files import FileMark, mark_of
from blur_tools.audit._items import Order
from blur_tools.audit._labels import LABELS, label_table, refuse_file
from blur_tools.audit._merge import area_of
from blur_tools.audit._queue import check_order
from blur_tools.audit._records import Changed, Decided, Failed, Found, Ordered, Record, Saved, Sources
from blur_tools.audit._sources import Entry, Place, common_root, files_of, folder_entries, kept_entry, source_entries
from blur_tools.audit._state import PictureState, is_persons, print_of
from blur_tools.audit._table import Given, Table
from blur_tools.audit.journal import Header, Journal
from blur_tools.batch.outputs import local_path
from blur_tools.detections import Detections
from blur_tools.errors import AuditError, JournalError
from blur_tools.formats._keys import place_of

__all__ = ["ELSEWHERE", "JOURNAL_NAME", "Opened", "found_record", "open_journal", "open_sources", "timestamp"]

JOURNAL_NAME = ".blur-audit.jsonl"
"""A folder's own journal."""

ELSEWHERE = "is outside the folder of its journal, and was not to be read"
GONE = "no such file: it was here when it was reviewed"
PLACES_A_LINE = 1000


def timestamp() -> str:
    """Now, as it is written down: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass
class Opened:
    """Everything that a review begins with.

    `pending` is still to be written down and done; `known` are the pictures that the journal names.
    """

    entries: dict[str, Entry]
    root: Path | None
    journal: Journal | None = None
    table: Table | None = None
    states: dict[str, PictureState] = field(default_factory=dict)
    order: Ordered = Ordered("path", 0)
    known: dict[str, Place] = field(default_factory=dict)
    saved: set[str] = field(default_factory=set)
    pending: list[Record] = field(default_factory=list)
    unread: tuple[str, ...] = ()

    def replay(self) -> None:
        """Do what the journal says.

        Raises
        ------
        JournalError
            A line does not fit those before it.
        """
        if self.journal is None:
            return
        for number, record in self.journal.records:
            match record:
                case Sources():
                    self.known |= dict(record.items)
                case Ordered():
                    self.order = record
                case Saved():
                    self.saved.add(record.key)
                case _:
                    try:
                        self.states.setdefault(record.key, PictureState()).apply(record)
                    except ValueError as error:
                        reason = f"does not fit the lines before it: {error}. Nothing was changed; use a backup"
                        raise JournalError(str(self.journal.path), reason, number) from error
        self.journal.records.clear()

    def put_in(self, order: Order | None) -> None:
        """Ask for an order, None for the one that is there; a random one that is already there stays as it is."""
        if order is not None and order != self.order.order:
            self.order = Ordered(order, 0)
            self.pending.append(self.order)

    def look_for_changes(self) -> None:
        """Note each picture whose file is another one than was searched or decided on."""
        now = timestamp()
        for key, state in self.states.items():
            entry = self.entries.get(key)
            if entry is not None and state.file is not None and (file := state.file.differs(entry.source)) is not None:
                self.pending.append(Changed(key, now, file))

    def write_down(self) -> None:
        """Write `pending` into the journal and do it."""
        if self.journal is not None:
            self.journal.append(self.pending, durable=True)
        for record in self.pending:
            if not isinstance(record, Sources | Ordered | Saved):
                self.states.setdefault(record.key, PictureState()).apply(record)
        self.pending.clear()


def open_sources(sources: Any, journal: Any, order: Order | None, column: Any, engine: str) -> Opened:
    """See `AuditSession.open`."""
    if order is not None:
        check_order(order)
    elif isinstance(sources, pd.DataFrame) and "sample_place" in sources.columns:
        order = "given"  # a sample is reviewed as it was drawn
    labels = _labels(sources)
    if labels is not None or isinstance(sources, pd.DataFrame):
        table = Table.of(sources, column) if labels is None else Table.of(label_table(labels), "image")
        cells = table.cells
        root = None if labels is None else labels.parent
        opened, entries = _begun([cell for cell in cells if cell is not None], journal, root)
        with _closing(opened):
            keys = iter([entry.key for entry in entries])
            table.keys = [None if cell is None else next(keys) for cell in cells]
            opened.table = table
            opened.look_for_changes()
            for key, given in table.given().items():
                opened.pending += _from_table(opened.states.get(key), opened.entries[key], given, engine)
    elif (folder := _folder(sources)) is not None:
        opened = _of_folder(folder, folder / JOURNAL_NAME if journal is None else journal)
    else:
        opened, _ = _begun(_listed(sources), journal)
    with _closing(opened):
        if opened.table is None:
            opened.look_for_changes()
        opened.put_in(order)
        opened.write_down()
    return opened


def open_journal(path: Any, elsewhere: bool) -> Opened:
    """See `AuditSession.resume`."""
    journal = Journal.open(path)
    opened = Opened({}, journal.header.root, journal)
    with _closing(opened):
        opened.replay()
        if elsewhere or _is_beside(journal):
            if journal.header.folder:
                _list_folder(opened)
            _add_known(opened, elsewhere=elsewhere)
        if not elsewhere:
            _leave_elsewhere(opened, journal)
        opened.look_for_changes()
        opened.write_down()
    return opened


@contextmanager
def _closing(opened: Opened) -> Iterator[None]:
    """Close the journal when what is done with it fails."""
    try:
        yield
    except BaseException:
        if opened.journal is not None:
            opened.journal.close()
        raise


def _folder(sources: Any) -> Path | None:
    path = local_path(sources)
    return Path(os.path.abspath(path)) if path is not None and path.is_dir() else None


def _labels(sources: Any) -> Path | None:
    path = local_path(sources)
    named = path is not None and path.name.lower().endswith(LABELS) and not path.is_dir()
    return Path(os.path.abspath(path)) if path is not None and named else None


def _listed(sources: Any) -> list[Any]:
    """The sources as a list; one picture is a list of one."""
    path = local_path(sources)
    if path is not None and not path.is_file():
        raise AuditError(f"{path}: no such folder or picture")
    if path is not None:
        refuse_file(path)
    if isinstance(sources, np.ndarray) and sources.ndim == 1 and sources.dtype.kind in "OUST":
        return list(sources)  # names, not pixels
    single = isinstance(sources, str | bytes | bytearray | memoryview | Mapping)
    if single or hasattr(sources, "__array_interface__") or not isinstance(sources, Iterable):
        return [sources]
    return list(sources)


def _of_folder(folder: Path, path: Any) -> Opened:
    if not os.path.lexists(path) and not folder_entries(folder):  # nothing is left in a folder without pictures
        raise AuditError(f"{folder}: there are no pictures in it")
    journal = Journal.open(path, Header(folder, True))
    opened = Opened({}, folder, journal)
    with _closing(opened):
        root = journal.header.root
        if root is None or os.path.realpath(root) != os.path.realpath(folder):
            reason = (
                f"is of the pictures in {root}, not in {folder}; if they have moved, correct root in its first line"
            )
            raise JournalError(str(journal.path), reason)
        opened.replay()
        _list_folder(opened)
        opened.pending += _sources_records(opened, opened.entries.values())
        _add_known(opened, elsewhere=False)
        if not opened.entries:
            raise AuditError(f"{folder}: there are no pictures in it")
    return opened


def _list_folder(opened: Opened) -> None:
    root = opened.root
    if root is None or not root.is_dir():
        raise AuditError(f"{root}: no such folder; its pictures cannot be listed")
    without = {os.path.realpath(place_of(root, key)) for key in opened.saved}
    opened.entries |= {entry.key: entry for entry in folder_entries(root, without, tell=True)}


def _add_known(opened: Opened, elsewhere: bool) -> None:
    """Add what the journal names beyond what is there: it must not be lost because its file is.

    Files and URLs `elsewhere` only for who asked for the journal itself: one that lies in a folder from a stranger
    must not make us read or fetch anything outside it.
    """
    listed = opened.journal is not None and opened.journal.header.folder
    for key in dict.fromkeys([*opened.known, *opened.states]):
        if key not in opened.entries and (elsewhere or opened.known.get(key) is None):
            entry = kept_entry(key, opened.known.get(key), opened.root)
            gone = listed and entry.place is None and not entry.error
            opened.entries[key] = replace(entry, error=GONE) if gone else entry


def _is_beside(journal: Journal) -> bool:
    """Whether the pictures' folder is the journal's own, or below it."""
    root = journal.header.root
    return root is None or Path(os.path.realpath(root)).is_relative_to(os.path.realpath(journal.path.parent))


def _leave_elsewhere(opened: Opened, journal: Journal) -> None:
    """Take the source from what is not below the journal's folder, also by a link; marks are kept, nothing is read."""
    unread = [] if _is_beside(journal) else [str(journal.header.root)]
    home = Path(os.path.realpath(journal.path.parent))
    for key in dict.fromkeys([*opened.entries, *opened.known, *opened.states]):
        entry, place = opened.entries.get(key), opened.known.get(key)
        source = None if entry is None else entry.source
        if isinstance(source, str) and Path(os.path.realpath(source)).is_relative_to(home):
            continue
        if entry is None or source is not None:
            opened.entries[key] = Entry(key, None, False, ELSEWHERE)
            unread += [str(place or source or key)] if _is_beside(journal) else []
    opened.unread = tuple(unread)


def _begun(sources: list[Any], path: Any, root: Path | None = None) -> tuple[Opened, list[Entry]]:
    """A review of a list, and an entry for each of its sources; `root` where keys are not of the common folder."""
    files = files_of(sources)
    root = common_root(files) if root is None else root
    if path is None:
        entries = source_entries(sources, files, root)
        return Opened({entry.key: entry for entry in entries}, root), entries
    journal = Journal.open(path, Header(root, False))
    opened = Opened({}, journal.header.root, journal)
    with _closing(opened):
        opened.replay()
        entries = source_entries(sources, files, opened.root)
        opened.entries = {entry.key: entry for entry in entries}
        named = opened.known.keys() | opened.states.keys()
        if named and entries and not journal.header.folder and not named & opened.entries.keys():
            reason = f"is of other pictures, such as {min(named)}; give these a journal of their own"
            raise JournalError(str(journal.path), reason)
        opened.pending += _sources_records(opened, opened.entries.values())
    return opened, entries


def _sources_records(opened: Opened, entries: Iterable[Entry]) -> list[Record]:
    """What the journal does not know yet; a folder's own pictures are listed each time."""
    listed = opened.journal is not None and opened.journal.header.folder
    new = [(entry.key, entry.place) for entry in entries if entry.key not in opened.known]
    new = [(key, place) for key, place in new if not (listed and place is None)]
    return [Sources(tuple(new[at : at + PLACES_A_LINE])) for at in range(0, len(new), PLACES_A_LINE)]


def _from_table(state: PictureState | None, entry: Entry, given: Given, engine: str) -> list[Record]:
    """What a table says that the review does not know: its detections, and for a new picture its decision."""
    records: list[Record] = []
    known, key = state or PictureState(), entry.key
    now = timestamp()
    if given.detections is not None and _is_news(known, given):
        found = given.detections
        records.append(found_record(known, entry, found, engine=engine, given=given, at=now))
    if state is None and given.decision != "unreviewed":
        file = mark_of(entry.source, read=False)
        records.append(Decided(key, given.decided_at, given.reviewer, given.decision, file))
    if state is None and given.error:
        records.append(Failed(key, now, given.error))
    return records


def _is_news(state: PictureState, given: Given) -> bool:
    """Whether a table's detections are neither what stood at any time nor what it, or an older one, said before."""
    if given.digest and given.digest in state.digests:
        return False
    if not given.detections and not state.searched:
        return True
    return print_of(given.detections or ()) not in state.stood


def found_record(
    state: PictureState,
    entry: Entry,
    found: Detections,
    *,
    engine: str,
    at: str,
    given: Given | None = None,
    warnings: tuple[str, ...] = (),
    seen: FileMark | None = None,
) -> Found:
    """An answer as it is merged into a picture; `engine` is what its detections say where it is not said."""
    if engine:
        found = found.map(lambda item: item if item.source else replace(item, source=engine))
    else:
        engine = next((item.source for item in found if item.source and not is_persons(item)), "")
    areas = tuple(area_of(item) for item in found) if engine else ()
    settled = given is not None and given.decision == "edited"
    digest = "" if given is None else given.digest
    # a whole table of files is not read at once
    file = seen or mark_of(entry.source, read=given is None)
    return Found(entry.key, at, tuple(state.merged(found).items()), engine, areas, warnings, digest, settled, file)
