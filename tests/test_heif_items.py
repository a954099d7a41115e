"""Files of boxes by hand: what a HEIF or AVIF file holds beside what it shows."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, features

import blur_tools
from blur_tools import PictureError
from blur_tools._boxes import primary_properties

SIDE = 128
SIZE = (b"ispe", struct.pack(">III", 0, SIDE, SIDE))
PICTURE = struct.pack(">IBB", 8, 19 << 1, 1) + b"pixels"
"""A unit of HEVC; a scan does not look into its pixels."""


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + name + content


def full(name: bytes, content: bytes, version: int = 0) -> bytes:
    return box(name, struct.pack(">I", version << 24) + content)


def assembled(items, references=(), brand: bytes = b"heic") -> bytes:
    """A file of items ``(kind, data, properties)``, numbered from 1 on, the first the main one."""
    properties = list(dict.fromkeys(entry for _, _, mine in items for entry in mine))
    listed = b"".join(
        full(b"infe", struct.pack(">HH", n, 0) + kind + b"\0", 2) for n, (kind, *_) in enumerate(items, 1)
    )
    linked = b"".join(
        struct.pack(">HB", n, len(mine)) + bytes((name == b"clap") << 7 | properties.index((name, data)) + 1
                                                 for name, data in mine)
        for n, (_, _, mine) in enumerate(items, 1)
    )  # fmt: skip
    refers = [box(kind, struct.pack(f">HH{len(to)}H", number, len(to), *to)) for kind, number, to in references]
    head = box(b"ftyp", brand + b"\0\0\0\0mif1" + brand)

    def meta(start: int) -> bytes:
        places = b""
        for number, (_, data, _) in enumerate(items, 1):
            places += (
                struct.pack(">HHHII", number, 0, 1, start, len(data)) if data else struct.pack(">3H", number, 0, 0)
            )
            start += len(data)
        return full(
            b"meta",
            full(b"hdlr", b"\0\0\0\0pict" + bytes(13))
            + full(b"pitm", struct.pack(">H", 1))
            + full(b"iloc", b"\x44\0" + struct.pack(">H", len(items)) + places)
            + full(b"iinf", struct.pack(">H", len(items)) + listed)
            + (full(b"iref", b"".join(refers)) if refers else b"")
            + box(b"iprp", box(b"ipco", b"".join(box(*entry) for entry in properties))
                  + full(b"ipma", struct.pack(">I", len(items)) + linked)),
        )  # fmt: skip

    return head + meta(len(head) + len(meta(0)) + 8) + box(b"mdat", b"".join(data for _, data, _ in items))


def grid(rows: int, columns: int, width: int, height: int) -> bytes:
    return struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height)


def clap(width: int, height: int) -> tuple[bytes, bytes]:
    return b"clap", struct.pack(">4I2i2I", width, 1, height, 1, 0, 1, 0, 1)[:24] + struct.pack(">2I", 0, 1)


TILE = (b"hvc1", PICTURE, [SIZE])
LEAKS = {
    "more than the tiles of a grid": (
        [(b"grid", grid(1, 1, SIDE, SIDE), [SIZE]), TILE, TILE], [(b"dimg", 1, [2, 3])], "HEIF/hvc1"),
    "a picture of a picture": ([TILE, TILE], [(b"dimg", 1, [2])], "HEIF/hvc1"),
    "a picture under another": (
        [(b"iovl", bytes(10) + struct.pack(">HH", SIDE, SIDE) + bytes(16), [SIZE]), TILE, TILE],
        [(b"dimg", 1, [2, 3])], "HEIF/hvc1"),
    "more than one to turn": ([(b"iden", b"", [SIZE]), TILE, TILE], [(b"dimg", 1, [2, 3])], "HEIF/hvc1"),
    "a gain map": ([(b"tmap", bytes(62), [SIZE]), TILE, TILE], [(b"dimg", 1, [2, 3])], "HEIF/hvc1"),
    "pixels outside of a crop": ([(b"hvc1", PICTURE, [SIZE, clap(SIDE // 4, SIDE)])], [], "HEIF/clap"),
    "a crop of nothing": ([(b"hvc1", PICTURE, [SIZE, clap(0, 0)])], [], "HEIF/clap"),
    "tiles outside of a grid": (
        [(b"grid", grid(1, 2, SIDE, SIDE), [SIZE]), TILE, TILE], [(b"dimg", 1, [2, 3])], "HEIF/grid"),
}  # fmt: skip
HARMLESS = {
    "one picture": ([TILE], []),
    "a grid": ([(b"grid", grid(1, 2, 2 * SIDE - 5, SIDE), [SIZE]), TILE, TILE], [(b"dimg", 1, [2, 3])]),
    "a turned picture": ([(b"iden", b"", [SIZE]), TILE], [(b"dimg", 1, [2])]),
    "filled up to whole blocks": ([(b"hvc1", PICTURE, [SIZE, clap(SIDE - 7, SIDE - 1)])], []),
}


@pytest.mark.parametrize("name", LEAKS)
def test_what_is_not_shown_is_found(name):
    items, references, where = LEAKS[name]
    found = blur_tools.scan(assembled(items, references))
    assert [(finding.where, finding.severity) for finding in found] == [(where, "leak")]


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_shown_is_no_leak(name):
    assert blur_tools.scan(assembled(*HARMLESS[name])) == []


needs_avif = pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF")


def coded(sampling: str) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Properties and pixels of an AVIF."""
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "AVIF", speed=10, subsampling=sampling)
    data = buffer.getvalue()
    return primary_properties(data), data[data.index(b"mdat") + 4 :]


@needs_avif
def test_an_avif_that_its_container_crops_is_refused():
    properties, pixels = coded("4:2:0")
    whole = assembled([(b"av01", pixels, properties)], brand=b"avif")
    assert blur_tools.redact(whole, []).method == "reencode"
    same = assembled([(b"av01", pixels, [*properties, clap(SIDE, SIDE)])], brand=b"avif")
    assert blur_tools.redact(same, []).method == "reencode"
    cropped = assembled([(b"av01", pixels, [*properties, clap(SIDE, SIDE - 2)])], brand=b"avif")
    with Image.open(io.BytesIO(cropped)) as image:
        assert image.size == (SIDE, SIDE)  # Pillow shows all of it
    with pytest.raises(PictureError, match="its container crops"):
        blur_tools.redact(cropped, [])


@needs_avif
def test_an_avif_whose_pixels_are_not_square_is_told():
    properties, pixels = coded("4:2:0")
    for wide, told in ((2, True), (1, False)):
        shape = (b"pasp", struct.pack(">II", wide, 1))
        warnings = blur_tools.redact(assembled([(b"av01", pixels, [*properties, shape])], brand=b"avif"), []).warnings
        assert any("not square" in text for text in warnings) == told


@needs_avif
def test_the_sampling_is_that_of_the_picture_and_not_of_another_item():
    from blur_tools.redaction.pixels import _avif_sampling

    shown, pixels = coded("4:4:4")
    other, others = coded("4:2:0")
    data = assembled([(b"av01", pixels, list(reversed(shown))), (b"av01", others, other)], brand=b"avif")
    first = assembled([(b"av01", others, other), (b"av01", pixels, shown)], brand=b"avif")
    assert (_avif_sampling(data), _avif_sampling(first)) == ("4:4:4", "4:2:0")
    swapped = first.replace(box(b"pitm", bytes(4) + b"\0\1"), box(b"pitm", bytes(4) + b"\0\2"))
    assert _avif_sampling(swapped) == "4:4:4"
