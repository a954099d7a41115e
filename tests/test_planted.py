"""Things planted in every format, by hand and by exiftool: the scan finds them, and nothing written has them."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, features

import blur_tools
from blur_tools import Detection, PictureError
from blur_tools.detections import box_polygon
from blur_tools.redaction._scan_packed import WORTH_COMPILING, lzw_end
from blur_tools.redaction.scan import LEAK, NOTE, scan

pillow_heif = pytest.importorskip("pillow_heif")
if not features.check("avif"):
    pytest.skip("Pillow without AVIF", allow_module_level=True)

PLATE = [Detection("plate", box_polygon(20, 12, 50, 24))]
PAYLOAD = np.random.default_rng(7).bytes(300)
SECRET = b"SEEN-AB12-CDE"


def scene(mode: str = "RGB") -> Image.Image:
    y, x = np.mgrid[:48, :64]
    image = Image.fromarray(np.stack([x * 4, y * 5, (x * y) % 256], -1).astype(np.uint8)).convert(mode)
    if mode == "RGBA":
        image.putalpha(200)
    return image


def saved(kind: str, mode: str = "RGB", **options) -> bytes:
    buffer = io.BytesIO()
    if kind == "HEIF":
        pillow_heif.from_pillow(scene(mode)).save(buffer, **options)
    else:
        scene(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def leaks(data: bytes) -> set[str]:
    return {finding.where for finding in scan(data) if finding.severity == LEAK}


# --- HEIF and AVIF

FULL = (b"meta", b"iref")  # boxes with a version before the boxes in them


def walk(data: bytes, start: int, stop: int):
    while start + 8 <= stop:
        size, name = struct.unpack_from(">I4s", data, start)
        yield name, start, start + size
        start += size


def inner(name: bytes, data: bytes, start: int) -> int:
    """Where the boxes within a box begin."""
    if name == b"iinf":
        return start + 14
    return start + (12 if name in FULL else 8)


def find(data: bytes, path: list[bytes]) -> list[tuple[bytes, int, int]]:
    """The boxes on the way to the last of a path."""
    found, start, stop = [], 0, len(data)
    for name in path:
        box = next(box for box in walk(data, start, stop) if box[0] == name)
        found.append(box)
        start, stop = inner(name, data, box[1]), box[2]
    return found


def spliced(data: bytes, path: list[bytes], place: int, old: int, new: bytes) -> bytes:
    """The file with ``data[place : place + old]`` exchanged, and the sizes and places in it mended."""
    boxes = find(data, path)
    (locations,) = find(data, [b"meta", b"iloc"])[1:]
    out, delta = bytearray(data), len(new) - old
    for _, start, _ in boxes:
        out[start : start + 4] = struct.pack(">I", struct.unpack_from(">I", data, start)[0] + delta)
    (media,) = (start for name, start, _ in walk(data, 0, len(data)) if name == b"mdat")
    if place <= media:
        version, sizes, count = data[locations[1] + 8], *struct.unpack_from(">HH", data, locations[1] + 12)
        assert (version, sizes & 0xFF00) == (0, 0x4400)
        base, position = sizes >> 4 & 15, locations[1] + 16
        for _ in range(count):
            where = position + 4 if base else position + 6
            out[where : where + 4] = struct.pack(">I", struct.unpack_from(">I", data, where)[0] + delta)
            position += 6 + base + 8
    out[place : place + old] = new
    return bytes(out)


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + name + body


def added(path: list[bytes], new: bytes):
    """A file with more at the end of a box, with all sizes mended."""

    def make(data: bytes) -> bytes:
        return spliced(data, path, find(data, path)[-1][2] if path else len(data), 0, new)

    return make


def counted(data: bytes, path: list[bytes], offset: int, size: int, more: int = 1) -> bytes:
    """The file with a number in a box made larger."""
    place = find(data, path)[-1][1] + offset
    number = int.from_bytes(data[place : place + size], "big") + more
    return data[:place] + number.to_bytes(size, "big") + data[place + size :]


def named_handler(data: bytes) -> bytes:
    end = find(data, [b"meta", b"hdlr"])[-1][2]
    return spliced(data, [b"meta", b"hdlr"], end - 1, 1, SECRET + b"\0")


def named_item(data: bytes) -> bytes:
    end = find(data, [b"meta", b"iinf", b"infe"])[-1][2]
    return spliced(data, [b"meta", b"iinf", b"infe"], end - 1, 1, SECRET + b"\0")


def unlisted_item(data: bytes) -> bytes:
    """One more item that has a place and no name, behind the picture."""
    media = find(data, [b"mdat"])[0]
    data = spliced(data, [b"mdat"], media[2], 0, PAYLOAD)
    (_, (_, start, stop)) = find(data, [b"meta", b"iloc"])
    base = struct.unpack_from(">H", data, start + 12)[0] >> 4 & 15
    entry = struct.pack(">HH", 77, 0) + bytes(base) + struct.pack(">HII", 1, media[2], len(PAYLOAD))
    data = spliced(data, [b"meta", b"iloc"], stop, 0, entry)
    place = find(data, [b"mdat"])[0][2] - len(PAYLOAD)
    data = data.replace(struct.pack(">HII", 1, media[2], len(PAYLOAD)), struct.pack(">HII", 1, place, len(PAYLOAD)))
    return counted(data, [b"meta", b"iloc"], 14, 2)


def listed_item(kind: bytes, content: bytes):
    """One more item, with a place and an entry."""

    def make(data: bytes) -> bytes:
        entry = box(b"infe", b"\2\0\0\0" + struct.pack(">HH4s", 77, 0, kind) + b"\0")
        made = unlisted_item(data).replace(PAYLOAD, content.ljust(len(PAYLOAD), b"\0"))
        return counted(added([b"meta", b"iinf"], entry)(made), [b"meta", b"iinf"], 12, 2)

    return make


def gap(data: bytes) -> bytes:
    return spliced(data, [b"mdat"], find(data, [b"mdat"])[0][2], 0, PAYLOAD)


def unit(kind: int, body: bytes) -> bytes:
    return struct.pack(">IBB", 2 + len(body), kind << 1, 1) + body


def in_picture(content: bytes):
    """Bytes behind the coded pixels, as part of the picture's own item."""

    def make(data: bytes) -> bytes:
        start, stop = find(data, [b"mdat"])[0][1:]
        data = spliced(data, [b"mdat"], stop, 0, content)
        size = struct.pack(">I", stop - start - 8)
        place = data.rindex(size, 0, find(data, [b"mdat"])[0][1])
        return data[:place] + struct.pack(">I", stop - start - 8 + len(content)) + data[place + 4 :]

    return make


def header_with(unit_kind: int, body: bytes):
    """hvcC with one more array of units."""

    def make(data: bytes) -> bytes:
        path = [b"meta", b"iprp", b"ipco", b"hvcC"]
        new = bytes([unit_kind]) + struct.pack(">HH", 1, len(body)) + body
        return counted(added(path, new)(data), path, 8 + 22, 1)

    return make


def obu(kind: int, body: bytes) -> bytes:
    size = bytes([len(body) & 0x7F | 0x80, len(body) >> 7])
    return bytes([kind << 3 | 2]) + size + body


PROPERTIES, META = [b"meta", b"iprp", b"ipco"], [b"meta"]
BOTH = {
    "handler's name": (named_handler, "HEIF/hdlr"),
    "item's name": (named_item, "HEIF/item name"),
    "item without an entry": (unlisted_item, "HEIF/iloc"),
    "item of unknown kind": (listed_item(b"prvt", PAYLOAD), "HEIF/prvt"),
    "second picture": (listed_item(b"hvc1", PAYLOAD), "HEIF/hvc1"),
    "unknown property": (added(PROPERTIES, box(b"prvt", PAYLOAD)), "HEIF/prvt"),
    "property that nothing has": (added(PROPERTIES, box(b"udes", PAYLOAD)), "HEIF/udes"),
    "more in a property": (added([*PROPERTIES, b"ispe"], PAYLOAD), "HEIF/ispe"),
    "more in colours": (added([*PROPERTIES, b"colr"], PAYLOAD), "HEIF/colr"),
    "more in the associations": (added([b"meta", b"iprp", b"ipma"], PAYLOAD), "HEIF/ipma"),
    "more in the places": (added([b"meta", b"iloc"], PAYLOAD), "HEIF/iloc"),
    "more in the main item": (added([b"meta", b"pitm"], PAYLOAD), "HEIF/pitm"),
    "more in an entry": (added([b"meta", b"iinf", b"infe"], SECRET), "HEIF/infe"),
    "unknown box among properties": (added([b"meta", b"iprp"], box(b"prvt", PAYLOAD)), "HEIF/prvt"),
    "unknown box among items": (added(META, box(b"prvt", PAYLOAD)), "HEIF/prvt"),
    "box of inner data": (added(META, box(b"idat", PAYLOAD)), "HEIF/idat"),
    "references to nothing": (
        added(META, box(b"iref", bytes(4) + box(b"cdsc", struct.pack(">HH", 1, 150) + PAYLOAD))), "HEIF/iref"
    ),
    "group": (added(META, box(b"grpl", box(b"altr", PAYLOAD))), "HEIF/altr"),
    "data elsewhere": (added(META, box(b"dinf", box(b"dref", PAYLOAD))), "HEIF/dinf"),
    "unknown box": (added([], box(b"prvt", PAYLOAD)), "HEIF/prvt"),
    "box that is to be empty": (added([], box(b"free", PAYLOAD)), "HEIF/free"),
    "box of another maker": (added([], box(b"uuid", PAYLOAD)), "HEIF/uuid"),
    "second list of items": (added([], box(b"meta", bytes(4) + PAYLOAD)), "HEIF/meta"),
    "film": (added([], box(b"moov", PAYLOAD)), "HEIF/moov"),
    "gap": (gap, "HEIF/mdat"),
    "brands that are none": (added([b"ftyp"], b"SEENAB12CDE."), "HEIF/ftyp"),
    "references of nothing": (
        added(META, box(b"iref", bytes(4) + box(b"cdsc", struct.pack(">HHH", 0x5345, 1, 1)) * 30)), "HEIF/iref"
    ),
    "no box": (added([], PAYLOAD), "HEIF"),
}  # fmt: skip
HEVC = {
    "second picture in the item": (in_picture(unit(19, b"\x80" + PAYLOAD)), "HEIF/pixels"),
    "layer in the item": (in_picture(struct.pack(">IBB", 302, 19 << 1, 9) + PAYLOAD), "HEIF/pixels"),
    "unit with a text": (in_picture(unit(39, b"\5" + PAYLOAD)), "HEIF/pixels"),
    "reserved unit": (in_picture(unit(45, PAYLOAD)), "HEIF/pixels"),
    "unspecified unit": (in_picture(unit(60, PAYLOAD)), "HEIF/pixels"),
    "filler": (in_picture(unit(38, PAYLOAD)), "HEIF/pixels"),
    "no unit": (in_picture(PAYLOAD), "HEIF/pixels"),
    "text in the header": (header_with(39, PAYLOAD), "HEIF/hvcC"),
    "parameters too large": (header_with(34, PAYLOAD * 4), "HEIF/hvcC"),
    "more in the header": (added([*PROPERTIES, b"hvcC"], PAYLOAD), "HEIF/hvcC"),
}
AV1 = {
    "second frame in the item": (in_picture(obu(6, PAYLOAD)), "HEIF/pixels"),
    "metadata": (in_picture(obu(5, PAYLOAD)), "HEIF/pixels"),
    "padding": (in_picture(obu(15, PAYLOAD)), "HEIF/pixels"),
    "reserved unit": (in_picture(obu(9, PAYLOAD)), "HEIF/pixels"),
    "more in the header": (added([*PROPERTIES, b"av1C"], PAYLOAD), "HEIF/av1C"),
}
BOXES = [
    *(("HEIF", name, *made) for name, made in {**BOTH, **HEVC}.items()),
    *(("AVIF", name, *made) for name, made in {**BOTH, **AV1}.items()),
]


def cleaned(data: bytes, **options) -> None:
    """What is written of a planted file, if it is one that is read, holds nothing of it."""
    try:
        written = blur_tools.redact(data, PLATE, **options).data
    except PictureError:
        return
    assert SECRET not in written
    assert PAYLOAD[:12] not in written
    assert [finding for finding in scan(written) if finding.severity != NOTE and not options] == []
    assert not leaks(written)


@pytest.mark.parametrize(("kind", "name", "make", "where"), BOXES, ids=[f"{kind} {name}" for kind, name, *_ in BOXES])
def test_boxes(kind, name, make, where):
    plain = saved(kind)
    assert scan(plain) == []
    data = make(plain)
    found = [finding for finding in scan(data) if finding.where == where]
    assert found, scan(data)
    text = name.endswith("name") or name == "more in an entry"
    assert any(finding.severity == LEAK for finding in found) or text
    cleaned(data)


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_what_is_planted_is_no_damage(kind):
    """So that the tests above are of files that readers open."""
    opened = 0
    for other, _, make, _ in BOXES:
        if other == kind:
            try:
                blur_tools.redact(make(saved(kind)), PLATE)
                opened += 1
            except PictureError:
                pass
    assert opened >= 12


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_transparency_is_part_of_the_picture_and_another_such_is_not(kind):
    data = saved(kind, "RGBA")
    assert scan(data) == []
    assert "HEIF/auxiliary" in leaks(
        data.replace(b"auxiliary:alpha", b"auxiliary:depth").replace(b"auxid:1", b"auxid:2")
    )


# --- TIFF


def entries(data: bytes) -> dict[int, tuple[int, int, int, int]]:
    """Of a little-endian file: tag to place of its entry, type, count, value."""
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    cells = range(start + 2, start + 2 + 12 * count, 12)
    return {
        struct.unpack_from("<H", data, cell)[0]: (cell, *struct.unpack_from("<HII", data, cell + 2)) for cell in cells
    }


def retagged(data: bytes, new: dict[int, tuple[int, int, int]]) -> bytes:
    """A copy of the directory at the end, with entries added or changed: tag to type, count, value."""
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    old = {struct.unpack_from("<H", data, start + 2 + 12 * i)[0]: data[start + 2 + 12 * i :][:12] for i in range(count)}
    old |= {tag: struct.pack("<HHII", tag, *entry) for tag, entry in new.items()}
    data += bytes(len(data) % 2)
    # the old one would be a gap, and hidden bytes itself
    data = data[:start] + bytes(2 + 12 * count + 4) + data[start + 2 + 12 * count + 4 :]
    return data[:4] + struct.pack("<I", len(data)) + data[8:] + struct.pack("<H", len(old)) + b"".join(
        old[tag] for tag in sorted(old)
    ) + bytes(4)  # fmt: skip


def longer_strip(data: bytes, more: bytes = PAYLOAD) -> bytes:
    """The last strip, moved to the end with more behind it."""
    table = entries(data)
    (_, _, count, offset), (_, kind, _, size) = table[273], table[279]
    width = {3: "H", 4: "I"}[kind]
    if count > 1:
        offset, size = (
            struct.unpack_from(f"<{count}I", data, offset)[-1], struct.unpack_from(f"<{count}{width}", data, size)[-1]
        )  # fmt: skip
    strip = data[offset : offset + size]
    data = data[:offset] + bytes(size) + data[offset + size :]
    place = len(data) + len(data) % 2
    data = data.ljust(place, b"\0") + strip + more
    if count == 1:
        return retagged(data, {273: (4, 1, place), 279: (4, 1, size + len(more))})
    ends = [table[273][3] + 4 * (count - 1), table[279][3] + struct.calcsize(width) * (count - 1)]
    out = bytearray(data)
    struct.pack_into("<I", out, ends[0], place)
    struct.pack_into(f"<{width}", out, ends[1], size + len(more))
    return bytes(out)


def with_strips(data: bytes) -> bytes:
    """One strip more than the picture has."""
    table = entries(data)
    (_, _, count, offset), size = table[273], table[279][3]
    assert count == 1
    data += bytes(len(data) % 2)
    place = len(data)
    data += PAYLOAD + struct.pack("<4I", offset, place, size, len(PAYLOAD))
    return retagged(data, {273: (4, 2, place + len(PAYLOAD)), 279: (4, 2, place + len(PAYLOAD) + 8)})


def with_tag(tag: int, content: bytes, kind: int = 3, size: int = 2):
    def make(data: bytes) -> bytes:
        data += bytes(len(data) % 2)
        return retagged(data + content, {tag: (kind, len(content) // size, len(data))})

    return make


def in_more_channels() -> bytes:
    buffer = io.BytesIO()
    pixels = np.dstack([np.asarray(scene()), *[np.asarray(scene("L"))] * 2])
    tifffile.imwrite(buffer, pixels, photometric="rgb", extrasamples=[0, 0], planarconfig="contig", metadata=None,
                     software=False)  # fmt: skip
    return buffer.getvalue()


def with_commented_strip() -> bytes:
    data = saved("TIFF", compression="jpeg")
    assert entries(data)[273][2] == 1
    comment = b"\xff\xfe" + struct.pack(">H", 2 + len(SECRET)) + SECRET
    place = entries(data)[273][3]
    size = entries(data)[279][3]
    strip = data[place : place + 2] + comment + data[place + 2 : place + size]
    data = data[:place] + bytes(size) + data[place + size :] + bytes(len(data) % 2)
    return retagged(data + strip, {273: (4, 1, len(data)), 279: (4, 1, len(strip))})


def same_tags_again(data: bytes) -> bytes:
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    table = data[start + 2 : start + 2 + 12 * count]
    again = b"".join(struct.pack("<HHI4s", 0x0140 - 0x0D, 3, 2, PAYLOAD[i : i + 4]) for i in range(0, 300, 4))
    made = data[:start] + bytes(2 + 12 * count + 4) + data[start + 2 + 12 * count + 4 :] + bytes(len(data) % 2)
    new = struct.pack("<H", count + 75) + table + again + bytes(4)
    return made[:4] + struct.pack("<I", len(made)) + made[8:] + new


TIFFS = {
    "strip longer than its pixels": lambda: longer_strip(saved("TIFF")),
    "strip longer than its LZW codes": lambda: longer_strip(saved("TIFF", compression="tiff_lzw")),
    "strip longer than its runs": lambda: longer_strip(saved("TIFF", compression="packbits")),
    "strip longer than its Deflate": lambda: longer_strip(saved("TIFF", compression="tiff_adobe_deflate")),
    "strip longer than its LZMA": lambda: longer_strip(saved("TIFF", compression="lzma")),
    "strip longer than its JPEG": lambda: longer_strip(saved("TIFF", compression="jpeg")),
    "comment in a strip's JPEG": with_commented_strip,
    "one strip more": lambda: with_strips(saved("TIFF")),
    "one packed strip more": lambda: with_strips(saved("TIFF", compression="tiff_lzw")),
    "more channels": in_more_channels,
    "colour map of no palette": lambda: with_tag(0x0140, PAYLOAD)(saved("TIFF")),
    "JPEG tables of no JPEG": lambda: with_tag(0x015B, PAYLOAD, 7, 1)(saved("TIFF")),
    "unknown tag": lambda: with_tag(0xC123, PAYLOAD, 7, 1)(saved("TIFF")),
    "numbers too long": lambda: with_tag(0x9214, PAYLOAD)(saved("TIFF")),
    "the same tag again": lambda: same_tags_again(saved("TIFF")),
    "gap": lambda: retagged(saved("TIFF") + PAYLOAD, {}),
    "16 bits, strip longer": lambda: longer_strip(deep_tiff()),
}


def deep_tiff() -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.asarray(scene()).astype(np.uint16) * 200, photometric="rgb", metadata=None,
                     software=False)  # fmt: skip
    return buffer.getvalue()


@pytest.mark.parametrize("name", TIFFS)
def test_tiffs(name):
    data = TIFFS[name]()
    if name != "one strip more":  # which Pillow takes for another channel
        with Image.open(io.BytesIO(data)) as image:
            image.load()
    found = leaks(data) or {finding.where for finding in scan(data) if finding.where == "TIFF/COM"}
    assert found
    cleaned(data)
    cleaned(data, copy_metadata=True)


def test_many_codes_are_counted_by_the_compiled_loop():
    noise = Image.fromarray(np.random.default_rng(3).integers(0, 256, (900, 900), dtype=np.uint8))
    for kind, options in (("TIFF", {"compression": "tiff_lzw"}), ("GIF", {})):
        buffer = io.BytesIO()
        noise.save(buffer, kind, **options)
        assert len(buffer.getvalue()) > WORTH_COMPILING
        assert scan(buffer.getvalue()) == []
    assert "TIFF/IFD0/pixels" in leaks(longer_strip(saved_as(noise, "tiff_lzw")))


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("tiff", [False, True])
def test_codes_are_counted_alike(tiff, compiled):
    content = np.random.default_rng(4).bytes(3000)
    wanted = [lzw_end(content[i:], 8, 4000, tiff=tiff, compiled=False) for i in range(40)]
    assert [lzw_end(content[i:], 8, 4000, tiff=tiff, compiled=compiled) for i in range(40)] == wanted


def saved_as(image: Image.Image, compression: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "TIFF", compression=compression)
    return buffer.getvalue()


def test_numbers_of_many_tags_are_too_many():
    """Each of them is no larger than what a number needs."""
    data = saved("TIFF")
    data += bytes(len(data) % 2)
    tags = [*range(0x9201, 0x920B), *range(0x9400, 0x9406), *range(0xA401, 0xA40B)]
    content = np.random.default_rng(1).bytes(64 * len(tags))
    new = {tag: (1, 64, len(data) + 64 * i) for i, tag in enumerate(tags)}
    assert "TIFF/IFD0/tags" in leaks(retagged(data + content, new))
    assert scan(retagged(saved("TIFF"), {})) == []


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "packbits", "tiff_adobe_deflate", "lzma", "jpeg"])
@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "RGBA", "CMYK", "YCbCr"])
def test_whole_tiffs_hold_nothing_more(mode, compression):
    if compression == "jpeg" and mode in ("1", "P"):
        pytest.skip("no such file")
    data = saved("TIFF", mode, compression=compression)
    assert scan(data) == []


@pytest.mark.parametrize(
    "options",
    [{"planarconfig": "separate"}, {"tile": (16, 32)}, {"rowsperstrip": 7}, {"tile": (16, 32), "compression": "zlib"},
     {"compression": "zlib", "predictor": 2, "rowsperstrip": 5}, {"byteorder": ">"}],
    ids=str,
)  # fmt: skip
def test_tiffs_of_another_writer_hold_nothing_more(options):
    buffer, pixels = io.BytesIO(), np.asarray(scene())
    pixels = np.moveaxis(pixels, 2, 0) if "planarconfig" in options else pixels
    tifffile.imwrite(buffer, pixels, photometric="rgb", metadata=None, software=False, **options)
    assert scan(buffer.getvalue()) == []


# --- GIF, WebP, BMP, PNG


def gif_blocks(content: bytes) -> bytes:
    return (
        b"".join(bytes([len(content[i : i + 255])]) + content[i : i + 255] for i in range(0, len(content), 255)) + b"\0"
    )


def in_gif(part: bytes) -> bytes:
    data = saved("GIF", "P")
    place = data.index(b"\x2c", 13 + 768)
    return data[:place] + part + data[place:]


def gif_with_codes(change) -> bytes:
    data = saved("GIF", "P")
    start = data.index(b"\x2c", 13 + 768) + 10
    if data[start - 1] & 0x80:
        start += 3 << ((data[start - 1] & 7) + 1)
    position, content = start + 1, b""
    while data[position]:
        content += data[position + 1 : position + 1 + data[position]]
        position += 1 + data[position]
    return data[: start + 1] + gif_blocks(change(content)) + data[position + 1 :]


PROFILE_OF_NOTHING = bytes(36) + b"acsp" + PAYLOAD
GIFS = {
    "behind the end code": (lambda: gif_with_codes(lambda codes: codes + PAYLOAD), "GIF/pixels"),
    "more pixels": (lambda: saved("GIF", "P")[:6] + struct.pack("<HH", 64, 48) + short_frame(), "GIF/pixels"),
    "profile": (lambda: in_gif(b"\x21\xff\x0bICCRGBG1012" + gif_blocks(PROFILE_OF_NOTHING)), "ICC profile"),
    "comment": (lambda: in_gif(b"\x21\xfe" + gif_blocks(PAYLOAD * 3)), "GIF/comment"),
    "comment of a coded picture": (lambda: in_gif(b"\x21\xfe" + gif_blocks(b"QUJD" * 300)), "GIF/comment"),
    "plain text": (lambda: in_gif(b"\x21\x01\x0c" + bytes(12) + gif_blocks(PAYLOAD * 2)), "GIF/plain text"),
    "application's block": (lambda: in_gif(b"\x21\xff\x0bPRVTDATA1.0" + gif_blocks(PAYLOAD)), "GIF/extension"),
    "loops again": (
        lambda: in_gif((b"\x21\xff\x0bNETSCAPE2.0" + gif_blocks(PAYLOAD[:255])) * 2), "GIF/extension"
    ),
    "controls again": (lambda: in_gif(b"\x21\xf9\x04abcd\0" * 5), "GIF/control"),
}  # fmt: skip


def short_frame() -> bytes:
    """The same codes for a frame of fewer rows."""
    data = saved("GIF", "P")
    place = data.index(b"\x2c", 13 + 768)
    return data[10 : place + 7] + struct.pack("<H", 20) + data[place + 9 :]


@pytest.mark.parametrize("name", GIFS)
def test_gifs(name):
    make, where = GIFS[name]
    assert where in leaks(make())


@pytest.mark.parametrize("mode", ["P", "L", "1"])
def test_whole_gifs_hold_nothing_more(mode):
    assert scan(saved("GIF", mode)) == []
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 301), dtype=np.uint8))
    buffer = io.BytesIO()
    noise.save(buffer, "GIF")  # codes of twelve bits, and tables that are full
    assert scan(buffer.getvalue()) == []


def test_a_comment_in_blocks_is_one_text():
    """The bytes before each block are no part of it."""
    text = b"a long comment of a photographer, in plain words. " * 12
    (finding,) = [f for f in scan(in_gif(b"\x21\xfe" + gif_blocks(text))) if f.where == "GIF/comment"]
    assert (finding.kind, finding.severity) == ("text", "warning")


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(name + struct.pack("<I", len(part)) + part + bytes(len(part) % 2) for name, part in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def webp_frame(*more: tuple[bytes, bytes]) -> bytes:
    pixels = saved("WEBP", lossless=True)[20:]
    inside = riff((b"VP8L", pixels), *more)[12:]
    frame = struct.pack("<HBHB", 0, 0, 0, 0) + (63).to_bytes(3, "little") + (47).to_bytes(3, "little") + b"\x64\0\0\0"
    screen = b"\2\0\0\0" + (63).to_bytes(3, "little") + (47).to_bytes(3, "little")
    return riff((b"VP8X", screen), (b"ANIM", bytes(6)), (b"ANMF", frame + inside))


def test_the_frame_of_a_webp():
    assert scan(webp_frame()) == []
    assert "WebP/ANMF/PRVT" in leaks(webp_frame((b"PRVT", PAYLOAD)))
    assert "WebP/ANMF/VP8L" in leaks(webp_frame((b"VP8L", PAYLOAD)))
    cleaned(webp_frame((b"PRVT", PAYLOAD)))


@pytest.mark.parametrize(
    ("name", "chunks"),
    [
        ("WebP/PRVT", [(b"VP8L", saved("WEBP", lossless=True)[20:]), (b"PRVT", PAYLOAD)]),
        ("WebP/VP8", [(b"VP8L", saved("WEBP", lossless=True)[20:]), (b"VP8 ", PAYLOAD)]),
        ("WebP/ANMF", [(b"VP8L", saved("WEBP", lossless=True)[20:]), (b"ANMF", PAYLOAD)]),
    ],
    ids=["unknown", "pixels of another kind", "frame"],
)
def test_chunks_of_a_webp(name, chunks):
    assert name in leaks(riff(*chunks))
    cleaned(riff(*chunks))


def bmp_of_runs(behind: bytes) -> bytes:
    """Eight bits a pixel in runs, with bytes behind the code for the end."""
    rows = b"".join(bytes([64, row]) + b"\0\0" for row in range(48))
    pixels = rows + b"\0\1" + behind
    palette = b"".join(bytes([i, i, i, 0]) for i in range(256))
    header = struct.pack("<IiiHHIIiiII", 40, 64, 48, 1, 8, 1, len(pixels), 0, 0, 256, 0)
    offset = 14 + 40 + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(pixels), 0, 0, offset) + header + palette + pixels


def test_a_bmp_of_runs():
    assert scan(bmp_of_runs(b"")) == []
    assert "BMP/pixels" in leaks(bmp_of_runs(PAYLOAD))
    cleaned(bmp_of_runs(PAYLOAD))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_png_of_16_bits(channels):
    pixels = np.dstack([np.asarray(scene("L")).astype(np.uint16) * 250] * channels)
    rows = pixels.astype(">u2").reshape(48, -1).view(np.uint8)
    packed = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", 64, 48, 16, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    def png(more: bytes = b"", behind: bytes = b"", trailer: bytes = b"") -> bytes:
        parts = chunk(b"IHDR", header), more, chunk(b"IDAT", zlib.compress(packed) + behind), chunk(b"IEND", b"")
        return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + trailer

    assert scan(png()) == []
    for data in (png(behind=PAYLOAD), png(trailer=PAYLOAD), png(chunk(b"prVt", PAYLOAD)),
                 png(chunk(b"zTXt", b"a\0\0" + zlib.compress(PAYLOAD)))):  # fmt: skip
        assert leaks(data)
        cleaned(data)
        cleaned(data, copy_metadata=True)


# --- exiftool


def test_what_exiftool_writes_is_found_and_gone(tmp_path):
    if shutil.which("exiftool") is None:
        pytest.skip("exiftool is not on this machine")
    kinds = {"a.jpg": "JPEG", "a.png": "PNG", "a.webp": "WEBP", "a.tif": "TIFF", "a.heic": "HEIF", "a.avif": "AVIF"}
    for name, kind in kinds.items():
        (tmp_path / name).write_bytes(saved(kind))
    (tmp_path / "thumb.jpg").write_bytes(saved("JPEG", quality=30))
    text = SECRET.decode()
    told = [f"-XMP-dc:Creator={text}", f"-XMP-xmp:Identifier={text}", f"-EXIF:Artist={text}",
            f"-EXIF:UserComment={text}", f"-EXIF:SerialNumber={text}", "-EXIF:GPSLatitude=51.5",
            "-EXIF:GPSLatitudeRef=N", f"-IPTC:By-line={text}",
            "-EXIF:ThumbnailImage<=thumb.jpg", "-XMP-xmp:ThumbnailImage<=thumb.jpg",
            "-Photoshop:PhotoshopThumbnail<=thumb.jpg", f"-Comment={text}"]  # fmt: skip
    done = subprocess.run(
        ["exiftool", "-q", "-m", "-overwrite_original", *told, *kinds], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for name in kinds:
        data = (tmp_path / name).read_bytes()
        assert SECRET in data, name
        found = {finding.where for finding in scan(data)}
        assert any("XMP" in where for where in found), name
        assert any(where.endswith("Artist") for where in found), name
        assert leaks(data), name  # the thumbnails
        written = blur_tools.redact(data, PLATE).data
        assert [finding for finding in scan(written) if finding.severity != NOTE] == [], name
        assert SECRET not in written
        (tmp_path / f"out-{name}").write_bytes(written)
        copied = blur_tools.redact(data, PLATE, copy_metadata=True).data
        assert not leaks(copied)
        (tmp_path / f"copied-{name}").write_bytes(copied)
    seen = subprocess.run(
        ["exiftool", "-G1", "-s", "-a", "-u", *(f"{kind}-{name}" for kind in ("out", "copied") for name in kinds)],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    parts = {part.split("\n")[0].strip(): part for part in seen.split("======== ")[1:]}
    for name in kinds:
        assert text not in parts[f"out-{name}"]
        for unwanted in ("Thumbnail", "GPS", "[IPTC", "[XMP", "[IFD1", "[Photoshop"):
            assert unwanted not in parts[f"out-{name}"], name
        for unwanted in ("Thumbnail", "GPS", "SerialNumber", "Identifier", "[IPTC", "[IFD1", "[Photoshop"):
            assert unwanted not in parts[f"copied-{name}"], name
        assert "Artist" in parts[f"copied-{name}"]
