"""``blur-tools export``: labels of a run, of a review or of other tools, into the format that is wanted."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from blur_tools.errors import SettingsError
from blur_tools.frames.table_files import check_table_name, read_table, write_table

if TYPE_CHECKING:
    from typing import Any

    import pandas as pd

__all__ = ["add_export"]

FORMATS = ("blur.json", "coco", "yolo", "yolo-outlines", "voc", "api")
TABLES = (".csv", ".parquet")

DESCRIPTION = """\
Write the detections of a run or a review in the format of another tool, or take over the labels of another tool.

INPUT is a CSV or Parquet table that blur, detect or a review wrote, the journal of a review (.jsonl), a .blur.json,
COCO's labels (.json), or a folder of YOLO's, Pascal VOC's or the Blur API's files. OUTPUT is a .blur.json, COCO's
.json, a table for blur-tools redact (.csv, .parquet), or with --format a folder.

What could not be taken over as it stands, such as labels of pictures that are missing, other sizes, unknown categories,
is listed and counted, and the exit status is then 1."""


def add_export(verbs: Any) -> None:
    """Add the verb to the command line; `verbs` are argparse's subparsers."""
    export = verbs.add_parser(
        "export",
        allow_abbrev=False,
        help="write detections in other tools' formats, or take theirs over",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    export.add_argument("input", type=Path, metavar="INPUT", help="a table, a journal, labels, or a folder of labels")
    export.add_argument("-o", "--out", type=Path, required=True, metavar="OUTPUT", help="a file, or a folder")
    export.add_argument("--format", choices=FORMATS, help="of the output (default: by its name)")
    export.add_argument("--from", dest="form", choices=FORMATS, help="of the input (default: what it looks like)")
    export.add_argument(
        "--pictures", type=Path, metavar="FOLDER", help="where labelled pictures are: needed for a table, checks labels"
    )
    export.add_argument("-q", "--quiet", action="store_true", help="say only what went wrong")
    export.set_defaults(run=_export)


def _export(options: argparse.Namespace) -> int:
    from blur_tools import cli

    if options.out.resolve() == options.input.resolve():
        raise SettingsError("out", f"{options.out} is what is read; choose another name")
    of_review = options.input.suffix.lower() in (*TABLES, ".jsonl")
    problems = _from_review(options) if of_review else _from_labels(options)
    for line in problems:
        sys.stderr.write(f"{line}\n")
    if not options.quiet:
        sys.stdout.write(f"Written: {options.out}\n")
    return cli.FAILED if problems else 0


def _from_review(options: argparse.Namespace) -> list[str]:
    from blur_tools.audit.session import AuditSession
    from blur_tools.batch.rows import storable

    is_table = options.input.suffix.lower() in TABLES
    place = AuditSession.open(read_table(options.input), column="image") if is_table else None
    with place or AuditSession.resume(options.input) as session:
        if options.out.suffix.lower() in TABLES and options.format is None:
            check_table_name(options.out)
            write_table(session.to_frame(), options.out)
            return []
        left = session.export(options.out, options.format)
    lines = [storable(f"{key}: {why}") for key, why in left.items()]
    return [*lines, f"{len(left)} pictures are not in it as they stand"] if lines else []


def _from_labels(options: argparse.Namespace) -> list[str]:
    from blur_tools.audit.exchange import format_of, labels_frame, problem_lines, read_labels, write_pictures
    from blur_tools.batch.rows import storable

    table = options.out.suffix.lower() in TABLES and options.format is None
    if table and options.pictures is None:
        raise SettingsError("pictures", "a table names the pictures themselves; say in which folder they are")
    form = None if table else format_of(options.out, options.format)
    labels = read_labels(options.input, options.form, pictures=options.pictures)
    lines = problem_lines(labels.problems)
    if table:
        check_table_name(options.out)
        frame: pd.DataFrame = labels_frame(labels, options.pictures)
        write_table(frame, options.out)
        return lines
    left = write_pictures(options.out, labels.pictures, str(form))
    return [*lines, *(storable(f"{key}: {why}") for key, why in left.items())]
