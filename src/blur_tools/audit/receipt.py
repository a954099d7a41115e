"""The receipt of a run: a chain of hashes over every file, so that whoever holds the last one finds any change.

A receipt is JSONL: a head, an entry for each picture in the order of the table, an end that counts them. Each line
holds the hash of the line before it; the hash of the last line is the receipt's own. Whoever changes, drops, adds or
reorders an entry, or cuts the file off, must change that hash, which the report prints and a person keeps elsewhere.
With a key file all hashes of the chain are HMACs, and the end is sealed: nobody without the key can make another one.

It is written from the finished table, not while the run goes on: it proves that nothing has changed since then, and
nothing of the time before.

There is no plate's text and no pixel in it, reviewers have pseudonyms, and file names, which can hold plates, are
hashed with the key on request: without a key the hash of a plate is soon guessed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Hashable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pandas as pd

from blur_tools import __version__
from blur_tools.audit._facts import Pseudonyms, plain_settings, versions
from blur_tools.audit._ours import refuse_foreign, result_below
from blur_tools.audit._receipt_chain import FORMAT, VERSION, Chain, file_digest, hashed_name, key_of
from blur_tools.audit._receipt_check import Difference, ReceiptCheck, check_receipt
from blur_tools.audit._sources import common_root, files_of
from blur_tools.batch.columns import cells_of, find_column, once
from blur_tools.batch.rows import storable
from blur_tools.detections import Detections
from blur_tools.errors import BlurError, OutputError, SettingsError
from blur_tools.formats._writing import replacing
from blur_tools.settings import DEFAULT_INTENSITY, BlurSettings
from blur_tools.sources import load_source, url_name

__all__ = ["Difference", "ReceiptCheck", "check_receipt", "differing_pictures", "receipt_lines", "write_receipt"]

logger = logging.getLogger("blur_tools")


def write_receipt(
    path: str | os.PathLike[str],
    frame: pd.DataFrame,
    column: Hashable | None = None,
    *,
    out: str | os.PathLike[str],
    settings: BlurSettings | None = None,
    key: str | os.PathLike[str] | None = None,
    hash_names: bool = False,
    pseudonyms: Mapping[str, str] | None = None,
    **params: Any,
) -> str:
    """Write the receipt of a finished run, whole or not at all.

    Parameters
    ----------
    path : path
        The receipt; outside of `out`. An earlier one is replaced, another file never.
    frame : DataFrame
        The table of the run.
    column : label, optional
        The pictures.
    out : path
        The folder of the results.
    settings, **params
        As the results were made.
    key : path, optional
        A file of 16 bytes or more that nobody else has.
    hash_names : bool
        Say file names only as HMACs; needs `key`.
    pseudonyms : mapping of str to str, optional
        What reviewers are called; else ``reviewer 1``, ``reviewer 2`` in the order of the table.

    Returns
    -------
    str
        The hash of the last line: keep it where who can change the files cannot. It is logged as a warning how many
        originals could not be read: of them the receipt holds no hash.

    Raises
    ------
    SettingsError
        A column of a run is missing, or the key is too short or not given.
    OutputError
        A result that the table names is not in `out`, or the receipt cannot be written.
    """
    place = Path(path)
    if Path(os.path.abspath(place)).is_relative_to(os.path.abspath(out)):
        raise OutputError(f"{place} lies among the results, of which it must list every file; choose another place")
    refuse_foreign(place, f'"type":"{FORMAT}"', "receipt")
    chain = Chain(key_of(key))
    wanted = BlurSettings.of(settings, **params).or_default(DEFAULT_INTENSITY)
    head = {
        "type": FORMAT,
        "version": VERSION,
        "generator": f"blur_tools {__version__}",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "chain": chain.name,
        "names": "hmac-sha256" if hash_names else "plain",
        "settings": plain_settings(wanted),
        "versions": versions(),
    }
    if hash_names and chain.key is None:
        raise SettingsError("hash_names", "a key file is needed: without one the hash of a plate is soon guessed")
    entries = _entries(frame, column, Path(out), Pseudonyms(pseudonyms), chain if hash_names else None)
    hashed: list[bool] = []
    with replacing(place, durable=True) as file:
        for line in receipt_lines(chain, head, _noted(entries, hashed)):
            file.write(line)
    if lost := hashed.count(False):
        logger.warning(
            "%s: %d of %d originals could not be read, so that their hashes are not in it", place, lost, len(hashed)
        )
    return chain.last


def _noted(entries: Iterable[dict[str, Any]], hashed: list[bool]) -> Iterator[dict[str, Any]]:
    """The entries as they are; `hashed` gets whether each knows its original."""
    for entry in entries:
        hashed.append(entry["input"]["sha256"] is not None)
        yield entry


def receipt_lines(chain: Chain, head: Mapping[str, Any], entries: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    """The lines of a receipt: its head, its entries, its end."""
    yield chain.line(dict(head))
    number = 0
    for number, entry in enumerate(entries, start=1):
        yield chain.line({"type": "file", "number": number, **entry})
    end = chain.end(number)
    chain.last = chain.digest(end)
    yield end


def _entries(
    frame: pd.DataFrame, column: Hashable | None, out: Path, names: Pseudonyms, hashed: Chain | None
) -> Iterator[dict[str, Any]]:
    """What the receipt says of each picture of the table, each once."""
    rows = list(_rows(frame, column))
    files = files_of(cell for cell, *_ in rows)
    root = common_root(files)
    for (cell, said, found), file in zip(rows, files, strict=True):
        result = None if said["blurred"] is None else result_below(out, said["blurred"])
        yield {
            "input": {"name": hashed_name(_input_name(cell, file, root), hashed), **_input_digest(cell, file)},
            "output": None if result is None else {"name": hashed_name(result[0], hashed), **_result_digest(result[1])},
            "status": said["status"] or ("ok" if result else "skipped"),
            "method": said["method"] or "",
            "detections": None if found is None else [_plain(item, names) for item in found],
            "decision": said["decision"] or "unreviewed",
            "reviewer": names.of(said["reviewer"]),
            "decided_at": said["decided_at"] or "",
        }


def _rows(
    frame: pd.DataFrame, column: Hashable | None
) -> Iterator[tuple[Any, dict[str, str | None], Detections | None]]:
    """Each picture of a table once: its cell, the texts of its other columns, and what was found in it."""
    for needed in ("blurred", "detections"):
        if needed not in frame.columns:
            raise SettingsError("column", f"the table has no column {needed!r}, which apply and redact write")
    cells = cells_of(frame[find_column(frame, column)])
    _, places = once(cells)
    columns = ("blurred", "detections", "status", "method", "decision", "reviewer", "decided_at")
    texts = {name: cells_of(frame[name]) if name in frame.columns else [None] * len(frame) for name in columns}
    seen: set[int] = set()
    for row, (cell, place) in enumerate(zip(cells, places, strict=True)):
        if cell is None or place in seen:
            continue
        seen.add(place)
        said = {name: None if texts[name][row] is None else str(texts[name][row]) for name in columns}
        yield cell, said, None if said["detections"] is None else Detections.from_json(said["detections"])


def differing_pictures(frame: pd.DataFrame, column: Hashable | None, checked: ReceiptCheck) -> int:
    """Of how many pictures a table says another result, or other detections, than a receipt."""
    plain = checked.facts.get("names") != "hmac-sha256"
    told = [_core(entry.get("output"), entry.get("detections"), plain) for entry in checked.entries]
    own = []
    for _, said, found in _rows(frame, column):
        output = None if said["blurred"] is None else {"name": storable(said["blurred"].partition("/")[2])}
        own.append(_core(output, None if found is None else [_plain(item, Pseudonyms()) for item in found], plain))
    return sum(one != other for one, other in zip_longest(told, own, fillvalue="none"))


def _core(output: Any, detections: Any, plain: bool) -> str:
    """What a table and a receipt say alike, whoever decided since and whatever a reviewer is called."""
    name = output.get("name") if isinstance(output, dict) and plain else output is not None
    items = detections if isinstance(detections, list) else []
    marks = [[item.get(part) for part in ("kind", "polygon", "score", "keep")] for item in items]
    return json.dumps([name, detections is None, marks])


def _plain(item: Any, names: Pseudonyms) -> dict[str, Any]:
    return {
        "kind": item.kind,
        "polygon": [list(point) for point in item.polygon],
        "score": item.score,
        "source": names.source(item.source),
        "keep": item.keep,
    }


def _input_name(cell: Any, file: str | None, root: Path | None) -> str:
    if file is None:
        return url_name(cell) if isinstance(cell, str) else "picture"
    inside = root is not None and Path(file).is_relative_to(root)
    return Path(file).relative_to(root or "").as_posix() if inside else os.path.basename(file)


def _input_digest(cell: Any, file: str | None) -> dict[str, Any]:
    try:
        if file is not None:
            return file_digest(Path(file))
        data = None if isinstance(cell, str) else load_source(cell).data  # a URL is not fetched again
    except (OSError, BlurError):
        data = None
    return {"sha256": None, "bytes": None} if data is None else {
        "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)
    }  # fmt: skip


def _result_digest(path: Path) -> dict[str, Any]:
    try:
        return file_digest(path)
    except OSError as error:
        raise OutputError(f"{path}: the table names this result, and it cannot be read: {error.strerror}") from error
