"""The receipt of a run: a chain of hashes over every file, so that whoever holds the last one finds any change.

A receipt is JSONL: a head, an entry for each picture in the order of the table, an end that counts them. Each line
holds the hash of the line before it; the hash of the last line is the receipt's own. Whoever changes, drops, adds or
reorders an entry, or cuts the file off, must change that hash, which the report prints and a person keeps elsewhere.
With a key file all hashes of the chain are HMACs, and the end is sealed: nobody without the key can make another one.

There is no plate's text and no pixel in it, reviewers have pseudonyms, and file names, which can hold plates, are
hashed with the key on request: without a key the hash of a plate is soon guessed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from blur_tools import __version__
from blur_tools.audit._facts import Pseudonyms, plain_settings, versions
from blur_tools.audit._sources import common_root, files_of
from blur_tools.batch.columns import cells_of, find_column, once
from blur_tools.batch.rows import storable
from blur_tools.detections import Detections
from blur_tools.errors import AuditError, BlurError, OutputError, SettingsError
from blur_tools.formats._writing import replacing
from blur_tools.settings import DEFAULT_INTENSITY, BlurSettings
from blur_tools.sources import load_source, url_name

__all__ = ["Difference", "ReceiptCheck", "check_receipt", "receipt_lines", "write_receipt"]

FORMAT, VERSION = "blur_tools.receipt", 1
LEAST_KEY = 16
"""Bytes of a key; shorter ones can be tried out."""
LONGEST = 1 << 26
"""Bytes of a line above which it is none of ours."""
PART = 1 << 20


@dataclass(frozen=True)
class Difference:
    """One thing that is not as the receipt says.

    Attributes
    ----------
    kind : str
        ``entry`` (a line of the receipt), ``changed``, ``missing`` or ``added`` (a result), ``original changed`` or
        ``original missing``.
    name : str
        The file, or the number of the line.
    detail : str
        What is wrong, for a person.
    """

    kind: str
    name: str
    detail: str


@dataclass(frozen=True)
class ReceiptCheck:
    """What a check of a receipt says.

    Attributes
    ----------
    head : str
        The hash of the receipt's last line, as it is.
    files : int
        Results that are as the receipt says.
    differences : tuple of Difference
        Everything that is not; empty when all is as it was.
    caveats : tuple of str
        What the check cannot say.
    facts : mapping
        The receipt's head: when, with which settings and versions.
    """

    head: str
    files: int
    differences: tuple[Difference, ...]
    caveats: tuple[str, ...]
    facts: Mapping[str, Any]


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
        The receipt; outside of `out`.
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
        The hash of the last line: keep it where who can change the files cannot.

    Raises
    ------
    SettingsError
        A column of a run is missing, or the key is too short or not given.
    OutputError
        A result that the table names is not there, or the receipt cannot be written.
    """
    place = Path(path)
    if Path(os.path.abspath(place)).is_relative_to(os.path.abspath(out)):
        raise OutputError(f"{place} lies among the results, of which it must list every file; choose another place")
    chain = _Chain(_key(key))
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
    with replacing(place, durable=True) as file:
        for line in receipt_lines(chain, head, entries):
            file.write(line)
    return chain.last


def receipt_lines(chain: _Chain, head: Mapping[str, Any], entries: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    """The lines of a receipt: its head, its entries, its end."""
    yield chain.line(dict(head))
    number = 0
    for number, entry in enumerate(entries, start=1):
        yield chain.line({"type": "file", "number": number, **entry})
    yield chain.line(chain.sealed({"type": "end", "files": number}))


class _Chain:
    """Lines that each hold the hash of the one before."""

    def __init__(self, key: bytes | None) -> None:
        self.key = key
        self.last = ""
        self.name = "sha256" if key is None else "hmac-sha256"

    def digest(self, data: bytes) -> str:
        if self.key is None:
            return hashlib.sha256(data).hexdigest()
        return hmac.new(self.key, data, "sha256").hexdigest()

    def line(self, entry: dict[str, Any]) -> bytes:
        data = json.dumps({"previous": self.last, **entry}, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        self.last = self.digest(data)
        return data

    def sealed(self, entry: dict[str, Any]) -> dict[str, Any]:
        """With a seal that only the key can make, where there is one."""
        return entry if self.key is None else {**entry, "seal": self._seal(self.last, entry)}

    def _seal(self, previous: str, entry: Mapping[str, Any]) -> str:
        return self.digest(f"seal {previous} {entry.get('files')}".encode())

    def is_sealed(self, entry: Mapping[str, Any]) -> bool:
        return self.key is None or hmac.compare_digest(
            str(entry.get("seal")).encode(), self._seal(str(entry.get("previous")), entry).encode()
        )


def _key(path: str | os.PathLike[str] | None) -> bytes | None:
    """The content of a key file.

    Raises
    ------
    SettingsError
        It cannot be read, or is too short.
    """
    if path is None:
        return None
    try:
        key = Path(path).read_bytes()
    except OSError as error:
        raise SettingsError("key", f"{os.fspath(path)} cannot be read: {error.strerror}") from error
    if len(key.strip()) < LEAST_KEY:
        raise SettingsError("key", f"{os.fspath(path)} has fewer than {LEAST_KEY} bytes; make one with openssl rand 32")
    return key


def _entries(
    frame: pd.DataFrame, column: Hashable | None, out: Path, names: Pseudonyms, hashed: _Chain | None
) -> Iterator[dict[str, Any]]:
    """What the receipt says of each picture of the table, each once."""
    for needed in ("blurred", "detections"):
        if needed not in frame.columns:
            raise SettingsError("column", f"the table has no column {needed!r}, which apply and redact write")
    cells = cells_of(frame[find_column(frame, column)])
    _, places = once(cells)
    columns = ("blurred", "detections", "status", "method", "decision", "reviewer", "decided_at")
    texts = {name: cells_of(frame[name]) if name in frame.columns else [None] * len(frame) for name in columns}
    files = files_of(cells)
    root = common_root(files)
    seen: set[int] = set()
    for row, (cell, place, file) in enumerate(zip(cells, places, files, strict=True)):
        if cell is None or place in seen:
            continue
        seen.add(place)
        said = {name: None if texts[name][row] is None else str(texts[name][row]) for name in columns}
        result = None if said["blurred"] is None else said["blurred"].partition("/")[2]
        found = None if said["detections"] is None else Detections.from_json(said["detections"])
        yield {
            "input": {"name": _hashed(_input_name(cell, file, root), hashed), **_input_digest(cell, file)},
            "output": None if result is None else {"name": _hashed(result, hashed), **_result_digest(out / result)},
            "status": said["status"] or ("ok" if result else "skipped"),
            "method": said["method"] or "",
            "detections": None if found is None else [_plain(item, names) for item in found],
            "decision": said["decision"] or "unreviewed",
            "reviewer": names.of(said["reviewer"]),
            "decided_at": said["decided_at"] or "",
        }


def _plain(item: Any, names: Pseudonyms) -> dict[str, Any]:
    return {
        "kind": item.kind,
        "polygon": [list(point) for point in item.polygon],
        "score": item.score,
        "source": names.source(item.source),
        "keep": item.keep,
    }


def _hashed(name: str, chain: _Chain | None) -> str:
    return storable(name) if chain is None else chain.digest(b"name\0" + os.fsencode(name))


def _input_name(cell: Any, file: str | None, root: Path | None) -> str:
    if file is None:
        return url_name(cell) if isinstance(cell, str) else "picture"
    inside = root is not None and Path(file).is_relative_to(root)
    return Path(file).relative_to(root or "").as_posix() if inside else os.path.basename(file)


def _input_digest(cell: Any, file: str | None) -> dict[str, Any]:
    try:
        if file is not None:
            return _file_digest(Path(file))
        data = None if isinstance(cell, str) else load_source(cell).data  # a URL is not fetched again
    except (OSError, BlurError):
        data = None
    return {"sha256": None, "bytes": None} if data is None else {
        "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)
    }  # fmt: skip


def _result_digest(path: Path) -> dict[str, Any]:
    try:
        return _file_digest(path)
    except OSError as error:
        raise OutputError(f"{path}: the table names this result, and it cannot be read: {error.strerror}") from error


def _file_digest(path: Path) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while part := file.read(PART):
            digest.update(part)
            size += len(part)
    return {"sha256": digest.hexdigest(), "bytes": size}


def check_receipt(
    path: str | os.PathLike[str],
    *,
    head: str = "",
    folder: str | os.PathLike[str] | None = None,
    originals: str | os.PathLike[str] | None = None,
    key: str | os.PathLike[str] | None = None,
) -> ReceiptCheck:
    """Compare a receipt with itself, with the hash that was kept, and with the files.

    Parameters
    ----------
    path : path
        The receipt.
    head : str
        The hash that `write_receipt` gave.
    folder : path, optional
        The results.
    originals : path, optional
        The folder that the pictures' names are relative to.
    key : path, optional
        The key file that the receipt was written with.

    Raises
    ------
    AuditError
        The receipt cannot be read, is none, or is newer; or it was written with a key and there is none.
    """
    place = Path(path)
    differences: list[Difference] = []
    chain = _Chain(_key(key))
    facts, entries = _read(place, chain, differences)
    if head and not hmac.compare_digest(head.strip().lower().encode(), chain.last.encode()):
        differences.append(Difference("entry", "the last line", f"its hash is {chain.last}, not the one that was kept"))
    caveats = []
    if not head and chain.key is None:
        caveats.append("without the hash that was kept, a receipt that was made anew as a whole cannot be told")
    names = chain if facts.get("names") == "hmac-sha256" else None
    good = 0
    if folder is not None:
        outputs = [entry["output"] for entry in entries if isinstance(entry.get("output"), dict)]
        good = _compare(Path(folder), outputs, names, ("changed", "missing", "added"), differences)
    if originals is not None:
        inputs = [e["input"] for e in entries if isinstance(e.get("input"), dict) and e["input"].get("sha256")]
        _compare(Path(originals), inputs, names, ("original changed", "original missing", ""), differences)
    return ReceiptCheck(chain.last, good, tuple(differences), tuple(caveats), facts)


def _read(
    place: Path, chain: _Chain, differences: list[Difference]
) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
    """The head and the entries; what is wrong with a line goes into `differences`."""
    facts: Mapping[str, Any] = {}
    entries: list[Mapping[str, Any]] = []
    ended = False
    for number, data in enumerate(_lines(place), start=1):
        name = f"line {number}"
        entry = _parsed(data)
        if number == 1:
            facts = _checked_head(place, entry, chain)
        if ended:
            differences.append(Difference("entry", name, "stands behind the end"))
        elif entry is None or not data.endswith(b"\n"):
            differences.append(Difference("entry", name, "is no whole entry"))
        elif entry.get("previous") != chain.last:
            differences.append(Difference("entry", name, "does not follow the line before it: one of them was changed"))
        elif number > 1 and entry.get("type") == "file":
            if entry.get("number") != number - 1:
                differences.append(Difference("entry", name, f"is number {entry.get('number')}, not {number - 1}"))
        elif number > 1:
            ended = True
            if entry.get("type") != "end" or entry.get("files") != number - 2 or not chain.is_sealed(entry):
                differences.append(Difference("entry", name, "is no end of this receipt"))
        if number > 1 and entry is not None and entry.get("type") == "file":
            entries.append(entry)
        chain.last = chain.digest(data)
    if not ended:
        differences.append(Difference("entry", "the last line", "is not its end: the receipt was cut off"))
    return facts, entries


def _lines(place: Path) -> Iterator[bytes]:
    try:
        with open(place, "rb") as file:
            while data := file.readline(LONGEST):
                yield data
    except OSError as error:
        raise AuditError(f"{place} cannot be read: {error.strerror}") from error


def _parsed(data: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def _checked_head(place: Path, entry: Mapping[str, Any] | None, chain: _Chain) -> Mapping[str, Any]:
    if entry is None or entry.get("type") != FORMAT:
        raise AuditError(f"{place} is no receipt: its first line says something else")
    if entry.get("version") != VERSION:
        raise AuditError(f"{place} is a receipt of version {entry.get('version')!r}; this blur_tools reads {VERSION}")
    if entry.get("chain") != chain.name:
        how = "with a key: give its file" if chain.key is None else "without a key: leave it out"
        raise AuditError(f"{place} was written {how}")
    return entry


def _compare(
    folder: Path,
    wanted: list[Mapping[str, Any]],
    names: _Chain | None,
    words: tuple[str, str, str],
    differences: list[Difference],
) -> int:
    """How many files are as the receipt says; `words` are for those that differ, are missing, or are too many."""
    changed, missing, added = words
    there = dict(_files_below(folder, names))
    good = 0
    for entry in wanted:
        name = str(entry.get("name"))
        path = there.pop(name, None)
        if path is None:
            differences.append(Difference(missing, name, f"there is no such file in {folder}"))
            continue
        try:
            digest: Mapping[str, Any] = _file_digest(path)
        except OSError as error:
            differences.append(Difference(changed, str(path), f"cannot be read: {error.strerror}"))
            continue
        if digest["sha256"] == entry.get("sha256") and digest["bytes"] == entry.get("bytes"):
            good += 1
        else:
            differences.append(Difference(changed, str(path), "is another file than was written down"))
    if added:
        differences += [Difference(added, str(path), "is not in the receipt") for path in there.values()]
    return good


def _files_below(folder: Path, names: _Chain | None) -> Iterator[tuple[str, Path]]:
    if not folder.is_dir():
        raise AuditError(f"{folder}: no such folder")
    for where, folders, found in os.walk(folder):
        folders.sort()
        for name in sorted(found):
            path = Path(where, name)
            yield _hashed(path.relative_to(folder).as_posix(), names), path
