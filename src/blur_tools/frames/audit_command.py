"""``blur-tools audit``: open a review in napari, and write down what a person decided."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blur_tools.errors import ExtraMissingError, SettingsError
from blur_tools.frames.table_files import check_table_name, read_table, write_table

if TYPE_CHECKING:
    from blur_tools.audit.session import AuditSession

__all__ = ["add_audit"]

DESCRIPTION = """\
Look through pictures in napari, see what was found, mend what was missed, and decide on each picture, with the
keyboard alone if you like. Every edit is kept in a journal as it happens: stop whenever you want, and go on with the
same command.

PICTURES is a folder, a CSV or Parquet table that blur or detect wrote, a .blur.json with the pictures beside it, or
the journal of a review that was begun (.jsonl). A folder's journal is .blur-audit.jsonl in it, that of a table or a
.blur.json stands beside the file. When the window is closed
the table as it stands then can be written, for blur-tools redact to render."""

ORDERS = ("path", "risk", "random", "given")
TABLES = (".csv", ".parquet")


def add_audit(verbs: Any) -> None:
    """Add the verb to the command line; `verbs` are argparse's subparsers."""
    audit = verbs.add_parser(
        "audit",
        allow_abbrev=False,
        help="look through pictures in napari and mend what was found",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    audit.add_argument(
        "pictures", type=Path, metavar="PICTURES", help="a folder, a table, a .blur.json, or a review's journal"
    )
    audit.add_argument("--journal", type=Path, metavar="FILE", help="where the work is kept")
    audit.add_argument("--reviewer", default="", help="who decides (default: the account's name)")
    audit.add_argument("--order", choices=ORDERS, help="order of the queue (default: as it was, or path)")
    audit.add_argument(
        "--table", type=Path, help="CSV or Parquet file for the table at the end; of a table by default NAME-audited"
    )
    audit.set_defaults(run=_audit)


def _audit(options: argparse.Namespace) -> int:

    if find_spec("napari") is None:
        raise ExtraMissingError("blur-tools audit", "napari")
    table = _table(options)
    if table is not None:
        check_table_name(table)
    with _session(options) as session:
        _show(session)
        counts = ", ".join(f"{count} {name}" for name, count in session.counts().items() if count)
        print(f"{len(session)} pictures: {counts}")
        if session.journal is not None:
            print(f"Journal: {session.journal}")
        if table is not None:
            write_table(session.to_frame(), table)
            print(f"Table:   {table}; blur-tools redact renders it")
    return 0


def _table(options: argparse.Namespace) -> Path | None:
    """Where the table goes."""
    table: Path | None = options.table
    if table is None and options.pictures.suffix.lower() in TABLES:
        return Path(options.pictures.with_stem(f"{options.pictures.stem}-audited"))
    if table is not None and table.resolve() == options.pictures.resolve():
        raise SettingsError("table", f"{table} is the table that is read; give another with --table")
    return table


def _session(options: argparse.Namespace) -> AuditSession:
    from blur_tools.audit.session import AuditSession

    place: Path = options.pictures
    if place.suffix.lower() == ".jsonl":
        if options.journal is not None:
            raise SettingsError("journal", f"{place} is one itself")
        return AuditSession.resume(place, reviewer=options.reviewer)
    sources: Any = place
    journal = options.journal
    labels = place.name.lower().endswith(".blur.json")
    if place.suffix.lower() in TABLES:
        sources = read_table(place)
    elif not labels and not place.is_dir():
        raise SettingsError("pictures", f"{place} is no folder, no CSV or Parquet table, no .blur.json and no journal")
    if not place.is_dir():
        journal = journal or place.with_name(f".{place.name}.blur-audit.jsonl")
    return AuditSession.open(sources, journal=journal, reviewer=options.reviewer, order=options.order)


def _show(session: AuditSession) -> None:
    """In a window, until it is closed."""
    import napari

    from blur_tools.napari import open_audit

    open_audit(session)
    napari.run()
