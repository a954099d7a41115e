"""Marks as layers and back, and the redacted preview: plain functions, no window."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image

pytest.importorskip("napari", reason="the extra [napari] is not installed")

from blur_tools import BlurSettings, Detection, Detections, redact
from blur_tools.audit.session import Mark
from blur_tools.detections import box_polygon
from blur_tools.errors import DetectionsError, PictureError
from blur_tools.napari._layers import (
    COLOURS,
    colours,
    corner_moved,
    features_of,
    four_corners,
    label_of,
    layer_values,
    state_of,
)
from blur_tools.napari._pictures import colour, load_shown, shown_in_layer
from blur_tools.redaction.live import Redaction
from blur_tools.samples import scenes


def tagged(pixels, orientation: int, encode) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return encode(pixels, "PNG", exif=exif)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_what_is_seen_lies_where_it_is_stored(orientation, encode, noise):
    """A pixel inside a stored polygon is the pixel inside the shown one, whatever the tag."""
    pixels = noise(30, 50)
    shown = load_shown(tagged(pixels, orientation, encode))
    polygon = box_polygon(10, 4, 14, 7)
    points = shown.to_canvas(polygon)
    assert shown.to_stored(points) == pytest.approx(np.array(polygon))
    (top, left), (bottom, right) = np.round(points.min(axis=0) + 0.5), np.round(points.max(axis=0) + 0.5)
    seen = shown.pixels[int(top) : int(bottom), int(left) : int(right)]
    stored = pixels[4:7, 10:14]
    assert sorted(map(tuple, seen.reshape(-1, 3))) == sorted(map(tuple, stored.reshape(-1, 3)))


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "CMYK"])
def test_every_mode_is_shown_in_colour(mode):
    image = Image.new("RGB", (5, 4), (200, 100, 50)).convert("CMYK" if mode == "CMYK" else mode)
    pixels = colour(image, 1)
    assert pixels.shape == (4, 5, 3)
    assert pixels.dtype == np.uint8
    if mode in ("RGB", "RGBA", "CMYK"):
        assert pixels[0, 0] == pytest.approx([200, 100, 50], abs=2)


def test_transparent_pixels_are_seen():
    image = Image.new("RGBA", (3, 3), (10, 200, 30, 0))
    assert list(colour(image, 1)[1, 1]) == [10, 200, 30]


def test_plates_are_polygons_faces_are_rectangles_and_features_say_the_rest(encode, noise):
    shown = load_shown(encode(noise(40, 60)))
    plate = Detection("plate", ((1, 2), (11, 3), (11, 8), (1, 7)), 0.9, "local", result={"plate": "ab12"})
    marks = [Mark(4, plate), Mark(7, Detection("face", box_polygon(20, 5, 30, 20), keep=True))]
    points, types, features = layer_values(marks, shown)
    assert types == ["polygon", "rectangle"]
    assert points[0][1] == pytest.approx([2.5, 10.5])
    assert list(features["kind"]) == ["plate", "face"]
    assert list(features["mark"]) == [4, 7]
    assert list(features["keep"]) == [False, True]
    assert list(features["label"]) == ["plate AB12 0.90", "face drawn, kept"]
    assert np.isnan(features["score"][1])


def test_no_marks_are_a_table_without_rows():
    assert len(features_of([])) == 0
    assert colours(features_of([])).shape == (0, 4)


def test_colours_are_those_of_the_state():
    states = [("plate", 0.9, False), ("face", None, False), ("plate", 0.3, False), ("face", 0.9, True)]
    assert [state_of(*state) for state in states] == ["plate", "face", "doubtful", "keep"]
    marks = [Mark(n, Detection(k, box_polygon(0, 0, 9, 9), s, keep=p)) for n, (k, s, p) in enumerate(states, 1)]
    rows = colours(features_of(marks))
    assert len({tuple(row) for row in rows}) == len(COLOURS)
    assert colours(features_of(marks), {"face"})[[1, 3], 3].tolist() == [0, 0]


def test_labels_of_a_drawn_plate_have_no_score():
    assert label_of(Detection("plate", box_polygon(0, 0, 4, 4))) == "plate drawn"


quads = st.lists(st.tuples(st.floats(-50, 150), st.floats(-50, 150)), min_size=3, max_size=9, unique=True)


@given(quads, st.sampled_from(["plate", "face"]))
def test_four_corners_cover_all_that_was_drawn(outline, kind):
    points = np.array(outline)
    try:
        corners = four_corners(points, kind)
    except DetectionsError:
        spread = points - points.mean(axis=0)
        assert np.linalg.svd(spread, compute_uv=False)[-1] < 15  # thin, or crossing itself into nothing
        return
    assert corners.shape == (4, 2)
    y, x = corners.T
    assert np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) > 0  # clockwise
    if len(points) != 4:
        a, b = corners, np.roll(corners, -1, axis=0)
        sides = b - a
        for point in points:
            inside = sides[:, 1] * (point[0] - a[:, 0]) - sides[:, 0] * (point[1] - a[:, 1])
            assert (inside >= -1e-6 * max(1, np.abs(sides).max())).all()


@pytest.mark.parametrize(
    "points", [[(0, 0), (5, 5)], [(1, 1)] * 4, [(0, 0), (0, 5), (0, 9)], [(0, 0), (np.nan, 1), (3, 3)]]
)
def test_what_has_no_area_is_refused(points):
    with pytest.raises(DetectionsError, match="mark"):
        four_corners(np.array(points, float), "plate")


def test_a_pulled_corner_of_a_face_keeps_it_a_box():
    before = np.array([(0, 0), (0, 10), (10, 10), (10, 0)], float)
    after = before.copy()
    after[2] = (6, 7)
    assert corner_moved(before, after).tolist() == [[0, 0], [0, 7], [6, 7], [6, 0]]


# ---- preview


def decoded(data: bytes, turn: int) -> np.ndarray:
    return colour(Image.open(io.BytesIO(data)), turn)


@pytest.mark.parametrize("name", ["bus-stop.jpg", "car-park.png", "camera-7.jpg"])
@pytest.mark.parametrize("effect", ["gaussian", "pixelate"])
def test_the_preview_is_what_a_saved_file_shows(name, effect, encode):
    scene = next(scene for scene in scenes() if scene.name == name)
    source = Image.open(io.BytesIO(scene.data))
    # lossless, so that both can be compared pixel by pixel
    data = encode(source.copy(), "PNG", exif=source.getexif())
    shown = load_shown(data)
    settings = BlurSettings(effect=effect, plates=9, faces=9)
    preview = Redaction(shown)
    assert preview.update(scene.truth, settings) > 0
    saved = decoded(redact(data, scene.truth, settings).data, shown.turn)
    assert np.array_equal(preview.pixels, saved)


def test_edits_one_by_one_end_where_all_at_once_would(encode, noise):
    shown = load_shown(encode(noise(300, 400)))
    items = [
        Detection("plate", box_polygon(20, 20, 120, 60)),
        Detection("plate", box_polygon(100, 40, 200, 90)),
        Detection("face", box_polygon(190, 80, 260, 170)),
        Detection("face", box_polygon(320, 200, 380, 280), keep=True),
    ]
    settings = BlurSettings(plates=6, faces=6)
    steps = Redaction(shown)
    for state in (items[:1], items, items[1:], [items[2]], [items[0], items[2]], items):
        steps.update(Detections(state), settings)
        whole = Redaction(shown)
        whole.update(Detections(state), settings)
        assert np.array_equal(steps.pixels, whole.pixels)
    assert steps.update(Detections(items), settings) == 0
    steps.update(Detections(), settings)
    assert np.array_equal(steps.pixels, shown.pixels)


def test_only_what_changed_is_rendered(encode, noise):
    shown = load_shown(encode(noise(300, 400)))
    far = Detection("plate", box_polygon(300, 200, 380, 240))
    near = Detection("plate", box_polygon(20, 20, 100, 60))
    preview = Redaction(shown)
    assert preview.update(Detections([far, near]), BlurSettings()) == 2
    moved = Detection("plate", box_polygon(22, 20, 102, 60))
    assert preview.update(Detections([far, moved]), BlurSettings()) == 1


# ---- layers of others


def test_a_layer_that_shows_stored_pixels_is_known_by_its_file(tmp_path, encode, noise):
    pixels = noise(200, 300)
    path = tmp_path / "lying.png"
    path.write_bytes(tagged(pixels, 6, encode))
    as_stored = shown_in_layer(path, pixels)
    assert (as_stored.turn, as_stored.picture.orientation) == (1, 6)
    upright = shown_in_layer(path, load_shown(path).pixels)
    assert upright.turn == 6
    with pytest.raises(PictureError, match="no longer shows"):
        shown_in_layer(path, 255 - pixels)
