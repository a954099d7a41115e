"""Logos: they cover the whole plate, lie the right way round, and fail as settings, not as crashes."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image

import blur_tools
from blur_tools.detections import Detection, box_polygon
from blur_tools.errors import SettingsError
from blur_tools.redaction import logo
from blur_tools.redaction.logo import Logo, logo_of
from blur_tools.redaction.masks import regions
from blur_tools.settings import BlurSettings

RED, GREEN, BLUE, WHITE = (220, 20, 20), (20, 200, 20), (20, 20, 220), (250, 250, 250)
QUARTERS = (RED, GREEN, WHITE, BLUE)  # clockwise from top left


def png(image: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def quarters(width: int = 80, height: int = 40, alpha: int | None = None) -> Image.Image:
    image = Image.new("RGB", (width, height))
    for colour, (x, y) in zip(QUARTERS, ((0, 0), (1, 0), (1, 1), (0, 1)), strict=True):
        image.paste(colour, (x * width // 2, y * height // 2, (x + 1) * width // 2, (y + 1) * height // 2))
    if alpha is not None:
        image.putalpha(alpha)
    return image


def turned(angle: float, width: float = 80, height: float = 40, middle: tuple[float, float] = (100, 75)):
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    corners = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    return tuple(
        (middle[0] + c * u * width / 2 - s * v * height / 2, middle[1] + s * u * width / 2 + c * v * height / 2)
        for u, v in corners
    )


def redacted(noise, polygon, logo, mode: str = "RGB", size: tuple[int, int] = (200, 150), **params):
    """The picture before and after, and where it was hidden."""
    bands = {"L": 1, "RGB": 3, "RGBA": 4}[mode]
    before = noise(size[1], size[0], bands)
    found = [Detection("plate", polygon)]
    result = blur_tools.redact(before, found, logo=logo, **params)
    after = np.asarray(Image.open(io.BytesIO(result.data)))
    hidden = np.zeros(before.shape[:2], bool)
    for region in regions(found, BlurSettings(**{"plates": 10, **params}), size):
        left, top, right, bottom = region.box
        hidden[top:bottom, left:right] |= np.asarray(region.mask) == 255
    return before, after, hidden


def distance(pixel, colour) -> int:
    return int(abs(np.asarray(pixel, int)[:3] - np.array(colour)).max())


TRANSPARENT = png(Image.new("RGBA", (60, 30), (255, 0, 0, 0)))
SPOTTED = Image.new("RGBA", (64, 32), (0, 0, 0, 0))
SPOTTED.paste((250, 200, 0, 128), (20, 8, 44, 24))
LOGOS = {
    "opaque": png(quarters()),
    "fully transparent": TRANSPARENT,
    "half transparent": png(quarters(alpha=128)),
    "transparent around": png(SPOTTED),
    "one pixel": png(Image.new("RGB", (1, 1), RED)),
    "one column": png(Image.new("RGB", (1, 400), RED)),
    "large": png(quarters(2400, 1200)),
    "gray": png(Image.new("L", (20, 10), 99)),
    "palette": png(quarters().quantize(8)),
    "black and white": png(Image.new("1", (20, 10), 1)),
}
PLACES = {
    "upright": box_polygon(40, 50, 120, 80),
    "tilted": turned(25),
    "upside down": turned(180),
    "perspective": ((50, 40), (150, 60), (145, 95), (55, 100)),
    "over the border": ((-30, -10), (60, -5), (55, 40), (-35, 35)),
    "larger than the picture": box_polygon(-400, -300, 700, 500),
    "bow-tie": ((50, 40), (150, 100), (150, 40), (50, 100)),
    "triangle": ((50, 40), (150, 40), (100, 100), (100, 100)),
    "line": ((50, 40), (150, 90), (150, 90), (50, 40)),
    "point": ((70.5, 70.5),) * 4,
    "concave": ((50, 40), (150, 40), (70, 60), (60, 110)),
    "nearly a line": ((20, 20), (180, 20), (180, 20.001), (20, 20.001)),
    "sub-pixel": box_polygon(70.1, 70.1, 70.4, 70.2),
}


class TestCover:
    @pytest.mark.parametrize("place", PLACES)
    @pytest.mark.parametrize("logo", LOGOS)
    def test_no_original_pixel_shows_through(self, noise, logo, place):
        before, after, hidden = redacted(noise, PLACES[place], LOGOS[logo])
        assert hidden.any()
        # noise: a hidden pixel may equal the original by chance, in one place of 256 ** 3
        survived = (before == after).all(-1) & hidden
        assert survived.sum() <= 2
        inside = before[hidden].astype(float), after[hidden].astype(float)
        if hidden.sum() > 500:
            for band in range(3):
                left = inside[1][:, band]
                if left.std() > 0:
                    assert abs(np.corrcoef(inside[0][:, band], left)[0, 1]) < 0.2
        assert (before == after)[~hidden].all()

    @pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
    @pytest.mark.parametrize("logo", LOGOS)
    def test_in_every_mode(self, noise, logo, mode):
        before, after, hidden = redacted(noise, turned(12), LOGOS[logo], mode)
        assert after.shape == before.shape
        if mode == "RGBA":
            assert (after[hidden][:, 3] == 255).all()
        assert len(np.unique(after[hidden].reshape(hidden.sum(), -1), axis=0)) < hidden.sum() / 3

    def test_a_transparent_one_is_a_fill(self, noise):
        before, after, hidden = redacted(noise, turned(12), TRANSPARENT)
        assert len(np.unique(after[hidden], axis=0)) == 1
        assert abs(after[hidden][0] - before[hidden].mean(0)).max() <= 1

    def test_does_not_depend_on_the_plate_under_it(self, noise):
        # a weak intensity must not matter: what lies under a translucent logo is a fill
        _, weak, _ = redacted(noise, turned(12), LOGOS["half transparent"], plates=1)
        _, strong, _ = redacted(noise, turned(12), LOGOS["half transparent"], plates=10)
        assert (weak == strong).all()

    def test_faces_get_no_logo(self, noise, encode):
        picture = encode(noise(60, 60))
        found = [Detection("face", box_polygon(10, 10, 40, 40))]
        with_logo = blur_tools.redact(picture, found, logo=LOGOS["opaque"])
        without = blur_tools.redact(picture, found)
        assert with_logo.data == without.data

    def test_with_a_soft_edge(self, noise):
        before, after, hidden = redacted(noise, turned(12), LOGOS["opaque"], feather=0.3)
        assert ((before == after).all(-1) & hidden).sum() <= 2


class TestPlacing:
    @pytest.mark.parametrize("angle", [0, 20, 45, 90, 135, 180, -20, -90])
    @pytest.mark.parametrize("shrink", [1, 30], ids=["logo of about its size", "logo far larger"])
    def test_corners_go_to_the_corners(self, noise, angle, shrink):
        polygon = turned(angle)
        _, after, _ = redacted(noise, polygon, png(quarters(80 * shrink, 40 * shrink)))
        for corner, colour in zip(polygon, QUARTERS, strict=True):
            x, y = (corner[0] + 100) / 2, (corner[1] + 75) / 2  # half way to the middle
            assert distance(after[int(y), int(x)], colour) < 12

    def test_perspective(self):
        polygon = ((20, 30), (180, 10), (170, 130), (30, 90))
        warped = Logo(png(quarters(400, 200))).warp(polygon, (0, 0, 200, 150))
        assert (warped.size, warped.mode) == ((200, 150), "RGBA")
        # the diagonals of a rectangle meet in its middle, so do those of its picture
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = polygon
        t = ((bx - ax) * (dy - by) - (by - ay) * (dx - bx)) / ((cx - ax) * (dy - by) - (cy - ay) * (dx - bx))
        mx, my = ax + t * (cx - ax), ay + t * (cy - ay)
        for (x, y), colour in zip(polygon, QUARTERS, strict=True):
            spot = warped.getpixel((round(mx + (x - mx) * 0.15), round(my + (y - my) * 0.15)))
            assert distance(spot, colour) < 12
            assert spot[3] == 255
        assert warped.getpixel((3, 3))[3] == 0

    def test_reaches_to_the_rim(self):
        warped = Logo(png(Image.new("RGB", (50, 20), RED))).warp(box_polygon(10, 10, 60, 30), (0, 0, 70, 40))
        alpha = np.asarray(warped)[..., 3]
        assert (alpha[10:30, 10:60] == 255).all()
        assert not alpha[:9].any()
        assert not alpha[:, 61:].any()

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_its_own_orientation_tag_counts(self, orientation):
        exif = Image.Exif()
        exif[0x0112] = orientation
        back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Image.Transpose that stores an upright picture
        image = quarters()
        stored = image.transpose(Image.Transpose(back[orientation])) if orientation > 1 else image
        warped = Logo(png(stored, exif=exif)).warp(box_polygon(0, 0, 80, 40), (0, 0, 80, 40))
        seen = [warped.getpixel(spot) for spot in ((20, 10), (60, 10), (60, 30), (20, 30))]
        assert all(distance(pixel, colour) < 12 for pixel, colour in zip(seen, QUARTERS, strict=True))

    def test_a_large_one_does_not_alias(self):
        # stripes far finer than a pixel of the picture become gray, not other stripes
        stripes = np.zeros((400, 3200), np.uint8)
        stripes[:, ::2] = 255
        warped = Logo(png(Image.fromarray(stripes))).warp(box_polygon(0, 0, 100, 12), (0, 0, 100, 12))
        inner = np.asarray(warped)[2:-2, 2:-2, 0].astype(int)
        assert abs(inner - 127).max() <= 8

    @pytest.mark.parametrize("place", PLACES)
    def test_any_quadrilateral_can_be_warped(self, place):
        warped = Logo(LOGOS["opaque"]).warp(PLACES[place], (0, 0, 200, 150))
        assert (warped.size, warped.mode) == ((200, 150), "RGBA")

    @pytest.mark.parametrize("far", [1e6, 1e12, 1e100])
    def test_absurd_corners(self, far):
        polygon = ((-far, -far), (far, -far / 3), (far, far), (-far / 2, far))
        assert Logo(LOGOS["opaque"]).warp(polygon, (0, 0, 20, 10)).size == (20, 10)


BROKEN = {
    "empty bytes": b"",
    "not a picture": b"hello" * 20,
    "cut": LOGOS["opaque"][:60],
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "no file": "/nowhere/logo.png",
    "a path on the server": "/logos/acme.png",
    "the server's folder": "/logos/",
    "a path with a null": "lo\0go.png",
    "a folder": "/",
}


class TestWhichLogo:
    @pytest.mark.parametrize("value", [None, ""])
    def test_none(self, value, noise, encode):
        assert logo_of(BlurSettings(logo=value)) is None
        picture, found = encode(noise(50, 90)), [Detection("plate", box_polygon(20, 20, 60, 30))]
        assert blur_tools.redact(picture, found, logo=value).data == blur_tools.redact(picture, found).data

    @pytest.mark.parametrize("how", ["bytes", "str", "Path"])
    def test_file_or_bytes(self, how, tmp_path):
        path = tmp_path / "logo.png"
        path.write_bytes(LOGOS["opaque"])
        value = {"bytes": LOGOS["opaque"], "str": str(path), "Path": path}[how]
        assert logo_of(BlurSettings(logo=value)) == Logo(LOGOS["opaque"])

    @pytest.mark.parametrize("value", BROKEN.values(), ids=BROKEN)
    def test_what_cannot_be_used_is_a_settings_error(self, value, noise, encode):
        with pytest.raises(SettingsError) as caught:
            blur_tools.redact(encode(noise(40, 60)), [Detection("plate", box_polygon(9, 9, 40, 20))], logo=value)
        assert caught.value.field == "logo"

    @pytest.mark.parametrize("kind", ["PNG", "JPEG"])
    @pytest.mark.parametrize("value", [b"hello", "/logos/acme.png", "/nowhere/logo.png"])
    def test_also_when_nothing_was_found(self, kind, value, noise, encode):
        # or a wrong logo shows itself only at the first picture with a plate
        with pytest.raises(SettingsError):
            blur_tools.redact(encode(noise(40, 60), kind), [], logo=value)

    def test_a_bomb_is_refused_by_its_header(self):
        header = bytearray(png(Image.new("1", (8, 8))))
        header[16:24] = (60_000).to_bytes(4, "big") * 2
        with pytest.raises(SettingsError):
            logo_of(BlurSettings(logo=bytes(header)))


def test_a_large_logo_is_kept_no_larger_than_a_plate_shows(encode):
    """Decoded ones are kept for the next plate, and a server is given any number of them."""
    data = encode(Image.new("RGB", (5000, 2500), (255, 0, 0)))
    assert max(logo._decoded(data).size) <= logo.LONGEST_KEPT
