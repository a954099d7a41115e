"""What tests of the notebook's widgets without a browser share: the page at the other end, engines, and pictures."""

from __future__ import annotations

import base64
import gc
import io
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from ipywidgets.widgets import widget
from PIL import Image

from blur_tools import Detections
from blur_tools.detections import box_polygon
from blur_tools.engines import Answer
from blur_tools.errors import EngineError
from blur_tools.samples import scenes, write_scenes

PLATE, FACE = box_polygon(10, 20, 50, 30), box_polygon(100, 40, 120, 70)
"""What the fixture `networks` finds."""


class Page:
    """Stands for the browser at the other end of a view."""

    def __init__(self, view) -> None:
        self.view = view
        self.got: list[SimpleNamespace] = []
        view.send = lambda content, buffers=(): self.got.append(SimpleNamespace(**content, buffers=list(buffers)))

    @property
    def drawn(self) -> int:
        """Which picture the page has drawn last; it says so with all that it asks for."""
        turns = [message.turn for message in self.got if getattr(message, "is") == "picture"]
        return self.view.turn if self.view.problem else turns[-1] if turns else -1

    def say(self, do: str, **facts) -> None:
        """What `model.send` of the page does."""
        self.view._handle_custom_msg({"do": do, "turn": self.drawn, **facts}, [])

    def pictures(self) -> dict[str, np.ndarray]:
        """What is seen now, by side."""
        seen = {}
        for message in self.got:
            if getattr(message, "is") == "picture":
                for side, data in zip(message.sides, message.buffers, strict=True):
                    seen[side] = np.asarray(Image.open(io.BytesIO(data)), dtype=int)
        return seen

    def words(self) -> dict:
        return [message.words for message in self.got if getattr(message, "is") == "words"][-1]


@pytest.fixture
def picture(tmp_path, encode, noise):
    path = tmp_path / "street.png"
    path.write_bytes(encode(noise(200, 300)))
    return path


def state_of(widget) -> str:
    """All that a notebook saves of a widget and those in it, pixels as base64."""
    found, todo = [], [widget]
    while todo:
        one = todo.pop()
        found.append({key: _plain(value) for key, value in one.get_state().items()})
        todo += list(getattr(one, "children", ()))
    return json.dumps(found, default=str)


def _plain(value):
    return base64.b64encode(value).decode() if isinstance(value, bytes | memoryview) else value


class Down:
    """An engine that cannot work."""

    name, versions = "down", {}

    def detect(self, picture, settings):
        raise EngineError("the service is asleep")


class Finds:
    """An engine that finds these, but for what it is told not to look for."""

    name, versions = "finds", {}

    def __init__(self, found) -> None:
        self.found = Detections(found)
        self.down = False

    def detect(self, picture, settings):
        if self.down:
            raise EngineError("the service is asleep")
        return Answer(Detections([one for one in self.found if settings.intensity(one.kind) >= 0]))


@pytest.fixture
def table(tmp_path):
    paths = write_scenes(tmp_path / "pictures")
    truth = {scene.name: scene.truth.to_json() for scene in scenes()}
    broken = tmp_path / "pictures" / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 no picture")
    rows = [{"image": str(path), "detections": truth[path.name], "error": None} for path in paths]
    return pd.DataFrame([*rows, {"image": str(broken), "detections": None, "error": "a broken JPEG file"}])


def open_widgets() -> int:
    gc.collect()
    return len(widget._instances)


def thumbs(page: Page) -> list[SimpleNamespace]:
    return [message for message in page.got if getattr(message, "is") == "thumb"]
