"""``blur-tools compare``: what several engines found in the same pictures, side by side."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blur_tools.errors import SettingsError
from blur_tools.frames.table_files import check_table_name, read_table, shortened, write_table

if TYPE_CHECKING:
    import pandas as pd

    from blur_tools.audit.comparison import Comparison, Found

__all__ = ["add_compare"]

DESCRIPTION = """\
Put side by side what several engines found in the same pictures: ours, a service's, another tool's.

Each is NAME=FILE: a CSV or Parquet table of detect or blur, a .blur.json, COCO's labels or results (.json), or a folder
of YOLO's, Pascal VOC's or the Blur API's files. It says how much they agree, and which pictures they differ in most;
with --labels how much of what is truly there each has found and would hide. All are rendered alike, with the margin,
shape and intensity given here.

    blur-tools compare local=local.csv cloud=cloud.csv -o disputed.csv
    blur-tools audit disputed.csv --order given        # the most disputed first, with the first engine's marks"""

TABLES = (".csv", ".parquet")
SHOWN = 10


def add_compare(verbs: Any) -> None:
    """Add the verb to the command line; `verbs` are argparse's subparsers."""
    from blur_tools import cli

    parser = verbs.add_parser(
        "compare",
        allow_abbrev=False,
        help="put detections of several engines side by side, and rank pictures by their disagreement",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("inputs", nargs="+", metavar="NAME=FILE", help="an engine's name and what it found")
    parser.add_argument("--labels", type=Path, metavar="FILE", help="what is truly there: COCO, or another label file")
    parser.add_argument(
        "--pictures", type=Path, metavar="FOLDER", help="folder that the pictures' paths are relative to"
    )
    parser.add_argument("-o", "--out", type=Path, metavar="TABLE", help="write all pictures, the most disputed first")
    parser.add_argument("--by", choices=("bucket", "picture"), help="also tell scores apart by height, or by picture")
    parser.add_argument("--json", action="store_true", help="everything, as JSON")
    cli._add_settings(parser, lambda parameter: parameter.name in ("plates", "faces", "shape", "margin", "feather"))
    parser.set_defaults(run=_compare)


def _compare(options: argparse.Namespace) -> int:
    from blur_tools import cli
    from blur_tools.audit.comparison import compare
    from blur_tools.audit.exchange import problem_lines, read_labels
    from blur_tools.batch.rows import storable

    if options.out is not None:
        check_table_name(options.out)
    found: dict[str, Found] = {}
    problems: list[str] = []
    cells: dict[str, Any] = {}
    for text in options.inputs:
        name, sign, place = text.partition("=")
        path = Path(place if sign else text)
        name = name if sign else path.name.partition(".")[0]
        if not name or name in found:
            raise SettingsError("NAME=FILE", f"{text!r} has no name of its own")
        for read in (path, options.labels):
            if options.out is not None and read is not None and options.out.resolve() == read.resolve():
                raise SettingsError("out", f"{options.out} is read; choose another name")
        found[name], told = _read(path, options, cells)
        problems += [f"{name}: {line}" for line in told]
    labels = None
    if options.labels is not None:
        labels = read_labels(options.labels, pictures=options.pictures)
        problems += [f"labels: {line}" for line in problem_lines(labels.problems)]
    by = () if options.by is None else (options.by,)
    result = compare(found, labels, settings=cli._settings(options), by=by, told=problems)
    if options.out is not None:
        write_table(_ranked(result, next(iter(found.values())), cells, options.pictures), options.out)
    for line in result.problems:
        sys.stderr.write(f"{storable(line)}\n")
    if options.json:
        sys.stdout.write(json.dumps(_plain(result), allow_nan=False) + "\n")
    else:
        _show(result, options)
    return cli.FAILED if result.problems else 0


def _read(path: Path, options: argparse.Namespace, cells: dict[str, Any]) -> tuple[Found, list[str]]:
    from blur_tools.audit.comparison import found_in_frame, found_in_labels, keyed_cells

    if path.suffix.lower() in TABLES:
        frame = read_table(path)
        for key, cell in keyed_cells(frame, "image", pictures=options.pictures):
            cells.setdefault(str(key), cell)  # of the first table that has it
        return found_in_frame(frame, "image", pictures=options.pictures), []
    return found_in_labels(path, pictures=options.pictures, labels=options.labels)


def _ranked(result: Comparison, first: Found, cells: dict[str, Any], folder: Path | None) -> pd.DataFrame:
    """The pictures as a table for a review, where the tables say that they lie, with what the first engine found."""
    frame = result.pictures.rename(columns={"picture": "image"})
    texts = [None if (items := first[key]) is None else items.to_json() for key in frame["image"]]
    frame.insert(1, "detections", texts)
    frame["image"] = [cells.get(key) or (key if folder is None else str(folder / key)) for key in frame["image"]]
    return frame


def _show(result: Comparison, options: argparse.Namespace) -> None:
    write = sys.stdout.write
    if len(result.names) > 1:
        pairs = result.pairs[result.pairs[["both", "only_first", "only_second"]].sum(axis=1) > 0]
        write(f"{pairs.round(3).to_string(index=False, na_rep='')}\n\n")
    if result.scores is not None:
        write(f"{result.markdown()}\n")
        if options.by is not None:
            write(f"{result.scores.round(3).to_string(index=False, na_rep='')}\n\n")
    disputed = result.pictures[result.pictures["disputed"] > 0]
    if len(result.names) > 1 and len(disputed):
        shown = disputed.head(SHOWN)[["picture", "objects", "disputed", "dispute"]]
        write(f"{shown.assign(picture=shown['picture'].map(shortened)).to_string(index=False)}\n")
        write(f"They differ in {len(disputed)} of {len(result.pictures)} pictures.\n")
    if options.out is not None:
        write(f"Table:   {options.out}; blur-tools audit {options.out} --order given shows the most disputed first\n")


def _plain(result: Comparison) -> dict[str, Any]:
    tables = {"pictures": result.pictures, "pairs": result.pairs, "scores": result.scores}
    plain = {
        name: None if frame is None else frame.astype(object).where(frame.notna(), None).to_dict("records")
        for name, frame in tables.items()
    }
    return {"engines": list(result.names), **plain, "problems": list(result.problems)}
