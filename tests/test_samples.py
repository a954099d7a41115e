"""The sample scenes: what `blur_tools.samples` promises about their files and their truth."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from blur_tools.detections import Detection
from blur_tools.samples import Scene, scenes, write_scenes

NAMES = [
    "two-cars.jpg",
    "avenue.jpg",
    "evening.jpg",
    "bus-stop.jpg",
    "car-park.png",
    "camera-7.jpg",
    "empty-street.jpg",
]

# the scenes are painted once a process; this names them without painting
every_scene = pytest.mark.parametrize("name", NAMES)


def scene(name: str) -> Scene:
    return next(item for item in scenes() if item.name == name)


def opened(name: str) -> Image.Image:
    return Image.open(io.BytesIO(scene(name).data))


def twice_the_area(detection: Detection) -> float:
    """Twice the polygon's area; positive where its corners run clockwise in a picture."""
    corners = list(detection.polygon)
    following = [*corners[1:], corners[0]]
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(corners, following, strict=True))


def flat(detection: Detection, image: Image.Image, size: tuple[int, int] = (208, 48)) -> np.ndarray:
    """What lies in the polygon, seen from the front, as grey values."""
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = detection.polygon
    # Pillow's QUAD wants top left, bottom left, bottom right, top right
    corners = (x0, y0, x3, y3, x2, y2, x1, y1)
    seen = image.convert("L").transform(size, Image.Transform.QUAD, corners, Image.Resampling.BICUBIC)
    return np.asarray(seen, np.float64)


def test_the_scenes_in_order():
    assert [item.name for item in scenes()] == NAMES
    assert scenes() is scenes()


def test_another_process_makes_the_same_bytes():
    code = (
        "import hashlib; from blur_tools.samples import scenes;"
        "print(*(hashlib.sha256(item.data).hexdigest() for item in scenes()))"
    )
    # hashes of texts differ between processes: nothing may hang on the order of a set
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split() == [hashlib.sha256(item.data).hexdigest() for item in scenes()]


def test_importing_loads_no_scikit_image():
    code = "import sys, blur_tools.samples; print('skimage' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("name", "kind", "mode", "orientation"),
    [
        ("two-cars.jpg", "JPEG", "RGB", None),
        ("avenue.jpg", "JPEG", "RGB", None),
        ("evening.jpg", "JPEG", "RGB", None),
        ("bus-stop.jpg", "JPEG", "RGB", 6),
        ("car-park.png", "PNG", "RGBA", None),
        ("camera-7.jpg", "JPEG", "L", None),
        ("empty-street.jpg", "JPEG", "RGB", None),
    ],
)
def test_formats(name: str, kind: str, mode: str, orientation: int | None):
    image = opened(name)
    assert (image.format, image.mode) == (kind, mode)
    assert image.getexif().get(ExifTags.Base.Orientation) == orientation
    long, short = max(image.size), min(image.size)
    assert 960 <= long <= 1920
    assert 640 <= short <= 1280
    image.load()


def test_the_png_is_transparent_at_its_corners_only():
    alpha = np.asarray(opened("car-park.png").getchannel("A"))
    assert [alpha[y, x] for y, x in ((0, 0), (0, -1), (-1, 0), (-1, -1))] == [0] * 4
    assert (alpha == 255).mean() > 0.99


def test_the_thumbnail_is_a_second_copy():
    exif = opened("two-cars.jpg").getexif()
    directory = exif.get_ifd(ExifTags.IFD.IFD1)
    start, length = directory[ExifTags.Base.JpegIFOffset], directory[ExifTags.Base.JpegIFByteCount]
    data = scene("two-cars.jpg").data
    # offsets count from the TIFF header, which follows "Exif\0\0"
    tiff = data.index(b"Exif\0\0") + 6
    small = Image.open(io.BytesIO(data[tiff + start : tiff + start + length]))
    assert (small.format, max(small.size)) == ("JPEG", 240)
    large = opened("two-cars.jpg").convert("RGB").resize(small.size, Image.Resampling.BOX)
    assert np.abs(np.asarray(small, np.int16) - np.asarray(large, np.int16)).mean() < 12


def test_the_position_is_in_the_exif():
    exif = opened("two-cars.jpg").getexif()
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    assert gps[ExifTags.GPS.GPSLatitudeRef] == "N"
    assert tuple(map(float, gps[ExifTags.GPS.GPSLatitude])) == (51, 28, 40)
    assert exif[ExifTags.Base.Model] == "Sample camera"


def test_the_other_pictures_carry_nothing_but_the_orientation():
    for item in scenes()[1:]:
        assert set(Image.open(io.BytesIO(item.data)).getexif()) <= {ExifTags.Base.Orientation}, item.name


@every_scene
def test_truth_lies_in_the_stored_picture_clockwise(name: str):
    width, height = opened(name).size
    for detection in scene(name).truth:
        xmin, ymin, xmax, ymax = detection.box
        assert 0 <= xmin < xmax <= width
        assert 0 <= ymin < ymax <= height
        assert twice_the_area(detection) > 0
        assert detection.source == "truth"
        assert detection.score is None


def test_what_is_in_the_scenes():
    counts = {item.name: (len(item.truth.plates), len(item.truth.faces)) for item in scenes()}
    assert counts == {
        "two-cars.jpg": (2, 1),
        "avenue.jpg": (3, 2),
        "evening.jpg": (2, 1),
        "bus-stop.jpg": (1, 1),
        "car-park.png": (2, 1),
        "camera-7.jpg": (2, 1),
        "empty-street.jpg": (0, 0),
    }
    texts = [detection.text for item in scenes() for detection in item.truth.plates]
    assert all(text and text == text.lower() for text in texts)
    assert len(set(texts)) == len(texts)


@every_scene
def test_plates_can_be_read(name: str):
    for detection in scene(name).truth.plates:
        grey = flat(detection, opened(name))
        dark, bright = np.percentile(grey, [8, 70])
        assert bright - dark > 90, detection.text
        # characters make many edges from left to right
        middle = grey[18:34, 24:-12]
        threshold = (dark + bright) / 2
        edges = (np.diff(middle > threshold, axis=1)).sum(axis=1)
        assert edges.max() >= 8, detection.text


def test_the_lying_plate_begins_at_its_own_top_left():
    (detection,) = scene("bus-stop.jpg").truth.plates
    # the blue band with the stars is at a plate's left
    colors = opened("bus-stop.jpg")
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = detection.polygon
    tile = colors.transform((208, 48), Image.Transform.QUAD, (x0, y0, x3, y3, x2, y2, x1, y1), Image.Resampling.BICUBIC)
    red, _, blue = np.asarray(tile, np.float64)[8:40, 5:14].mean(axis=(0, 1))
    assert blue > red + 40
    red, _, blue = np.asarray(tile, np.float64)[8:40, -14:-5].mean(axis=(0, 1))
    assert red > blue + 40


@every_scene
def test_faces_have_the_color_of_skin(name: str):
    for detection in scene(name).truth.faces:
        xmin, ymin, xmax, ymax = (round(value) for value in detection.box)
        assert min(xmax - xmin, ymax - ymin) >= 20
        face = opened(name).crop((xmin, ymin, xmax, ymax))
        if face.mode == "L":
            continue
        middle = np.asarray(face.convert("RGB"), np.float64)
        rows, columns = middle.shape[0] // 3, middle.shape[1] // 3
        red, green, blue = middle[rows : 2 * rows, columns : 2 * columns].mean(axis=(0, 1))
        assert red > green > blue


def test_writing_makes_a_small_tree(tmp_path: Path):
    paths = write_scenes(tmp_path / "new" / "photos")
    assert [path.relative_to(tmp_path / "new" / "photos").as_posix() for path in paths] == [
        "north/two-cars.jpg",
        "north/avenue.jpg",
        "north/evening.jpg",
        "south/bus-stop.jpg",
        "south/car-park.png",
        "south/fixed/camera-7.jpg",
        "empty-street.jpg",
    ]
    assert [path.read_bytes() for path in paths] == [item.data for item in scenes()]
    # again over what is there
    assert write_scenes(str(tmp_path / "new" / "photos")) == paths
