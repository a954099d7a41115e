"""PNG files: each chunk, further frames, and what stands behind the pixels and behind the end."""

from __future__ import annotations

import zlib

from blur_tools.redaction._scan_exif import scan_directories
from blur_tools.redaction._scan_findings import MOST_LOOKED_AT, MOST_PARTS, NOTE, WARNING, Findings
from blur_tools.redaction._scan_text import inflated, scan_icc, scan_jumbf, scan_xmp

__all__ = ["scan_png"]

_PLAIN = {b"IHDR": 13, b"PLTE": 768, b"IEND": 0, b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"cICP": 4, b"pHYs": 9,
          b"sBIT": 4, b"bKGD": 6, b"tRNS": 256, b"mDCV": 24, b"cLLI": 8, b"oFFs": 9, b"sTER": 1,
          b"acTL": 8, b"tIME": 7}  # fmt: skip
"""Chunks that can say nothing else, with the bytes that they have at most."""

LONGEST_HEADING = 256
"""Bytes of a text's keyword, language and translated keyword."""

MOST_PIXEL_BYTES = 1 << 30
"""Inflated bytes of pixels behind which something is looked for."""

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# first column and row, and steps, of Adam7's passes
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def scan_png(found: Findings) -> None:
    """Look through a PNG file."""
    data, position = found.data, 8
    seen: set[bytes] = set()
    pixels: list[tuple[int, int]] = []
    frames, others = 0, 0
    while position + 12 <= len(data):
        length, name = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        start, stop = position + 8, position + 8 + length
        if stop + 4 > len(data) or not name.isalpha():
            break
        frames, others = frames + (name == b"fcTL"), others + (name != b"IDAT")
        if others > MOST_PARTS:
            break
        if name == b"IDAT":
            pixels.append((start, stop))
        elif name == b"fdAT" or (name == b"fcTL" and frames > 1):
            found.picture(f"PNG/{name.decode()}", "a further frame", start, stop)
        elif name in _PLAIN and name in seen:
            found.unknown(f"PNG/{name.decode()}", "a chunk that may stand only once", start, stop)
        else:
            _chunk(found, name, start, stop)
        seen.add(name)
        position = stop + 4
        if name == b"IEND":
            found.hidden("trailer", "bytes behind the end of the picture", position)
            break
    if b"IEND" not in seen:
        found.broken("PNG", "cannot be followed from here", position)
    if found.thorough and pixels and b"IHDR" in seen:
        _pixels(found, pixels)


def _chunk(found: Findings, name: bytes, start: int, stop: int) -> None:
    where = f"PNG/{name.decode()}"
    if name == b"PLTE" and found.data[25:26] != b"\3":
        found.unknown(where, "a palette that these pixels do not use", start, stop)
    elif name in _PLAIN:
        found.hidden(where, "bytes behind the value", min(start + _PLAIN[name], stop), stop)
    elif name == b"iCCP":
        _profile(found, start, stop)
    elif name == b"eXIf":
        scan_directories(found, "EXIF", start, stop)
    elif name in (b"tEXt", b"zTXt", b"iTXt"):
        _text(found, where, name, start, stop)
    elif name == b"caBX":
        scan_jumbf(found, where, start, stop)
    else:
        found.unknown(where, "a chunk that no picture needs", start, stop)


def _text(found: Findings, where: str, name: bytes, start: int, stop: int) -> None:
    content = found.content(start, stop)
    keyword, _, rest = content.partition(b"\0")
    packed = name == b"zTXt" or (name == b"iTXt" and rest[:1] == b"\1")
    if name == b"iTXt":
        rest = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    elif name == b"zTXt":
        rest = rest[1:]
    if len(content) - len(rest) > LONGEST_HEADING:
        found.broken(where, "a text with more before it than a heading", start, stop)
        return
    if packed:
        plain = inflated(rest)
        if plain is None:
            found.broken(where, "a packed text that cannot be unpacked", start, stop)
            return
        rest = plain
        if len(plain) <= MOST_LOOKED_AT:
            found.spend(len(plain))
    if keyword == b"XML:com.adobe.xmp":
        scan_xmp(found, "XMP", start, stop, rest)
    elif keyword.startswith(b"Raw profile type"):
        found.broken(where, "a block of other metadata (EXIF, IPTC or XMP) written as text", start, stop)
    elif len(rest) > MOST_LOOKED_AT:
        found.broken(where, "a text too large to be one", start, stop)
    else:
        found.text(where, "a text", start, stop, rest if packed else content)


def _profile(found: Findings, start: int, stop: int) -> None:
    content = found.content(start, stop)
    name, _, rest = content.partition(b"\0")
    profile = inflated(rest[1:])
    if profile is None or len(name) > 79:
        found.broken("ICC profile", "no colour profile, where one should be", start, stop)
    else:
        scan_icc(found, "ICC profile", start, stop, profile)


def _pixels(found: Findings, chunks: list[tuple[int, int]]) -> None:
    """Unpack the pixels, to see whether they are as many as the header says and nothing stands behind them."""
    wanted = _bytes_of_pixels(found.data[16:29])
    if wanted is None or wanted > MOST_PIXEL_BYTES:
        found.add("PNG/pixels", "not looked at behind the last pixel", 0, len(found.data), "technical", NOTE)
        return
    unpacker, size = zlib.decompressobj(), 0
    try:
        for start, stop in chunks:
            part = found.data[start:stop]
            if unpacker.eof and part:
                size = wanted + 1  # more data where the stream has ended
            while part and size <= wanted:
                size += len(unpacker.decompress(part, 1 << 20))
                part = unpacker.unconsumed_tail
                if unpacker.unused_data:
                    size = wanted + 1
    except zlib.error as error:
        found.add("PNG/pixels", f"damaged: {error}", chunks[0][0], chunks[-1][1], "unknown", WARNING)
        return
    if size > wanted:
        found.broken("PNG/pixels", "bytes behind the last pixel", chunks[0][0], chunks[-1][1])


def _bytes_of_pixels(header: bytes) -> int | None:
    """Unpacked bytes of a picture: a filter byte and the pixels of each row, in each pass of an interlaced one."""
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    depth, colour, interlaced = header[8], header[9], header[12]
    if colour not in _CHANNELS or interlaced > 1:
        return None
    bits = depth * _CHANNELS[colour]
    total = 0
    for x, y, across, down in _PASSES if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width - x) // across), -(-(height - y) // down)
        if columns > 0 and rows > 0:
            total += rows * (1 + (columns * bits + 7) // 8)
    return total
