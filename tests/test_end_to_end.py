"""The main job with the real networks: on our own scenes, and where they are, on real photographs."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from blur_tools import BlurSettings, blur, detect, engine
from blur_tools.audit.coverage import CoverageReport, score_picture
from blur_tools.formats.coco import PictureLabels, read_coco
from blur_tools.picture import load_picture
from blur_tools.redaction.masks import regions
from blur_tools.samples import Scene, scenes

DEFAULTS = BlurSettings().or_default(10)


@pytest.mark.parametrize("scene", scenes(), ids=lambda scene: scene.name)
def test_every_object_of_a_scene_is_found_and_hidden(scene: Scene):
    size = load_picture(scene.data).size
    found = detect(scene.data)
    score = score_picture(PictureLabels(size, scene.truth), found, regions(found, DEFAULTS, size))
    assert all(item.coverage > 0.95 for item in score.objects)
    assert len(found) <= len(scene.truth) + 1


def _overlap(a, b) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(0, width) * max(0, height) / ((b[2] - b[0]) * (b[3] - b[1]))


@pytest.mark.parametrize("size", [(1, 1), (3, 700), (700, 3), (33, 31)])
def test_pictures_of_any_size_are_searched(encode, noise, size):
    result = blur(encode(noise(size[1], size[0]), "PNG"))
    assert Image.open(io.BytesIO(result.data)).size == size


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_same_picture_turned_gives_the_same_objects(encode, orientation):
    """All eight EXIF orientations of one scene: same objects, at their place in the stored pixels."""
    from blur_tools.orientation import polygon_to_stored, turn_stored

    (scene,) = [scene for scene in scenes() if scene.name.endswith("car-park.png")]
    upright = load_picture(scene.data).image.convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = turn_stored(upright, orientation)
    found = detect(encode(stored, "PNG", exif=exif))
    expected = detect(encode(upright, "PNG"))
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.kind == theirs.kind
        moved = polygon_to_stored(theirs.polygon, stored.size, orientation)
        np.testing.assert_allclose(ours.polygon, moved, atol=1.5)


def test_a_plate_cut_by_the_border_is_hidden_to_the_last_pixel(encode):
    (scene,) = [scene for scene in scenes() if scene.name.endswith("two-cars.jpg")]
    picture = load_picture(scene.data).image
    plate = max(scene.truth.plates, key=lambda item: item.box[2] - item.box[0])
    xmin, ymin, xmax, ymax = plate.box
    cut = picture.crop((0, 0, round(xmax - 0.25 * (xmax - xmin)), picture.height))
    found = [item for item in detect(encode(cut, "PNG")).plates if _overlap(item.box, plate.box) > 0.3]
    assert found
    (region,) = regions(found, DEFAULTS, cut.size)
    assert region.box[2] == cut.width
    column = np.asarray(region.mask)[:, -1]
    rows = np.arange(region.box[1], region.box[3])
    assert (column[(rows >= ymin + 3) & (rows < ymax - 3)] == 255).all()


@pytest.mark.parametrize(
    ("name", "coverage", "over_blur"),
    [("open-lpr", 0.88, 0.02), ("romanian-dashcam", 0.95, 0.02), ("faces", 0.90, 0.2)],
)
def test_coverage_on_real_photographs_has_not_fallen(shared, name, coverage, over_blur):
    """Every third labelled picture; bars a little under what benchmarks/quality.py measures on all."""
    folder = shared / "eval" / name
    labels = read_coco(folder / "labels.json")
    finder, scores = engine("local"), []
    kind = "face" if name == "faces" else "plate"
    settings = BlurSettings(plates=10 if kind == "plate" else -1, faces=10 if kind == "face" else -1)
    for picture_name in list(labels.pictures)[::3]:
        picture = load_picture(folder / picture_name)
        found = finder.detect(picture, settings).detections
        hidden = regions(found, settings, picture.size)
        scores.append(score_picture(labels.pictures[picture_name], found, hidden, group=name))
    (row,) = CoverageReport.of(scores).summary("set").to_dict("records")
    assert row["coverage"] >= coverage
    assert row["over_blur"] <= over_blur
