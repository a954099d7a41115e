"""What is to be reviewed, each picture with the key that it keeps."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from blur_tools.batch.folders import list_pictures
from blur_tools.batch.outputs import HASH_DIGITS, local_name
from blur_tools.errors import AuditError, PictureError
from blur_tools.formats._keys import check_key, place_of
from blur_tools.picture import DECODER_ERRORS
from blur_tools.sources import Source, is_url, safe_name, shown_place, url_name, without_secrets

__all__ = ["Entry", "Place", "common_root", "files_of", "folder_entries", "kept_entry", "source_entries"]

logger = logging.getLogger("blur_tools")

Place = str | None | bool
"""Where a journal says that a picture is: None below the root, text for another path or a URL, False nowhere."""

NEEDED = "a path, URL, bytes, array or image is needed"
NOT_KEPT = "only its key is in the journal: open the review with its list or table"


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture of a review.

    Attributes
    ----------
    key : str
        See `Item.key`.
    source : object
        What `load_source` reads.
    place : str, None or False
        What the journal keeps of it.
    error : str
        Why it cannot be a picture; ``""`` when it can.
    """

    key: str
    source: Any
    place: Place = None
    error: str = ""


def folder_entries(root: Path, without: Collection[str] = (), *, tell: bool = False) -> list[Entry]:
    """All pictures in a folder and below it, by the rules of the command line; `tell` of folders that are left out.

    Raises
    ------
    AuditError
        A folder cannot be read.
    """
    try:
        listing = list_pictures(root, without)
    except PictureError as error:
        raise AuditError(str(error)) from error
    for link in listing.links if tell else ():
        logger.warning("%s is a link to a folder, which is not followed: its pictures are not in this review", link)
    start = len(os.path.join(root, ""))
    return [Entry(path[start:].replace(os.sep, "/"), path) for path in listing.pictures]


def files_of(sources: Iterable[Any]) -> list[str | None]:
    """The absolute path of each source that is a file, None for another."""
    return [None if (path := _file_of(source)) is None else os.path.abspath(path) for source in sources]


def common_root(files: Iterable[str | None]) -> Path | None:
    """The folder that all of `files_of` share; None without one."""
    paths = [path for path in files if path is not None]
    # what names no file must not move the others' keys
    there = [path for path in paths if os.path.isfile(path)] or paths
    try:
        return Path(os.path.commonpath({os.path.dirname(path) for path in there})) if there else None
    except ValueError:
        return None  # different drives


def source_entries(sources: Sequence[Any], files: Sequence[str | None], root: Path | None) -> list[Entry]:
    """An entry for each source, in order; sources that are the same picture give the same key."""
    taken: dict[str, Any] = {}
    start = "" if root is None else os.path.join(root, "")
    entries = []
    for number, (source, path) in enumerate(zip(sources, files, strict=True), start=1):
        entry = _entry(source, number) if path is None else _file_entry(path, start)
        entries.append(_unique(entry, taken))
    return entries


def kept_entry(key: str, place: Place, root: Path | None) -> Entry:
    """A picture as a journal alone names it."""
    if isinstance(place, str):
        return Entry(key, place, place)
    if place is None and root is not None:
        return Entry(key, place_of(root, key))
    return Entry(key, None, False, NOT_KEPT)


def _file_of(source: Any) -> str | None:
    """The file that a source is, where it is one."""
    if isinstance(source, Mapping) and source.get("bytes") is None:
        source = source.get("path")
    return local_name(source)


def _entry(source: Any, number: int) -> Entry:
    if isinstance(source, str | os.PathLike):
        return _address_entry(os.fsdecode(source))
    try:
        name, digest = _content(source)
    except DECODER_ERRORS as error:
        return Entry(f"picture-{number}", source, False, f"{NEEDED}: {error}")
    return Entry(_hashed(name, digest), source, False)


def _file_entry(path: str, start: str) -> Entry:
    below = bool(start) and path.startswith(start)
    key = path[len(start) :] if below else os.path.splitdrive(path)[1].lstrip(os.sep)
    try:
        return Entry(check_key(key.replace(os.sep, "/")), path, None if below else path)
    except ValueError:  # the root of the file system, or a path that is too long for one
        return Entry(_hashed(safe_name(os.path.basename(path)), _digest(path)), path, path)


def _address_entry(text: str) -> Entry:
    if is_url(text):
        # a query or a password can be a token, which no file of ours may hold
        return Entry(_hashed(url_name(text), _digest(text)), text, text if without_secrets(text) == text else False)
    shown = shown_place(text)
    error = "only http and https URLs are fetched" if "://" in text else "is not a path"
    return Entry(_hashed(safe_name(shown), _digest(text)), text, False, f"{shown!r}: {error}")


def _content(source: Any) -> tuple[str, str]:
    """A name and a hash of the content.

    Raises
    ------
    TypeError
        It is no picture; and what a decoder raises.
    """
    if isinstance(source, Source):
        return safe_name(source.name), source.digest
    name = "picture"
    if isinstance(source, Mapping):
        path, source = source.get("path"), source.get("bytes")
        name = safe_name(os.path.basename(os.fsdecode(path))) if isinstance(path, str | os.PathLike) else name
    if isinstance(source, bytes | bytearray | memoryview):
        return name, hashlib.sha256(source).hexdigest()
    if not hasattr(source, "__array_interface__"):
        raise TypeError(f"not {type(source).__name__}")
    array = np.ascontiguousarray(source)
    name = safe_name(os.path.basename(os.fsdecode(getattr(source, "filename", "") or name)))
    return name, hashlib.sha256(f"{array.shape} {array.dtype}".encode() + array.tobytes()).hexdigest()


def _hashed(name: str, digest: str) -> str:
    stem, suffix = os.path.splitext(name)
    return f"{stem}-{digest[:HASH_DIGITS]}{suffix}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _unique(entry: Entry, taken: dict[str, Any]) -> Entry:
    """The entry, under another key where a different file has taken its own."""
    first = taken.setdefault(entry.key, entry.source)
    if not isinstance(first, str) or not isinstance(entry.source, str) or first == entry.source:
        return entry
    folder, _, name = entry.key.rpartition("/")
    key = f"{folder}/{_hashed(name, _digest(entry.source))}".lstrip("/")
    return Entry(key, entry.source, entry.source, entry.error)
