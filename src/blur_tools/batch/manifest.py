"""Which original each file of an output folder is the result of, so that no run replaces another picture's result.

A hidden file beside the folder, ``.NAME.blur-results``, not in it: whoever is given the results is given nothing else.
It is a line for each result, of hashes alone: the result's name, where its original is, what that held, and with which
settings it was made. The last line of a name counts. Lines are only ever added, each at once, so processes may share
it; a line that was cut off is passed over.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import threading
from pathlib import PurePath
from typing import NamedTuple

from blur_tools.batch.packed import PackedMap
from blur_tools.errors import OutputError
from blur_tools.formats._writing import replacing

__all__ = ["SUFFIX", "Made", "Manifest", "short_hash"]

logger = logging.getLogger("blur_tools")

SUFFIX = ".blur-results"

DIGITS = 16
"""Of each hash."""

NOTHING = "0" * DIGITS
"""In place of a hash of what is not known."""

LINE = 4 * (DIGITS + 1) + 1
"""Bytes of a line; it begins with a line's end, too, for one before it may have been cut off."""

_LINE = re.compile(rb" ".join([rb"([0-9a-f]{%d})" % DIGITS] * 4))

ROOM = 1000
"""Lines that a manifest may have beyond four for each name before it is written anew."""


def short_hash(text: str | bytes) -> str:
    """A hash of a path or a key, as a manifest holds it."""
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:DIGITS]


class Made(NamedTuple):
    """What a result was made of; hashes of `DIGITS` digits.

    Attributes
    ----------
    place : str
        Of the original's path; `NOTHING` where it has none.
    content : str
        Of the original's bytes.
    how : str
        Of the settings; `NOTHING` while it is being written, or where nobody said them.
    """

    place: str = NOTHING
    content: str = NOTHING
    how: str = NOTHING

    def same_original(self, other: Made) -> bool:
        """Whether both are of one picture: one file, or the same bytes wherever they lie."""
        return any(mine == its != NOTHING for mine, its in ((self.place, other.place), (self.content, other.content)))


class Manifest:
    """What is known of the files of one output folder.

    Parameters
    ----------
    folder : str
        Its absolute path.
    alone : bool
        Nobody else writes into it meanwhile, so that a file with many outdated lines may be written anew.
    """

    def __init__(self, folder: str, alone: bool = True) -> None:
        self.path = os.path.join(os.path.dirname(folder), f".{os.path.basename(folder)}{SUFFIX}")
        self._lock = threading.Lock()
        self._made = PackedMap(3 * DIGITS // 2)
        self._read = 0
        self._said = False
        self._refresh()
        if alone and self._read > LINE * (4 * len(self._made) + ROOM):
            self._write_anew()

    def of(self, name: PurePath) -> Made | None:
        """What a file was made of, also when another process has written it just now; None where nobody knows."""
        key = _key(name)
        with self._lock:
            if key not in self._made:
                self._refresh()
            value = self._made.get(key)
        return None if value is None else _unpacked(value)

    def note(self, name: PurePath, made: Made) -> None:
        """Keep what a file is made of. That it cannot be kept is said once, and fails no picture."""
        key, value = _key(name), bytes.fromhex("".join(made))
        with self._lock:
            before = self._made.get(key)
            if before == value:
                return
            # what is new is not remembered: it is read with what others have added, if anybody asks
            if not self._added(_line(key, value)) or before is not None:
                self._made[key] = value

    def _added(self, line: bytes) -> bool:
        try:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            try:
                whole = os.write(descriptor, line) == len(line)
            finally:
                os.close(descriptor)
        except OSError as error:
            if not self._said:
                reason = error.strerror or error
                logger.warning("which original each result is of is not kept: %s: %s", self.path, reason)
            self._said = True
            return False
        return whole

    def _refresh(self) -> None:
        """Read the lines that were added."""
        try:
            with open(self.path, "rb") as file:
                file.seek(self._read)
                for line in file:
                    if not line.endswith(b"\n"):  # not wholly written, or cut off
                        break
                    self._read += len(line)
                    match = _LINE.fullmatch(line.rstrip(b"\n"))
                    if match:
                        key, *values = (bytes.fromhex(digits.decode()) for digits in match.groups())
                        self._made[_number(key)] = b"".join(values)
        except OSError:
            return

    def _write_anew(self) -> None:
        try:
            with replacing(self.path) as file:
                file.writelines(_line(key, value) for key, value in self._made.items())
        except OutputError as error:
            logger.warning("%s", error)
            return
        self._read = LINE * len(self._made)


def _key(name: PurePath) -> int:
    return _number(bytes.fromhex(short_hash(name.as_posix())))


def _number(key: bytes) -> int:
    return int.from_bytes(key, "big", signed=True)


def _line(key: int, value: bytes) -> bytes:
    digits = key.to_bytes(DIGITS // 2, "big", signed=True).hex()
    return f"\n{digits} {' '.join(_unpacked(value))}\n".encode()


def _unpacked(value: bytes) -> Made:
    text = value.hex()
    return Made(*(text[start : start + DIGITS] for start in range(0, 3 * DIGITS, DIGITS)))
