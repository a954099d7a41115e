import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from blur_tools.detections import box_polygon
from blur_tools.orientation import (
    box_to_stored,
    box_to_upright,
    point_to_stored,
    point_to_upright,
    polygon_to_stored,
    polygon_to_upright,
    turn_stored,
    turn_upright,
    upright_size,
)

TAGS = range(1, 9)
SIZE = (7, 5)
TAG = 0x0112

every_tag = pytest.mark.parametrize("tag", TAGS)
any_tag = st.sampled_from(TAGS)
any_size = st.tuples(st.integers(1, 10_000), st.integers(1, 10_000))
# quarters of pixels: exactly representable, so that round trips are exact
_coordinate = st.integers(-80_000, 80_000).map(lambda quarters: quarters / 4)
any_point = st.tuples(_coordinate, _coordinate)


def pillow_upright(stored, tag):
    """What Pillow, which knows nothing of our tables, shows a person."""
    image = stored.copy()
    image.getexif()[TAG] = tag
    return ImageOps.exif_transpose(image)


def marked(box, size=SIZE):
    """A picture that is white in `box` only."""
    image = Image.new("L", size)
    image.paste(255, box)
    return image


def area(polygon):
    """Signed area by the shoelace formula; positive is clockwise, since y points down."""
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(polygon, polygon[1:] + polygon[:1], strict=True)) / 2


@every_tag
def test_the_upright_size_is_pillows(tag):
    assert upright_size(SIZE, tag) == pillow_upright(Image.new("L", SIZE), tag).size


@every_tag
def test_pixels_turn_as_pillow_turns_them_and_back(tag):
    stored = Image.fromarray(np.arange(35, dtype=np.uint8).reshape(5, 7))
    upright = turn_upright(stored, tag)
    assert np.array_equal(upright, pillow_upright(stored, tag))
    assert np.array_equal(turn_stored(upright, tag), stored)


@every_tag
@pytest.mark.parametrize("pixel", [(0, 0), (6, 0), (0, 4), (6, 4), (2, 1), (5, 3)])
def test_points_land_on_the_pixel_that_they_marked(tag, pixel):
    x, y = pixel
    upright = pillow_upright(marked((x, y, x + 1, y + 1)), tag)
    across, down = point_to_upright((x + 0.5, y + 0.5), SIZE, tag)
    assert upright.getpixel((int(across), int(down))) == 255
    assert point_to_stored((across, down), SIZE, tag) == (x + 0.5, y + 0.5)


@every_tag
@pytest.mark.parametrize("box", [(0, 0, 1, 1), (1, 0, 4, 2), (4, 3, 7, 5), (0, 0, 7, 5), (3, 1, 4, 5)])
def test_boxes_cover_the_pixels_that_they_marked(tag, box):
    upright = pillow_upright(marked(box), tag)
    assert box_to_upright(box, SIZE, tag) == upright.getbbox()
    assert box_to_stored(upright.getbbox(), SIZE, tag) == box


@every_tag
def test_polygons_cover_the_pixels_that_they_marked(tag):
    upright = pillow_upright(marked((1, 0, 4, 2)), tag)
    polygon = polygon_to_upright(box_polygon(1, 0, 4, 2), SIZE, tag)
    xs, ys = zip(*polygon, strict=True)
    assert (min(xs), min(ys), max(xs), max(ys)) == upright.getbbox()
    assert len(set(polygon)) == 4


@every_tag
def test_the_first_corner_is_the_same_corner_of_the_object(tag):
    polygon = ((1.0, 0.5), (4.0, 1.0), (3.5, 2.0), (0.5, 1.5))
    assert polygon_to_stored(polygon, SIZE, tag)[0] == point_to_stored(polygon[0], SIZE, tag)
    assert polygon_to_upright(polygon, SIZE, tag)[0] == point_to_upright(polygon[0], SIZE, tag)


@given(any_point, any_size, any_tag)
def test_points_come_back(point, size, tag):
    assert point_to_stored(point_to_upright(point, size, tag), size, tag) == point
    assert point_to_upright(point_to_stored(point, size, tag), size, tag) == point


@given(any_point, any_point, any_size, any_tag)
def test_boxes_come_back_and_stay_boxes(a, b, size, tag):
    box = (min(a[0], b[0]), min(a[1], b[1]), max(a[0], b[0]), max(a[1], b[1]))
    for there, back in ((box_to_upright, box_to_stored), (box_to_stored, box_to_upright)):
        turned = there(box, size, tag)
        assert turned[0] <= turned[2]
        assert turned[1] <= turned[3]
        assert back(turned, size, tag) == box


@given(st.tuples(*[any_point] * 4), any_size, any_tag)
def test_polygons_come_back(polygon, size, tag):
    assert polygon_to_stored(polygon_to_upright(polygon, size, tag), size, tag) == polygon
    assert polygon_to_upright(polygon_to_stored(polygon, size, tag), size, tag) == polygon


@given(st.tuples(*[any_point] * 4), any_size, any_tag)
def test_polygons_keep_their_sense_and_area(polygon, size, tag):
    for turned in (polygon_to_upright(polygon, size, tag), polygon_to_stored(polygon, size, tag)):
        assert math.isclose(area(turned), area(polygon), abs_tol=1e-3)


@given(any_point, any_size, any_tag)
def test_the_box_of_a_turned_polygon_is_the_turned_box(corner, size, tag):
    box = (corner[0], corner[1], corner[0] + 3, corner[1] + 2)
    xs, ys = zip(*polygon_to_upright(box_polygon(*box), size, tag), strict=True)
    assert (min(xs), min(ys), max(xs), max(ys)) == box_to_upright(box, size, tag)
