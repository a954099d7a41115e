"""The second look at a find: what is shown to the network, and what becomes of its answer."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from blur_tools.detectors import check
from blur_tools.detectors.tiles import Candidate
from blur_tools.picture import Picture, load_picture

UNTOUCHED = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]], np.float32)


@pytest.fixture
def seen(monkeypatch) -> list[np.ndarray]:
    """Replace the network by one that leaves every find as it is; what it was shown is noted."""
    shown: list[np.ndarray] = []

    def run(pixels):
        shown.append(pixels)
        return [np.linspace(0.9, 0.5, len(pixels), dtype=np.float32), np.repeat(UNTOUCHED[None], len(pixels), axis=0)]

    monkeypatch.setattr(check.NETWORK, "run", run)
    return shown


def quad(middle, along, down) -> np.ndarray:
    middle, along, down = np.array(middle, float), np.array(along, float), np.array(down, float)
    return np.array([middle + x * along + y * down for x, y in UNTOUCHED])


def candidate(corners) -> Candidate:
    return Candidate(tuple((float(x), float(y)) for x, y in corners), 0.1)


def scene(size=(400, 300)) -> Picture:
    """Red to the right, green downwards: a pixel tells where it was."""
    columns, rows = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    pixels = np.stack([columns * 255 / size[0], rows * 255 / size[1], np.full(columns.shape, 7)], axis=2)
    image = Image.fromarray(pixels.round().astype(np.uint8))
    return load_picture(np.asarray(image))


@pytest.mark.parametrize("turn", [0, 30, -60, 90])
@pytest.mark.parametrize("width", [20, 60, 150])
def test_a_find_is_laid_straight_with_as_much_again_around_it(seen, turn, width):
    cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    along, down = np.array([cos, sin]) * width, np.array([-sin, cos]) * width / 3
    corners = quad((210, 140), along, down)
    (answer,) = check.checked(scene(), [candidate(corners)])
    shown = seen[0][0]
    assert shown.shape == (72, 112, 3)
    # the middle of the crop is the middle of the find, a quarter in from each side are its corners
    for (x, y), (column, row) in zip(corners, ((28, 18), (84, 18), (84, 54), (28, 54)), strict=True):
        if not (0 <= x < 399 and 0 <= y < 299):
            continue
        around = shown[row - 1 : row + 1, column - 1 : column + 1].mean(axis=(0, 1))
        assert around[0] / 255 * 400 == pytest.approx(x - 0.5, abs=1.6)
        assert around[1] / 255 * 300 == pytest.approx(y - 0.5, abs=1.6)
    reached = quad((210, 140), along * check.REACH[0], down * check.REACH[1])
    assert np.array(answer.polygon) == pytest.approx(reached, abs=1e-3)
    assert answer.score == pytest.approx(0.1 * 0.9**0.5)


def test_corners_are_moved_in_the_finds_own_directions(monkeypatch):
    moved = UNTOUCHED * (1.2, 0.5) + (0.1, 0)
    monkeypatch.setattr(check.NETWORK, "run", lambda pixels: [np.float32([0.7]), np.float32([moved])])
    corners = quad((200, 150), (0, 80), (-30, 0))  # stands on its side
    (answer,) = check.checked(scene(), [candidate(corners)])
    reached = quad((200, 158), (0, 96 * check.REACH[0]), (-15 * check.REACH[1], 0))
    assert np.array(answer.polygon) == pytest.approx(reached, abs=1e-3)


def test_a_find_outside_is_left_out_and_the_others_keep_their_order(seen):
    first, last = quad((100, 100), (60, 0), (0, 20)), quad((300, 200), (60, 0), (0, 20))
    outside = quad((900, 100), (60, 0), (0, 20))
    answers = check.checked(scene(), [candidate(corners) for corners in (first, outside, last)])
    assert [np.mean(answer.polygon, axis=0).tolist() for answer in answers] == [[100, 100], [300, 200]]
    assert check.checked(scene(), [candidate(outside)]) == []
    assert check.checked(scene(), []) == []


def test_a_find_cut_by_the_border_shows_grey_beyond_it(seen):
    check.checked(scene(), [candidate(quad((0, 150), (80, 0), (0, 40)))])
    shown = seen[0][0]
    assert (shown[:, 30:40, :50] == 114).all()
    assert (shown[0, 30:40, 60:] == 7).all()


@pytest.mark.parametrize("flat", [(0, 0), (1e-7, 0)])
def test_a_find_without_area_is_no_error(seen, flat):
    assert check.checked(scene(), [candidate(quad((100, 100), flat, (0, 0)))]) == []


def test_a_find_is_never_taken_for_flatter_or_taller_than_plates_are():
    for height, expected in ((1, 16), (50, 50), (400, 130)):
        _, sides = check.straight(quad((0, 0), (100, 0), (0, height)))
        assert sides[1] == pytest.approx([0, expected])
