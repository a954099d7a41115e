"""BMP and GIF files: gaps, comments, frames, and what stands behind the end."""

from __future__ import annotations

import struct

import numpy as np

from blur_tools.redaction._scan_findings import MOST_PARTS, NOTE, WARNING, Findings, is_padding
from blur_tools.redaction._scan_packed import bmp_runs_end, lzw_end, too_many_codes, worth_compiling
from blur_tools.redaction._scan_text import scan_icc, scan_xmp

__all__ = ["scan_bmp", "scan_gif"]

_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
_U16 = struct.Struct("<HH")

_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)
_RAW, _RUNS_8, _RUNS_4, _BITFIELDS, _ALPHA_BITFIELDS = 0, 1, 2, 3, 6


def scan_bmp(found: Findings) -> None:
    """Look through a BMP file."""
    data = found.data
    if len(data) < 26:
        found.broken("BMP", "cannot be followed", 0)
        return
    offset, header = struct.unpack_from("<II", data, 10)
    if header not in _HEADERS or len(data) < 14 + header:
        found.broken("BMP", "a header of unknown kind", 14)
        return
    if header < 40:
        width, height, _, bits = struct.unpack_from("<HHHH" if header == 12 else "<IIHH", data, 18)
        coding, said, colours, cell = _RAW, 0, 0, 3
    else:
        width, height, _, bits, coding, said = struct.unpack_from("<iiHHII", data, 18)
        (colours,) = struct.unpack_from("<I", data, 46)
        cell = 4
    colours = min(colours, 256) or (1 << bits if bits <= 8 else 0)
    masks = {_BITFIELDS: 12, _ALPHA_BITFIELDS: 16}.get(coding, 0) if header == 40 else 0
    table = 14 + header + masks + cell * colours
    found.hidden("BMP/gap", "bytes before the pixels", min(table, len(data)), min(max(table, offset), len(data)))
    row = (width * bits + 31) // 32 * 4
    plain = coding in (_RAW, _BITFIELDS, _ALPHA_BITFIELDS)
    end = min(offset + (max(0, row) * abs(height) if plain else said), len(data))
    if coding in (_RUNS_8, _RUNS_4):
        last = bmp_runs_end(data, offset, end, coding == _RUNS_4)
        found.hidden("BMP/pixels", "bytes behind the last pixel", last, end)
    if plain and width > 0:
        _row_ends(found, offset, row, abs(height), (width * bits + 7) // 8)
    if header == 124:
        end = _bmp_profile(found, end)
    found.hidden("trailer", "bytes behind the end of the picture", end)


def _row_ends(found: Findings, offset: int, row: int, height: int, used: int) -> None:
    """Rows are filled up to whole words."""
    if used == row or offset + row * height > len(found.data):
        return
    ends = np.frombuffer(found.data, np.uint8, row * height, offset).reshape(height, row)[:, used:]
    if ends.any():
        found.broken("BMP/rows", "bytes that fill up rows and are not 0", offset, offset + row * height)


def _bmp_profile(found: Findings, end: int) -> int:
    kind = found.data[70:74][::-1]
    place, size = (int(value) for value in struct.unpack_from("<II", found.data, 14 + 112))
    start, stop = 14 + place, min(14 + place + size, len(found.data))
    if kind not in (b"MBED", b"LINK") or not end <= start < stop:
        return end
    if kind == b"LINK":
        found.text("BMP/profile", "the name of a file", start, stop)
    else:
        scan_icc(found, "ICC profile", start, stop)
    found.hidden("BMP/gap", "bytes before the colour profile", end, start)
    return stop


def scan_gif(found: Findings) -> None:
    """Look through a GIF file (GIF89a)."""
    data = found.data
    position = 13 + (3 << ((data[10] & 7) + 1) if len(data) > 12 and data[10] & 0x80 else 0)
    frames, parts, controls, loops = 0, 0, 0, 0
    while position < len(data) and parts < MOST_PARTS:
        start, mark, parts = position, data[position], parts + 1
        if mark == 0x3B:
            found.hidden("trailer", "bytes behind the end of the picture", position + 1)
            return
        if mark == 0x2C and position + 10 <= len(data):
            flags = data[position + 9]
            body = position + 10 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0) + 1
            position = _blocks_end(data, body)
            frames += 1
            if frames > 1:
                found.picture("GIF/frame", "a further frame", start, position)
            elif found.thorough:
                _gif_pixels(found, start, body, min(position, len(data)))
        elif mark == 0x21 and position + 2 <= len(data):
            position = _blocks_end(data, position + 2)
            label = data[start + 1]
            controls += label == 0xF9
            loops += data[start + 3 : start + 14] in _LOOPS
            if label == 0xF9 and controls > frames + 1:
                found.hidden("GIF/control", "a second one for the same frame", start + 2, min(position, len(data)))
            _extension(found, label, start + 2, min(position, len(data)), loops > 1)
        else:
            break
    found.broken("GIF", "cannot be followed from here", min(position, len(data)))


def _blocks_end(data: bytes, position: int) -> int:
    while position < len(data) and data[position]:
        position += 1 + data[position]
    return position + 1


def _blocks(found: Findings, start: int, stop: int) -> list[bytes]:
    """What blocks hold, without the byte before each that says how long it is."""
    parts = []
    while start < stop and found.data[start]:
        end = start + 1 + found.data[start]
        parts.append(found.content(start + 1, min(end, stop)))
        start = end
    return parts


def _gif_pixels(found: Findings, start: int, body: int, stop: int) -> None:
    """Follow the codes of a frame, to see whether its pixels are all that its blocks hold."""
    width, height = _U16.unpack_from(found.data, start + 5)
    bits, content = found.data[body - 1], b"".join(_blocks(found, body, stop))
    if too_many_codes(len(content)):
        found.add("GIF/pixels", "not looked at behind the last pixel", body, stop, "technical", NOTE)
        return
    end = (
        lzw_end(content, bits, width * height, tiff=False, compiled=worth_compiling(len(content)))
        if 1 <= bits <= 8
        else None
    )
    if end is None:
        found.add("GIF/pixels", "packed pixels that are damaged", body, stop, "unknown", WARNING)
    elif not end[1]:
        found.broken("GIF/pixels", "more pixels than the picture has", body, stop)
    elif not is_padding(content[end[0] :]):
        found.broken("GIF/pixels", "bytes behind the last pixel", body + end[0], stop)


def _extension(found: Findings, label: int, start: int, stop: int, again: bool) -> None:
    """Judge an extension by what its blocks hold; `again` says that the animation's loops were said before."""
    head, *parts = _blocks(found, start, stop) or [b""]
    content = b"".join(parts)
    if label == 0xFE:
        found.text("GIF/comment", "a comment", start, stop, head + content)
    elif label == 0x01:
        # before the text stands where it is shown
        found.hidden("GIF/plain text", "bytes behind the value", min(start + 13, stop), start + 1 + len(head))
        found.text("GIF/plain text", "a text", start, stop, content)
    elif label == 0xF9:
        found.hidden("GIF/control", "bytes behind the value", min(start + 6, stop), stop)
    elif label == 0xFF and head == b"XMP DataXMP":
        scan_xmp(found, "XMP", start + 12, stop)
    elif label == 0xFF and head == b"ICCRGBG1012":
        scan_icc(found, "ICC profile", start, stop, content)
    elif label == 0xFF and head in _LOOPS and len(content) <= 4 and not again:
        return
    else:
        found.unknown("GIF/extension", "an application's block", start, stop, head + content)
