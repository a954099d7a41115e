"""A layer that somebody opened, as pictures of a session: its file where it shows one, else its pixels."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from blur_tools.audit.session import AuditSession, Item
from blur_tools.errors import BlurError
from blur_tools.napari._desk import Desk
from blur_tools.napari._pictures import Pixels, Shown, as_pixels, frames_of, plane_of, shown_in_layer
from blur_tools.napari._window import Window
from blur_tools.sources import safe_name

__all__ = ["Adopted", "adopted_pictures", "desk_for"]


@dataclass(frozen=True)
class Adopted:
    """A session with a picture for each frame, and what gives a frame's pixels."""

    session: AuditSession
    pixels: Callable[[int], Pixels]


def adopted_pictures(layer: Any) -> Iterator[Adopted | None]:
    """Read a layer, one frame at each step; slow, so it is done in a thread.

    Yields
    ------
    Adopted or None
        None behind each frame but the last.

    Raises
    ------
    PictureError
        It is neither a picture nor a stack ``(t, y, x[, c])``, or it lies across the plane that is seen.
    """
    count = frames_of(layer)
    plane_of(layer)
    path = _file_of(layer)
    if count == 1 and path is not None:
        try:
            shown_in_layer(path, as_pixels(layer))
            known = Adopted(AuditSession.open([path]), lambda frame: as_pixels(layer))
        except BlurError:
            pass  # it shows something else by now: its pixels are what counts
        else:
            yield known
            return
    stem = Path(safe_name(layer.name)).stem
    names = [f"{stem}.png"] if count == 1 else [f"{stem}-{frame:05d}.png" for frame in range(count)]
    sources = []
    for frame, name in enumerate(names):
        if frame:
            yield None
        sources.append({"bytes": _png(as_pixels(layer, frame)), "path": name})
    yield Adopted(AuditSession.open(sources), lambda frame: as_pixels(layer, frame))


def desk_for(window: Window, layer: Any, pictures: Adopted) -> Desk:
    """A desk with the pictures of a layer; they are searched only when a person asks."""
    session = pictures.session
    frames = {item.key: frame for frame, item in enumerate(session.items)}

    def load(item: Item) -> Shown:
        return shown_in_layer(item.source, pictures.pixels(frames[item.key]))

    desk = Desk(window, session, image=layer, load=load, auto=False)
    desk.frames = frames
    desk.follow_frame()
    return desk


def _file_of(layer: Any) -> str | None:
    path = getattr(layer.source, "path", None)
    return str(path) if path and Path(path).is_file() else None


def _png(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
