"""``blur-tools report``: what was done in a run, for a person and for a machine."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from blur_tools.frames.table_files import read_table

__all__ = ["add_report"]

DESCRIPTION = """\
Write the report of a finished run: one HTML file that needs no network, and the same as JSON beside it. It says what
was run, what was found and where, what failed, what was missed at most (--sample), what verify said, and shows hidden
regions: their hidden pixels, and nothing beside them. There is no plate's text and no pixel of an original in it.

The exit status is 1 if a result fails --verify, or differs from --receipt; the report is written all the same."""


def add_report(verbs: Any) -> None:
    """Add the verb to the command line; `verbs` are argparse's subparsers."""
    from blur_tools import cli

    report = verbs.add_parser(
        "report",
        allow_abbrev=False,
        help="write a page on what was hidden, and what was missed at most",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    report.add_argument("input", type=Path, metavar="TABLE", help="the CSV or Parquet table of the run")
    report.add_argument(
        "-o", "--out", type=Path, default=Path("report.html"), metavar="FILE", help="the page (default %(default)s)"
    )
    report.add_argument(
        "--results", type=Path, metavar="FOLDER", help="the folder of the results (default: beside the table)"
    )
    report.add_argument("--sample", type=Path, metavar="TABLE", help="the reviewed sample of this run")
    report.add_argument("--verify", action="store_true", help="verify the results first, without detecting again")
    report.add_argument("--receipt", type=Path, metavar="FILE", help="the run's receipt, whose hash the report prints")
    report.add_argument("--key", type=Path, metavar="FILE", help="the key file that the receipt was written with")
    report.add_argument("--head", metavar="HASH", help="the receipt's hash, as it was kept")
    report.add_argument("--title", default="Anonymised pictures", help="what stands above it (default %(default)s)")
    report.add_argument("--no-names", action="store_true", help="do not say the names of pictures")
    report.add_argument("--crops", type=int, default=24, help="how many hidden regions are shown (default %(default)s)")
    cli._add_settings(report, lambda parameter: True)
    report.set_defaults(run=_report)


def _report(options: argparse.Namespace) -> int:
    from blur_tools import cli
    from blur_tools.audit.report import make_report
    from blur_tools.batch.rows import Job
    from blur_tools.errors import SettingsError
    from blur_tools.frames.receipt_command import results_of
    from blur_tools.frames.verified import verify_frame

    frame, settings = read_table(options.input), cli._settings(options)
    try:
        results: Path | None = options.results or results_of(frame, options.input)
    except SettingsError:
        if options.verify or options.receipt is not None:
            raise
        results = None  # a table of detections alone has a report, too
    if options.verify and results is not None:
        frame = verify_frame(frame, "image", out=results, detect=False, settings=settings, job=Job(None, False))
    report = make_report(
        frame,
        "image",
        out=results,
        sample=None if options.sample is None else read_table(options.sample),
        receipt=options.receipt,
        key=options.key,
        head=options.head,
        title=options.title,
        settings=settings,
        names=not options.no_names,
        crops=options.crops,
    )
    data = report.write(options.out)
    for _, text in report.data["says"]:
        sys.stdout.write(f"{text}\n")
    sys.stdout.write(f"Report:  {options.out}\nAs JSON: {data}\n")
    checked, receipt = report.data["verification"] if options.verify else None, report.data["receipt"]
    bad = checked is not None and checked["verdicts"].get("failed", 0)
    return cli.FAILED if bad or (receipt is not None and receipt["differences"]) else 0
