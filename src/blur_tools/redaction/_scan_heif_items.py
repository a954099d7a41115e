"""Items of HEIF and AVIF files: which of them are the picture itself, and how much of it is shown."""

from __future__ import annotations

from dataclasses import dataclass, field

from blur_tools._boxes import is_cropped
from blur_tools.redaction._scan_findings import Findings
from blur_tools.redaction._scan_heif_codes import ALPHA_TYPES

__all__ = ["DERIVED", "Item", "Items", "own_items", "scan_shown"]

MOST_DERIVED = 4
"""Steps from a picture to what it is made of."""

MOST_PADDING, SMALLEST_CODED = 8, 64
"""Pixels that coders add to fill up their blocks, and the smallest side that they make of anything; the container crops
these away again, and they are no picture."""

DERIVED = {b"grid": 12, b"iden": 0, b"tmap": 256, b"iovl": 4096}
"""Items that say how others make one picture, with the bytes that they need at most."""


@dataclass
class Item:
    kind: bytes = b""
    content_type: bytes = b""
    packing: bytes = b""
    parts: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class Items:
    """What the boxes of a ``meta`` box say of its items."""

    primary: int | None = None
    listed: dict[int, Item] = field(default_factory=dict)
    located: dict[int, tuple[int, list[tuple[int, int]]]] = field(default_factory=dict)
    references: dict[bytes, dict[int, list[int]]] = field(default_factory=dict)
    properties: list[tuple[bytes, int, int]] = field(default_factory=list)
    property_of: dict[int, list[int]] = field(default_factory=dict)
    repeats: bool = False
    inner: tuple[int, int] | None = None

    def has(self, item: int, kind: bytes) -> list[tuple[int, int]]:
        """Where an item's properties of one kind are."""
        mine = (self.properties[i - 1] for i in self.property_of.get(item, ()) if 0 < i <= len(self.properties))
        return [(start, stop) for name, start, stop in mine if name == kind]


def own_items(data: bytes, items: Items) -> set[int]:
    """The main item, whatever it is made of as far as that is shown, and the transparency of each."""
    if items.primary is None:
        return set()
    own = level = {items.primary}
    for _ in range(MOST_DERIVED):
        level = {part for item in level for part in _shown_parts(data, items, item)} - own
        own = own | level
    return own | _transparency(data, items, own)


def _shown_parts(data: bytes, items: Items, number: int) -> list[int]:
    """What a derived item shows of the items that it refers to (ISO 23008-12, 6.6.2); any other shows none."""
    parts = items.references.get(b"dimg", {}).get(number, [])
    kind = items.listed[number].kind if number in items.listed else b""
    if kind == b"grid":
        rows, columns, _, _ = _grid(data, items, number)
        return parts[: rows * columns]
    # pictures that lie over each other hide each other, and a gain map is a picture of its own
    return parts[:1] if kind in DERIVED else []


def _grid(data: bytes, items: Items, number: int) -> tuple[int, int, int, int]:
    """Rows and columns of tiles, width and height of what is shown."""
    content = b"".join(data[start:stop] for start, stop in items.listed[number].parts[:2])[: DERIVED[b"grid"]]
    if len(content) < 8:
        return 0, 0, 0, 0
    wide = 4 if content[1] & 1 else 2
    width, height = (int.from_bytes(content[place : place + wide], "big") for place in (4, 4 + wide))
    return content[2] + 1, content[3] + 1, width, height


def scan_shown(found: Findings, items: Items, own: set[int]) -> None:
    """Look for pixels of the picture itself that lie outside of what is shown."""
    for number in own & items.listed.keys():
        size = _size(found.data, items, number)
        for start, stop in items.has(number, b"clap"):
            if is_cropped(
                found.data[start:stop], *(side - MOST_PADDING if side > SMALLEST_CODED else 0 for side in size)
            ):
                found.picture("HEIF/clap", "pixels outside of the part that is shown", start, stop)
        if items.listed[number].kind == b"grid" and (parts := _shown_parts(found.data, items, number)):
            rows, columns, width, height = _grid(found.data, items, number)
            across, down = _size(found.data, items, parts[0])
            if width <= (columns - 1) * across or height <= (rows - 1) * down:
                start, stop = items.listed[number].parts[0]
                found.picture("HEIF/grid", "tiles outside of the part that is shown", start, stop)


def _size(data: bytes, items: Items, number: int) -> tuple[int, int]:
    """Width and height as an item's ``ispe`` says; 0 if none does."""
    for start, stop in items.has(number, b"ispe"):
        if stop - start >= 12:
            return int.from_bytes(data[start + 4 : start + 8], "big"), int.from_bytes(
                data[start + 8 : start + 12], "big"
            )
    return 0, 0


def _transparency(data: bytes, items: Items, own: set[int]) -> set[int]:
    """The alpha channel of each part of the picture: one, of the same size, as of every other format."""
    alpha: dict[int, int] = {}
    for number, masters in items.references.get(b"auxl", {}).items():
        named = [data[start + 4 : stop].partition(b"\0")[0] for start, stop in items.has(number, b"auxC")]
        sizes = [[data[a:b] for a, b in items.has(item, b"ispe")] for item in (number, *masters)]
        if len(masters) == 1 and masters[0] in own and named and named[0] in ALPHA_TYPES and sizes[0] == sizes[1]:
            alpha.setdefault(masters[0], number)
    return set(alpha.values())
