"""`df.blur.show()`: a result table as HTML with a thumbnail of each redacted picture; it needs no widgets."""

from __future__ import annotations

import base64
import os
from collections.abc import Hashable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from blur_tools._cores import available_cores
from blur_tools.batch.columns import cells_of, find_column, known_column
from blur_tools.batch.outputs import local_name
from blur_tools.batch.runner import run_ordered
from blur_tools.errors import BlurError, SettingsError
from blur_tools.notebook._screen import small_jpeg
from blur_tools.sources import MAX_BYTES, load_source, shown_place

__all__ = ["ResultTable", "result_table"]

SIDE, LIMIT = 160, 12_000
"""Longest side in pixels and most bytes of a thumbnail."""

SHOWN = ("n_plates", "n_faces", "method", "status", "error", "decision", "verdict")
"""Columns beside the picture, where the table has them."""

# Jupyter's own colours, for the light and the dark theme; the class twice, since Jupyter has rules for all tables
STYLE = """<style>
.bt-table.bt-table { border-collapse: collapse; color: var(--jp-ui-font-color1, inherit); font-size: 13px; }
.bt-table.bt-table caption { text-align: left; padding: 4px 0; color: var(--jp-ui-font-color2, inherit); }
.bt-table.bt-table th, .bt-table.bt-table td { padding: 4px 10px; text-align: left; vertical-align: middle; }
.bt-table.bt-table thead th { border-bottom: 1px solid var(--jp-border-color1, #999); }
.bt-table.bt-table tbody tr { background: none; border-bottom: 1px solid var(--jp-border-color2, #ccc); }
.bt-table.bt-table img { display: block; max-width: none; margin: 0; border-radius: 3px; }
.bt-table.bt-table .bt-failed { color: var(--jp-error-color1, #d32f2f); }
.bt-table.bt-table .bt-ok { color: var(--jp-success-color1, #2e7d32); }
.bt-table.bt-table td.bt-number { text-align: right; font-variant-numeric: tabular-nums; }
.bt-table.bt-table .bt-long { max-width: 26em; overflow-wrap: anywhere; }
</style>"""


class ResultTable:
    """A table for a notebook's page; ``html`` is what is shown."""

    def __init__(self, html: str, text: str) -> None:
        self.html = html
        self._text = text

    def __repr__(self) -> str:
        return self._text

    def _repr_html_(self) -> str:
        return self.html


def result_table(
    frame: pd.DataFrame, column: Hashable | None, *, out: str | os.PathLike[str], rows: int
) -> ResultTable:
    """See ``df.blur.show``."""
    if isinstance(rows, bool) or not isinstance(rows, int) or rows < 1:
        raise SettingsError("rows", f"{rows!r} is not a number of rows")
    known_column(frame, "blurred", "column")  # which apply and redact write
    name = find_column(frame, column)
    # a table that was edited could name an original among its results
    originals = {os.path.realpath(path) for cell in cells_of(frame[name]) if (path := local_name(cell)) is not None}
    first = frame.head(rows)
    cells = list(zip(cells_of(first["blurred"]), strict=True))
    pictures = list(run_ordered(lambda cell: _picture(cell[0], Path(out), originals), cells, available_cores()))
    shown = [known_column(frame, label, "column") for label in SHOWN if label in frame.columns]
    values = zip(*(cells_of(first[label]) for label in shown), strict=True) if shown else ((),) * len(first)
    head = "".join(f'<th scope="col">{escape(str(label))}</th>' for label in ("", "redacted", str(name), *shown))
    body = "".join(
        _row(label, picture, cell, row, shown)
        for label, picture, cell, row in zip(first.index, pictures, cells_of(first[name]), values, strict=True)
    )
    caption = _summary(frame, len(first))
    html = f'{STYLE}<table class="bt-table"><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>'
    return ResultTable(f"{html}<tbody>{body}</tbody></table>", caption)


def _summary(frame: pd.DataFrame, shown: int) -> str:
    words = [f"{len(frame):,} pictures"]
    if "status" in frame.columns:
        words += [f"{number:,} {name}" for name, number in frame["status"].value_counts().items()]
    return " · ".join([*words, *([f"the first {shown:,} are shown"] if shown < len(frame) else [])])


def _picture(blurred: Any, out: Path, originals: set[str]) -> str:
    """The cell with the redacted picture, or why there is none."""
    if blurred is None:
        return ""
    parent = os.path.dirname(os.path.abspath(out))
    name = local_name(str(blurred))
    base, path = Path(os.path.realpath(out)), os.path.realpath(os.path.join(parent, name or ""))
    if name is None or not Path(path).is_relative_to(base) or path in originals:
        return f'<span class="bt-failed">not in {escape(out.name)}</span>'
    try:
        data = small_jpeg(load_source(path, max_bytes=MAX_BYTES).data, SIDE, LIMIT)
    except BlurError as error:
        return f'<span class="bt-failed">{escape(getattr(error, "reason", str(error)))}</span>'
    return f'<img alt="redacted" src="data:image/jpeg;base64,{base64.b64encode(data).decode("ascii")}">'


def _row(label: Any, picture: str, cell: Any, values: Sequence[Any], names: Sequence[Hashable]) -> str:
    place = shown_place(os.fsdecode(cell)) if isinstance(cell, str | os.PathLike) else type(cell).__name__
    cells = "".join(_cell(str(name), value) for name, value in zip(names, values, strict=True))
    return (
        f'<tr><th scope="row">{escape(str(label))}</th><td>{picture}</td>'
        f'<td class="bt-long">{escape("" if cell is None else place)}</td>{cells}</tr>'
    )


def _cell(name: str, value: Any) -> str:
    # a column of whole numbers with a gap is one of floats
    whole = isinstance(value, float) and value.is_integer()
    text = "" if value is None else str(int(value) if whole else value)
    kind = "bt-number" if name.startswith("n_") else "bt-long"
    if name in ("status", "verdict") and text:
        kind += " bt-ok" if text == "ok" else " bt-failed" if text == "failed" else ""
    return f'<td class="{kind}{" bt-failed" if name == "error" else ""}">{escape(text)}</td>'
