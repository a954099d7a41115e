"""Reading plates: our own scenes, which say what is on them, real photographs, and what cannot be read."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from blur_tools import ExtraMissingError, ModelError, detect
from blur_tools.detections import box_polygon
from blur_tools.detectors import reading
from blur_tools.detectors.reading import Reading, read_plate
from blur_tools.orientation import polygon_to_stored, turn_stored
from blur_tools.picture import load_picture
from blur_tools.samples import scenes

# file -> beginning of the SHA-256 of what a person reads there: nobody's number shall stand here
TEXTS = {
    "1065.jpg": "ed9a1f68ee1c",
    "1116.jpg": "3b5c2ed3c25a",
    "1155.jpg": "d80eb551ccd0",
    "1205.jpg": "c6ec3d88cb6e",
    "1227.jpg": "ea8e3abd4292",
    "1371.jpg": "8403cff7df96",
    "143.jpg": "61d1ea513a01",
    "1497.jpg": "cfb73fb3a483",
    "1641.jpg": "2a3d662db059",
    "1704.jpg": "10e0ea9ee8da",
    "1902.jpg": "01d1f4e8685f",
    "2010.jpg": "c70a1eb19d30",
    "234.jpg": "724300c6bcaf",
    "2668.jpg": "7a459a44b681",
    "2685.jpg": "3ee638c3cfc7",
    "771.jpg": "58d77fd3cb64",
    "780.jpg": "25761ec052f9",
    "881.jpg": "d30031ebc941",
}


def plates() -> list[tuple]:
    """Every plate of our scenes: its picture, corners and text."""
    found = []
    for scene in scenes():
        picture = load_picture(scene.data)
        found += [(picture, item.polygon, normal(item.text)) for item in scene.truth.plates]
    return found


def normal(text: str) -> str:
    return "".join(char for char in text.lower() if char.isalnum())


def test_our_scenes_read_exactly():
    found = plates()
    assert len(found) >= 10
    for picture, polygon, text in found:
        result = read_plate(picture, polygon)
        assert result is not None, text
        assert result.text == text
        assert 0.9 < result.score <= 1


def test_two_lines_are_joined_from_top_to_bottom():
    two = [item for item in plates() if item[0].source.data == scenes()[4].data]
    assert [read_plate(picture, polygon).text for picture, polygon, _ in two] == ["hhkm274", "zg583ab"]


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_plate_is_read_as_a_person_sees_it(encode, orientation):
    """Stored lying, upside down or mirrored: the tag says how to turn it, and the corners are of the stored pixels."""
    picture, polygon, text = plates()[0]
    upright = picture.view(picture.upright_size)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = turn_stored(upright, orientation)
    again = load_picture(encode(stored, "PNG", compress_level=1, exif=exif))
    assert read_plate(again, polygon_to_stored(polygon, stored.size, orientation)).text == text


def test_corners_that_begin_elsewhere_are_turned():
    picture, polygon, text = plates()[0]
    for start in range(4):
        assert read_plate(picture, (*polygon[start:], *polygon[:start])).text == text


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_box_drawn_in_the_stored_pixels_is_read_too(encode, orientation):
    """Such a box begins at its own top left, which is another corner of the plate."""
    picture, polygon, text = plates()[0]
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = turn_stored(picture.view(picture.upright_size), orientation)
    xs, ys = zip(*polygon_to_stored(polygon, stored.size, orientation), strict=True)
    again = load_picture(encode(stored, "PNG", compress_level=1, exif=exif))
    assert read_plate(again, box_polygon(min(xs), min(ys), max(xs), max(ys))).text == text


def test_only_the_part_with_the_plate_is_looked_at(monkeypatch):
    picture, polygon, _ = plates()[0]
    real, seen = type(picture).view, []
    monkeypatch.setattr(type(picture), "view", lambda self, size, box: seen.append(size) or real(self, size, box))
    assert read_plate(picture, polygon)
    assert len(seen) == 1
    assert seen[0][0] * seen[0][1] < 0.02 * picture.size[0] * picture.size[1]


def test_what_our_own_network_finds_can_be_read():
    for scene in scenes()[:3]:
        picture = load_picture(scene.data)
        read = {
            item.text for item in (read_plate(picture, found.polygon) for found in detect(scene.data).plates) if item
        }
        assert {normal(item.text) for item in scene.truth.plates} <= read


def test_real_plates_are_read(shared):
    """The four plates of a photograph, by what our network finds; their texts were read by eye."""
    data = (shared / "photos" / "parked-cars-4k.jpg").read_bytes()
    picture = load_picture(data)
    read = [read_plate(picture, found.polygon) for found in detect(data).plates]
    sure = [item.text for item in read if item and item.score > 0.9]
    assert len(sure) >= 3
    assert all(5 <= len(text) <= 8 and text.isalnum() and text == text.lower() for text in sure)


def test_most_plates_of_real_photographs_are_read_without_a_mistake(shared):
    """Within their labelled, loose and upright boxes; one or two lines, tilted, with place names below."""
    labels = json.loads((shared / "eval" / "open-lpr" / "labels.json").read_bytes())
    files = {image["id"]: image["file_name"] for image in labels["images"]}
    boxes = {files[item["image_id"]]: item["bbox"] for item in labels["annotations"]}
    right = 0
    for name, digest in TEXTS.items():
        x, y, width, height = boxes[name]
        result = read_plate(load_picture(shared / "eval" / "open-lpr" / name), box_polygon(x, y, x + width, y + height))
        right += result is not None and hashlib.sha256(result.text.encode()).hexdigest().startswith(digest)
    assert right >= len(TEXTS) - 2


@pytest.mark.parametrize(
    "polygon",
    [
        box_polygon(10, 10, 10, 10),
        box_polygon(10, 10, 100, 11),
        box_polygon(10, 10, 11, 100),
        box_polygon(-200, -50, -100, -20),
        box_polygon(5000, 5000, 5200, 5050),
        ((10, 10), (100, 10), (10, 40), (100, 40)),
        ((10, 10), (100, 40), (100, 10), (10, 40)),
        ((10, 40), (100, 40), (100, 10), (10, 10)),
        ((10, 10), (100, 10), (40, 15), (10, 60)),
        box_polygon(-1e8, -1e8, 1e8, 1e8),
        ((0, 0), (200, 90), (201, 91), (0, 7)),
    ],
)
def test_what_is_no_plate_to_be_read_gives_nothing(encode, noise, polygon):
    picture = load_picture(encode(noise(120, 220)))
    assert read_plate(picture, polygon) is None


def test_a_plate_without_text_gives_nothing(encode):
    picture = load_picture(encode(np.full((100, 300, 3), 200, np.uint8)))
    assert read_plate(picture, box_polygon(50, 30, 250, 70)) is None


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "CMYK"])
def test_pictures_of_other_modes_are_read(encode, mode):
    picture, polygon, text = plates()[1]
    image = picture.view(picture.upright_size).convert(mode)
    kind = "TIFF" if mode == "CMYK" else "PNG"
    assert read_plate(load_picture(encode(image, kind)), polygon).text == text


def test_only_letters_and_digits_are_kept(encode):
    image = Image.new("RGB", (420, 120), "white")
    ImageDraw.Draw(image).text((20, 25), "AB-12.CD", fill="black", font_size=64)
    result = read_plate(load_picture(encode(image)), box_polygon(5, 10, 410, 110))
    assert result.text == "ab12cd"


def test_several_threads_read_at_once():
    found = plates() * 2
    with ThreadPoolExecutor(6) as pool:
        read = list(pool.map(lambda item: read_plate(item[0], item[1]).text, found))
    assert read == [text for _, _, text in found]


def test_the_missing_extra_is_named(monkeypatch):
    picture, polygon, _ = plates()[0]
    for network in (reading._FINDER, reading._READER):
        monkeypatch.setattr(network, "_session", None)
    monkeypatch.setattr(reading, "find_spec", lambda name: None)
    with pytest.raises(ExtraMissingError, match=r"reading plates needs the extra \[ocr\]"):
        read_plate(picture, polygon)


def test_other_weights_than_the_expected_are_refused(monkeypatch):
    picture, polygon, _ = plates()[0]
    monkeypatch.setattr(reading._FINDER, "_session", None)
    monkeypatch.setattr(reading._FINDER, "sha256", "0" * 64)
    with pytest.raises(ModelError, match="is not the expected file"):
        read_plate(picture, polygon)


def test_nothing_is_printed_logged_or_written(tmp_path):
    """In a process of its own with an empty home; nor is any code of rapidocr's or OpenCV loaded."""
    code = (
        "import logging, os, sys; logging.basicConfig(level=0)\n"
        "from blur_tools.samples import scenes\n"
        "from blur_tools.picture import load_picture\n"
        "from blur_tools.detectors.reading import read_plate\n"
        "scene = scenes()[0]\n"
        "assert read_plate(load_picture(scene.data), scene.truth.plates[0].polygon).text == 'karl482'\n"
        "assert not {'cv2', 'rapidocr'} & set(sys.modules)\n"
        "assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'\n"
    )
    folder = Path(find_spec("rapidocr").submodule_search_locations[0])
    before = sorted(folder.rglob("*"))
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("ORT_", "XDG_"))}
    environment["HOME"] = str(tmp_path)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert "karl482" not in done.stdout + done.stderr
    assert "482" not in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []
    assert sorted(path for path in folder.rglob("*") if "__pycache__" not in path.parts) == [
        path for path in before if "__pycache__" not in path.parts
    ]


def test_a_reading_is_a_plain_value():
    assert Reading("ab123", 0.9) == Reading(text="ab123", score=0.9)
