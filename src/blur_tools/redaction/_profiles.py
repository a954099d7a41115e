"""Whether a colour profile holds anything but colours (ICC.1:2022)."""

from __future__ import annotations

import struct

from blur_tools.redaction._scan_findings import can_be_picture, embedded_picture, is_padding, is_readable

__all__ = ["LARGEST_PROFILE", "profile_problem"]

LARGEST_PROFILE = 4 << 20
"""Bytes of a colour profile that are no wonder: printers' tables are that large."""

MOST_TAGS, LARGEST_WORDS, MOST_UNUSED = 200, 16_384, 64
LARGEST_UNNAMED, SMALL = 1024, 256
"""Bytes of numbers in a tag that no standard names, and of what need not be words: too few for a picture."""

# what colours are made with, where a picture would spoil them: ICC.1 version 2 and 4, ICC.2, and Apple's
_COLOURS = frozenset(
    b"A2B0 A2B1 A2B2 A2B3 A2M0 B2A0 B2A1 B2A2 B2A3 M2A0 D2B0 D2B1 D2B2 D2B3 B2D0 B2D1 B2D2 B2D3 bXYZ gXYZ rXYZ bTRC "
    b"gTRC rTRC kTRC wtpt bkpt lumi chad chrm cicp gamt pre0 pre1 pre2 resp clrt clro clot clin ncl2 ncol meas view "
    b"tech ciis rig0 rig2 calt bfd  scrn vcgt ndin aarg aagg aabg aapy".split(b" ")
)
# types of numbers, in which every row of bytes can come up
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
        if (problem := _tag_problem(name, content[start : start + size])) is not None:
            return problem
    return _unused(content, spans)


def _tag_problem(name: bytes, content: bytes) -> str | None:
    kind, size = content[:4], len(content)
    if kind in _NUMBERS and name in _COLOURS:
        return None
    if (embedded := embedded_picture(content)) is not None:
        return f"with {embedded} in it"
    if size > (LARGEST_UNNAMED if kind in _NUMBERS else LARGEST_WORDS):
        return f"with {size:,} bytes of unknown meaning ({name.decode('latin-1')!r})"
    # in two bytes a character, too
    if kind not in _NUMBERS and can_be_picture(content.replace(b"\0", b"")):
        return "with a text so long without spaces that it can be a coded picture"
    if kind == b"text" and size > SMALL and not is_readable(content[8:]):
        return f"with {size:,} bytes that are no text ({name.decode('latin-1')!r})"
    return None


def _unused(content: bytes, spans: set[tuple[int, int]]) -> str | None:
    end, unused = 0, 0
    for start, stop in [*sorted(spans), (len(content), len(content))]:
        if start > end and not is_padding(content[end:start]):
            unused += start - end
        end = max(end, stop)
    return f"with {unused:,} bytes that none of its tags uses" if unused > MOST_UNUSED else None
