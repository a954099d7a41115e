"""The command line: ``blur-tools VERB``; its options are made from `BlurSettings`."""

from __future__ import annotations

import argparse
import difflib
import json
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blur_tools import __version__
from blur_tools.batch.folders import list_pictures
from blur_tools.errors import BlurError, PictureError, SettingsError
from blur_tools.frames.audit_command import add_audit
from blur_tools.frames.compare_command import add_compare
from blur_tools.frames.export_command import add_export
from blur_tools.frames.receipt_command import add_receipt
from blur_tools.frames.report_command import add_report
from blur_tools.frames.sample_command import add_bounds, add_sample
from blur_tools.frames.store_command import add_resume, add_store
from blur_tools.frames.table_files import check_table_name, read_table, replace_table, shortened, table_path
from blur_tools.frames.verify_command import add_verify
from blur_tools.server.command import add_serve
from blur_tools.settings import DEFAULT_INTENSITY, BlurSettings, Parameter
from blur_tools.sources import is_url

if TYPE_CHECKING:
    import pandas as pd

    from blur_tools.engines import Engine

__all__ = ["main"]

SHOWN_ROWS = 20
FAILED, WRONG_USE, STOPPED = 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns
    -------
    int
        0 when every picture is done; 1 when any failed; 2 for wrong use; 130 when stopped by Ctrl-C.
    """
    # what Pillow thinks of damaged metadata, without a word of which picture's
    warnings.filterwarnings("ignore", module=r"PIL\.")
    options, unknown = _parser().parse_known_args(arguments)
    if unknown:
        print(f"blur-tools {options.verb}: {_unknown(unknown)}", file=sys.stderr)
        return WRONG_USE
    try:
        verb: Callable[[argparse.Namespace], int] = options.run
        return verb(options)
    except KeyboardInterrupt:
        on = "; the same command goes on from there" if getattr(options, "resume", False) else ""
        print(f"blur-tools: stopped; what is done stays done, and no table was written{on}", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:
        # whoever read us has enough; keep the interpreter from complaining at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except BlurError as error:
        print(f"blur-tools: {error}", file=sys.stderr)
        return WRONG_USE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="blur-tools",
        description="Find and blur number plates and faces in pictures. Nothing leaves this machine unless you say so.",
    )
    parser.add_argument("--version", action="version", version=f"blur-tools {__version__}")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB", dest="verb")
    _add_blur(verbs)
    _add_detect(verbs)
    _add_redact(verbs)
    add_serve(verbs, _add_parameter)
    add_audit(verbs)
    add_verify(verbs)
    add_store(verbs)
    add_sample(verbs)
    add_bounds(verbs)
    add_compare(verbs)
    add_report(verbs)
    add_receipt(verbs)
    add_export(verbs)
    demo = verbs.add_parser("demo", help="blur our own sample scenes", description=_demo.__doc__)
    demo.add_argument("-o", "--out", type=Path, default=Path("demo"), help="folder (default %(default)s)")
    demo.set_defaults(run=_demo)
    return parser


def _unknown(arguments: Sequence[str]) -> str:
    known = ["--" + parameter.name.replace("_", "-") for parameter in BlurSettings.parameters()]
    near = difflib.get_close_matches(arguments[0].partition("=")[0], known, n=1)
    return f"{arguments[0]} is not an option" + (f"; did you mean {near[0]}?" if near else "; see --help")


def _add_blur(verbs: Any) -> None:
    blur = verbs.add_parser(
        "blur",
        allow_abbrev=False,
        help="find plates and faces, hide them, write the results",
        description="Find plates and faces in pictures, hide them, and write the results and a table.",
    )
    _add_inputs(blur)
    _add_output(blur)
    _add_root(blur, "the folder that is given, or that all files share")
    _add_engine(blur)
    add_resume(blur)
    _add_run(blur)
    _add_settings(blur, lambda parameter: True)
    blur.set_defaults(run=_blur)


def _add_detect(verbs: Any) -> None:
    detect = verbs.add_parser(
        "detect",
        allow_abbrev=False,
        help="find plates and faces; print one JSON line a picture",
        description="Find plates and faces. Prints one JSON line a picture, or writes a table for `redact`.",
    )
    _add_inputs(detect)
    detect.add_argument("--table", type=Path, help="write a CSV or Parquet table instead of printing")
    _add_engine(detect)
    add_resume(detect)
    _add_run(detect)
    _add_settings(detect, lambda parameter: parameter.api or parameter.name in _FINDING)
    detect.set_defaults(run=_detect)


def _add_redact(verbs: Any) -> None:
    redact = verbs.add_parser(
        "redact",
        allow_abbrev=False,
        help="hide the detections of a table, whoever found or edited them",
        description="Hide the detections that stand in a table written by `blur` or `detect`; no engine is asked.",
    )
    redact.add_argument("input", type=Path, metavar="TABLE", help="CSV or Parquet with image and detections")
    _add_output(redact)
    _add_root(redact, "results keep the names that they have in the table")
    _add_run(redact)
    _add_settings(redact, lambda parameter: not parameter.api or parameter.name in _RENDERING)
    redact.set_defaults(run=_redact)


_FINDING = ("plate_threshold", "face_threshold", "read_plates")
_RENDERING = ("plates", "faces", "logo", "copy_metadata")


def _add_engine(parser: argparse.ArgumentParser) -> None:
    engines = "local (default, or $BLUR_TOOLS_ENGINE), cloud, onpremise, or a service's http://host:port"
    parser.add_argument("--engine", help=f"who finds: {engines}")
    parser.add_argument("--rate", type=float, help="calls a second of a remote engine (default: 1 for the cloud)")


def _engine(options: argparse.Namespace) -> Engine:
    from blur_tools.engines import engine

    return engine(options.engine, **({} if options.rate is None else {"rate": options.rate}))


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("inputs", nargs="+", metavar="PICTURE", help="files, folders (with all below) or URLs")


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("blurred"), help="folder of the results (default %(default)s)"
    )
    parser.add_argument("--table", type=Path, help="CSV or Parquet of what was done (default OUT.csv)")


def _add_root(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--root", type=Path, help=f"folder that paths are relative to in the results (default: {default})"
    )


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workers", type=int, help="threads (default: as many as cores)")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bar and no table on the screen")


def _add_settings(parser: argparse.ArgumentParser, wanted: Callable[[Parameter], bool]) -> None:
    groups = {
        True: parser.add_argument_group("parameters of the Blur API"),
        False: parser.add_argument_group("parameters of the local renderer"),
    }
    for parameter in BlurSettings.parameters():
        if wanted(parameter):
            default = DEFAULT_INTENSITY if parameter.name in ("plates", "faces") else None
            _add_parameter(groups[parameter.api], parameter, default)


def _add_parameter(group: Any, parameter: Parameter, default: object = None) -> None:
    """Add one parameter's option; `default` is what the verb says when the user says nothing."""
    flag, text = "--" + parameter.name.replace("_", "-"), parameter.help.replace("%", "%%")
    facts: dict[str, Any] = {"dest": parameter.name, "default": None}
    if parameter.kind == "flag":
        facts["action"] = argparse.BooleanOptionalAction
    else:
        facts["metavar"] = "|".join(parameter.choices) or parameter.kind.upper()
        if parameter.repeated:
            facts["action"] = "append"
            text += " Can be given several times."
    if parameter.low is not None and parameter.high is not None:
        text += f" [{parameter.low:g} to {parameter.high:g}]"
    if default is None:
        default = parameter.default
    if default is not None and parameter.kind != "flag":
        text += f" (default {default})"
    group.add_argument(flag, help=text, **facts)


def _settings(options: argparse.Namespace) -> BlurSettings:
    given = vars(options)
    names = [parameter.name for parameter in BlurSettings.parameters()]
    return BlurSettings.of(**{name: given[name] for name in names if given.get(name) is not None})


def _blur(options: argparse.Namespace) -> int:
    from blur_tools.frames.tables import Job, apply_frame

    frame, given = _gather(options.inputs, options.out)
    root = options.root or given
    table = table_path(options)
    job = Job(options.workers, not options.quiet)
    result = apply_frame(
        frame, "image", out=options.out, root=root, settings=_settings(options), engine=_engine(options), job=job,
        resume=options.resume,
    )  # fmt: skip
    return FAILED if _finish(result, table, None if options.quiet else options.out) else 0


def _redact(options: argparse.Namespace) -> int:
    from blur_tools.frames.tables import Job, redact_frame

    frame = read_table(options.input)
    table = table_path(options)
    if os.path.realpath(table) == os.path.realpath(options.input):
        raise SettingsError("table", f"{table} is the table that is read; give another with --table")
    job = Job(options.workers, not options.quiet)
    result = redact_frame(frame, "image", out=options.out, root=options.root, settings=_settings(options), job=job)
    return FAILED if _finish(result, table, None if options.quiet else options.out) else 0


def _detect(options: argparse.Namespace) -> int:
    from blur_tools.batch.columns import with_rows
    from blur_tools.batch.rows import Job, detect_rows, storable, telling
    from blur_tools.batch.store import open_store

    frame, _ = _gather(options.inputs, None)
    if options.table:
        check_table_name(options.table)
    sources = frame["image"]
    job = Job(options.workers, bool(options.table) and not options.quiet)
    rows = detect_rows(list(sources), _settings(options), _engine(options), job, open_store(options.resume))
    with closing(telling(rows)) as told:
        if options.table:
            result = with_rows(frame, told).drop(columns=["blurred", "method"])
            replace_table(result, options.table)
            if not options.quiet:
                print(f"{_found(result)}\nTable:   {options.table}")
            return FAILED if _list_failures(result) else 0
        failed = False
        for source, row in zip(sources, told, strict=True):
            failed |= row.status == "failed"
            items = None if row.detections is None else json.loads(row.detections.to_json())["detections"]
            line = {
                "image": storable(source), "status": row.status, "detections": items, "error": row.to_columns()["error"]
            }  # fmt: skip
            print(json.dumps(line, ensure_ascii=False), flush=True)
    return FAILED if failed else 0


def _demo(options: argparse.Namespace) -> int:
    """Write our own sample scenes, blur them, print the table and say where to look."""
    from blur_tools.frames.tables import Job, apply_frame
    from blur_tools.samples import write_scenes

    pictures, blurred = options.out / "pictures", options.out / "blurred"
    frame = _frame([str(path) for path in write_scenes(pictures)])
    result = apply_frame(frame, "image", out=blurred, root=pictures, job=Job(progress=False))
    return FAILED if _finish(result, options.out / "blurred.csv", blurred) else 0


def _gather(inputs: Sequence[str], out: Path | None) -> tuple[pd.DataFrame, Path | None]:
    """A table of all pictures, and the folder they are relative to when there is one."""
    paths: list[str] = []
    for text in inputs:
        if not text:
            raise SettingsError("PICTURE", "an empty name; is a variable of the shell unset?")
        # not Path.is_dir: a name can be none that the file system takes
        if is_url(text) or not os.path.isdir(text):
            paths.append(text)
        else:
            paths += _pictures_below(Path(text), out)
    if not paths:
        raise SettingsError("PICTURE", f"no pictures in {', '.join(inputs)}")
    folders = [Path(text) for text in inputs if not is_url(text) and os.path.isdir(text)]
    if len(inputs) > 1:  # one can be given twice, or in its folder
        paths = list(dict.fromkeys(paths))
    return _frame(paths), folders[0] if len(folders) == len(inputs) == 1 else None


def _pictures_below(folder: Path, out: Path | None) -> list[str]:
    """Files of a folder that are pictures by name, sorted; the results of an earlier run are none of them."""
    skipped = os.path.realpath(out) if out else None
    if skipped == os.path.realpath(folder):
        raise SettingsError("out", f"{out} is the folder of the pictures; choose another for the results")
    try:
        listing = list_pictures(folder, () if skipped is None else (skipped,))
    except PictureError as error:
        raise SettingsError("PICTURE", str(error)) from error
    for link in listing.links:
        print(f"{link} is a link to a folder and was not followed", file=sys.stderr)
    if listing.others:
        print(f"left out of {folder}: {listing.others} with names that no picture has", file=sys.stderr)
    return list(listing.pictures)


def _frame(paths: list[str]) -> pd.DataFrame:
    import pandas as pd

    # as objects: a file name need not be valid UTF-8, which a text column would refuse
    return pd.DataFrame({"image": pd.Series(paths, dtype=object)})


def _finish(result: pd.DataFrame, table: Path, out: Path | None) -> bool:
    """Write the table of a run and say what was done, or nothing without `out`; whether any picture failed."""
    replace_table(result, table)
    if out is not None:
        shown = result[["image", "n_plates", "n_faces", "method", "status"]].head(SHOWN_ROWS)
        print(shown.assign(image=shown["image"].map(shortened)).to_string(index=False, na_rep=""))
        if len(result) > SHOWN_ROWS:
            print(f"… and {len(result) - SHOWN_ROWS} more")
        written = out if result["blurred"].notna().any() else "nothing was written"
        print(f"\n{_found(result)}\nResults: {written}\nTable:   {table}")
    return _list_failures(result)


def _found(result: pd.DataFrame) -> str:
    done = result[result["status"] == "ok"]
    plates, faces = int(done["n_plates"].sum()), int(done["n_faces"].sum())
    return f"{len(done)} of {len(result)} pictures done, {plates} plates and {faces} faces found."


def _list_failures(result: pd.DataFrame) -> bool:
    failed = result["status"] == "failed"
    for error in result.loc[failed, "error"]:
        print(f"failed: {error}", file=sys.stderr)
    return bool(failed.any())


if __name__ == "__main__":
    sys.exit(main())
