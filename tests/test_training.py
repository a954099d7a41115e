"""What the plate networks are trained on: drawn the same each time, labelled where things are."""

from __future__ import annotations

import json
from importlib import resources

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2", minversion="5", reason="training needs OpenCV 5: the group test-training")

from training import crops, data, distractors, pasting  # noqa: E402
from training.augment import photograph  # noqa: E402
from training.designs import bank  # noqa: E402
from training.finds import find_all  # noqa: E402
from training.kept_out import kept_out  # noqa: E402
from training.manifest import keep_finder  # noqa: E402
from training.scenes import SIDE, UNSURE, Scenes  # noqa: E402
from training.targets import target  # noqa: E402

from blur_tools.detectors import check, plates  # noqa: E402
from blur_tools.detectors.tiles import boxes_of  # noqa: E402
from blur_tools.picture import load_picture  # noqa: E402
from blur_tools.samples import scenes as sample_scenes  # noqa: E402

RED = (20, 20, 230)
CORNERS = np.float32([[60, 50], [160, 62], [156, 96], [56, 84]])


def picture(group="open-lpr", exact=True) -> data.Picture:
    """A grey street with one red plate."""
    pixels = np.full((240, 320, 3), 120, np.uint8)
    cv2.fillConvexPoly(pixels, np.int32(CORNERS), RED)
    return data.Picture("a.jpg", group, pixels, (data.Plate(CORNERS, exact),))


@pytest.fixture(scope="module")
def textures():
    return bank(0, 6)


@pytest.fixture(scope="module")
def drawn(textures):
    """What samples of the check are made with: plates, and what is none."""
    return textures, distractors.bank(0, 12)


@pytest.fixture
def folder(tmp_path):
    """A data set as the shared one is laid out, with one picture and one plate in each set."""
    for group in data.SETS:
        path = tmp_path / "train" / group
        path.mkdir(parents=True)
        cv2.imwrite(str(path / "x.png"), picture().pixels)
        labels = {
            "images": [{"id": 1, "file_name": "x.png", "width": 320, "height": 240}],
            "categories": [{"id": 1, "name": "license_plate"}, {"id": 2, "name": "face"}],
            "annotations": [
                {
                    "id": 1, "image_id": 1, "category_id": 1, "bbox": [56, 50, 104, 46],
                    "segmentation": [CORNERS.ravel().tolist()], "attributes": {"shape": "quad"},
                },
                {
                    "id": 2, "image_id": 1, "category_id": 2, "bbox": [0, 0, 10, 10],
                    "segmentation": [[0, 0, 10, 0, 10, 10, 0, 10]], "attributes": {"shape": "box"},
                },
            ],
        }  # fmt: skip
        (path / "labels.json").write_text(json.dumps(labels), "utf-8")
    return tmp_path


def test_a_packed_file_holds_pictures_and_plates_and_is_the_same_each_time(folder, tmp_path):
    first, second = tmp_path / "1.zip", tmp_path / "2.zip"
    data.pack(folder, first)
    data.pack(folder, second)
    assert data.fingerprint(first) == data.fingerprint(second)
    loaded = data.load(first)
    assert [one.group for one in loaded] == list(data.SETS)
    for one in loaded:
        assert one.pixels.shape == (240, 320, 3)
        (plate,) = one.plates  # the face is none
        assert plate.exact
        assert plate.corners == pytest.approx(CORNERS, abs=0.01)
        assert one.boxes == pytest.approx(np.array([[56, 50, 160, 96]]), abs=0.01)


def test_an_unreadable_picture_ends_it_with_its_name(folder, tmp_path):
    (folder / "train" / "open-lpr" / "x.png").write_bytes(b"no picture")
    with pytest.raises(SystemExit, match=r"x\.png"):
        data.pack(folder, tmp_path / "out.zip")
    assert not (tmp_path / "out.zip").exists()


def test_frames_and_copies_are_kept_out_together_and_about_one_in_eight_is():
    for names in ([f"ride{number}.mp4#t={second}.jpg" for second in range(20)] for number in range(40)):
        assert len({kept_out(name) for name in names}) == 1
    assert kept_out("p_jpg.rf.abc.jpg") == kept_out("p_jpg.rf.def.jpg")
    share = np.mean([kept_out(f"{number}.jpg") for number in range(4000)])
    assert 0.10 < share < 0.15


def test_corners_are_clockwise_from_the_top_left():
    turned = CORNERS[[2, 0, 3, 1]]
    assert data.clockwise(turned) == pytest.approx(CORNERS)


@pytest.fixture(scope="module")
def scenes(textures):
    pictures = [picture(group) for group in ("open-lpr", "romanian-dashcam", "egyptian-motorcycles", "ccpd-quads")]
    return Scenes([*pictures, data.Picture("f", "faces", picture().pixels, ())], textures, {}, seed=3)


def test_a_scene_is_the_same_each_time_it_is_drawn(scenes):
    for number in range(4):
        one, again = scenes[number], scenes[number]
        assert (one.pixels == again.pixels).all()
        assert one.pixels.shape == (SIDE, SIDE, 3)
    assert not (scenes[0].pixels == scenes[1].pixels).all()


def test_what_may_be_a_plate_is_neither_asked_for_nor_denied(textures):
    pictures = [picture(group) for group in ("open-lpr", "romanian-dashcam", "egyptian-motorcycles", "ccpd-quads")]
    plateless = data.Picture("f", "faces", picture().pixels, ())
    known = Scenes([*pictures, plateless], textures, {"a.jpg": np.float32([[200, 150, 260, 180]])}, seed=3)
    left_open = [corners for number in range(40) for corners, trust in known[number].plates if trust == UNSURE]
    assert len(left_open) > 20
    quad = np.float32([[100, 100], [200, 100], [200, 140], [100, 140]])
    wanted = target([(quad, UNSURE)], SIDE)
    assert not wanted.score.any()
    assert not wanted.weight.any()
    assert not wanted.asked[0, 13:17, 13:24].any()
    assert wanted.asked[0, :11].all()


def test_the_plates_of_a_scene_are_where_its_labels_say(scenes, monkeypatch):
    monkeypatch.setattr("training.scenes.photograph", lambda pixels, rng: pixels)
    monkeypatch.setattr("training.scenes.cover", lambda *_: None)
    monkeypatch.setattr(Scenes, "_with_new_designs", lambda self, one, rng: (one.pixels, [(CORNERS, 1.0)]))
    seen = 0
    for number in range(60):
        scene = scenes[number]
        for corners, trust in scene.plates:
            middle = corners.mean(axis=0)
            inside = corners * 0.5 + middle * 0.5
            if trust < 1 or not ((inside > 1) & (inside < SIDE - 2)).all() or cv2.contourArea(corners) < 300:
                continue
            points = np.int32(np.round(inside - 0.5))
            colours = scene.pixels[points[:, 1], points[:, 0]].astype(int)
            red = (colours[:, 2] - colours[:, 0]) > 60
            seen += red.all()
    assert seen > 15


def test_a_find_is_shown_in_training_as_it_is_later(textures):
    pixels = np.random.default_rng(5).integers(0, 255, (240, 320, 3)).astype(np.uint8)
    pixels = cv2.GaussianBlur(pixels, (0, 0), 3)
    served = load_picture(np.ascontiguousarray(pixels[:, :, ::-1]))
    for corners in (CORNERS, CORNERS * 1.8 - 40, CORNERS * 0.3 + 100, np.roll(CORNERS, 1, axis=0)):
        frame = check.straight(np.float64(corners))
        trained, later = crops._laid(pixels, *frame), np.asarray(check._laid(served, *frame))[:, :, ::-1]
        apart = np.abs(trained.astype(int) - later.astype(int))
        assert apart.mean() < 3
        assert np.percentile(apart, 99) < 25


def test_the_shipped_networks_see_what_training_and_package_take_them_to_see():
    ((scores, corners),) = [check.NETWORK.run(np.zeros((2, check.HEIGHT, check.WIDTH, 3), np.uint8))]
    assert (scores.shape, corners.shape) == ((2,), (2, 4, 2))
    heat, offsets = plates.NETWORK.run(np.zeros((1, 64, 96, 3), np.uint8))
    assert heat.shape == (1, 1, 64 // plates.STRIDE, 96 // plates.STRIDE)
    assert offsets.shape == (1, 8, *heat.shape[2:])


@pytest.fixture(scope="module")
def samples(drawn):
    wrong = np.float32([[[200, 150], [300, 150], [300, 190], [200, 190]]])
    found = crops.Finds(np.concatenate([wrong, CORNERS[None] + 4]), np.float32([0.2, 0.9]))
    pictures = [picture(group) for group in crops.GROUPS]
    return crops.Crops(pictures, [found] * len(pictures), *drawn, {}, seed=1)


def test_samples_of_the_check_hold_both_kinds_and_their_corners_are_right(samples, monkeypatch):
    monkeypatch.setattr("training.crops.photograph", lambda pixels, rng: pixels)
    monkeypatch.setattr("training.crops.cover", lambda *_: None)
    monkeypatch.setattr(crops, "SHARES", {"plate": 0.5, "none": 0.5})
    monkeypatch.setattr("training.crops.softened", lambda pixels, factor: pixels)
    kinds = []
    for number in range(80):
        crop = samples[number]
        kinds.append(crop.is_plate)
        assert crop.pixels.shape == (72, 112, 3)
        if not crop.is_plate:
            assert not ((crop.pixels[20:52, 30:82, 2].astype(int) - crop.pixels[20:52, 30:82, 0]) > 60).mean() > 0.5
            continue
        at = (crop.corners * 0.7 + crop.corners.mean(axis=0) * 0.3) * (112 / 2, 72 / 2) + (56, 36)
        inside = ((at > 2) & (at < (110, 70))).all(axis=1)
        columns, rows = np.int32(at[inside] - 0.5).T
        colours = crop.pixels[rows, columns].astype(int)
        assert (colours[:, 2] - colours[:, 0] > 60).all()
    assert 20 < sum(kinds) < 60


def test_what_is_drawn_as_no_plate_is_shown_as_none(textures, monkeypatch):
    monkeypatch.setattr(crops, "SHARES", {"distractor": 1.0})
    monkeypatch.setattr("training.crops.photograph", lambda pixels, rng: pixels)
    monkeypatch.setattr("training.crops.softened", lambda pixels, factor: pixels)
    laid, lay = [], pasting.add_distractor
    monkeypatch.setattr("training.crops.add_distractor", lambda *given: laid.append(lay(*given)) or laid[-1])
    cyan = distractors.Distractor(
        np.full((40, 120, 3), (250, 250, 10), np.uint8), np.full((40, 120), 255, np.uint8), ""
    )
    none = [crops.Finds(np.float32([[[200, 150], [300, 150], [300, 190], [200, 190]]]), np.float32([0.2]))]
    samples = crops.Crops([picture()], none, textures, [cyan], {}, seed=1)
    shown = 0
    for number in range(60):
        crop = samples[number]
        assert not crop.is_plate
        middle = crop.pixels[32:40, 50:62].astype(int)
        shown += ((middle[:, :, 0] - middle[:, :, 2]) > 60).mean() > 0.7
    where = sum(corners is not None for corners in laid)
    assert shown > 15
    assert shown > 0.8 * where


def test_a_find_beside_the_picture_is_laid_straight_too():
    beside = np.float32([[100, -300], [400, -300], [400, -250], [100, -250]])
    crop = crops._negative(np.zeros((480, 640, 3), np.uint8), beside, np.random.default_rng(0))
    assert crop.pixels.shape == (72, 112, 3)


def test_nothing_is_laid_where_nobody_labelled_a_plate(drawn, monkeypatch):
    monkeypatch.setattr(crops, "SHARES", {"distractor": 0.5, "anywhere": 0.5})
    asked, lay = [], pasting.add_distractor
    monkeypatch.setattr("training.crops.add_distractor", lambda *given: asked.append(given[1]) or lay(*given))
    none = [crops.Finds(np.float32([[[200, 150], [300, 150], [300, 190], [200, 190]]]), np.float32([0.2]))]
    samples = crops.Crops([picture()], none, *drawn, {"a.jpg": np.float32([[10, 150, 90, 190]])}, seed=1)
    for number in range(20):
        assert not samples[number].is_plate
    assert asked
    assert all(len(plates) == 2 for plates in asked)


def test_what_is_drawn_as_no_plate_touches_none(drawn):
    rng = np.random.default_rng(2)
    added = 0
    for number in range(120):
        pixels = picture().pixels
        before = pixels.copy()
        corners = pasting.add_distractor(pixels, [CORNERS], drawn[1][number % 12], rng)
        changed = (pixels != before).any(axis=2)
        assert not changed[52:94, 62:154].any()
        added += changed.any()
        if corners is None:
            assert not changed.any()
    assert added > 30


def test_a_sample_is_the_same_each_time(samples):
    one, again = samples[7], samples[7]
    assert (one.pixels == again.pixels).all()
    assert (one.corners == again.corners).all()


def test_unlabelled_plates_are_no_wrong_finds(drawn):
    wrong = np.float32([[[200, 150], [300, 150], [300, 190], [200, 190]]])
    found = [crops.Finds(wrong, np.float32([0.5]))]
    known = {"a.jpg": np.float32([[205, 152, 298, 188]])}
    assert len(crops.Crops([picture()], found, *drawn, {}, 0).wrong) == 1
    assert len(crops.Crops([picture()], found, *drawn, known, 0).wrong) == 0


def test_what_is_behind_shows_where_the_mask_lets_it():
    pixels, texture = np.zeros((100, 100, 3), np.uint8), np.full((40, 80, 3), 255, np.uint8)
    mask = np.full((40, 80), 255, np.uint8)
    mask[:, :40] = 0
    corners = np.float32([[20, 30], [80, 30], [80, 60], [20, 60]])
    pasting.paste(pixels, corners, texture, np.random.default_rng(1), mask)
    assert not pixels[:, :46].any()
    assert pixels[35:55, 55:75].all()


def test_a_pasted_plate_fills_its_corners():
    pixels = np.zeros((100, 100, 3), np.uint8)
    texture = np.full((40, 80, 3), 255, np.uint8)
    corners = np.float32([[20, 30], [80, 30], [80, 60], [20, 60]])
    pasting.paste(pixels, corners, texture, np.random.default_rng(1))
    filled = pixels[:, :, 0] > 0
    rows, columns = np.nonzero(filled)
    assert (columns.min(), columns.max() + 1) == pytest.approx((20, 80), abs=1)
    assert (rows.min(), rows.max() + 1) == pytest.approx((30, 60), abs=1)


def test_photographs_keep_shape_and_range():
    for number in range(30):
        seen = photograph(picture().pixels, np.random.default_rng(number))
        assert seen.shape == (240, 320, 3)
        assert seen.dtype == np.uint8


def test_a_run_keeps_to_one_finder(tmp_path):
    one, other, place = (tmp_path / name for name in ("one.onnx", "other.onnx", "run.onnx"))
    one.write_bytes(b"1")
    other.write_bytes(b"2")
    for _ in range(2):
        keep_finder(one, place)
        assert place.read_bytes() == b"1"
    keep_finder(place, place)
    with pytest.raises(SystemExit, match="another detector"):
        keep_finder(other, place)
    assert place.read_bytes() == b"1"


def test_the_finds_of_a_finder_are_collected_from_pictures():
    finder = resources.files("blur_tools") / "models" / plates.NETWORK.file
    scene = next(scene for scene in sample_scenes() if load_picture(scene.data).orientation == 1)
    pixels = np.ascontiguousarray(np.asarray(load_picture(scene.data).image.convert("RGB"))[:, :, ::-1])
    (found,) = find_all(finder, [data.Picture("a", "open-lpr", pixels, ())], workers=1)
    assert len(found.corners) == len(found.scores)
    labels = [item.box for item in scene.truth if item.kind == "plate"]
    assert labels
    assert (crops.overlaps(np.float32(labels), boxes_of(found.corners)).max(axis=1) > 0.3).all()
