"""Tables of a JPEG that none of its scans uses (ITU-T T.81, B.2): they can hold anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from blur_tools.redaction._jpeg_markers import DHT, SOS, JpegError, segments

__all__ = ["unused_tables", "without_tables", "without_unused_tables"]

DQT = 0xDB
_FRAMES = {*range(0xC0, 0xD0)} - {DHT, 0xC8, 0xCC}
_DC, _AC = 0, 1

Part = tuple[int, bytes | memoryview]
"""A marker and its whole segment."""

Place = tuple[int, int, int]
"""Number of a segment, and where in it a table begins and ends."""


def unused_tables(parts: Iterable[Part]) -> list[Place]:
    """The tables that no scan uses; none where the segments cannot be followed."""
    current: dict[tuple[int, int, int], Place] = {}
    quantisers: dict[int, int] = {}
    defined: list[Place] = []
    used: set[Place] = set()
    for number, (marker, segment) in enumerate(parts):
        if marker in (DHT, DQT):
            for key, start, stop in _tables(marker, segment):
                current[key] = (number, start, stop)
                defined.append((number, start, stop))
        elif marker in _FRAMES and len(segment) >= 10:
            body = bytes(segment[10:])
            quantisers |= {body[i]: body[i + 2] for i in range(0, len(body) - 2, 3)}
        elif marker == SOS:
            header = _behind_new_tables(segment, current)
            if header + 5 > len(segment):
                continue
            members = bytes(segment[header + 5 : header + 5 + 2 * segment[header + 4]])
            for identifier, tables in zip(members[::2], members[1::2], strict=False):
                keys = (DHT, _DC, tables >> 4), (DHT, _AC, tables & 15), (DQT, 0, quantisers.get(identifier, 0))
                used |= {current[key] for key in keys if key in current}
    return [place for place in defined if place not in used]


def _behind_new_tables(segment: bytes | memoryview, current: dict[tuple[int, int, int], Place]) -> int:
    """Where in a scan its header is: a rewritten one can have new tables before it, which take others' places."""
    position = 0
    while position + 4 <= len(segment) and segment[position + 1] == DHT:
        end = position + 2 + int.from_bytes(segment[position + 2 : position + 4], "big")
        for key, _, _ in _tables(DHT, segment[position:end]):
            current.pop(key, None)
        position = end
    return position


def _tables(marker: int, segment: bytes | memoryview) -> Iterator[tuple[tuple[int, int, int], int, int]]:
    """What each table of a segment is called, and where it is; those that are whole."""
    position = 4
    while position < len(segment):
        name = segment[position]
        if marker == DHT:
            stop = position + 17 + sum(segment[position + 1 : position + 17])
            key = (DHT, name >> 4, name & 15)
        else:
            stop = position + (129 if name >> 4 else 65)
            key = (DQT, 0, name & 15)
        if stop > len(segment):
            return
        yield key, position, stop
        position = stop


def without_tables(parts: Sequence[Part], places: Sequence[Place]) -> list[Part]:
    """Segments without some of their tables; those that are empty then go.

    Parameters
    ----------
    parts : sequence of (int, bytes)
        Markers and their whole segments.
    places : sequence
        What `unused_tables` gave for them.
    """
    gone: dict[int, list[Place]] = {}
    for place in places:
        gone.setdefault(place[0], []).append(place)
    kept: list[Part] = []
    for number, (marker, segment) in enumerate(parts):
        if number not in gone:
            kept.append((marker, segment))
            continue
        body = bytearray(segment)
        for _, start, stop in reversed(gone[number]):
            del body[start:stop]
        if len(body) > 4:
            body[2:4] = (len(body) - 2).to_bytes(2, "big")
            kept.append((marker, bytes(body)))
    return kept


def without_unused_tables(data: bytes) -> bytes:
    """A JPEG file as it is, but for the tables that no scan uses; as it is where it cannot be followed."""
    try:
        found = list(segments(data))
    except JpegError:
        return data
    parts: list[Part] = [(segment.marker, data[segment.start : segment.stop]) for segment in found]
    places = unused_tables(parts)
    if not places:
        return data
    tail = data[found[-1].stop :]
    return data[:2] + b"".join(part for _, part in without_tables(parts, places)) + tail
