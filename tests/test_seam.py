"""The seam of a panorama: one object at its left and right border, found and hidden on both sides."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from blur_tools import BlurSettings, PictureError, blur, detect, samples
from blur_tools.detections import box_polygon
from blur_tools.detectors.seam import both_sides, seam
from blur_tools.detectors.snapshot import Snapshot
from blur_tools.detectors.tiles import Candidate
from blur_tools.engines.fake import FakeBlur
from blur_tools.engines.local import LocalEngine
from blur_tools.orientation import turn_stored
from blur_tools.picture import load_picture


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(400, 200), (401, 77), (3, 2)])
def test_the_right_end_lies_left_of_the_left_end(encode, noise, size, orientation):
    width, height = size
    upright = noise(height, width)
    stored = turn_stored(Image.fromarray(upright), orientation)
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = load_picture(encode(np.asarray(stored), "PNG", exif=exif))
    half = max(1, round(width / 4))
    expected = np.concatenate([upright[:, width - half :], upright[:, :half]], axis=1)
    assert np.array_equal(np.asarray(seam(picture).image), expected)


def test_what_lies_across_is_placed_on_both_sides_and_the_rest_left_out():
    across = Candidate(box_polygon(90, 10, 120, 20), 0.8, {"box": {"xmin": 90, "ymin": 10, "xmax": 120, "ymax": 20}})
    beside = [Candidate(box_polygon(10, 10, 100, 20), 0.9), Candidate(box_polygon(100, 10, 140, 20), 0.9)]
    placed = both_sides([across, *beside], 400)
    assert [item.polygon for item in placed] == [box_polygon(390, 10, 420, 20), box_polygon(-10, 10, 20, 20)]
    assert [(item.result["box"]["xmin"], item.score) for item in placed] == [(390, 0.8), (-10, 0.8)]


@pytest.fixture(scope="module")
def rolled() -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """One of our scenes as a panorama that is cut in the middle of a plate, and where the plate was before."""
    scene = next(scene for scene in samples.scenes() if detect(scene.data).plates)
    pixels = np.asarray(Image.open(io.BytesIO(scene.data)).convert("RGB"))
    plate = max(detect(scene.data).plates, key=lambda item: item.score)
    middle = round((plate.box[0] + plate.box[2]) / 2)
    return np.roll(pixels, -middle, axis=1), plate.box


def test_a_plate_across_the_seam_is_hidden_on_both_sides(rolled, encode):
    pixels, (xmin, ymin, xmax, ymax) = rolled
    width = pixels.shape[1]
    result = blur(encode(pixels, "PNG"), panorama=True, effect="fill", faces=-1)
    left, right = (np.asarray(Image.open(io.BytesIO(result.data)).convert("RGB"))[:, part] for part in (
        slice(0, round((xmax - xmin) / 2)), slice(width - round((xmax - xmin) / 2), width)))  # fmt: skip
    rows = slice(round(ymin + 0.1 * (ymax - ymin)), round(ymax - 0.1 * (ymax - ymin)))
    for side in (left, right):
        hidden = side[rows].reshape(-1, 3)
        assert len(np.unique(hidden, axis=0)) == 1
    boxes = [item.box for item in result.detections]
    assert any(box[0] < 0 for box in boxes)
    assert any(box[2] > width for box in boxes)


def test_the_seam_of_a_tall_picture_is_searched_too(encode, networks):
    """No JPEG is as tall; only what is sent somewhere is made one."""
    picture = load_picture(encode(np.zeros((66_000, 64, 3), np.uint8), "PNG"))
    LocalEngine().detect(picture, BlurSettings(panorama=True))
    assert [call[0] for call in networks] == ["plate", "plate", "face", "face"]
    with FakeBlur() as sdk, pytest.raises(PictureError, match="cannot be sent as JPEG"):
        LocalEngine(Snapshot(sdk.url)).detect(picture, BlurSettings(panorama=True, faces=-1))


def test_a_service_knows_nothing_of_it_and_that_is_said(encode, noise):
    with FakeBlur() as service:
        result = blur(encode(noise(100, 200), "PNG"), engine=service.url, panorama=True)
    assert result.warnings == ("not used by a service: panorama",)


def test_snapshot_is_asked_for_the_seam_too(encode, noise):
    picture = load_picture(encode(noise(100, 200), "PNG"))

    def results(call):
        across = Image.open(io.BytesIO(call.files["upload"][1])).width == 100
        return [{"box": {"xmin": 40, "ymin": 20, "xmax": 62, "ymax": 30}, "score": 0.9}] if across else []

    with FakeBlur(results=results) as sdk:
        finder = LocalEngine(Snapshot(sdk.url))
        found = finder.detect(picture, BlurSettings(faces=-1, panorama=True)).detections
        assert len(sdk.calls) == 2
    assert sorted(item.result["box"]["xmin"] for item in found) == [-10, 190]
