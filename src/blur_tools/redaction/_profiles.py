"""Whether a colour profile holds anything but colours (ICC.1:2022)."""

from __future__ import annotations

import struct

from blur_tools.redaction._scan_findings import embedded_picture, is_padding

__all__ = ["LARGEST_PROFILE", "profile_problem"]

LARGEST_PROFILE = 4 << 20
"""Bytes of a colour profile that are no wonder: printers' tables are that large."""

MOST_TAGS, LARGEST_WORDS, MOST_UNUSED = 200, 16_384, 64

# types of numbers, in which every row of bytes can come up, and where a picture would spoil the colours
_NUMBERS = (
    b"curv", b"para", b"XYZ ", b"mft1", b"mft2", b"mAB ", b"mBA ", b"sf32", b"uf32", b"chrm", b"meas", b"view",
    b"sig ", b"dtim", b"ui08", b"ui16", b"ui32", b"cicp", b"clro", b"clrt", b"mpet", b"vcgt", b"ndin",
)  # fmt: skip


def profile_problem(content: bytes) -> str | None:
    """What is wrong with a profile, in words that follow "a colour profile"; None if it holds colours and their names.

    Its tags may be numbers of a known type, or words that are no longer than words are; every byte belongs to one.
    """
    if len(content) < 132 or content[36:40] != b"acsp":
        return "that is none"
    said = int.from_bytes(content[:4], "big")
    if len(content) > said:
        return f"with {len(content) - said:,} bytes behind it"
    if len(content) > LARGEST_PROFILE:
        return f"of {len(content):,} bytes"
    (count,) = struct.unpack_from(">I", content, 128)
    if count > MOST_TAGS or 132 + 12 * count > len(content):
        return "whose table of tags cannot be followed"
    spans = {(0, 132 + 12 * count)}
    for number in range(count):
        name, start, size = struct.unpack_from(">4sII", content, 132 + 12 * number)
        if start + size > len(content):
            return "whose table of tags cannot be followed"
        spans.add((start, start + size))
        if content[start : start + 4] in _NUMBERS:
            continue
        words = content[start : start + size]
        if embedded_picture(words) is not None:
            return f"with {embedded_picture(words)} in it"
        if size > LARGEST_WORDS:
            return f"with {size:,} bytes of unknown meaning ({name.decode('latin-1')!r})"
    return _unused(content, spans)


def _unused(content: bytes, spans: set[tuple[int, int]]) -> str | None:
    end, unused = 0, 0
    for start, stop in [*sorted(spans), (len(content), len(content))]:
        if start > end and not is_padding(content[end:start]):
            unused += start - end
        end = max(end, stop)
    return f"with {unused:,} bytes that none of its tags uses" if unused > MOST_UNUSED else None
