"""Boxes of HEIF and AVIF files (ISO 14496-12, 23008-12): what is known of them before they are decoded."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["brands", "is_cropped", "is_sequence", "picture_properties", "primary_properties"]

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


def primary_properties(data: bytes) -> list[tuple[bytes, bytes]]:
    """The same of the main item, and of the first one that it is made of (a grid's tile, which has the codec's header).

    A file that does not say which these are gives those of every item.
    """
    everything = list(picture_properties(data))
    primary = _primary(data)
    own = {primary, _first_part(data, primary)}
    indexes = [index for item, places in _associations(data) if item in own for index in places]
    return [everything[index - 1] for index in indexes if 0 < index <= len(everything)] or everything


def is_cropped(clap: bytes, width: int, height: int) -> bool:
    """Whether a ``clap`` property shows less than all of so many pixels; one that is not whole counts as such."""
    if len(clap) < 16:
        return True
    across, of_across, down, of_down = (_number(clap, place, 4) for place in (0, 4, 8, 12))
    return across < width * of_across or down < height * of_down or not of_across * of_down


def _number(data: bytes, position: int, size: int) -> int:
    return int.from_bytes(data[position : position + size], "big")


def _primary(data: bytes) -> int | None:
    for name, body, stop in _within(data, (b"meta",)):
        if name == b"pitm":
            return int.from_bytes(data[body + 4 : stop], "big")
    return None


def _first_part(data: bytes, item: int | None) -> int | None:
    for name, body, stop in _within(data, (b"meta",)):
        if name == b"iref":
            wide = 4 if data[body] else 2
            for kind, inner, _ in _boxes(data, body + 4, stop):
                if kind == b"dimg" and _number(data, inner, wide) == item and _number(data, inner + wide, 2):
                    return _number(data, inner + wide + 2, wide)
    return None


def _associations(data: bytes) -> Iterator[tuple[int, list[int]]]:
    """Each item with its properties, by their position from 1 on."""
    for name, body, stop in _within(data, (b"meta", b"iprp")):
        if name != b"ipma":
            continue
        wide, size = (4 if data[body] else 2), (2 if _number(data, body + 1, 3) & 1 else 1)
        position = body + 8
        for _ in range(MOST_BOXES):
            if position + wide >= stop:
                break
            first = position + wide + 1
            after = first + size * data[first - 1]
            places = range(first, min(after, stop - size + 1), size)
            yield (
                _number(data, position, wide),
                [_number(data, at, size) & (0x7FFF if size > 1 else 0x7F) for at in places],
            )
            position = after


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
