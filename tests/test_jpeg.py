"""Block-lossless JPEG and an independent reader: nothing changes outside the touched blocks, nothing stays inside."""

from __future__ import annotations

import io
import itertools
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from jpegs import CASES, SAMPLINGS, code_words, encoded, of_large_coefficients, photo, saved, synthetic
from PIL import Image, ImageFilter, JpegImagePlugin

import blur_tools
from blur_tools.detections import Detection, box_polygon
from blur_tools.picture import load_picture
from blur_tools.redaction import _turbojpeg
from blur_tools.redaction._jpeg_blocks import patches, touched_units
from blur_tools.redaction._jpeg_markers import HuffmanTable, JpegError, read_frame
from blur_tools.redaction.masks import regions
from blur_tools.redaction.pixels import render
from blur_tools.settings import BlurSettings

jpeglib = pytest.importorskip("jpeglib", reason="the independent reader of coefficients is not installed")
needs_turbojpeg = pytest.mark.skipif(_turbojpeg._library() is None, reason="there is no libturbojpeg on this machine")


@pytest.fixture(scope="module")
def coefficients(tmp_path_factory):
    """The coefficients of a file as libjpeg-turbo reads them: one array (rows, columns, 8, 8) a component."""
    jpeglib.version.set("turbo210")
    path = tmp_path_factory.mktemp("coefficients") / "read.jpg"

    def read(data: bytes) -> list[np.ndarray]:
        path.write_bytes(data)
        image = jpeglib.read_dct(str(path))
        planes = [image.Y]
        planes += [image.Cb, image.Cr] if image.has_chrominance else []
        planes += [image.K] if image.has_black else []
        return [plane.copy() for plane in planes]

    return read


def touched(data: bytes, found, **params) -> list[np.ndarray]:
    frame = read_frame(data)
    hidden = regions(found, BlurSettings(**{"plates": 10, "faces": 10, **params}), frame.size)
    around = patches(hidden, frame)
    return [touched_units(around, frame, index) for index in range(len(frame.components))]


def assert_only_touched_blocks_differ(before, after, marks) -> int:
    """0 differing coefficients outside; returns how many blocks differ inside."""
    inside = 0
    for one, other, mark in zip(before, after, marks, strict=True):
        assert one.shape == other.shape
        differs = (one != other).any((2, 3))
        mark = mark[: differs.shape[0], : differs.shape[1]]
        assert not (differs & ~mark).any()
        inside += int((differs & mark).sum())
    return inside


def accepted(data: bytes) -> bool:
    """Whether djpeg takes a file without a warning; True where there is no djpeg."""
    if shutil.which("djpeg") is None:
        return True
    done = subprocess.run(["djpeg", "-strict", "-outfile", "/dev/null"], input=data, capture_output=True)
    return done.returncode == 0 and not done.stderr


def some(width: int, height: int) -> list[Detection]:
    """One tilted in the middle, two that reach beyond opposite corners."""
    tilted = ((width * 0.2, height * 0.3), (width * 0.6, height * 0.25), (width * 0.62, height * 0.5),
              (width * 0.21, height * 0.55))  # fmt: skip
    last = box_polygon(width * 0.9, height * 0.85, width + 20, height + 20)
    return [
        Detection("plate", tilted),
        Detection("plate", last),
        Detection("face", box_polygon(-9, -9, width * 0.05, height * 0.05)),
    ]


def well_inside(hidden, data: bytes) -> np.ndarray:
    """Where pixels are hidden, but for those to whose colour decoders add that of visible neighbours."""
    frame = read_frame(data)
    width, height = frame.size
    mask = Image.new("L", (width, height))
    for region in hidden:
        mask.paste(255, region.box, region.mask.point(lambda value: value // 255 * 255))
    across, down = frame.sampling
    # the picture's border is none of the mask
    room = 2 * max(across, down)
    framed = np.pad(np.asarray(mask), room, mode="edge")
    return np.asarray(Image.fromarray(framed).filter(ImageFilter.MinFilter(2 * room + 1)))[room:-room, room:-room] > 0


def pixels_of(data: bytes) -> np.ndarray:
    return np.asarray(load_picture(data).image).astype(int)


@pytest.fixture(scope="module")
def cases() -> dict[str, bytes]:
    return synthetic()


# --- outside --------------------------------------------------------------------------------------------------------


class TestOutside:
    @pytest.mark.parametrize("name", CASES)
    def test_no_coefficient_differs(self, name, cases, coefficients):
        data = cases[name]
        size = load_picture(data).size
        result = blur_tools.redact(data, some(*size))
        assert result.method == "jpeg-lossless"
        assert not result.warnings or size == (1, 1)  # where a detection is no larger than a pixel, and that is said
        before, after = coefficients(data), coefficients(result.data)
        inside = assert_only_touched_blocks_differ(before, after, touched(data, some(*size)))
        assert inside or min(size) == 1
        assert accepted(result.data) or not accepted(data)

    def test_codes_that_are_too_long_to_be_skipped_together(self, coefficients):
        data = of_large_coefficients()
        result = blur_tools.redact(data, some(96, 80))
        assert result.method == "jpeg-lossless"
        marks = touched(data, some(96, 80))
        assert assert_only_touched_blocks_differ(coefficients(data), coefficients(result.data), marks)

    def test_all_cases_are_listed(self, cases):
        assert list(cases) == CASES

    @pytest.mark.parametrize(
        "found",
        [
            [Detection("plate", box_polygon(-5, -5, 700, 500))],
            [Detection("plate", box_polygon(100, 100, 300, 200)), Detection("face", box_polygon(150, 150, 350, 260))],
            [Detection("plate", box_polygon(x, 40, x + 9, 44)) for x in range(0, 640, 20)],
        ],
        ids=["everything", "overlapping", "many small ones"],
    )
    @pytest.mark.parametrize("params", [{}, {"feather": 0.4}, {"effect": "pixelate"}, {"plates": 1, "faces": 1}])
    def test_of_other_regions_and_effects(self, found, params, coefficients):
        data = saved(photo(643, 481), quality=88)
        result = blur_tools.redact(data, found, **params)
        assert result.method == "jpeg-lossless"
        marks = touched(data, found, **params)
        assert assert_only_touched_blocks_differ(coefficients(data), coefficients(result.data), marks)

    @pytest.mark.parametrize("found", [[], [Detection("plate", box_polygon(2000, 2000, 2100, 2100))]])
    def test_nothing_hidden_changes_no_byte_of_the_pixels(self, found, cases):
        for name, data in cases.items():
            result = blur_tools.redact(data, found)
            assert result.data[result.data.index(b"\xff\xda") :] == data[data.index(b"\xff\xda") :], name

    def test_bits_outside_stay(self):
        # the first MCU row is untouched, so its bits are the same bytes
        data = saved(photo(320, 240), quality=90, restart_marker_rows=1)
        result = blur_tools.redact(data, [Detection("plate", box_polygon(100, 100, 200, 130))])
        parts = [file[file.index(b"\xff\xda") :].split(b"\xff\xd0")[0] for file in (data, result.data)]
        assert parts[0] == parts[1]

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_every_orientation(self, orientation, coefficients):
        exif = Image.Exif()
        exif[0x0112] = orientation
        data = saved(photo(200, 150), quality=90, exif=exif)
        found = [Detection("plate", box_polygon(60, 50, 120, 70))]
        result = blur_tools.redact(data, found)
        assert result.method == "jpeg-lossless"
        assert load_picture(result.data).orientation == orientation
        assert assert_only_touched_blocks_differ(coefficients(data), coefficients(result.data), touched(data, found))

    def test_real_pictures(self, shared: Path, coefficients):
        """200 files as cameras and the web made them; the progressive ones among them go another way."""
        files = []
        for folder in ("eval/open-lpr", "eval/romanian-dashcam", "eval/egyptian-motorcycles", "eval/faces"):
            names = sorted(path for path in (shared / folder).rglob("*") if path.is_file())
            files += [path for path in names if path.read_bytes()[:3] == b"\xff\xd8\xff"][:60]
        checked = 0
        for path in files:
            data = path.read_bytes()
            if read_frame(data).process == 0xC2:
                continue
            size = load_picture(data).size
            result = blur_tools.redact(data, some(*size))
            assert (result.method, result.warnings) == ("jpeg-lossless", ()), path
            marks = touched(data, some(*size))
            assert assert_only_touched_blocks_differ(coefficients(data), coefficients(result.data), marks), path
            assert accepted(result.data) or not accepted(data), path
            checked += 1
        assert checked >= 200


# --- inside ---------------------------------------------------------------------------------------------------------


class TestInside:
    @pytest.mark.parametrize("effect", ["gaussian", "pixelate", "fill"])
    @pytest.mark.parametrize(
        "name", [name for name in CASES if "641x479" in name or "sampling" in name or "x" not in name]
    )
    def test_shows_what_was_rendered(self, name, effect, cases):
        """Where whole blocks are hidden, decoded pixels are the rendered ones but for the quantisation."""
        data = cases[name]
        picture = load_picture(data)
        found = some(*picture.size)
        hidden = regions(found, BlurSettings(plates=10, faces=10, effect=effect), picture.size)
        before = np.asarray(picture.image).astype(int)
        render(picture.image, hidden, BlurSettings(plates=10, faces=10, effect=effect))
        wanted = np.asarray(picture.image).astype(int)
        result = blur_tools.redact(data, found, effect=effect)
        got = pixels_of(result.data)
        mask = well_inside(hidden, data)
        # and what libjpeg itself loses when it codes the rendered pixels
        frame = read_frame(data)
        step = max(float(table[:3].max()) for table in frame.quantisation.values())
        assert abs(got - wanted)[mask].mean() < max(3, step / 4)
        assert abs(got - wanted)[mask].mean() < abs(before - wanted)[mask].mean() + 0.5

    @pytest.mark.parametrize("name", ["641x479 4:2:0", "optimised", "CMYK", "RGB", "sampling 4:1:1", "sampling 1x4"])
    def test_is_as_near_to_the_rendering_as_coding_it_anew(self, name, cases, monkeypatch):
        data = cases[name]
        found = some(*load_picture(data).size)
        lossless = pixels_of(blur_tools.redact(data, found).data)
        without_numba(monkeypatch)
        monkeypatch.setattr(_turbojpeg, "_library", lambda: None)
        result = blur_tools.redact(data, found)
        assert result.method.startswith("reencode")
        anew = pixels_of(result.data)
        hidden = regions(found, BlurSettings(plates=10, faces=10), load_picture(data).size)
        assert abs(lossless - anew)[well_inside(hidden, data)].mean() < 3

    def test_colour_does_not_survive(self):
        """Chroma samples stand for many pixels: one that is hidden in part is hidden."""
        pixels = np.full((64, 64, 3), 128, np.uint8)
        pixels[17:47, 17:47] = (255, 0, 0)
        for sampling in SAMPLINGS.values():
            data = encoded(Image.fromarray(pixels), sampling, quality=95)
            found = [Detection("plate", box_polygon(17, 17, 47, 47))]
            # the logo-free way to gray: hide the square by what is around it
            result = blur_tools.redact(data, found, margin=0.4, effect="fill")
            after = pixels_of(result.data)
            assert result.method == "jpeg-lossless"
            assert after[20:44, 20:44].reshape(-1, 3).std(0).max() < 6

    @pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
    @pytest.mark.parametrize("size", [(41, 37), (33, 47), (50, 50)])
    def test_padding_holds_nothing(self, size, subsampling, coefficients):
        """Encoders repeat the last column and row; a larger frame shows what they left there."""
        width, height = size
        pixels = np.full((height, width, 3), 90, np.uint8)
        pixels[:, -1:] = 255
        pixels[-1:] = 255
        data = saved(Image.fromarray(pixels), quality=95, subsampling=subsampling)
        found = [Detection("plate", box_polygon(width - 9, -5, width + 5, height + 5)),
                 Detection("plate", box_polygon(-5, height - 9, width + 5, height + 5))]  # fmt: skip
        result = blur_tools.redact(data, found, effect="fill")
        shown = []
        for file in (data, result.data):
            larger = bytearray(file)
            place = file.index(b"\xff\xc0") + 5
            factor = 16 if subsampling == "4:2:0" else 8
            full = [-(-side // factor) * factor for side in (height, width)]
            larger[place : place + 4] = full[0].to_bytes(2, "big") + full[1].to_bytes(2, "big")
            shown.append(pixels_of(bytes(larger)))
        assert shown[0][height:, :].max() > 200
        assert shown[1][:, width - 6 :].max() < 180
        assert shown[1][height - 6 :].max() < 180

    def test_pixels_beside_the_mask_stay_near(self):
        """Within a touched block what no mask touches keeps its own coefficients' values, unrounded."""
        data = saved(photo(320, 240), quality=92, subsampling="4:2:0")
        found = [Detection("plate", box_polygon(101, 101, 203, 133))]
        before, after = pixels_of(data), pixels_of(blur_tools.redact(data, found, effect="fill").data)
        (region,) = regions(found, BlurSettings(plates=10, effect="fill"), (320, 240))
        left, top, right, bottom = region.box
        rim = np.zeros((240, 320), bool)
        rim[top - 8 : bottom + 8, left - 8 : right + 8] = True
        rim[top - 2 : bottom + 2, left - 2 : right + 2] = False
        assert abs(before - after)[rim].mean() < 3


# --- tables without the codes ---------------------------------------------------------------------------------------


class TestMissingCodes:
    def test_are_added_where_there_is_room(self, coefficients):
        # a flat picture's own tables know next to no symbols
        pixels = np.full((64, 64, 3), 120, np.uint8)
        pixels[20:30, 20:30] = (250, 10, 10)
        data = saved(Image.fromarray(pixels), quality=90, optimize=True)
        found = [Detection("plate", box_polygon(22, 22, 50, 40))]
        result = blur_tools.redact(data, found, effect="gaussian", plates=5)
        assert result.method == "jpeg-lossless"
        assert assert_only_touched_blocks_differ(
            coefficients(data), coefficients(result.data), touched(data, found, plates=5)
        )
        before, after = (read_frame(file).scans[0] for file in (data, result.data))
        for old, new in zip(before.dc + before.ac, after.dc + after.ac, strict=True):
            assert new.symbols[: len(old.symbols)] == old.symbols
            assert list(code_words(new))[: len(old.symbols)] == list(code_words(old))
        assert accepted(result.data)

    def test_else_the_nearest_codable_block_is_taken(self):
        from blur_tools.redaction._jpeg_encoding import is_codable, make_codable

        rng = np.random.default_rng(0)
        codes = np.zeros((1, 256), np.int64)
        symbols = [0, *(zeros << 4 | 1 for zeros in range(3)), 0x02, 0x12]
        codes[0, symbols] = 4 << 16
        divisors = np.ones((1, 64), np.float32)
        blocks = np.zeros((40, 1, 64), np.int16)
        blocks[:, 0, :6] = rng.integers(-4, 5, (40, 6))
        wanted = blocks.copy()
        assert make_codable(blocks, np.zeros(1, np.int64), codes, divisors)
        for block, target in zip(blocks[:, 0], wanted[:, 0], strict=True):
            assert is_codable(block, codes[0])
            assert block[0] == target[0]
            best = min(
                sum((a - b) ** 2 for a, b in zip(trial, target[1:6], strict=True)) + 0
                for trial in itertools.product(range(-3, 4), repeat=5)
                if is_codable(np.array([0, *trial, *[0] * 58], np.int16), codes[0])
            )
            error = int(((block[1:].astype(int) - target[1:]) ** 2).sum())
            assert error <= best

    def test_a_table_without_an_end_of_block_goes_another_way(self):
        from blur_tools.redaction._jpeg_tables import NoRoom, extended

        full = HuffmanTable((0,) * 7 + (255,) + (0,) * 8, bytes(range(255)))
        with pytest.raises(NoRoom):
            extended(full, b"\xff\xfe")


# --- other ways -----------------------------------------------------------------------------------------------------


def without_numba(monkeypatch) -> None:
    for name in [name for name in sys.modules if name.startswith("blur_tools.redaction._jpeg_")]:
        if name.rsplit("_", 1)[1] in ("scans", "decoding", "encoding", "progressive"):
            monkeypatch.delitem(sys.modules, name)
            monkeypatch.delattr(blur_tools.redaction, name.rsplit(".", 1)[1], raising=False)
    monkeypatch.setitem(sys.modules, "numba", None)


class TestOtherWays:
    def test_without_numba_and_libturbojpeg(self, monkeypatch):
        without_numba(monkeypatch)
        monkeypatch.setattr(_turbojpeg, "_library", lambda: None)
        data = saved(photo(320, 240), quality=90)
        result = blur_tools.redact(data, some(320, 240))
        assert result.method == "reencode-keep"
        assert "numba is not installed, and libturbojpeg is not installed" in result.warnings[0]

    def test_without_numba_an_untouched_file_keeps_its_bits(self, monkeypatch):
        without_numba(monkeypatch)
        data = saved(photo(320, 240), quality=90)
        result = blur_tools.redact(data, [])
        assert result.method == "jpeg-lossless"
        assert "not looked for" in result.warnings[0]
        assert result.data[result.data.index(b"\xff\xda") :] == data[data.index(b"\xff\xda") :]

    def test_a_progressive_file_without_libturbojpeg(self, monkeypatch):
        monkeypatch.setattr(_turbojpeg, "_library", lambda: None)
        result = blur_tools.redact(saved(photo(320, 240), quality=90, progressive=True), some(320, 240))
        assert result.method == "reencode-keep"
        assert "it is progressive" in result.warnings[0]

    @needs_turbojpeg
    @pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
    @pytest.mark.parametrize("size", [(640, 480), (641, 479), (17, 9), (8, 8), (1, 1)])
    def test_libturbojpeg_keeps_all_other_coefficients(self, size, mode, coefficients):
        data = saved(photo(*size, mode), quality=90, progressive=True)
        result = blur_tools.redact(data, some(*size))
        assert result.method == "jpeg-transcode"
        assert not result.warnings or size == (1, 1)
        assert read_frame(result.data).process == 0xC2
        assert_only_touched_blocks_differ(coefficients(data), coefficients(result.data), touched(data, some(*size)))
        assert accepted(result.data)

    @needs_turbojpeg
    def test_libturbojpeg_writes_what_the_splice_writes(self, monkeypatch, coefficients):
        data = saved(photo(640, 480), quality=90)
        spliced = blur_tools.redact(data, some(640, 480))
        without_numba(monkeypatch)
        transcoded = blur_tools.redact(data, some(640, 480))
        assert (spliced.method, transcoded.method) == ("jpeg-lossless", "jpeg-transcode")
        for one, other in zip(coefficients(spliced.data), coefficients(transcoded.data), strict=True):
            assert np.array_equal(one, other)

    @needs_turbojpeg
    def test_libturbojpeg_lets_no_exception_into_c(self, monkeypatch):
        def fail(*_):
            raise RuntimeError("from a callback")

        monkeypatch.setattr(_turbojpeg._Exchange, "take", fail)
        data = saved(photo(320, 240), quality=90, progressive=True)
        hidden = regions(some(320, 240), BlurSettings(plates=10), (320, 240))
        with pytest.raises(RuntimeError, match="from a callback"):
            _turbojpeg.transcoded(data, load_picture(data).image, hidden)

    @needs_turbojpeg
    def test_libturbojpeg_refuses_what_is_damaged(self):
        data = bytearray(saved(photo(320, 240), quality=90, progressive=True))
        data[len(data) // 2 : len(data) // 2 + 40] = bytes(40)
        hidden = regions(some(320, 240), BlurSettings(plates=10), (320, 240))
        with pytest.raises(JpegError):
            _turbojpeg.transcoded(bytes(data), Image.new("RGB", (320, 240)), hidden)

    def test_a_damaged_file_is_coded_anew_and_that_is_said(self, monkeypatch):
        monkeypatch.setattr(_turbojpeg, "_library", lambda: None)
        data = bytearray(saved(photo(320, 240), quality=90))
        data[-200:-150] = b"\xa5" * 50
        for found in ([], some(320, 240)):
            result = blur_tools.redact(bytes(data), found)
            if result.method != "jpeg-lossless":
                assert "damaged" in result.warnings[0]

    def test_no_library_is_normal(self, monkeypatch):
        monkeypatch.setattr(_turbojpeg, "NAMES", ("no-such-library.so",))
        monkeypatch.setattr(_turbojpeg, "find_library", lambda _: None)
        _turbojpeg._library.cache_clear()
        try:
            assert _turbojpeg._library() is None
        finally:
            _turbojpeg._library.cache_clear()


class TestThreads:
    def test_four_at_once_give_what_one_gives(self):
        files = [saved(photo(320 + 8 * i, 240, seed=i), quality=80 + i, optimize=bool(i % 2)) for i in range(8)]
        jobs = [(data, some(*load_picture(data).size)) for data in files] * 4
        alone = [blur_tools.redact(*job).data for job in jobs[: len(files)]]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(lambda job: blur_tools.redact(*job).data, jobs))
        assert together == alone * 4

    def test_the_first_use_in_four_threads_at_once(self, tmp_path):
        code = """
import io, sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from PIL import Image
import blur_tools
from blur_tools.detections import Detection, box_polygon
buffer = io.BytesIO()
Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(buffer, "JPEG")
job = lambda _: blur_tools.redact(buffer.getvalue(), [Detection("plate", box_polygon(9, 9, 40, 20))])
assert "numba" not in sys.modules
with ThreadPoolExecutor(4) as pool:
    results = list(pool.map(job, range(8)))
assert {result.method for result in results} == {"jpeg-lossless"}
assert len({result.data for result in results}) == 1
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr[-800:]


# --- anything -------------------------------------------------------------------------------------------------------


@st.composite
def anything(draw):
    width, height = draw(st.integers(1, 70)), draw(st.integers(1, 70))
    image = photo(width, height, seed=draw(st.integers(0, 9)))
    quality, interval = draw(st.integers(1, 100)), draw(st.sampled_from([0, 1, 2, 5]))
    kind = draw(st.sampled_from(["L", "CMYK", "RGB", "keep_rgb", *SAMPLINGS]))
    if kind in SAMPLINGS:
        data = encoded(image, SAMPLINGS[kind], max(quality, 20), interval)
    else:
        options = {"keep_rgb": True} if kind == "keep_rgb" else {}
        image = image.convert("RGB" if kind == "keep_rgb" else kind)
        data = saved(image, quality=quality, restart_marker_blocks=interval, optimize=draw(st.booleans()), **options)
    place = st.floats(-10, 80, allow_nan=False)
    found = draw(
        st.lists(
            st.builds(
                lambda kind, x, y, w, h: Detection(kind, box_polygon(x, y, x + w, y + h)),
                st.sampled_from(["plate", "face"]), place, place, st.floats(0.1, 60), st.floats(0.1, 60),
            ),
            max_size=4,
        )
    )  # fmt: skip
    params = {
        "effect": draw(st.sampled_from(["gaussian", "pixelate", "fill"])),
        "feather": draw(st.sampled_from([0, 0.3])),
    }
    return data, found, params


class TestAnything:
    @hypothesis_settings(max_examples=150)
    @given(anything())
    def test_only_touched_blocks_differ(self, coefficients, case):
        data, found, params = case
        result = blur_tools.redact(data, found, **params)
        assert result.method == "jpeg-lossless"
        marks = touched(data, found, **params)
        assert_only_touched_blocks_differ(coefficients(data), coefficients(result.data), marks)

    def test_the_plain_coder_is_right(self):
        """Or nothing here would prove anything."""
        image = photo(131, 99)
        for name, sampling in SAMPLINGS.items():
            shown = np.asarray(JpegImagePlugin.JpegImageFile(io.BytesIO(encoded(image, sampling)))).astype(int)
            assert abs(shown - np.asarray(image).astype(int)).mean() < 12, name
