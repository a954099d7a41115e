"""A mask is never smaller than its object; measured against our own supersampling, not against the drawing code."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from blur_tools.detections import Detection, Detections, box_polygon
from blur_tools.redaction.masks import Region, grow, regions
from blur_tools.settings import BlurSettings

SIZE = (34, 26)
SUB = 8
HARD = settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])

inside = st.floats(0, 34, allow_nan=False)
near = st.floats(-20, 55, allow_nan=False)
whole = st.integers(-3, 36).map(float)
corner = st.tuples(near | whole | inside, near | whole | inside)
any_quad = st.tuples(corner, corner, corner, corner)


@st.composite
def tilted(draw):
    """A rectangle turned by any angle, from sub-pixel to larger than the picture, anywhere around it."""
    x, y = draw(st.floats(-8, 42)), draw(st.floats(-8, 34))
    w, h = draw(st.floats(0.05, 60)), draw(st.floats(0.05, 30))
    angle = draw(st.floats(0, 2 * math.pi))
    c, s = math.cos(angle), math.sin(angle)
    return tuple((x + c * u * w - s * v * h, y + s * u * w + c * v * h) for u, v in ((0, 0), (1, 0), (1, 1), (0, 1)))


@st.composite
def boxes(draw):
    x, y = draw(st.floats(-10, 36)), draw(st.floats(-10, 28))
    return x, y, x + draw(st.floats(0, 40)), y + draw(st.floats(0, 40))


def canvas(found: list[Region], size: tuple[int, int] = SIZE) -> np.ndarray:
    """The masks, pasted together into an array of the picture's size."""
    full = np.zeros((size[1], size[0]), np.uint8)
    for region in found:
        left, top, right, bottom = region.box
        assert 0 <= left < right <= size[0]
        assert 0 <= top < bottom <= size[1]
        assert region.mask.mode == "L"
        assert region.mask.size == (right - left, bottom - top)
        part = full[top:bottom, left:right]
        np.maximum(part, np.asarray(region.mask), out=part)
    return full


def marked(xs: np.ndarray, ys: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Pixels whose open square holds a point; points on the grid lines belong to nobody."""
    px, py = np.floor(xs), np.floor(ys)
    clear = (abs(xs - np.round(xs)) > 1e-6) & (abs(ys - np.round(ys)) > 1e-6)
    clear &= (px >= 0) & (py >= 0) & (px < size[0]) & (py < size[1])
    out = np.zeros((size[1], size[0]), bool)
    out[py[clear].astype(int), px[clear].astype(int)] = True
    return out


def touched_by_polygon(polygon, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Pixels that a polygon's inside (even-odd) or outline reaches, by fine sampling."""
    w, h = size
    gx, gy = np.meshgrid((np.arange(w * SUB) + 0.5) / SUB, (np.arange(h * SUB) + 0.5) / SUB)
    odd = np.zeros(gx.shape, bool)
    edges = list(zip(polygon, (*polygon[1:], polygon[0]), strict=True))
    for (x0, y0), (x1, y1) in edges:
        if y0 != y1:
            crosses = (y0 > gy) != (y1 > gy)
            with np.errstate(over="ignore", invalid="ignore"):  # sides that are flat but for the last bit
                odd ^= crosses & (gx < x0 + (gy - y0) * ((x1 - x0) / (y1 - y0)))
    out = odd.reshape(h, SUB, w, SUB).any((1, 3))
    t = np.linspace(0, 1, 2001)
    for (x0, y0), (x1, y1) in edges:
        out |= marked(x0 + t * (x1 - x0), y0 + t * (y1 - y0), size)
    return out


def touched_by_ellipse(box, size: tuple[int, int] = SIZE) -> np.ndarray:
    xmin, ymin, xmax, ymax = box
    radius, angle = np.meshgrid(np.linspace(0, 1, 60), np.linspace(0, 2 * np.pi, 1200))
    xs = (xmin + xmax) / 2 + radius * np.cos(angle) * (xmax - xmin) / 2
    ys = (ymin + ymax) / 2 + radius * np.sin(angle) * (ymax - ymin) / 2
    return marked(xs.ravel(), ys.ravel(), size)


def misses(mask: np.ndarray, needed: np.ndarray) -> list[tuple[int, int]]:
    return [(int(x), int(y)) for y, x in zip(*np.nonzero(needed & (mask != 255)), strict=True)]


class TestPlate:
    @pytest.mark.parametrize("margin", [0.0, None], ids=["no margin", "default margin"])
    @given(polygon=tilted() | any_quad)
    @HARD
    def test_covers_every_pixel_it_touches(self, margin, polygon):
        found = regions([Detection("plate", polygon)], BlurSettings(plates=10, margin=margin), SIZE)
        assert misses(canvas(found), touched_by_polygon(polygon)) == []

    @given(polygon=tilted())
    @HARD
    def test_covers_the_grown_outline_too(self, polygon):
        (grown,) = [grow(polygon, 0.15)]
        found = regions([Detection("plate", polygon)], BlurSettings(plates=10, margin=0.15), SIZE)
        assert misses(canvas(found), touched_by_polygon(grown)) == []

    @pytest.mark.parametrize("order", range(8))
    @pytest.mark.parametrize(
        "polygon",
        [
            pytest.param(((3, 4), (20, 4), (20, 9), (3, 9)), id="whole pixels"),
            pytest.param(((3.5, 4.5), (20.5, 4.5), (20.5, 9.5), (3.5, 9.5)), id="half pixels"),
            pytest.param(((3.99, 4.01), (20.01, 7.99), (19.5, 14.01), (2.99, 10.5)), id="tilted"),
            pytest.param(((0, 0), (34, 0), (34, 26), (0, 26)), id="the whole picture"),
            pytest.param(((-50, -50), (90, -40), (95, 80), (-60, 70)), id="larger than the picture"),
            pytest.param(((0, 10), (5, 10), (5, 14), (0, 14)), id="at the left border"),
            pytest.param(((29, 10), (34, 10), (34, 14), (29, 14)), id="at the right border"),
            pytest.param(((10, 0), (15, 0), (15, 4), (10, 4)), id="at the top border"),
            pytest.param(((10, 22), (15, 22), (15, 26), (10, 26)), id="at the bottom border"),
            pytest.param(((33.2, 25.2), (33.4, 25.2), (33.4, 25.4), (33.2, 25.4)), id="in the last pixel"),
            pytest.param(((-9, -9), (0.3, -9), (0.3, 0.3), (-9, 0.3)), id="only the first pixel"),
            pytest.param(((3, 3), (30, 22), (30, 3), (3, 22)), id="bow-tie"),
            pytest.param(((3, 3), (30, 3), (15, 6), (15, 24)), id="concave"),
        ],
    )
    def test_whatever_corner_comes_first_and_whichever_way_round(self, polygon, order):
        turned = polygon[order % 4 :] + polygon[: order % 4]
        turned = turned if order < 4 else turned[::-1]
        for margin in (0, None):
            found = regions([Detection("plate", turned)], BlurSettings(plates=10, margin=margin), SIZE)
            assert misses(canvas(found), touched_by_polygon(polygon)) == []

    @pytest.mark.parametrize(
        "polygon",
        [
            pytest.param(((7.3, 8.6),) * 4, id="a point"),
            pytest.param(((7, 8),) * 4, id="a point between pixels"),
            pytest.param(((3.2, 5.1), (20.7, 5.1), (20.7, 5.1), (3.2, 5.1)), id="a line along"),
            pytest.param(((5.5, 3.5), (5.5, 3.5), (5.5, 20.5), (5.5, 20.5)), id="a line down"),
            pytest.param(((2.2, 2.7), (20.1, 15.8), (30.6, 23.3), (10, 8.5)), id="nearly a slanted line"),
            pytest.param(((5.1, 5.1), (5.2, 5.1), (5.2, 5.2), (5.1, 5.2)), id="sub-pixel"),
        ],
    )
    def test_no_area_still_hides_what_it_lies_on(self, polygon):
        found = regions([Detection("plate", polygon)], BlurSettings(plates=10, margin=0), SIZE)
        mask = canvas(found)
        assert misses(mask, touched_by_polygon(polygon)) == []
        assert (mask == 255).any()

    @pytest.mark.parametrize(
        "polygon", [box_polygon(-30, 4, -9, 9), box_polygon(40, 4, 60, 9), box_polygon(4, 60, 9, 70)]
    )
    def test_wholly_outside_is_left_out(self, polygon):
        assert regions([Detection("plate", polygon)], BlurSettings(plates=10), SIZE) == []

    @pytest.mark.parametrize("shape", ["ellipse", "circle"])
    def test_is_never_an_ellipse(self, shape):
        found = regions(
            [Detection("plate", box_polygon(4, 4, 24, 14))], BlurSettings(plates=10, shape=shape, margin=0), SIZE
        )
        assert (canvas(found)[4:14, 4:24] == 255).all()

    @pytest.mark.parametrize("far", [1e4, 1e6, 1e9])
    def test_corners_very_far_away_hide_the_whole_picture(self, far):
        found = regions([Detection("plate", box_polygon(-far, -far, far, far))], BlurSettings(plates=10), SIZE)
        assert (canvas(found) == 255).all()

    @pytest.mark.parametrize("far", [1e3, 1e6, 4e6, 1e9])
    def test_a_slanted_band_to_a_far_corner_stays_where_it_is(self, far):
        size = (400, 300)
        band = ((0.0, 0.0), (far, far / 2), (far, far / 2 + 40), (0.0, 40.0))
        mask = canvas(regions([Detection("plate", band)], BlurSettings(plates=10, margin=0), size), size)
        # the visible part of the band, cut by hand
        visible = touched_by_polygon(((0, 0), (600, 300), (600, 340), (0, 40)), size)
        assert len(misses(mask, visible)) == 0

    def test_corners_in_a_wrong_order_leave_no_triangle_visible(self):
        # row by row, as some tools list them: every pixel between the four corners is the plate's
        corners = ((4, 5), (28, 5), (4, 20), (28, 20))
        mask = canvas(regions([Detection("plate", corners)], BlurSettings(plates=10), SIZE))
        assert misses(mask, touched_by_polygon(box_polygon(4, 5, 28, 20))) == []

    @pytest.mark.parametrize("margin", [0.0, None], ids=["no margin", "default margin"])
    def test_tilted_plates_of_usual_size(self, margin):
        rng, size, bad = np.random.default_rng(1), (130, 110), {}
        for number in range(40):
            width, angle = rng.uniform(15, 60), rng.uniform(-0.6, 0.6)
            height, x, y = width / rng.uniform(2, 5), rng.uniform(15, 60), rng.uniform(25, 60)
            c, s = math.cos(angle) * np.array([width, height]), math.sin(angle) * np.array([width, height])
            polygon = ((x, y), (x + c[0], y + s[0]), (x + c[0] - s[1], y + s[0] + c[1]), (x - s[1], y + c[1]))
            mask = canvas(regions([Detection("plate", polygon)], BlurSettings(plates=10, margin=margin), size), size)
            left = misses(mask, touched_by_polygon(polygon, size))
            if left:
                bad[number] = len(left)
        assert bad == {}

    def test_is_no_larger_than_it_must_be(self):
        found = regions([Detection("plate", box_polygon(10, 8, 20, 14))], BlurSettings(plates=10, margin=0), SIZE)
        mask = canvas(found)
        mask[5:17, 7:23] = 0
        assert not mask.any()

    def test_height_is_that_of_the_sides_not_of_the_box(self):
        c, s = math.cos(0.7), math.sin(0.7)
        polygon = tuple((100 + c * u - s * v, 100 + s * u + c * v) for u, v in ((0, 0), (80, 0), (80, 20), (0, 20)))
        (region,) = regions([Detection("plate", polygon)], BlurSettings(plates=10), (400, 400))
        assert region.height == pytest.approx(20)


class TestFace:
    @pytest.mark.parametrize("shape", ["ellipse", "circle", "square"])
    @given(box=boxes(), margin=st.floats(0.21, 1))
    @HARD
    def test_contains_its_box_from_a_margin_of_a_fifth(self, shape, box, margin):
        wanted = BlurSettings(faces=10, shape=shape, margin=margin)
        found = regions([Detection("face", box_polygon(*box))], wanted, SIZE)
        assert misses(canvas(found), touched_by_polygon(box_polygon(*box))) == []

    @pytest.mark.parametrize("shape", ["ellipse", "circle", "square"])
    @given(box=boxes(), margin=st.floats(0, 0.3))
    @HARD
    def test_never_smaller_than_the_inscribed_ellipse(self, shape, box, margin):
        wanted = BlurSettings(faces=10, shape=shape, margin=margin)
        found = regions([Detection("face", box_polygon(*box))], wanted, SIZE)
        grown = grow(box_polygon(*box), margin)
        assert misses(canvas(found), touched_by_ellipse((*grown[0], *grown[2]))) == []

    @pytest.mark.parametrize("shape", ["ellipse", "circle", "square"])
    def test_contains_its_box_by_default(self, shape):
        found = regions([Detection("face", box_polygon(9, 6, 19, 20))], BlurSettings(faces=10, shape=shape), SIZE)
        assert (canvas(found)[6:20, 9:19] == 255).all()

    def test_shapes_are_what_they_are_called(self):
        size, box = (200, 200), box_polygon(60, 40, 120, 160)
        area = {}
        for shape in ("ellipse", "circle", "square"):
            found = regions([Detection("face", box)], BlurSettings(faces=10, shape=shape, margin=0), size)
            mask = canvas(found, size) == 255
            area[shape] = mask.sum(), mask.any(0).sum(), mask.any(1).sum()
        exact = {"ellipse": math.pi * 30 * 60, "circle": math.pi * 60 * 60, "square": 120 * 120}
        for shape, (pixels, _, _) in area.items():
            assert exact[shape] <= pixels <= exact[shape] + 3 * 480  # a ring of at most three pixels
        assert area["circle"][1] == pytest.approx(120, abs=4)
        assert area["circle"][2] == pytest.approx(120, abs=4)

    @pytest.mark.parametrize("shape", ["ellipse", "circle", "square"])
    def test_a_tilted_face_polygon_is_hidden_with_its_whole_box(self, shape):
        polygon = ((17, 2), (30, 13), (17, 24), (4, 13))
        found = regions([Detection("face", polygon)], BlurSettings(faces=10, shape=shape), SIZE)
        assert misses(canvas(found), touched_by_polygon(polygon)) == []

    @pytest.mark.parametrize("far", [100, 1e4, 3e5])
    @pytest.mark.parametrize("shape", ["ellipse", "circle", "square"])
    def test_very_large_ones_hide_the_whole_picture(self, shape, far):
        found = regions(
            [Detection("face", box_polygon(-far, -far, far, far))], BlurSettings(faces=10, shape=shape), SIZE
        )
        assert (canvas(found) == 255).all()

    @pytest.mark.parametrize("shape", ["ellipse", "square"])
    def test_absurdly_large_ones_do_not_keep_the_machine_busy(self, shape):
        # in a process of its own, since drawing code cannot be interrupted
        code = f"""
from blur_tools.detections import Detection, box_polygon
from blur_tools.redaction.masks import regions
from blur_tools.settings import BlurSettings
found = regions([Detection("face", box_polygon(-1e9, -1e9, 1e9, 1e9))], BlurSettings(faces=10, shape={shape!r}), {SIZE})
assert found[0].mask.getextrema() == (255, 255)
"""
        try:
            subprocess.run([sys.executable, "-c", code], check=True, timeout=5)
        except subprocess.TimeoutExpired:
            pytest.fail("drawing one face took more than 5 seconds")


class TestFeather:
    @pytest.mark.parametrize("kind", ["plate", "face"])
    @given(polygon=tilted() | any_quad, feather=st.floats(0.01, 1))
    @example(polygon=box_polygon(0, 10, 5, 14), feather=1)
    @HARD
    def test_only_adds(self, kind, polygon, feather):
        found = [Detection(kind, polygon)]
        hard = canvas(regions(found, BlurSettings(plates=10, faces=10), SIZE))
        soft = canvas(regions(found, BlurSettings(plates=10, faces=10, feather=feather), SIZE))
        assert (soft >= hard).all()

    @pytest.mark.parametrize("kind", ["plate", "face"])
    @pytest.mark.parametrize("feather", [0.1, 0.5, 1.0])
    def test_falls_off_smoothly_outside(self, kind, feather):
        size, height = (400, 300), 40
        found = [Detection(kind, box_polygon(150, 130, 250 if kind == "plate" else 190, 170))]
        hard = canvas(regions(found, BlurSettings(plates=10, faces=10), size), size)
        soft = canvas(regions(found, BlurSettings(plates=10, faces=10, feather=feather), size), size)
        between = soft[(soft > 0) & (soft < 255)]
        assert between.size > 50
        assert hard[(soft > 0) & (soft < 255)].max() == 0
        row = soft[150, 200:].astype(int)
        assert (np.diff(row) <= 0).all()
        # and ends: not further out than three widths
        edge = np.nonzero(hard[150])[0].max()
        assert np.nonzero(soft[150])[0].max() <= edge + 3 * feather * height + 2

    def test_none_is_only_black_and_white(self):
        found = regions([Detection("plate", box_polygon(3, 4, 20, 11))], BlurSettings(plates=10), SIZE)
        assert set(np.unique(canvas(found))) == {0, 255}


class TestLeftOut:
    PLATE = Detection("plate", box_polygon(2, 2, 12, 6))
    FACE = Detection("face", box_polygon(20, 10, 28, 20))

    @pytest.mark.parametrize(
        ("params", "kinds"),
        [
            ({}, []),
            ({"plates": 0, "faces": 0}, []),
            ({"plates": -1, "faces": -1}, []),
            ({"plates": 1}, ["plate"]),
            ({"faces": 1}, ["face"]),
            ({"plates": 10, "faces": 0}, ["plate"]),
            ({"plates": -1, "faces": 10}, ["face"]),
            ({"plates": 10, "faces": 10}, ["plate", "face"]),
        ],
    )
    def test_by_intensity(self, params, kinds):
        found = regions([self.PLATE, self.FACE], BlurSettings(**params), SIZE)
        assert [region.kind for region in found] == kinds

    def test_kept(self):
        kept = Detection("plate", self.PLATE.polygon, keep=True)
        assert regions([kept], BlurSettings(plates=10), SIZE) == []
        assert [r.kind for r in regions([kept, self.FACE], BlurSettings(plates=10, faces=10), SIZE)] == ["face"]

    def test_any_iterable(self):
        wanted = BlurSettings(plates=10, faces=10)
        assert len(regions(iter(Detections([self.PLATE, self.FACE])), wanted, SIZE)) == 2


class TestSize:
    @pytest.mark.parametrize("feather", [0, 0.2])
    def test_only_the_part_around_the_object_is_allocated(self, feather):
        found = [Detection("plate", box_polygon(9000, 7000, 9100, 7025))]
        (region,) = regions(found, BlurSettings(plates=10, feather=feather), (20_000, 15_000))
        width, height = region.mask.size
        assert width * height < 170 * 80

    def test_never_more_than_the_picture(self):
        found = [Detection("plate", box_polygon(-1e7, -1e7, 1e7, 1e7))]
        (region,) = regions(found, BlurSettings(plates=10, feather=1), SIZE)
        assert region.mask.size == SIZE
