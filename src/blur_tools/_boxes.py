"""Boxes of HEIF and AVIF files (ISO 14496-12, 23008-12): what is known of them before they are decoded."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["brands", "is_sequence", "picture_properties"]

MOST_BOXES = 2_000
"""Boxes that are looked at on one level; files of several hundred tiles have as many properties."""


def brands(data: bytes) -> tuple[bytes, ...]:
    """The names in a file's ``ftyp`` box, the major one first; empty when it does not begin with one."""
    if data[4:8] != b"ftyp":
        return ()
    end = min(int.from_bytes(data[:4], "big"), len(data))
    return (data[8:12], *(data[place : place + 4] for place in range(16, end - 3, 4)))


def is_sequence(data: bytes) -> bool:
    """Whether a file holds a film or a sequence of pictures, whatever else it holds."""
    return any(name == b"moov" for name, _, _ in _boxes(data, 0, len(data)))


def picture_properties(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each property that some item of the file has (sizes, codecs' headers, colours)."""
    for name, body, stop in _within(data, (b"meta", b"iprp", b"ipco")):
        yield name, data[body:stop]


def _within(data: bytes, path: tuple[bytes, ...]) -> Iterator[tuple[bytes, int, int]]:
    start, stop = 0, len(data)
    for wanted in path:
        found = next(((body, end) for name, body, end in _boxes(data, start, stop) if name == wanted), None)
        if found is None:
            return
        start, stop = found[0] + (4 if wanted == b"meta" else 0), found[1]  # a version stands before meta's boxes
    yield from _boxes(data, start, stop)


def _boxes(data: bytes, position: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, start of the content and end of each box, as far as they can be followed."""
    for _ in range(MOST_BOXES):
        if position + 8 > end:
            return
        size, body = int.from_bytes(data[position : position + 4], "big"), position + 8
        if size == 1:
            size, body = int.from_bytes(data[position + 8 : position + 16], "big"), position + 16
        stop = end if size == 0 else position + size
        if stop > end or stop < body:
            return
        yield data[position + 4 : position + 8], body, stop
        position = stop
