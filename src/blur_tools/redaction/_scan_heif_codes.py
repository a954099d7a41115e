"""What HEIF and AVIF files say of their pixels, and how these are packed: properties, HEVC's units, AV1's units.

A unit is followed by its length; what is packed into a unit of pixels is not looked into.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from blur_tools.redaction._scan_findings import NOTE, Findings
from blur_tools.redaction._scan_text import scan_icc

__all__ = ["ALPHA_TYPES", "scan_coded", "scan_property"]

ALPHA_TYPES = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1")
_AUXILIARY_TYPES = (*ALPHA_TYPES, b"urn:mpeg:hevc:2015:auxid:2", b"urn:mpeg:mpegB:cicp:systems:auxiliary:depth",
                    b"urn:iso:std:iso:ts:21496:-1")  # fmt: skip
_APPLES_TYPE = re.compile(rb"urn:com:apple:photo:20\d\d:aux:[a-z]{1,30}")

_LENGTHS = {b"ispe": 12, b"pixi": 9, b"irot": 1, b"imir": 1, b"pasp": 8, b"clap": 32, b"clli": 4, b"mdcv": 24,
            b"rloc": 12, b"lsel": 2, b"a1op": 1, b"a1lx": 13, b"amve": 8, b"ndwt": 8, b"cclv": 58, b"cmin": 28,
            b"cmex": 48, b"reve": 8, b"crtt": 12, b"mdft": 12}  # fmt: skip
"""Properties that are numbers, with the bytes that they have at most."""

_HEADERS = {b"av1C": 128, b"avcC": 1024, b"vvcC": 1024, b"j2kH": 256, b"uncC": 256, b"cmpd": 256, b"jpgC": 2048}
"""Codecs' headers, with bytes that they hardly have more of."""

VPS, PPS, AUD, SEI, LAST_PIXELS = 32, 34, 35, (39, 40), 31
MOST_SETS, LARGEST_SET = 16, 1024
"""Parameter sets of one kind in a header, and the bytes of one."""

_AV1_PIXELS = (
    1,
    2,
    3,
    4,
    6,
    7,
)  # sequence header, temporal delimiter, frame header, tile group, frame, the header again
AV1_FRAMES, AV1_METADATA, AV1_REDUNDANT, MOST_UNITS = (3, 6), 5, 7, 20_000


def scan_property(found: Findings, kind: bytes, start: int, stop: int) -> None:
    """Judge one property of an item by its content ``data[start:stop]``."""
    data, label = found.data, f"HEIF/{kind.decode('ascii', 'replace')}"
    if kind == b"colr" and data[start : start + 4] in (b"prof", b"rICC"):
        scan_icc(found, "ICC profile", start + 4, stop)
    elif kind == b"colr" and data[start : start + 4] == b"nclx":
        found.hidden(label, "bytes behind the value", min(start + 11, stop), stop)
    elif kind == b"udes":
        found.text(label, "a description", start, stop)
    elif kind == b"auxC":
        name, _, rest = data[start + 4 : stop].partition(b"\0")
        if name not in _AUXILIARY_TYPES and not _APPLES_TYPE.fullmatch(name):
            found.text(label, "an auxiliary picture's name", start, stop)
        found.unknown(label, "what is said of an auxiliary picture", stop - len(rest), stop)
    elif kind == b"hvcC":
        _hevc_header(found, label, start, stop)
    elif kind in _LENGTHS or kind in _HEADERS:
        most = _LENGTHS.get(kind) or _HEADERS[kind]
        found.hidden(label, "bytes behind the value", min(start + most, stop), stop)
    else:
        found.unknown(label, "a property of unknown meaning", start, stop)


def _hevc_header(found: Findings, label: str, start: int, stop: int) -> None:
    """HEVCDecoderConfigurationRecord (ISO 14496-15, 8.3.3.1): arrays of parameter sets, and of anything else."""
    data, position = found.data, start + 23
    for _ in range(data[start + 22] if stop - start > 22 else 0):
        if position + 3 > stop:
            break
        kind, count = data[position] & 0x3F, int.from_bytes(data[position + 1 : position + 3], "big")
        position += 3
        for number in range(count):
            size = int.from_bytes(data[position : position + 2], "big")
            first, position = position + 2, position + 2 + size
            if position > stop:
                break
            if not VPS <= kind <= PPS:
                found.unknown(label, "a unit that no picture needs", first, position)
            elif number >= MOST_SETS or size > LARGEST_SET:
                found.hidden(label, "more parameters than a picture needs", first, position)
    if position > stop:
        found.broken(label, "a header that is not whole", start, stop)
    else:
        found.hidden(label, "bytes behind the header", position, stop)


def scan_coded(found: Findings, kind: bytes, parts: list[tuple[int, int]]) -> None:
    """Follow the units of coded pixels that the ``parts`` of an item make together."""
    walk: Callable[[Findings, bytes, int], None] | None = {b"hvc1": _hevc, b"hev1": _hevc, b"av01": _av1}.get(kind)
    if walk is None:
        place = parts[0][0], parts[-1][1]
        found.add(
            "HEIF/pixels", "not looked at behind the last pixel: packed in another way", *place, "technical", NOTE
        )
        return
    # copied only where the parts do not lie behind each other
    whole = all(parts[i][1] == parts[i + 1][0] for i in range(len(parts) - 1))
    start = parts[0][0]
    content = found.data[start : parts[-1][1]] if whole else b"".join(found.data[a:b] for a, b in parts)
    found.spend(len(content))
    walk(found, content, start)


def _hevc(found: Findings, content: bytes, start: int) -> None:
    position = units = pictures = 0
    while position + 6 <= len(content) and units < MOST_UNITS:
        size = int.from_bytes(content[position : position + 4], "big")
        kind, first, position = content[position + 4] >> 1 & 0x3F, position + 4, position + 4 + size
        units += 1
        if size < 2 or position > len(content):
            break
        layer = (content[first] & 1) << 5 | content[first + 1] >> 3
        # the first bit of a slice says that a picture begins
        pictures += kind <= LAST_PIXELS and size > 2 and content[first + 2] >> 7
        if layer or (kind <= LAST_PIXELS and pictures > 1):
            found.picture("HEIF/pixels", "a further picture or layer in the same item", start + first, start + position)
        elif kind in SEI:
            found.unknown("HEIF/pixels", "a unit with other information", start + first, start + position)
        elif kind > LAST_PIXELS and not VPS <= kind <= AUD:
            found.hidden("HEIF/pixels", "a unit that no picture needs", start + first, start + position)
        elif VPS <= kind <= AUD and size > LARGEST_SET:
            found.hidden("HEIF/pixels", "more parameters than a picture needs", start + first, start + position)
    if position != len(content):
        found.broken("HEIF/pixels", "bytes that are no unit of HEVC", start + min(position, len(content)),
                     start + len(content))  # fmt: skip


def _av1(found: Findings, content: bytes, start: int) -> None:
    position = units = frames = 0
    while position < len(content) and units < MOST_UNITS:
        first, head, units = position, content[position], units + 1
        position += 2 if head & 4 else 1
        if not head & 2:  # without a length: to the end
            size = len(content) - position
        else:
            size, position = _leb128(content, position)
        body, position = position, position + size
        kind = head >> 3 & 15
        if head & 0x80 or position > len(content):
            position = first
            break
        frames += kind in AV1_FRAMES
        if frames > 1 and kind not in (AV1_METADATA, AV1_REDUNDANT):
            found.picture("HEIF/pixels", "a further frame or layer in the same item", start + body, start + position)
        elif kind == AV1_METADATA:
            found.unknown("HEIF/pixels", "a unit with other information", start + body, start + position)
        elif kind not in _AV1_PIXELS:
            found.hidden("HEIF/pixels", "a unit that no picture needs", start + body, start + position)
    if position != len(content):
        found.broken("HEIF/pixels", "bytes that are no unit of AV1", start + position, start + len(content))


def _leb128(content: bytes, position: int) -> tuple[int, int]:
    """A number of seven bits a byte (AV1, 4.10.5), and where it ends."""
    value = 0
    for i in range(8):
        if position + i >= len(content):
            break
        value |= (content[position + i] & 0x7F) << 7 * i
        if not content[position + i] & 0x80:
            return value, position + i + 1
    return len(content), position  # longer than there is
