"""``blur-tools verify``: its options, and what it shows."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blur_tools.errors import SettingsError
from blur_tools.frames.receipt_command import check
from blur_tools.frames.table_files import read_table, shortened
from blur_tools.sources import is_url, url_name

if TYPE_CHECKING:
    import pandas as pd

    from blur_tools.batch.verify import Subject, Verdict

__all__ = ["add_verify"]

DESCRIPTION = """\
Check redacted files, whoever wrote them: that nothing beside the pixels can hold a second picture (thumbnails,
previews, further pages and frames, unknown blocks, bytes behind the end), that no plate or face is seen that was not to
be hidden, and, with --against or --detections, that nothing changed outside the regions.

A file fails that holds a second picture or bytes that can be one, that shows what was to be hidden, or that changed
outside the regions although its method promises otherwise. Texts, positions, serial numbers and detections in the
result are doubts: a person should look. --strict makes them failures.

With --receipt a folder is compared with the receipt that blur-tools receipt wrote, and nothing else is done."""

_NO_MATTER = {"copy_metadata", "copy_gps", "copy_serials", "render", "read_plates"}
"""Parameters that say nothing of where or how something was to be hidden, or of what is to be looked for."""


def add_verify(verbs: Any) -> None:
    """Add the verb to the command line; `verbs` are argparse's subparsers."""
    from blur_tools import cli

    verify = verbs.add_parser(
        "verify",
        allow_abbrev=False,
        help="check what was written: nothing left, nothing missed, nothing else changed",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verify.add_argument("inputs", nargs="+", metavar="FILE", help="redacted files, or folders with all below")
    verify.add_argument(
        "--against", type=Path, metavar="FOLDER", help="the originals, under the same names, to compare with"
    )
    verify.add_argument(
        "--detections",
        type=Path,
        metavar="TABLE",
        help="the CSV or Parquet table of the run: what was hidden, how, and where the originals are",
    )
    verify.add_argument(
        "--receipt",
        type=Path,
        metavar="FILE",
        help="compare the folder, and that of --against, with the receipt of the run instead: what was changed, is "
        "missing, or was added since",
    )
    verify.add_argument("--head", metavar="HASH", help="the receipt's hash, as it was kept")
    verify.add_argument("--key", type=Path, metavar="FILE", help="the key file that the receipt was written with")
    verify.add_argument("--no-detect", action="store_true", help="do not look for plates and faces that are still seen")
    verify.add_argument("--strict", action="store_true", help="fail what a person should look at, too")
    verify.add_argument("--json", action="store_true", help="one JSON line a file, with every finding")
    cli._add_engine(verify)
    cli._add_run(verify)
    cli._add_settings(verify, lambda parameter: parameter.name not in _NO_MATTER)
    verify.set_defaults(run=_verify)


def _verify(options: argparse.Namespace) -> int:
    from blur_tools import cli
    from blur_tools.batch.rows import Job, storable
    from blur_tools.batch.verify import verify_all

    if options.receipt is not None:
        return check(options)
    names, subjects = _subjects(options)
    engine = None if options.no_detect else cli._engine(options)
    job = Job(options.workers, not (options.quiet or options.json))
    failed = False
    verdicts: list[Verdict] = []
    for name, verdict in zip(
        names,
        verify_all(subjects, cli._settings(options), engine, strict=options.strict, workers=job.workers,
                   progress=job.progress),
        strict=True,
    ):  # fmt: skip
        failed |= verdict.verdict == "failed"
        verdicts.append(verdict)
        if options.json:
            line = {"image": storable(name), **verdict.to_json()}
            sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
            sys.stdout.flush()
    if not options.json:
        _show(names, verdicts, options.quiet)
    return cli.FAILED if failed else 0


def _show(names: list[str], verdicts: list[Verdict], quiet: bool) -> None:
    from blur_tools import cli
    from blur_tools.batch.rows import storable
    from blur_tools.frames.verified import with_verdicts

    if not quiet:
        table = with_verdicts(cli._frame([shortened(name) for name in names]), verdicts)
        shown = table.drop(columns=["problems", "doubts"])
        count = {kind: sum(verdict.verdict == kind for verdict in verdicts) for kind in ("ok", "doubtful", "failed")}
        sys.stdout.write(shown.to_string(index=False, na_rep="") + "\n")
        for name, verdict in zip(names, verdicts, strict=True):
            for text in verdict.doubts:
                sys.stdout.write(f"look at {storable(name)}: {storable(text)}\n")
        sys.stdout.write(f"\n{', '.join(f'{number} {kind}' for kind, number in count.items())}.\n")
    for name, verdict in zip(names, verdicts, strict=True):
        for text in verdict.problems:
            sys.stderr.write(f"failed: {storable(name)}: {storable(text)}\n")


def _subjects(options: argparse.Namespace) -> tuple[list[str], list[Subject]]:
    """The files, each with what is known of it."""
    from blur_tools import cli

    if options.against is not None and not options.against.is_dir():
        raise SettingsError("against", f"{options.against} is not a folder")
    rows = None if options.detections is None else _by_result(read_table(options.detections))
    files: dict[str, Path] = {}
    for text in options.inputs:
        if not text:
            raise SettingsError("FILE", "an empty name; is a variable of the shell unset?")
        if is_url(text):
            files.setdefault(text, Path(url_name(text)))
        elif os.path.isdir(text):  # not Path.is_dir: a name can be none that the file system takes
            files |= {name: Path(name).relative_to(text) for name in cli._pictures_below(Path(text), None)}
        else:
            files.setdefault(text, Path(Path(text).name))
    if not files:
        raise SettingsError("FILE", f"no pictures in {', '.join(options.inputs)}")
    return list(files), [_subject(name, below, options, rows) for name, below in files.items()]


def _by_result(table: pd.DataFrame) -> dict[tuple[str, ...], dict[str, Any]]:
    """The rows of a run's table by the parts of their result's path."""
    for needed in ("blurred", "detections"):
        if needed not in table.columns:
            raise SettingsError("detections", f"the table has no column {needed}, which blur and redact write")
    texts = table.astype(object).where(table.notna(), None)
    records = [{str(key): value for key, value in record.items()} for record in texts.to_dict("records")]
    return {tuple(str(record["blurred"]).split("/")): record for record in records if record["blurred"]}


def _subject(
    name: str, below: Path, options: argparse.Namespace, rows: dict[tuple[str, ...], dict[str, Any]] | None
) -> Subject:
    from blur_tools.batch.verify import Subject

    lacking, original, row = "", None, None
    if rows is not None:
        parts = Path(name).absolute().parts
        row = next((rows[parts[i:]] for i in range(len(parts)) if parts[i:] in rows), None)
        if row is None:
            lacking = f"{options.detections} has no row of it"
    if options.against is not None:
        # a result whose ending said another format has the right one added
        places = [options.against / below, options.against / below.with_suffix("")]
        original = next((place for place in places if os.path.isfile(place)), None)
        if original is None:
            lacking = lacking or f"{options.against} has no original of it"
    elif row is not None:
        places = [Path(str(row["image"])), options.detections.parent / str(row["image"])]
        original = row["image"] if is_url(row["image"]) else next((p for p in places if os.path.isfile(p)), None)
        if original is None:
            lacking = f"its original {row['image']} is not there; say where with --against"
    told = row or {}
    return Subject(name, original, told.get("detections"), told.get("method"), lacking)
