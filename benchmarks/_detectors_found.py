"""The plate detectors that `detectors.py` compares, and the faces: one function each, all with the same form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from _detectors_fixed import GIVEN, ONE_PASS, Finder, agentclpr, before, platedet

from blur_tools import BlurSettings, Detections, engine
from blur_tools.detections import Detection
from blur_tools.detectors import faces, plates
from blur_tools.picture import Picture


@dataclass(frozen=True)
class Detector:
    """A detector by name: how it is made, the threshold that it is used with, and whether it is always the same."""

    name: str
    make: Callable[[], Finder]
    threshold: float = GIVEN
    fixed: bool = False


def engine_with(**settings: Any) -> Finder:
    """The local engine as users get it, with these settings."""
    local = engine("local")

    def find(picture: Picture, threshold: float) -> Detections:
        wanted = BlurSettings(plates=0, faces=-1, plate_threshold=threshold, **settings)
        return local.detect(picture, wanted).detections

    return find


def one_pass() -> Finder:
    """The local engine held to one pass at 640, whatever the picture's size."""
    default = engine_with()

    def find(picture: Picture, threshold: float) -> Detections:
        with patch.multiple(plates, SMALL_SIDES=(ONE_PASS,), LARGE_SIDES=(ONE_PASS,)):
            return default(picture, threshold)

    return find


def centerface(picture: Picture, threshold: float) -> Detections:
    """Faces by CenterFace alone, the reference that an engine's faces are held against."""
    if faces.NETWORK.file != "centerface.onnx":
        raise SystemExit("the engine's faces are no longer CenterFace's: the reference needs weights of its own")
    width, height = picture.upright_size
    found = faces.find_faces(picture, (0, 0, width, height), threshold)
    return Detections(Detection("face", item.polygon, min(item.rank, 1.0), "centerface") for item in found)


def engine_faces(picture: Picture, threshold: float) -> Detections:
    """Faces by the local engine as users get it."""
    return engine("local").detect(picture, BlurSettings(plates=-1, faces=0, face_threshold=threshold)).detections


def _own(**settings: Any) -> float:
    """Threshold that the engine takes by itself with these settings."""
    return BlurSettings(**settings).threshold_of("plate")


HANDED_OVER, ONE = "before: handed over, 640", "after: one pass at 640"
DEFAULT, THOROUGH = "after: default", "after: thorough"
DETECTORS = [
    Detector(HANDED_OVER, before, fixed=True),
    Detector(ONE, one_pass, _own()),
    Detector(DEFAULT, engine_with, _own()),
    Detector("agentclpr 1.1.0", agentclpr, fixed=True),
    Detector("platedet 0.0.2", platedet, fixed=True),
]
if "thorough" in {parameter.name for parameter in BlurSettings.parameters()}:
    DETECTORS.insert(3, Detector(THOROUGH, lambda: engine_with(thorough=True), _own(thorough=True)))
