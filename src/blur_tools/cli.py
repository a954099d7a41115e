"""The command line: ``blur-tools blur|detect|redact|demo``; its options are made from `BlurSettings`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blur_tools import __version__
from blur_tools.errors import BlurError, NotYetError, SettingsError
from blur_tools.settings import BlurSettings, Parameter
from blur_tools.sources import SUFFIXES, is_url

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["main"]

OTHER_PICTURES = (".heic", ".heif", ".avif", ".gif", ".jp2", ".j2k", ".jxl", ".psd", ".mpo", ".jfif", ".dng")
"""Taken from a folder as well, so that what cannot be read is said and not passed over."""

LATER: dict[str, tuple[str, str, str]] = {
    "serve": ("answer the Blur API's requests on this machine", "server", "fastapi"),
    "audit": ("review results by a person, in napari", "napari", "napari"),
    "verify": ("check what was written", "", ""),
    "report": ("report on a run", "", ""),
    "export": ("write detections in other formats", "", ""),
}
SHOWN_ROWS = 20
FAILED, WRONG_USE, STOPPED = 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns
    -------
    int
        0 when every picture is done; 1 when any failed; 2 for wrong use; 130 when stopped by Ctrl-C.
    """
    options, unknown = _parser().parse_known_args(arguments)
    if unknown and options.verb not in LATER:  # whose options nobody knows yet
        _parser().error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        verb: Callable[[argparse.Namespace], int] = options.run
        return verb(options)
    except KeyboardInterrupt:
        print("blur-tools: stopped; what is done stays done", file=sys.stderr)
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
        description="Find and blur number plates and faces in pictures. Nothing leaves this machine.",
    )
    parser.add_argument("--version", action="version", version=f"blur-tools {__version__}")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB", dest="verb")
    _add_blur(verbs)
    _add_detect(verbs)
    _add_redact(verbs)
    demo = verbs.add_parser("demo", help="blur our own sample scenes", description=_demo.__doc__)
    demo.add_argument("-o", "--out", type=Path, default=Path("demo"), help="folder (default %(default)s)")
    demo.set_defaults(run=_demo)
    for name, (text, extra, module) in LATER.items():
        later = verbs.add_parser(name, help=f"{text} (not in this version)", description=text)
        later.set_defaults(run=lambda _, n=name, e=extra, m=module: _not_yet(n, e, m))
    return parser


def _add_blur(verbs: Any) -> None:
    blur = verbs.add_parser(
        "blur",
        help="find plates and faces, hide them, write the results",
        description="Find plates and faces in pictures, hide them, and write the results and a table.",
    )
    _add_inputs(blur)
    _add_output(blur)
    blur.add_argument("--engine", help="who finds: local (default, or $BLUR_TOOLS_ENGINE)")
    _add_run(blur)
    _add_settings(blur, lambda parameter: True)
    blur.set_defaults(run=_blur)


def _add_detect(verbs: Any) -> None:
    detect = verbs.add_parser(
        "detect",
        help="find plates and faces; print one JSON line a picture",
        description="Find plates and faces. Prints one JSON line a picture, or writes a table for `redact`.",
    )
    _add_inputs(detect)
    detect.add_argument("--table", type=Path, help="write a CSV or Parquet table instead of printing")
    detect.add_argument("--engine", help="who finds: local (default, or $BLUR_TOOLS_ENGINE)")
    _add_run(detect)
    _add_settings(detect, lambda parameter: parameter.api or parameter.name.endswith("threshold"))
    detect.set_defaults(run=_detect)


def _add_redact(verbs: Any) -> None:
    redact = verbs.add_parser(
        "redact",
        help="hide the detections of a table, whoever found or edited them",
        description="Hide the detections that stand in a table written by `blur` or `detect`; no engine is asked.",
    )
    redact.add_argument("input", type=Path, metavar="TABLE", help="CSV or Parquet with image and detections")
    _add_output(redact)
    _add_run(redact)
    _add_settings(redact, lambda parameter: not parameter.api or parameter.name in _RENDERING)
    redact.set_defaults(run=_redact)


_RENDERING = ("plates", "faces", "logo", "copy_metadata", "snapshot_filename")


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("inputs", nargs="+", metavar="PICTURE", help="files, folders (with all below) or URLs")


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("blurred"), help="folder of the results (default %(default)s)"
    )
    parser.add_argument("--table", type=Path, help="CSV or Parquet of what was done (default OUT.csv)")


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workers", type=int, help="threads (default: as many as cores)")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bar and no table on the screen")


def _add_settings(parser: argparse.ArgumentParser, wanted: Callable[[Parameter], bool]) -> None:
    groups = {
        True: parser.add_argument_group("parameters of the Blur API"),
        False: parser.add_argument_group("parameters of the local renderer"),
    }
    for parameter in BlurSettings.parameters():
        if not wanted(parameter):
            continue
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
        groups[parameter.api].add_argument(flag, help=text, **facts)


def _settings(options: argparse.Namespace) -> BlurSettings:
    given = vars(options)
    names = [parameter.name for parameter in BlurSettings.parameters()]
    return BlurSettings.of(**{name: given[name] for name in names if given.get(name) is not None})


def _blur(options: argparse.Namespace) -> int:
    from blur_tools.frames.tables import Job, apply_frame

    frame, root = _gather(options.inputs, options.out)
    table = _table_path(options)
    job = Job(options.workers, not options.quiet)
    result = apply_frame(
        frame, "image", out=options.out, root=root, settings=_settings(options), engine=options.engine, job=job
    )
    return _finish(result, options, table)


def _redact(options: argparse.Namespace) -> int:
    from blur_tools.frames.tables import Job, redact_frame

    frame = _read_table(options.input)
    table = _table_path(options)
    job = Job(options.workers, not options.quiet)
    result = redact_frame(frame, "image", out=options.out, settings=_settings(options), job=job)
    return _finish(result, options, table)


def _detect(options: argparse.Namespace) -> int:
    from blur_tools.batch.rows import Job, detect_rows
    from blur_tools.engines import as_engine
    from blur_tools.frames.tables import with_rows

    frame, _ = _gather(options.inputs, None)
    if options.table:
        _check_table_name(options.table)
    sources = list(frame["image"])
    job = Job(options.workers, bool(options.table) and not options.quiet)
    done = []
    for source, row in zip(
        sources, detect_rows(sources, _settings(options), as_engine(options.engine), job), strict=True
    ):
        done.append(row)
        if not options.table:
            found = None if row.detections is None else json.loads(row.detections.to_json())["detections"]
            line = {"image": source, "status": row.status, "detections": found, "error": row.to_columns()["error"]}
            print(json.dumps(line, ensure_ascii=False), flush=True)
    if options.table:
        _write_table(with_rows(frame, done).drop(columns=["blurred", "method"]), options.table)
    return FAILED if any(row.status == "failed" for row in done) else 0


def _demo(options: argparse.Namespace) -> int:
    """Write our own sample scenes, blur them, print the table and say where to look."""
    from blur_tools.frames.tables import Job, apply_frame
    from blur_tools.samples import write_scenes

    pictures, blurred = options.out / "pictures", options.out / "blurred"
    frame = _frame([str(path) for path in write_scenes(pictures)])
    result = apply_frame(frame, "image", out=blurred, root=pictures, job=Job(progress=False))
    options.table, options.quiet, options.out = options.out / "blurred.csv", False, blurred
    return _finish(result, options, options.table)


def _not_yet(name: str, extra: str, module: str) -> int:
    problem = f"blur-tools {name} is not in this version"
    if extra and find_spec(module) is None:
        raise NotYetError(f"{problem}; it will need the extra [{extra}], which is not installed")
    raise NotYetError(problem)


def _gather(inputs: Sequence[str], out: Path | None) -> tuple[pd.DataFrame, Path | None]:
    """A table of all pictures, and the folder they are relative to when there is one."""
    found: list[str] = []
    for text in inputs:
        path = Path(text)
        if is_url(text) or not path.is_dir():
            found.append(text)
        else:
            found += _pictures_below(path, out)
    if not found:
        raise SettingsError("PICTURE", f"no pictures in {', '.join(inputs)}")
    folders = [Path(text) for text in inputs if not is_url(text) and Path(text).is_dir()]
    return _frame(list(dict.fromkeys(found))), folders[0] if len(folders) == len(inputs) == 1 else None


def _pictures_below(folder: Path, out: Path | None) -> list[str]:
    """Files of a folder that are pictures by name, sorted; the results of an earlier run are none of them."""
    skipped = os.path.realpath(out) if out else None
    if skipped == os.path.realpath(folder):
        raise SettingsError("out", f"{out} is the folder of the pictures; choose another for the results")
    found, others = [], 0
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if os.path.realpath(os.path.join(parent, name)) != skipped)
        for name in sorted(files):
            if name.lower().endswith((*SUFFIXES, *OTHER_PICTURES)):
                found.append(os.path.join(parent, name))
            else:
                others += 1
    if others:
        print(f"{others} files in {folder} are no pictures by their names and were left out", file=sys.stderr)
    return found


def _frame(paths: list[str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({"image": paths})


def _table_path(options: argparse.Namespace) -> Path:
    out: Path = options.out
    path = options.table or out.parent / f"{out.resolve().name}.csv"
    _check_table_name(path)
    return path


def _check_table_name(path: Path) -> None:
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise SettingsError("table", f"{path} must end in .csv or .parquet")


def _write_table(frame: pd.DataFrame, path: Path) -> None:
    from blur_tools.batch.outputs import write_atomic

    data = frame.to_csv(index=False).encode() if path.suffix.lower() == ".csv" else frame.to_parquet(index=False)
    write_atomic(path, data)


def _read_table(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        frame = pd.read_csv(path) if path.suffix.lower() == ".csv" else pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise SettingsError("table", f"{path} cannot be read: {error}") from error
    if "image" not in frame.columns:
        raise SettingsError("table", f"{path} has no column image; there are {', '.join(map(str, frame.columns))}")
    return frame


def _finish(result: pd.DataFrame, options: argparse.Namespace, table: Path) -> int:
    _write_table(result, table)
    failed = result[result["status"] == "failed"]
    if not options.quiet:
        shown = result[["image", "n_plates", "n_faces", "method", "status"]].head(SHOWN_ROWS)
        print(shown.to_string(index=False, na_rep=""))
        if len(result) > SHOWN_ROWS:
            print(f"… and {len(result) - SHOWN_ROWS} more")
        done = result[result["status"] == "ok"]
        print(
            f"\n{len(done)} of {len(result)} pictures done, "
            f"{int(done['n_plates'].sum())} plates and {int(done['n_faces'].sum())} faces found.\n"
            f"Results: {options.out}\nTable:   {table}"
        )
    for error in failed["error"]:
        print(f"failed: {error}", file=sys.stderr)
    return FAILED if len(failed) else 0


if __name__ == "__main__":
    sys.exit(main())
