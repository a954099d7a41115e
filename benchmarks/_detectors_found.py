"""The plate detectors that `detectors.py` compares, and the faces: one function each, all with the same form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from _detectors_fixed import GIVEN, ONE_PASS, Finder, agentclpr, before, platedet
from _results import HERE

from blur_tools import BlurSettings, Detections, engine
from blur_tools.detections import Detection
from blur_tools.detectors import faces, plates
from blur_tools.picture import Picture


@dataclass(frozen=True)
class Detector:
    """One that is compared.

    Attributes
    ----------
    key, name : str
        For files, and for tables.
    make : callable
        Gives what finds.
    code : tuple of Path
        What its findings depend on, beside the picture: they are computed again when any of it changes.
    threshold : float
        What it is used with.
    swept : bool
        Whether it is followed over all thresholds; one that takes seconds a picture is seen at its own alone.
    """

    key: str
    name: str
    make: Callable[[], Finder]
    code: tuple[Path, ...]
    threshold: float
    swept: bool = True


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
        with patch.multiple(plates, SMALL_SIDE=ONE_PASS, LARGE_SIDES=(ONE_PASS,)):
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


PACKAGE = HERE.parent / "src" / "blur_tools"
FIXED_CODE = tuple(HERE / name for name in ("_detectors_fixed.py", "_detectors_sweep.py", "rivals.py"))
ENGINE_CODE = (
    *(HERE / name for name in ("_detectors_found.py", "_detectors_sweep.py")),
    *(PACKAGE / name for name in ("picture.py", "settings.py", "engines/local.py")),
    *sorted([*PACKAGE.glob("detectors/*.py"), *PACKAGE.glob("models/*.onnx")]),
)

HANDED_OVER, ONE = "before: handed over, 640", "after: one pass at 640"
DEFAULT, THOROUGH = "after: default", "after: thorough"
DETECTORS = [
    Detector("before", HANDED_OVER, before, FIXED_CODE, GIVEN),
    Detector("one_pass", ONE, one_pass, ENGINE_CODE, _own()),
    Detector("default", DEFAULT, engine_with, ENGINE_CODE, _own()),
    Detector("agentclpr", "agentclpr 1.1.0", agentclpr, FIXED_CODE, GIVEN),
    Detector("platedet", "platedet 0.0.2", platedet, FIXED_CODE, GIVEN),
]
if "thorough" in {parameter.name for parameter in BlurSettings.parameters()}:
    own = _own(thorough=True)
    DETECTORS.insert(3, Detector("thorough", THOROUGH, lambda: engine_with(thorough=True), ENGINE_CODE, own, False))
