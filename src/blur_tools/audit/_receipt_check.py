"""Compare a receipt with itself, with the hash that was kept, and with the files."""

from __future__ import annotations

import hmac
import json
import os
import re
import stat
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blur_tools.audit._receipt_chain import FORMAT, VERSION, Chain, file_digest, hashed_name, key_of
from blur_tools.errors import AuditError, SettingsError

__all__ = ["Difference", "ReceiptCheck", "check_receipt"]

_HEAD = re.compile("[0-9a-f]{64}")

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
    originals : int or None
        Originals that are; None where they were not compared.
    differences : tuple of Difference
        Everything that is not; empty when all is as it was.
    caveats : tuple of str
        What the check cannot say.
    facts : mapping
        The receipt's head: when, with which settings and versions.
    entries : tuple of mapping
        Its entries, one for each picture.
    """

    head: str
    files: int
    originals: int | None
    differences: tuple[Difference, ...]
    caveats: tuple[str, ...]
    facts: Mapping[str, Any]
    entries: tuple[Mapping[str, Any], ...] = field(repr=False)


def check_receipt(
    path: str | os.PathLike[str],
    *,
    head: str | None = None,
    folder: str | os.PathLike[str] | None = None,
    originals: str | os.PathLike[str] | None = None,
    key: str | os.PathLike[str] | None = None,
) -> ReceiptCheck:
    """Compare a receipt with itself, with the hash that was kept, and with the files.

    Parameters
    ----------
    path : path
        The receipt.
    head : str, optional
        The hash that `write_receipt` gave: 64 hexadecimal digits.
    folder : path, optional
        The results.
    originals : path, optional
        The folder of the pictures, or one above it.
    key : path, optional
        The key file that the receipt was written with.

    Raises
    ------
    SettingsError
        `head` is no hash, such as the empty text of a variable that is not set.
    AuditError
        The receipt or a folder cannot be read, it is none, or is newer; or it was written with a key and there is none.
    """
    kept = None if head is None else head.strip().lower()
    if kept is not None and not _HEAD.fullmatch(kept):
        raise SettingsError("head", f"{head!r} is no hash of a receipt, which has 64 hexadecimal digits")
    place = Path(path)
    differences: list[Difference] = []
    chain = Chain(key_of(key))
    facts, entries = _read(place, chain, differences)
    if kept is not None and not hmac.compare_digest(kept.encode(), chain.last.encode()):
        differences.append(Difference("entry", "the last line", f"its hash is {chain.last}, not the one that was kept"))
    caveats = []
    if kept is None and chain.key is None:
        caveats.append("without the hash that was kept, a receipt that was made anew as a whole cannot be told")
    elif kept is None:
        caveats.append(
            "without the hash that was kept, an older receipt of the same key, with the files of then, cannot be told"
        )
    names = chain if facts.get("names") == "hmac-sha256" else None
    good, same = 0, None
    if folder is not None:
        outputs = [entry["output"] for entry in entries if isinstance(entry.get("output"), dict)]
        good = _compare(_files_below(Path(folder)), Path(folder), outputs, names, _RESULTS, differences)
    if originals is not None:
        inputs = [entry["input"] for entry in entries if isinstance(entry.get("input"), dict)]
        known = [entry for entry in inputs if entry.get("sha256")]
        if len(known) < len(entries):
            caveats.append(
                f"of {len(entries) - len(known)} of {len(entries)} originals nothing is known: they could not be read "
                "when the receipt was written"
            )
        there = _files_below(Path(originals))
        below = _root_below(there, {str(entry.get("name")) for entry in known}, names)
        if below:
            caveats.append(f"the originals that the receipt names were looked for in {Path(originals, below)}")
        there = {name.removeprefix(below): path for name, path in there.items() if name.startswith(below)}
        same = _compare(there, Path(originals, below), known, names, _ORIGINALS, differences)
    return ReceiptCheck(chain.last, good, same, tuple(differences), tuple(caveats), facts, tuple(entries))


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
            elif not _is_entry(entry):
                differences.append(Difference("entry", name, "says of a picture what no receipt says"))
        elif number > 1:
            ended = True
            if not hmac.compare_digest(data, chain.end(number - 2)):  # to the byte: its hash may not have been kept
                differences.append(Difference("entry", name, "is no end of this receipt"))
        if number > 1 and entry is not None and entry.get("type") == "file" and _is_entry(entry):
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


def _is_entry(entry: Mapping[str, Any]) -> bool:
    """Whether an entry has the form in which we write it; one that was made by other hands can hold anything."""
    found, result = entry.get("detections"), entry.get("output")
    marks = found is None or (isinstance(found, list) and all(isinstance(item, dict) for item in found))
    return marks and isinstance(entry.get("input"), dict) and (result is None or isinstance(result, dict))


def _checked_head(place: Path, entry: Mapping[str, Any] | None, chain: Chain) -> Mapping[str, Any]:
    if entry is None or entry.get("type") != FORMAT:
        raise AuditError(f"{place} is no receipt: its first line says something else")
    if entry.get("version") != VERSION:
        raise AuditError(f"{place} is a receipt of version {entry.get('version')!r}; this blur_tools reads {VERSION}")
    if entry.get("chain") != chain.name:
        how = "with a key: give its file" if chain.key is None else "without a key: leave it out"
        raise AuditError(f"{place} was written {how}")
    return entry


@dataclass(frozen=True)
class _Words:
    """What differences are called, and whether a link to a file is one."""

    changed: str
    missing: str
    added: str
    links: bool


_RESULTS = _Words("changed", "missing", "added", links=False)
_ORIGINALS = _Words("original changed", "original missing", "", links=True)


def _compare(
    below: Mapping[str, Path],
    folder: Path,
    wanted: list[Mapping[str, Any]],
    names: Chain | None,
    words: _Words,
    differences: list[Difference],
) -> int:
    """How many files are as the receipt says; what differs, is missing, or is too many goes into `differences`."""
    there: dict[str, Path] = {}
    for own, path in below.items():
        first = there.setdefault(hashed_name(own, names), path)
        if first is not path and words.added:
            differences.append(Difference(words.added, str(path), f"a receipt cannot tell its name from {first}"))
    good = 0
    for entry in wanted:
        name = str(entry.get("name"))
        if name not in there:
            differences.append(Difference(words.missing, name, f"there is no such file in {folder}"))
            continue
        path = there.pop(name)
        try:
            digest: Mapping[str, Any] = file_digest(path) if _is_file(path, words.links) else {}
        except OSError as error:
            differences.append(Difference(words.changed, str(path), f"cannot be read: {error.strerror}"))
            continue
        if not digest:
            differences.append(Difference(words.changed, str(path), "is no file, but a link or a device"))
        elif digest["sha256"] == entry.get("sha256") and digest["bytes"] == entry.get("bytes"):
            good += 1
        else:
            differences.append(Difference(words.changed, str(path), "is another file than was written down"))
    if words.added:
        differences += [Difference(words.added, str(path), "is not in the receipt") for path in there.values()]
    return good


def _is_file(path: Path, links: bool) -> bool:
    """Whether it can be read to its end; nothing else is opened, since a pipe would be waited for."""
    return stat.S_ISREG((path.stat() if links else path.lstat()).st_mode)


def _files_below(folder: Path) -> dict[str, Path]:
    """All that is no folder, also links to folders, by its path below `folder`.

    Raises
    ------
    AuditError
        The folder, or one in it, cannot be read.
    """
    if not folder.is_dir():
        raise AuditError(f"{folder}: no such folder")

    def stop(error: OSError) -> None:
        raise AuditError(f"{error.filename} cannot be read: {error.strerror}") from error

    found: dict[str, Path] = {}
    for where, folders, files in os.walk(folder, onerror=stop):
        folders.sort()
        links = [name for name in folders if Path(where, name).is_symlink()]
        for name in sorted([*files, *links]):
            path = Path(where, name)
            found[path.relative_to(folder).as_posix()] = path
    return found


def _root_below(there: Collection[str], wanted: Collection[str], names: Chain | None) -> str:
    """The beginning that most names have in front of what the receipt calls them: it lies in a folder below, or ``""``.

    A receipt names pictures from the folder that all of them share, which can be one in the folder that is given.
    """
    found: Counter[str] = Counter()
    for name in there:
        parts = name.split("/")
        for depth in range(len(parts)):
            if hashed_name("/".join(parts[depth:]), names) in wanted:
                found["".join(f"{part}/" for part in parts[:depth])] += 1
    return min(found, key=lambda root: (-found[root], len(root), root), default="")
