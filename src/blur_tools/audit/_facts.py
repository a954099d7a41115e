"""What a report and a receipt say of a run without saying who or what is in it: settings, engines, reviewers."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from blur_tools import __version__
from blur_tools.audit._state import PERSON
from blur_tools.detections import KINDS, Detection
from blur_tools.settings import BlurSettings

__all__ = ["Pseudonyms", "engine_of", "plain_settings", "versions"]

_PERSONS = f"{PERSON}:"
_TEXTS = {"skip_regexp", "config", "camera_id", "snapshot_filename"}
"""Parameters whose values can hold a plate's text or a name: it is only said that they were given."""


def plain_settings(settings: BlurSettings) -> dict[str, Any]:
    """The settings, without anything that could identify somebody.

    What decides how a region is hidden is said in any case, since defaults may change; of the rest what differs from
    its default.
    """
    said: dict[str, Any] = {name: getattr(settings, name) for name in ("effect", "plates", "faces", "shape", "feather")}
    said["margin"] = {kind: settings.margin_of(kind) for kind in KINDS}
    for name, value in settings.to_dict().items():
        if name in said:
            continue
        if name in _TEXTS:
            said[name] = f"{len(value)} given" if name == "skip_regexp" else "given"
        elif name == "logo":
            data = settings.logo if isinstance(settings.logo, bytes) else _bytes_of(settings.logo)
            said[name] = "given" if data is None else f"sha256:{hashlib.sha256(data).hexdigest()}"
        else:
            said[name] = list(value) if isinstance(value, tuple) else value
    return said


def _bytes_of(path: Any) -> bytes | None:
    try:
        return Path(path).read_bytes() if path else None
    except (OSError, ValueError, TypeError):
        return None


def engine_of(item: Detection) -> str:
    """Who found a detection, with the version of the network where it is known; a person without a name."""
    return PERSON if item.source.startswith(_PERSONS) else item.source or "not said"


def versions() -> dict[str, str]:
    """What can change a result: this package, what it decodes and computes with, and the machine's kind."""
    found = {"blur_tools": __version__, "python": platform.python_version(), "machine": platform.machine()}
    for name in ("numpy", "Pillow", "onnxruntime"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


class Pseudonyms:
    """Other names for reviewers: those that were chosen, else numbers in the order in which they are met.

    Parameters
    ----------
    chosen : mapping of str to str, optional
        Names to pseudonyms.
    """

    def __init__(self, chosen: Mapping[str, str] | None = None) -> None:
        self._names = dict(chosen or {})
        self._met = 0

    def of(self, name: str | None) -> str:
        """The pseudonym of a reviewer; ``""`` where nobody is named."""
        if not name:
            return ""
        while name not in self._names:
            self._met += 1
            new = f"reviewer {self._met}"
            if new not in self._names.values():
                self._names[name] = new
        return self._names[name]

    def source(self, source: str) -> str:
        """`Detection.source` with the pseudonym of the person in it."""
        return f"{_PERSONS}{self.of(source[len(_PERSONS) :])}" if source.startswith(_PERSONS) else source

    def met(self, names: Iterable[str | None]) -> list[str]:
        """The pseudonyms of several, each once."""
        return list(dict.fromkeys(self.of(name) for name in names if name))
