"""``blur-tools sample`` and ``blur-tools bounds``: how much a run has missed."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from blur_tools.errors import SettingsError
from blur_tools.frames.table_files import check_table_name, read_table, write_table

__all__ = ["add_bounds", "add_sample"]

SAMPLE = """\
Draw a random sample of a finished run for a person to look at, to learn how much the run has missed.

The sample is blind: the reviewer draws every plate and face without seeing what was found (--shown turns that off). It
follows from the table alone, so that nobody can draw until it pleases; a larger one begins with the smaller one.

    blur-tools sample blurred.csv -n 300 -o sample.csv
    blur-tools audit sample.csv          # draw what is there, accept each picture
    blur-tools bounds sample-audited.csv --run blurred.csv

Without -n it says how many pictures must be looked at for a claim, and draws nothing. To go on with a sample that was
begun, draw a larger one over it, or say with --enlarges how many were drawn at first: exact bounds are only of samples
whose size was settled before anybody looked."""

BOUNDS = """\
Say what a reviewed sample tells of its run: how many pictures show something at most, and how many objects were found
at least, with the confidence that is asked for; and how many more pictures a claim would need. Give the settings that
the run was made with. No misses are a bound, and never a proof that there are none."""


def add_sample(verbs: Any) -> None:
    """Add the verb to the command line; `verbs` are argparse's subparsers."""
    sample = _verb(verbs, "sample", "draw pictures of a run for a person to look at", SAMPLE)
    sample.add_argument("input", type=Path, metavar="TABLE", help="the CSV or Parquet table of the run")
    sample.add_argument("-n", type=int, metavar="NUMBER", help="how many pictures")
    sample.add_argument("-o", "--out", type=Path, default=Path("sample.csv"), help="the table (default %(default)s)")
    sample.add_argument("--strata", metavar="COLUMN", help="sample each value of this column in proportion")
    sample.add_argument("--seed", help="a seed of your own; every result will say so")
    sample.add_argument(
        "--enlarges", type=int, metavar="NUMBER",
        help="this many were drawn at first (default: as the table says that it replaces)",
    )  # fmt: skip
    sample.add_argument("--shown", action="store_true", help="show the reviewer what was found")
    sample.add_argument("--claim", type=float, metavar="SHARE", help="plan for this share only, such as 0.99")
    sample.add_argument("--level", type=float, default=0.95, help="confidence (default %(default)s)")
    sample.set_defaults(run=_sample)


def add_bounds(verbs: Any) -> None:
    """Add the verb to the command line; `verbs` are argparse's subparsers."""
    from blur_tools import cli

    bounds = _verb(verbs, "bounds", "say how much a run has missed, from its reviewed sample", BOUNDS)
    bounds.add_argument("input", type=Path, metavar="SAMPLE", help="the reviewed sample")
    bounds.add_argument("--run", dest="table", type=Path, required=True, metavar="TABLE", help="the table of its run")
    bounds.add_argument("--level", type=float, default=0.95, help="confidence of each bound (default %(default)s)")
    bounds.add_argument(
        "--hidden-at", type=float, default=0.9, metavar="SHARE",
        help="from which hidden share of its area on an object counts as hidden (default %(default)s)",
    )  # fmt: skip
    bounds.add_argument(
        "--largest",
        type=float,
        help="no picture has more misses than this (default: what was found or drawn in any, 10 at least)",
    )
    bounds.add_argument("--json", action="store_true", help="everything, as JSON")
    cli._add_settings(bounds, lambda parameter: not parameter.api or parameter.name in cli._RENDERING)
    bounds.set_defaults(run=_bounds)


def _verb(verbs: Any, name: str, text: str, description: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(
        name, allow_abbrev=False, help=text, description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    return parser


def _sample(options: argparse.Namespace) -> int:
    from blur_tools.audit.sampling import draw_sample, population_of

    frame = read_table(options.input)
    if options.n is None:
        _plan(len(population_of(frame, "image").rows), options)
        return 0
    if options.out.resolve() == options.input.resolve():
        raise SettingsError("out", f"{options.out} is the table that is read; give another with --out")
    check_table_name(options.out)
    drawn = {"strata": options.strata, "seed": options.seed, "blind": not options.shown}
    sample = draw_sample(frame, options.n, "image", enlarges=options.enlarges, **drawn)
    first = _begun(options.out, sample)  # also refuses to replace another table
    if options.enlarges is None and first is not None:
        sample = draw_sample(frame, options.n, "image", enlarges=first, **drawn)
        sys.stdout.write(f"It enlarges the sample of {first} pictures that was there.\n")
    write_table(sample, options.out)
    sys.stdout.write(
        f"{len(sample)} pictures drawn: {options.out}\n"
        f"Review:  blur-tools audit {options.out}\n"
        f"Then:    blur-tools bounds {options.out.with_stem(options.out.stem + '-audited')} --run {options.input}\n"
    )
    return 0


def _begun(place: Path, sample: Any) -> int | None:
    """How many pictures were drawn at first, where a table that is replaced is a smaller sample of the same draw."""
    from blur_tools.audit.sampling import SAMPLE_COLUMNS
    from blur_tools.errors import BlurError

    if not place.exists():
        return None
    try:
        old = read_table(place)
        if not set(SAMPLE_COLUMNS) <= set(old.columns) or "decision" in old.columns:
            raise SettingsError("out", "it is no sample, or was reviewed")
        first, seed = int(old["sample_planned"].iloc[0]), str(old["sample_seed"].iloc[0])
    except (BlurError, ValueError, IndexError) as error:
        raise SettingsError("out", f"{place} is there and would be lost: {error}") from error
    return first if seed == sample["sample_seed"].iloc[0] and first < len(sample) else None


def _plan(population: int, options: argparse.Namespace) -> None:
    from blur_tools.audit._sample_bounds import CLAIMS
    from blur_tools.audit.bounds import pictures_needed, running_needed

    if options.claim is not None and not 0 < options.claim < 1:
        raise SettingsError("claim", f"{options.claim:g} is no share between 0 and 1")
    if not 0 < options.level < 1:
        raise SettingsError("level", f"{options.level:g} is no confidence between 0 and 1")
    sys.stdout.write(
        f"To claim, at {100 * options.level:g} % confidence, of the {population:,} pictures of this run:\n"
    )
    for claim in CLAIMS if options.claim is None else (options.claim,):
        facts = {"population": population, "level": options.level}
        fixed = [pictures_needed(claim, misses=misses, **facts) for misses in (0, 1, 3)]
        running = [running_needed(claim, [True] * misses, **facts) for misses in (0, 1, 3)]
        sys.stdout.write(f"  {100 * claim:g} % show nothing:\n")
        for how, numbers in (("if you settle the number now", fixed), ("if you look, and go on or stop", running)):
            said = ["cannot be" if number is None else f"{number:,}" for number in numbers]
            sys.stdout.write(
                f"    {how}: {said[0]} if none of them shows anything, {said[1]} if one does, {said[2]} if three do\n"
            )


def _bounds(options: argparse.Namespace) -> int:
    from blur_tools import cli
    from blur_tools.audit.sampling import measure

    bounds = measure(
        read_table(options.table),
        read_table(options.input),
        "image",
        settings=cli._settings(options),
        level=options.level,
        hidden_at=options.hidden_at,
        largest=options.largest,
    )
    sys.stdout.write((json.dumps(bounds.to_json(), allow_nan=False) if options.json else bounds.text()) + "\n")
    return 0
