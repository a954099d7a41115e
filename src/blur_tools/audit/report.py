"""The report of a run: one HTML file for a person, and the same as JSON for a machine.

It holds numbers, bounds, and crops of hidden pixels; no plate's text, no person's name, no pixel of an original. What
it cannot know it says: without a reviewed sample nothing is said of what was missed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from blur_tools import __version__
from blur_tools.audit import _report_data as numbers
from blur_tools.audit._facts import Pseudonyms, plain_settings, versions
from blur_tools.audit._ours import refuse_foreign
from blur_tools.audit._report_page import MARK, page
from blur_tools.audit._report_sheet import Crop, contact_sheet
from blur_tools.audit._sample_bounds import SampleBounds
from blur_tools.audit.receipt import ReceiptCheck, check_receipt, differing_pictures
from blur_tools.audit.sampling import check_same_run, measure
from blur_tools.errors import OutputError, SettingsError
from blur_tools.formats._writing import write_text
from blur_tools.settings import DEFAULT_INTENSITY, BlurSettings

__all__ = ["Report", "make_report"]

FORMAT, VERSION = "blur_tools.report", 1
CROPS = 24


@dataclass(frozen=True)
class Report:
    """A report that is made, and not yet written.

    Attributes
    ----------
    data : mapping
        Everything in it but the crops, as JSON can say it; ``docs/auditing.md`` names the entries.
    crops : tuple of Crop
        The contact sheet.
    """

    data: Mapping[str, Any]
    crops: tuple[Crop, ...] = ()

    def to_html(self) -> str:
        """The page."""
        return page(self.data, self.crops)

    def to_json(self) -> str:
        """The data as text."""
        return json.dumps(self.data, allow_nan=False, indent=1) + "\n"

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the page, and the data beside it under the same name with ``.json``.

        Returns
        -------
        Path
            Of the JSON.

        Raises
        ------
        OutputError
            The name does not end in ``.html``, one of the files cannot be written, or is there and is no report.
        """
        place = Path(path)
        if place.suffix.lower() not in (".html", ".htm"):
            raise OutputError(f"{place}: a report's name ends in .html")
        refuse_foreign(place.with_suffix(".json"), f'"format": "{FORMAT}"', "report of blur_tools")
        refuse_foreign(place, MARK, "report of blur_tools")
        write_text(place.with_suffix(".json"), [self.to_json()])
        write_text(place, [self.to_html()])
        return place.with_suffix(".json")


def make_report(
    frame: pd.DataFrame,
    column: Hashable | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    sample: pd.DataFrame | SampleBounds | None = None,
    receipt: str | os.PathLike[str] | None = None,
    key: str | os.PathLike[str] | None = None,
    head: str | None = None,
    title: str = "Anonymised pictures",
    settings: BlurSettings | None = None,
    names: bool = True,
    crops: int = CROPS,
    pseudonyms: Mapping[str, str] | None = None,
    **params: Any,
) -> Report:
    """Make the report of a run.

    Parameters
    ----------
    frame : DataFrame
        The run's table; what a review and ``verify`` have added to it is in the report, too.
    column : label, optional
        The pictures.
    out : path, optional
        The folder of the results; without it there is no contact sheet.
    sample : DataFrame or SampleBounds, optional
        The reviewed sample of this run, or what `measure` said of it.
    receipt, key : path, optional
        The run's receipt, which is compared with the table and the results, and the key file that it was written with.
    head : str, optional
        The receipt's hash, as it was kept: with it the report says whether it is that receipt.
    title : str
        What stands above it.
    settings, **params
        As the results were made.
    names : bool
        Say the names of pictures that failed; one that holds a plate that was read is never said.
    crops : int
        How many hidden regions are shown.
    pseudonyms : mapping of str to str, optional
        What reviewers are called; else ``reviewer 1``, ``reviewer 2``.

    Raises
    ------
    SettingsError, DetectionsError
        The table is none of a run, a cell cannot be read, or a bad parameter.
    AuditError
        The sample is not of this run, or the receipt is none.
    """
    wanted = BlurSettings.of(settings, **params).or_default(DEFAULT_INTENSITY)
    if crops < 0:
        raise SettingsError("crops", f"{crops} is no number of crops")
    run = numbers.run_of(frame, column, names=names)
    bounds = measure(frame, sample, column, settings=wanted) if isinstance(sample, pd.DataFrame) else sample
    if bounds is not None:
        check_same_run(frame, bounds, wanted, column)
    checked = None if receipt is None else check_receipt(receipt, head=head, folder=out, key=key)
    others = 0 if checked is None else differing_pictures(frame, column, checked)
    shown, left = contact_sheet(run, Path(out), wanted, crops) if out is not None and crops else ([], {})
    counts = numbers.counted(run)
    data = {
        "format": FORMAT,
        "version": VERSION,
        "title": run.safe.text(title),
        "created": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "generator": f"blur_tools {__version__}",
        "counts": {name: value for name, value in counts.items() if name not in ("methods", "engines")},
        "failures": numbers.failures(run),
        "scores": numbers.scores(run),
        "sizes": numbers.sizes(run),
        "places": numbers.places(run),
        "review": numbers.review(run, Pseudonyms(pseudonyms)),
        "sample": None if bounds is None else _sample(bounds, run.safe),
        "verification": numbers.verification(run),
        "crops": {"shown": len(shown), "left_out": left},
        "run": {
            "settings": plain_settings(wanted),
            "engines": counts["engines"],
            "methods": counts["methods"],
            "versions": versions(),
        },
        "receipt": None
        if checked is None or receipt is None
        else _receipt(receipt, checked, run.safe, others, counted=out is not None),
    }
    return Report(data | {"says": _says(data, bounds)}, tuple(shown))


def _sample(bounds: SampleBounds, safe: numbers.Safe) -> dict[str, Any]:
    """The bounds; the user's own names of strata can hold anything."""
    said = bounds.to_json()
    return said | {
        "seed": safe.text(said["seed"]),
        "strata": [row | {"stratum": safe.text(row["stratum"])} for row in said["strata"]],
    }


def _receipt(
    path: str | os.PathLike[str], checked: ReceiptCheck, safe: numbers.Safe, others: int, *, counted: bool
) -> dict[str, Any]:
    return {
        "name": safe.text(os.path.basename(path)),
        "head": checked.head,
        "files": checked.files,
        "differences": len(checked.differences) + others,
        "other_pictures": others,
        "compared": counted,
    }


def _says(data: Mapping[str, Any], bounds: SampleBounds | None) -> list[tuple[str, str]]:
    """What the report says in a few sentences, each good, fair (to be looked at) or bad (to be acted on)."""
    counts, checked, receipt = data["counts"], data["verification"], data["receipt"]
    said = [
        (
            "bad" if counts["failed"] else "good",
            f"{counts['done']:,} of {counts['pictures']:,} pictures are done"
            + (f"; nothing was written of the {counts['failed']:,} that failed." if counts["failed"] else "."),
        )
    ]
    if bounds is None:
        said.append(("fair", "How much was missed is not known: no random sample was reviewed."))
    else:
        state = "fair" if bounds.exposed or not bounds.complete or not bounds.blind else "good"
        said.append((state, bounds.claim()))
        said += [("fair", text) for text in bounds.caveats()]
    if checked is None:
        said.append(("fair", "The results were not verified."))
    else:
        failed, doubtful = (checked["verdicts"].get(name, 0) for name in ("failed", "doubtful"))
        well = checked["verdicts"].get("ok", 0)
        text = f"Verified: {well:,} results in order, {doubtful:,} doubtful, {failed:,} failed."
        said.append(("bad" if failed else "fair" if doubtful else "good", text))
    if receipt is not None:
        bad = receipt["differences"] > 0
        what = "The receipt and the results agree" if receipt["compared"] else "The receipt is whole in itself"
        text = f"The receipt tells of {receipt['differences']:,} differences" if bad else what
        if others := receipt["other_pictures"]:
            text += f", {others:,} of them from this table: it is the receipt of another run"
        said.append(("bad" if bad else "good", f"{text}; its hash is {receipt['head']}."))
    return said
