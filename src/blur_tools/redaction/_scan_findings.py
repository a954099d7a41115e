"""What a scan found, and how bytes that no format explains are judged. Nothing is ever repeated of what they hold."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Literal
from unicodedata import category

__all__ = ["LEAK", "MOST_LOOKED_AT", "MOST_PARTS", "NOTE", "WARNING", "Finding", "FindingKind", "Findings", "Severity",
           "TooOften", "can_be_picture", "embedded_picture", "is_readable"]  # fmt: skip

FindingKind = Literal["picture", "text", "location", "identity", "device", "technical", "unknown"]
Severity = Literal["leak", "warning", "note"]
LEAK: Severity = "leak"
WARNING: Severity = "warning"
NOTE: Severity = "note"

MOST_FINDINGS = 1000
"""Findings that are listed; a file with more has one more, which counts the rest."""

MOST_PARTS = 20_000
"""Segments, chunks or resources of one file that are looked at; no program writes so many."""

MOST_LOOKED_AT = 4 << 20
"""Bytes of a text or an unknown block in which something is looked for; a larger one is a leak as it is."""

TINY, SMALL, LONGEST_TEXT = 16, 256, 4096
"""Bytes: too few to tell much; too few for a picture of anything; more than a text needs."""

_PICTURES = (
    (b"\xff\xd8\xff", "a JPEG"),
    (b"\x89PNG\r\n\x1a\n", "a PNG"),
    (b"ftyp", "a film or HEIF"),
    (b"WEBPVP8", "a WebP"),
    (b"GIF89a", "a GIF"),
    (b"GIF87a", "a GIF"),
)
_BASE64 = re.compile(rb"[A-Za-z0-9+/=_-]+")
_LONGEST_WORD = 512
_CONTROL = bytes({*range(32)} - {9, 10, 13})
_PADDING = b"\0\xff"


@dataclass(frozen=True)
class Finding:
    """One place in a file where a second picture or identifying text lives or can live.

    Attributes
    ----------
    where : str
        The place by its names in the format, outermost first: ``"EXIF/IFD1/thumbnail"``.
    what : str
        What is there, for a person; never its content.
    offset, length : int
        Bytes of the file.
    kind : {"picture", "text", "location", "identity", "device", "technical", "unknown"}
        ``identity`` says who (artist, owner), ``device`` which camera (serial numbers), ``technical`` how the picture
        was taken or is to be shown, ``unknown`` is what nobody can say.
    severity : {"leak", "warning", "note"}
        ``leak``: a second picture, or bytes that can hold one. ``warning``: text, position, names, serial numbers,
        which a person can have wanted. ``note``: what can hardly tell anything, such as a colour profile.
    """

    where: str
    what: str
    offset: int
    length: int
    kind: FindingKind
    severity: Severity

    def __str__(self) -> str:
        return f"{self.severity}: {self.where} at byte {self.offset:,}, {self.length:,} bytes: {self.what}"


class TooOften(Exception):
    """A file that refers to the same bytes again and again."""


class Findings:
    """Collects what is found in one file.

    Parameters
    ----------
    data : bytes
        The whole file.
    thorough : bool
        Whether compressed pixels are followed too, to see whether something hides behind them.
    """

    def __init__(self, data: bytes, thorough: bool = True) -> None:
        self.data, self.thorough = data, thorough
        self.items: list[Finding] = []
        self._left_out = 0
        self._budget = 8 * len(data) + (1 << 20)

    def content(self, start: int, stop: int) -> bytes:
        """Bytes of the file, to be looked at.

        Raises
        ------
        TooOften
            The file refers to the same bytes so often that looking would not end.
        """
        part = self.data[start:stop]
        self.spend(len(part))
        return part

    def spend(self, size: int) -> None:
        """Count bytes that are looked at; `TooOften` when they are too many for the size of the file."""
        self._budget -= size
        if self._budget < 0:
            raise TooOften

    def add(self, where: str, what: str, start: int, stop: int, kind: FindingKind, severity: Severity) -> None:
        """Add a finding in ``data[start:stop]``, as far as there is that much."""
        start, stop = min(start, len(self.data)), min(stop, len(self.data))
        if len(self.items) >= MOST_FINDINGS:
            self._left_out += 1
            return
        self.items.append(Finding(where, what, start, max(0, stop - start), kind, severity))

    def picture(self, where: str, what: str, start: int, stop: int) -> None:
        """Add a second picture."""
        self.add(where, what, start, stop, "picture", LEAK)

    def broken(self, where: str, what: str, start: int, stop: int | None = None) -> None:
        """Add a part that cannot be followed: anything can be in it."""
        self.add(where, what, start, len(self.data) if stop is None else stop, "unknown", LEAK)

    def text(self, where: str, what: str, start: int, stop: int, content: bytes | None = None) -> None:
        """Add a text, or what its `content` (by default the bytes themselves) is instead."""
        content = self.content(start, stop) if content is None else content
        if (embedded := embedded_picture(content)) is not None:
            self.picture(where, f"{embedded} in a text", start, stop)
        elif can_be_picture(content):
            self.picture(where, "a text so long without spaces that it can be a coded picture", start, stop)
        elif len(content) > SMALL and not is_readable(content):
            self.add(where, f"{what}, which cannot be read as one", start, stop, "unknown", LEAK)
        elif content:
            self.add(where, what, start, stop, "text", WARNING)

    def unknown(self, where: str, what: str, start: int, stop: int, content: bytes | None = None) -> None:
        """Add bytes whose meaning is not known, judged by their look and number; padding is nothing."""
        content = self.content(start, stop) if content is None else content
        if is_padding(content):
            return
        if (embedded := embedded_picture(content)) is not None:
            self.picture(where, f"{what} with {embedded} in it", start, stop)
        elif len(content) <= TINY:
            self.add(where, what, start, stop, "unknown", NOTE)
        elif len(content) <= LONGEST_TEXT and _is_plain(content) and not _has_base64(content):
            self.add(where, f"{what}, which reads as text", start, stop, "text", WARNING)
        else:
            self.add(where, what, start, stop, "unknown", WARNING if len(content) <= SMALL else LEAK)

    def hidden(self, where: str, what: str, start: int, stop: int | None = None) -> None:
        """Add bytes that no reader looks at: behind the end, in gaps. Any of them is a leak; padding is nothing."""
        stop = len(self.data) if stop is None else stop
        content = self.content(start, stop)
        if is_padding(content):
            return
        embedded = embedded_picture(content)
        if embedded is not None:
            self.picture(where, f"{what}, with {embedded} in it", start, stop)
        else:
            self.add(where, what, start, stop, "unknown", LEAK)

    def result(self) -> list[Finding]:
        """What was found, worst first, then in the order of the file."""
        items = list(self.items)
        if self._left_out:
            more = f"{self._left_out:,} more places than are listed"
            items.append(Finding("file", more, 0, len(self.data), "unknown", LEAK))
        rank = {LEAK: 0, WARNING: 1, NOTE: 2}
        return sorted(items, key=lambda item: (rank[item.severity], item.offset, item.where))


def embedded_picture(content: bytes) -> str | None:
    """What kind of picture or film the first signature in some bytes belongs to."""
    # by search for each: one pattern for all takes twenty times as long
    found = [(place, name) for sign, name in _PICTURES if (place := _place(content, sign)) >= 0]
    return min(found)[1] if found else None


def _place(content: bytes, sign: bytes) -> int:
    place = content.find(sign, 0, MOST_LOOKED_AT)
    while place >= 0 and sign == b"ftyp" and content[max(0, place - 4) : max(0, place - 2)] != b"\0\0":
        place = content.find(sign, place + 1, MOST_LOOKED_AT)  # a word, without the length of a box before it
    return place


def can_be_picture(content: bytes) -> bool:
    """Whether a text is, or codes, something that can be a picture."""
    return embedded_picture(content) is not None or len(content) > MOST_LOOKED_AT or _has_base64(content)


def is_padding(content: bytes) -> bool:
    """Whether bytes are all 0 or all 0xFF, or white space of a few bytes."""
    if not content or (len(content) <= TINY and not content.strip(b" \t\r\n\0")):
        return True
    return content[0] in _PADDING and content.count(content[:1]) == len(content)


def is_readable(content: bytes) -> bool:
    """Whether bytes are text in some usual encoding and script."""
    return _is_plain(content) or any(
        _is_script(content[start:], encoding)
        for encoding in ("utf-8", "utf-16-le", "utf-16-be")
        for start in (0, 8)  # EXIF names the encoding in eight bytes
    )


def _is_script(content: bytes, encoding: str) -> bool:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return False
    counts = Counter(text)  # so that a long text costs no more than its alphabet
    if encoding == "utf-8":  # which other bytes hardly ever are
        usual = sum(n for sign, n in counts.items() if sign in "\0\t\n\r" or category(sign) not in _NO_SIGNS)
    else:  # random bytes are often valid UTF-16, of all scripts at once
        usual = sum(n for sign, n in counts.items() if any(first <= ord(sign) <= last for first, last in _SCRIPTS))
    return usual * 20 >= 19 * len(text)


# control characters, halves of others, private and unassigned ones
_NO_SIGNS = ("Cc", "Cs", "Co", "Cn")
# Western to Arabic and Indic; punctuation; Chinese, Japanese; Korean; wide forms
_SCRIPTS = ((0, 0), (9, 13), (32, 0x0DFF), (0x2000, 0x206F), (0x3000, 0x9FFF), (0xAC00, 0xD7AF), (0xFE00, 0xFFEF))


def _is_plain(content: bytes) -> bool:
    """Whether bytes read as Western text: no control characters but NUL, and mostly letters."""
    plain = content.replace(b"\0", b"")
    if plain.translate(None, _CONTROL[1:]) != plain or len(plain) * 3 < len(content):
        return False
    return sum(byte >= 128 for byte in plain) * 3 <= len(plain)


def _has_base64(content: bytes) -> bool:
    part = content[:MOST_LOOKED_AT]
    return any(len(word) > _LONGEST_WORD for word in _BASE64.findall(part))
