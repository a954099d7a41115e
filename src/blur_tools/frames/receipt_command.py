"""``blur-tools receipt``, and what ``blur-tools verify --receipt`` shows."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from blur_tools.errors import SettingsError
from blur_tools.frames.table_files import read_table

__all__ = ["add_receipt", "check"]

DESCRIPTION = """\
Write the receipt of a finished run: hashes of every picture and result, what was hidden, how, and who decided, each
entry bound to the one before it. It prints one hash: keep it where who can change the files cannot. With it

    blur-tools verify blurred --receipt receipt.jsonl --head HASH

finds any result, and any entry of the receipt, that was changed, is missing, was added or put elsewhere since.

Write it right after the run: it is made from the finished table, and proves nothing of the time before.

There is no plate's text and no pixel in a receipt. File names can hold plates: --hash-names."""


def add_receipt(verbs: Any) -> None:
    """Add the verb to the command line; `verbs` are argparse's subparsers."""
    from blur_tools import cli

    receipt = verbs.add_parser(
        "receipt",
        allow_abbrev=False,
        help="write hashes of all that was done, and one that proves it",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    receipt.add_argument("input", type=Path, metavar="TABLE", help="the CSV or Parquet table of the run")
    receipt.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help="the receipt, such as run.jsonl")
    receipt.add_argument(
        "--results", type=Path, metavar="FOLDER", help="the folder of the results (default: beside the table)"
    )
    receipt.add_argument("--key", type=Path, metavar="FILE", help="a secret file: without it nobody can forge one")
    receipt.add_argument("--hash-names", action="store_true", help="say file names only as hashes, with the key")
    receipt.add_argument(
        "--pseudonym", action="append", default=[], metavar="NAME=OTHER", help="what a reviewer is called in it"
    )
    cli._add_settings(receipt, lambda parameter: True)
    receipt.set_defaults(run=_receipt)


def _receipt(options: argparse.Namespace) -> int:
    from blur_tools import cli
    from blur_tools.audit.receipt import write_receipt

    frame = read_table(options.input)
    names = [text.partition("=") for text in options.pseudonym]
    for name, sign, other in names:
        if not (name and sign and other):
            raise SettingsError("pseudonym", f"{name!r} is not NAME=OTHER")
    head = write_receipt(
        options.out,
        frame,
        "image",
        out=options.results or results_of(frame, options.input),
        settings=cli._settings(options),
        key=options.key,
        hash_names=options.hash_names,
        pseudonyms={name: other for name, _, other in names},
    )
    sys.stdout.write(f"{head}\n")
    return 0


def results_of(frame: Any, table: Path) -> Path:
    """The folder of the results that a table names, beside the table.

    Raises
    ------
    SettingsError
        The table names none, or several.
    """
    named = frame["blurred"].dropna() if "blurred" in frame.columns else []
    titles = {str(name).partition("/")[0] for name in named}
    if len(titles) != 1:
        raise SettingsError("results", "the table does not name one folder of results; say which with --results")
    return table.parent / titles.pop()


def check(options: argparse.Namespace) -> int:
    """Compare a folder with a receipt, and tell; the exit status."""
    from blur_tools import cli
    from blur_tools.audit.receipt import check_receipt
    from blur_tools.batch.rows import storable

    if len(options.inputs) != 1:
        raise SettingsError("receipt", "a receipt is of one folder of results; give that one")
    result = check_receipt(
        options.receipt, head=options.head, folder=options.inputs[0], originals=options.against, key=options.key
    )
    if options.json:
        lines = [asdict(difference) for difference in result.differences]
        said = {
            "head": result.head,
            "files": result.files,
            "originals": result.originals,
            "caveats": result.caveats,
            "differences": lines,
        }
        sys.stdout.write(json.dumps(said, ensure_ascii=True) + "\n")
        return cli.FAILED if lines else 0
    for difference in result.differences:
        sys.stderr.write(storable(f"{difference.kind}: {difference.name}: {difference.detail}\n"))
    for caveat in result.caveats:
        sys.stderr.write(f"note: {caveat}\n")
    if not options.quiet:
        originals = "" if result.originals is None else f" and {result.originals} originals"
        state = "NOT as the receipt says" if result.differences else "all as the receipt says"
        sys.stdout.write(
            f"{result.files} results{originals} as written down, {len(result.differences)} differences: {state}.\n"
            f"Hash of the receipt: {result.head}\n"
        )
    return cli.FAILED if result.differences else 0
