"""Compare a receipt with itself, with the hash that was kept, and with the files."""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blur_tools.audit._receipt_chain import FORMAT, VERSION, Chain, file_digest, hashed_name, key_of
from blur_tools.errors import AuditError

__all__ = ["Difference", "ReceiptCheck", "check_receipt"]

LONGEST = 1 << 26
"""Bytes of a line above which it is none of ours."""


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
    chain = Chain(key_of(key))
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
    place: Path, chain: Chain, differences: list[Difference]
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


def _checked_head(place: Path, entry: Mapping[str, Any] | None, chain: Chain) -> Mapping[str, Any]:
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
    names: Chain | None,
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
            digest: Mapping[str, Any] = file_digest(path)
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


def _files_below(folder: Path, names: Chain | None) -> Iterator[tuple[str, Path]]:
    if not folder.is_dir():
        raise AuditError(f"{folder}: no such folder")
    for where, folders, found in os.walk(folder):
        folders.sort()
        for name in sorted(found):
            path = Path(where, name)
            yield hashed_name(path.relative_to(folder).as_posix(), names), path
