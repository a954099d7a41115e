"""Drawn licence plates: every style, reproducible, filling its texture, in the scripts that it names."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("cv2", minversion="5")
pytest.importorskip("matplotlib")

from training import _lettering, distractors
from training.designs import STYLES, bank, draw


@pytest.mark.parametrize("style", STYLES)
def test_a_style_draws_plates_of_one_kind_that_are_never_the_same(style):
    plates = [draw(np.random.default_rng(seed), style) for seed in range(12)]
    for plate in plates:
        height, width = plate.texture.shape[:2]
        assert plate.style == style
        assert plate.texture.dtype == np.uint8
        assert plate.texture.shape[2] == 3
        assert 90 <= height <= 150
        assert 0.8 <= width / height <= 5.1
        inner = plate.texture[height // 6 : -height // 6, width // 6 : -width // 6]
        assert inner.mean(2).std() > 4, "a plate without a number"
    assert len({plate.texture.tobytes() for plate in plates}) == len(plates)


def test_a_seed_gives_the_same_plates_again_and_another_gives_others():
    first, again, other = bank(7, 12), bank(7, 12), bank(8, 12)
    assert [plate.style for plate in first] == [plate.style for plate in again]
    assert all(np.array_equal(a.texture, b.texture) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a.texture, b.texture) for a, b in zip(first, other, strict=True))


def test_styles_are_drawn_by_their_shares():
    assert sum(STYLES.values()) == pytest.approx(1)
    drawn = [plate.style for plate in bank(3, 400)]
    assert set(drawn) == set(STYLES)
    for style, share in STYLES.items():
        assert abs(drawn.count(style) / 400 - share) < 4 * (share * (1 - share) / 400) ** 0.5


@pytest.mark.parametrize("kind", distractors.KINDS)
def test_a_kind_of_what_is_no_plate_is_drawn_and_seen_through_its_mask(kind):
    drawn = [distractors.draw(np.random.default_rng(seed), kind) for seed in range(12)]
    for one in drawn:
        assert one.kind == kind
        assert one.texture.dtype == one.mask.dtype == np.uint8
        assert one.texture.shape == (*one.mask.shape, 3)
        assert min(one.mask.shape) >= 8
        assert one.mask.max() > 60, "it cannot be seen"
    assert len({one.texture.tobytes() + one.mask.tobytes() for one in drawn}) == len(drawn)


def test_what_is_no_plate_is_drawn_by_its_shares_and_the_same_again():
    assert sum(distractors.KINDS.values()) == pytest.approx(1)
    first, again = distractors.bank(5, 400), distractors.bank(5, 400)
    assert all(np.array_equal(a.texture, b.texture) for a, b in zip(first, again, strict=True))
    assert all(np.array_equal(a.mask, b.mask) for a, b in zip(first, again, strict=True))
    kinds = [one.kind for one in first]
    assert set(kinds) == set(distractors.KINDS)
    for kind, share in distractors.KINDS.items():
        assert abs(kinds.count(kind) / 400 - share) < 4 * (share * (1 - share) / 400) ** 0.5


def test_arabic_words_are_joined_and_run_from_right_to_left():
    # final reh, medial sad, initial meem: Egypt's name as it is seen from the left
    assert _lettering._as_seen("مصر") == "\ufeae\ufebc\ufee3"
    # dal joins nothing after it, so beh starts anew
    assert _lettering._as_seen("دبي") == "\ufef2\ufe91\ufea9"


@pytest.mark.parametrize("characters", ["京沪粤苏", "あさひも", "品川札幌", "가나서울", "ابجه", "٠١٢٣٥", "۴۵۶"])
def test_the_fonts_hold_the_scripts(characters):
    masks = [_lettering.glyph(char, "sans", 700) for char in characters]
    unknown = _lettering.glyph("?", "sans", 700)
    assert len({mask.tobytes() for mask in [*masks, unknown]}) == len(masks) + 1
    assert all(mask.max() > 200 for mask in masks)


def test_drawing_needs_no_torch():
    code = "import sys, training.designs; training.designs.bank(1, 3); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
