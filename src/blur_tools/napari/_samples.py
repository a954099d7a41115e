"""Our own sample scenes in napari's File menu."""

from __future__ import annotations

from functools import partial
from typing import Any

from blur_tools.napari._pictures import load_shown
from blur_tools.samples import scenes

__all__ = ["avenue", "bus_stop", "camera_7", "car_park", "evening", "two_cars"]


def _scene(name: str) -> list[tuple[Any, dict[str, Any], str]]:
    scene = next(scene for scene in scenes() if scene.name == name)
    shown = load_shown({"bytes": scene.data, "path": scene.name})
    return [(shown.pixels, {"name": scene.name, "rgb": True}, "image")]


two_cars = partial(_scene, "two-cars.jpg")
avenue = partial(_scene, "avenue.jpg")
evening = partial(_scene, "evening.jpg")
bus_stop = partial(_scene, "bus-stop.jpg")
car_park = partial(_scene, "car-park.png")
camera_7 = partial(_scene, "camera-7.jpg")
