"""JPEG files of every make for the tests: sampled, scanned and coded as cameras and programs do."""

from __future__ import annotations

import io
import itertools

import numpy as np
from PIL import Image

from blur_tools.redaction import _jpeg_markers
from blur_tools.redaction._jpeg_blocks import ZIGZAG
from blur_tools.redaction._jpeg_markers import HuffmanTable, read_frame

SAMPLINGS = {
    "4:4:4": [(1, 1), (1, 1), (1, 1)],
    "4:2:2": [(2, 1), (1, 1), (1, 1)],
    "4:2:0": [(2, 2), (1, 1), (1, 1)],
    "4:4:0": [(1, 2), (1, 1), (1, 1)],
    "4:1:1": [(4, 1), (1, 1), (1, 1)],
    "1x4": [(1, 4), (1, 1), (1, 1)],
    "4x2": [(4, 2), (1, 1), (1, 1)],
    "2x4": [(2, 4), (1, 1), (1, 1)],
    "chroma across": [(2, 2), (2, 1), (2, 1)],
    "chroma down": [(2, 2), (1, 2), (1, 2)],
    "chroma apart": [(2, 2), (1, 2), (2, 1)],
    "chroma finer": [(1, 1), (2, 2), (2, 2)],
}
SIZES = [(640, 480), (641, 479), (635, 473), (333, 17), (17, 9), (8, 8), (1, 1)]


def photo(width: int, height: int, mode: str = "RGB", seed: int = 1) -> Image.Image:
    """Colours that vary as in a photograph, with fine stripes in the middle: what must not survive."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (-(-height // 16) + 1, -(-width // 16) + 1, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)).astype(float)
    smooth += rng.normal(0, 6, (height, width, 1))
    smooth[:, (np.arange(width) // 3) % 4 == 0] += 30
    return Image.fromarray(smooth.clip(0, 255).astype(np.uint8)).convert(mode)


def saved(image: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def encoded(image: Image.Image, sampling: list[tuple[int, int]], quality: int = 90, interval: int = 0) -> bytes:
    """A baseline JPEG of any sampling, written by another coder than the one that is tested: one that is as plain
    as can be, block by block, with the tables that Pillow uses."""
    model = saved(Image.new("RGB", (16, 16)), quality=quality, subsampling="4:4:4")
    frame = read_frame(model)
    width, height = image.size
    across, down = max(h for h, _ in sampling), max(v for _, v in sampling)
    rows, columns = -(-height // (8 * down)), -(-width // (8 * across))
    pixels = np.asarray(image.convert("YCbCr")).astype(float)
    pixels = np.pad(pixels, ((0, rows * 8 * down - height), (0, columns * 8 * across - width), (0, 0)), mode="edge")
    k = np.arange(8)
    basis = np.cos((2 * k[None, :] + 1) * k[:, None] * np.pi / 16) / 2
    basis[0] /= np.sqrt(2)
    units = []
    for index, (h, v) in enumerate(sampling):
        x, y = across // h, down // v
        plane = pixels[..., index].reshape(rows * 8 * v, y, columns * 8 * h, x).mean((1, 3)) - 128
        blocks = plane.reshape(rows * v, 8, columns * h, 8).transpose(0, 2, 1, 3)
        divisors = np.zeros(64)
        divisors[ZIGZAG] = frame.quantisation[index]
        units.append(np.rint((basis @ blocks @ basis.T) / divisors.reshape(8, 8)).astype(int))
    tables = [
        ({s: (c, n) for s, c, n in code_words(frame.scans[0].dc[i])},
         {s: (c, n) for s, c, n in code_words(frame.scans[0].ac[i])}) for i in range(3)
    ]  # fmt: skip
    bits: list[str] = []
    parts: list[bytes] = []
    before = [0, 0, 0]

    def flush() -> bytes:
        text = "".join(bits)
        text += "1" * (-len(text) % 8)
        bits.clear()
        return int("1" + text, 2).to_bytes(len(text) // 8 + 1, "big")[1:].replace(b"\xff", b"\xff\0") if text else b""

    def put(table, symbol: int, value: int, size: int) -> None:
        code, length = table[symbol]
        bits.append(f"{code:0{length}b}")
        if size:
            bits.append(f"{value if value > 0 else value + (1 << size) - 1:0{size}b}")

    for number, (my, mx) in enumerate(itertools.product(range(rows), range(columns))):
        if interval and number and number % interval == 0:
            parts += [flush(), bytes([0xFF, 0xD0 + (number // interval - 1) % 8])]
            before = [0, 0, 0]
        for index, (h, v) in enumerate(sampling):
            for j, i in itertools.product(range(v), range(h)):
                block = units[index][my * v + j, mx * h + i].ravel()[ZIGZAG]
                difference = int(block[0]) - before[index]
                before[index] = int(block[0])
                put(tables[index][0], abs(difference).bit_length(), difference, abs(difference).bit_length())
                zeros = 0
                for value in map(int, block[1:]):
                    if value == 0:
                        zeros += 1
                        continue
                    while zeros > 15:
                        put(tables[index][1], 0xF0, 0, 0)
                        zeros -= 16
                    size = abs(value).bit_length()
                    put(tables[index][1], zeros << 4 | size, value, size)
                    zeros = 0
                if zeros:
                    put(tables[index][1], 0, 0, 0)
    data = b"".join([*parts, flush()])
    out = [b"\xff\xd8"]
    for segment in _jpeg_markers.segments(model):
        body = bytearray(model[segment.start : segment.end])
        if segment.marker == 0xC0:
            body[5:9] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
            for index, (h, v) in enumerate(sampling):
                body[11 + 3 * index] = h << 4 | v
        if segment.marker == 0xDA and interval:
            out.append(b"\xff\xdd\0\x04" + interval.to_bytes(2, "big"))
        out.append(bytes(body))
    return b"".join([*out, data, b"\xff\xd9"])


def code_words(table: HuffmanTable):
    code, symbols = 0, iter(table.symbols)
    for length, count in enumerate(table.counts, 1):
        for _ in range(count):
            yield next(symbols), code, length
            code += 1
        code <<= 1


def synthetic() -> dict[str, bytes]:
    image = photo(643, 481)
    cases = {}
    for width, height in SIZES:
        for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
            cases[f"{width}x{height} {subsampling}"] = saved(photo(width, height), quality=90, subsampling=subsampling)
        cases[f"{width}x{height} gray"] = saved(photo(width, height, "L"), quality=90)
    cases["optimised"] = saved(image, quality=90, optimize=True)
    cases["optimised, quality 30"] = saved(image, quality=30, optimize=True)
    cases["quality 100"] = saved(image, quality=100, subsampling="4:4:4")
    cases["quality 5"] = saved(image, quality=5)
    # the longest codes, few ends of blocks: what no table that skips several coefficients at once holds
    noise = np.random.default_rng(3).integers(0, 2, (181, 243, 3), dtype=np.uint8) * 255
    cases["noise"] = saved(Image.fromarray(noise), quality=100, subsampling="4:4:4")
    cases["16-bit divisors"] = saved(image, qtables=[[2000] * 64, [300] * 64])
    for rows in (1, 3):
        cases[f"restart every {rows} rows"] = saved(image, quality=90, restart_marker_rows=rows)
    for blocks in (1, 7):
        cases[f"restart every {blocks} MCUs"] = saved(image, quality=90, restart_marker_blocks=blocks)
    cases["CMYK"] = saved(image.convert("CMYK"), quality=90)
    cases["RGB"] = saved(image, quality=90, keep_rgb=True)
    small = photo(131, 99)
    for name, sampling in SAMPLINGS.items():
        cases[f"sampling {name}"] = encoded(small, sampling)
    cases["sampling 4:2:0, restart every 2 MCUs"] = encoded(small, SAMPLINGS["4:2:0"], interval=2)
    cases["in three scans"] = in_three_scans(small)
    return cases


def in_three_scans(image: Image.Image) -> bytes:
    """A sequential JPEG with a scan for each component, each from the file of one component alone."""
    planes = image.convert("YCbCr").split()
    files = [saved(plane, quality=90) for plane in planes]
    frames = [read_frame(data) for data in files]
    out = [b"\xff\xd8"]
    for segment in _jpeg_markers.segments(files[0]):
        if segment.marker in (0xDB, 0xC4):
            out.append(files[0][segment.start : segment.end])
    width, height = image.size
    size = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    out.append(b"\xff\xc0\0\x11\x08" + size + bytes([3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]))
    for number, (data, frame) in enumerate(zip(files, frames, strict=True), 1):
        segment = frame.scans[0].segment
        out += [b"\xff\xda\0\x08\x01", bytes([number, 0, 0, 63, 0]), data[segment.end : segment.stop]]
    return b"".join([*out, b"\xff\xd9"])


def of_large_coefficients() -> bytes:
    """More bits than the compiled loops can skip at once: long codes with all the further bits that there can be."""
    model = saved(Image.new("L", (96, 80)), quality=100)
    chance = np.random.default_rng(4)
    zero = {s: f"{c:0{n}b}" for s, c, n in code_words(read_frame(model).scans[0].dc[0])}[0]
    bits = []
    for count in chance.choice([3, 20, 63], 12 * 10):
        values = "".join(
            f"10{value >> 6:09b}" if value & 1 else f"1100000000000{value:015b}"
            for value in chance.integers(0, 1 << 15, count).tolist()
        )
        bits.append(zero + values + ("0" if count < 63 else ""))
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    content = int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\0")
    out = [b"\xff\xd8"]
    for segment in _jpeg_markers.segments(model):
        body = model[segment.start : segment.end]
        if segment.marker == 0xC4 and body[4] == 0x10:
            body = b"\xff\xc4\0\x16\x10\1\1" + bytes(10) + b"\1\0\0\0" + b"\x00\x09\x0f"
        out.append(body)
    return b"".join([*out, content, b"\xff\xd9"])


CASES = [
    *(f"{w}x{h} {kind}" for w, h in SIZES for kind in ("4:4:4", "4:2:2", "4:2:0", "gray")),
    "optimised", "optimised, quality 30", "quality 100", "quality 5", "noise", "16-bit divisors",
    "restart every 1 rows",
    "restart every 3 rows", "restart every 1 MCUs", "restart every 7 MCUs", "CMYK", "RGB",
    *(f"sampling {name}" for name in SAMPLINGS), "sampling 4:2:0, restart every 2 MCUs", "in three scans",
]  # fmt: skip
