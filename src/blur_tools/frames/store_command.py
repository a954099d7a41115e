"""``blur-tools store``: what earlier runs have kept, and its removal."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blur_tools.errors import SettingsError

if TYPE_CHECKING:
    from blur_tools.batch.store import Store

__all__ = ["add_resume", "add_store"]

DESCRIPTION = """\
What `blur` and `detect` found is kept by the pictures' content, so that no picture is searched or sent twice. The store
holds positions, and what plates say where that was asked for; no pixels and no file names. It is in $BLUR_TOOLS_STORE,
else in your folder for caches. Removing it costs only time, or calls to a service."""

DAY = 86_400.0


def add_resume(parser: argparse.ArgumentParser) -> None:
    """Add the option that does without the store to a verb that uses it."""
    parser.add_argument(
        "--no-resume",
        dest="resume",
        action="store_false",
        help="do everything anew, and keep nothing for the next run (see `blur-tools store`)",
    )


def add_store(verbs: Any) -> None:
    """Add the verb to the command line; `verbs` are argparse's subparsers."""
    store = verbs.add_parser("store", help="what earlier runs have kept: info, prune", description=DESCRIPTION)
    kinds = store.add_subparsers(required=True, metavar="info|prune")
    info = kinds.add_parser(
        "info", help="where it is, and how much", description="Say where the store is and how much."
    )
    prune = kinds.add_parser(
        "prune",
        help="remove what is damaged or old",
        description="Remove what is damaged, of another version, or was left by a run that was killed.",
    )
    which = prune.add_mutually_exclusive_group()
    which.add_argument("--older-than", type=float, metavar="DAYS", help="also what was kept more days ago")
    which.add_argument("--all", action="store_true", help="everything")
    for kind, run in ((info, _info), (prune, _prune)):
        kind.add_argument("--store", type=Path, metavar="FOLDER", help="another store than the usual one")
        kind.set_defaults(run=run)


def _info(options: argparse.Namespace) -> int:
    store = _store(options)
    held = store.contents()
    print(f"Store:   {store.folder}")
    print(f"Holds:   {held.values:,} answers and results, {_size(held.size)}")
    if held.oldest is not None and held.newest is not None:
        print(f"Kept:    {_date(held.oldest)} to {_date(held.newest)}")
    if held.unreadable:
        print(f"Damaged: {held.unreadable:,}, or of another version; `blur-tools store prune` removes them")
    return 0


def _prune(options: argparse.Namespace) -> int:
    days = 0.0 if options.all else options.older_than
    if days is not None and not days >= 0:
        raise SettingsError("--older-than", f"{days!r} is not a number of days")
    store = _store(options)
    removed = store.prune(None if days is None else days * DAY)
    held = store.contents()
    print(f"{removed:,} files removed from {store.folder}; {held.values:,} are left, {_size(held.size)}")
    return 0


def _store(options: argparse.Namespace) -> Store:
    from blur_tools.batch.store import FOLDER_VARIABLE, Store, default_folder

    folder = options.store or default_folder()
    if folder is None:
        raise SettingsError("store", f"there is no home folder to look in; set {FOLDER_VARIABLE}, or give --store")
    if folder.exists() and not folder.is_dir():
        raise SettingsError("store", f"{folder} is no folder")
    return Store(folder)


def _size(count: int) -> str:
    size, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB"):
        if size >= 1000:
            size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")
